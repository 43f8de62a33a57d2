"""What OpenLineage events say."""

import contextlib
import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin_lineage.domain.openlineage import InvalidLineageEvent, Stage, key_of_dataset, read_event

EVENT = {
    "eventType": "COMPLETE",
    "eventTime": "2026-03-02T09:00:00Z",
    "producer": "https://example.com/tool",
    "schemaURL": "https://example.com/schema",
    "run": {"runId": "0176a8c2-fe01-7439-87e6-56a1a1b4029f", "facets": {"parent": {"run": {"runId": "p1"}}}},
    "job": {"namespace": "prod", "name": "load.orders"},
    "inputs": [{"namespace": "s3://raw/", "name": "/orders", "facets": {"custom": {"x": 1}}}],
    "outputs": [{"namespace": "postgres://db:5432", "name": "shop.orders", "outputFacets": {"rows": {"rowCount": 5}}}],
}


def test_a_run_event_is_understood_and_kept_whole():
    """Stage, job, parent, datasets with every facet, and the document itself."""
    event = read_event(copy.deepcopy(EVENT))
    assert (event.stage, event.job, event.parent) == (Stage.COMPLETE, "prod/load.orders", "p1")
    assert [mention.key for mention in event.inputs] == ["s3://raw/orders"]
    assert event.outputs[0].facets == {"rows": {"rowCount": 5}}
    assert event.document == EVENT


def test_a_time_without_a_zone_is_utc():
    """Some senders leave it out."""
    event = read_event({**EVENT, "eventTime": "2026-03-02T09:00:00.123456"})
    assert event.time.isoformat() == "2026-03-02T09:00:00.123456+00:00"


def test_everything_that_is_wrong_is_said_at_once():
    """With pointers."""
    with pytest.raises(InvalidLineageEvent) as refused:
        read_event({"eventType": "DONE", "run": {}, "inputs": [{"name": "x"}]})
    assert [v.pointer for v in refused.value.violations] == ["/eventTime", "/run/runId", "/eventType", "/inputs/0"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.sampled_from(sorted(EVENT)), JSON)
def test_nonsense_is_refused_and_never_a_crash(member, value):
    """Any member may be anything."""
    with contextlib.suppress(InvalidLineageEvent):
        read_event({**EVENT, member: value})


def test_keys_are_bounded_and_told_apart():
    """Whatever a dataset is called: no control characters, no more than the limit, and no two names become one."""
    long = [key_of_dataset("s3://bucket", "x" * 2000 + tail) for tail in "ab"]
    assert len(set(long)) == 2
    assert {len(key) for key in long} == {512}
    assert key_of_dataset("a\x1fb\x00/", "/c\n") == "ab/c"
