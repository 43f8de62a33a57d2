"""Columns, schemas and assertions in facets."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin_lineage.domain.assertions import assertions_of
from tocsin_lineage.domain.columns import ColumnEdge, column_edges
from tocsin_lineage.domain.graph import ColumnWalk, Direction
from tocsin_lineage.domain.schema_history import Column, columns_of, difference, fingerprint


def source(field, **more):
    return {"namespace": "db", "name": "raw", "field": field, **more}


def test_column_lineage_has_the_transformation_of_each_step():
    """Of version 1-2-0, the older form, and columns that decide about the whole dataset."""
    facet = {
        "fields": {
            "total": {
                "inputFields": [
                    source("price", transformations=[{"type": "DIRECT", "subtype": "AGGREGATION", "masking": True}]),
                    source("kind", transformations=[{"type": "INDIRECT", "subtype": "FILTER"}]),
                ]
            },
            "old": {"inputFields": [source("x")], "transformationType": "IDENTITY", "transformationDescription": "as it is"},
        },
        "dataset": [source("day", transformations=[{"type": "INDIRECT", "subtype": "SORT"}])],
    }
    found = {(edge.source, edge.target): edge for edge in column_edges("db/tidy", {"columnLineage": facet})}
    assert found[("db/raw#price", "db/tidy#total")] == ColumnEdge(
        "db/raw#price", "db/tidy#total", "DIRECT", "AGGREGATION", None, True
    )
    assert found[("db/raw#kind", "db/tidy#total")].type == "INDIRECT"
    assert found[("db/raw#x", "db/tidy#old")].description == "as it is"
    assert found[("db/raw#day", "db/tidy#*")].subtype == "SORT"


def test_a_column_is_followed_through_assets():
    """And round a cycle once."""
    edges = [ColumnEdge("a#x", "b#y"), ColumnEdge("b#y", "c#z"), ColumnEdge("c#z", "a#x")]
    walk = ColumnWalk("c#z", Direction.UPSTREAM, 10)
    while not walk.done:
        walk.advance([edge for edge in edges if edge.target in walk.frontier])
    assert walk.nodes == {"c#z": 0, "b#y": 1, "a#x": 2}
    assert set(walk.edges) == set(edges)


def test_what_changed_between_two_schemas_is_said():
    """Added, removed, another type; nested columns by their path; the order does not matter."""
    before = columns_of({"schema": {"fields": [{"name": "id", "type": "int"}, {"name": "old", "type": "text"}]}})
    after = columns_of(
        {"schema": {"fields": [{"name": "a", "type": "struct", "fields": [{"name": "b"}]}, {"name": "id", "type": "long"}]}}
    )
    found = difference(before, after)
    assert (found.added, found.removed, found.changed) == (("a", "a.b"), ("old",), (("id", "int", "long"),))
    assert found.is_breaking
    assert not difference(before, (*before, Column("new", None))).is_breaking
    assert fingerprint(before) == fingerprint((Column("id", "int", "other words"), Column("old", "text")))


def test_assertions_are_results_of_checks():
    """By assertion and column; a warning is one."""
    facet = {
        "assertions": [
            {"assertion": "not_null", "column": "id", "success": True},
            {"assertion": "rows", "success": False, "severity": "warn"},
        ]
    }
    found = assertions_of({"dataQualityAssertions": facet})
    assert [(one.name, one.passed, one.is_error) for one in found] == [("not_null(id)", True, True), ("rows", False, False)]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["fields", "name", "inputFields", "transformations", "assertions", "field"]), inner)
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.sampled_from(["schema", "columnLineage", "dataQualityAssertions"]), JSON)
def test_facets_may_be_anything(name, value):
    """What cannot be understood is passed over, never a crash."""
    facets = {name: value}
    columns_of(facets)
    column_edges("key", facets)
    assertions_of(facets)
