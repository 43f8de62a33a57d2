"""Walking and drawing the graph."""

import json
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin_lineage.domain.graph import Direction, Edge, Picture, Walk, as_dot, as_mermaid, joined

CHAIN = [
    Edge("asset:raw", "job:clean"),
    Edge("job:clean", "asset:tidy"),
    Edge("asset:tidy", "job:report"),
    Edge("job:report", "asset:page"),
]


def walked(edges, start, direction, depth):
    walk = Walk(start, direction, depth)
    while not walk.done:
        near = {
            Direction.UPSTREAM: lambda e: e.target in walk.frontier,
            Direction.DOWNSTREAM: lambda e: e.source in walk.frontier,
            Direction.BOTH: lambda e: e.source in walk.frontier or e.target in walk.frontier,
        }[direction]
        walk.advance([edge for edge in edges if near(edge)])
    return walk.picture()


def test_depth_counts_assets_not_jobs():
    """One step downstream of raw is tidy, by way of clean."""
    picture = walked(CHAIN, "asset:raw", Direction.DOWNSTREAM, 1)
    assert picture.nodes == {"asset:raw": 0, "asset:tidy": 1, "job:clean": 1}


def test_upstream_goes_the_other_way():
    """Everything that a page is made of."""
    picture = walked(CHAIN, "asset:page", Direction.UPSTREAM, 5)
    assert set(picture.nodes) == {edge.source for edge in CHAIN} | {"asset:page"}


@settings(deadline=None)
@given(st.sets(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=30), st.integers(1, 20))
def test_cycles_end(pairs, depth):
    """Each node is visited once, whatever points where, and every edge shown joins two nodes shown."""
    edges = [Edge(f"asset:{a}", f"job:{b}") for a, b in pairs] + [Edge(f"job:{b}", f"asset:{a}") for a, b in pairs]
    picture = walked(edges, "asset:0", Direction.BOTH, depth)
    assert all(edge.source in picture.nodes and edge.target in picture.nodes for edge in picture.edges)


def test_names_cannot_break_out_of_a_drawing():
    """Quotes in keys are data."""
    picture = walked([Edge('asset:a"];evil', "job:b")], 'asset:a"];evil', Direction.DOWNSTREAM, 1)
    assert '\\"];evil' in as_dot(picture)
    assert "#quot;];evil" in as_mermaid(picture)


def test_graphviz_reads_what_it_is_given():
    """Whatever assets are called: all nodes and edges are there, under their names."""
    dot = shutil.which("dot")
    if dot is None:
        pytest.skip("there is no dot: it comes with Debian's package graphviz")
    odd = ["plain", 'a"];evil', "back\\", "<b>html</b>", "semi;colon {", "zwölf 🦆", "a -> b", "/* c */", "node"]
    edges = [Edge("job:maker", f"asset:{name}") for name in odd]
    done = subprocess.run(
        [dot, "-Tjson0"],
        input=as_dot(walked(edges, "job:maker", Direction.DOWNSTREAM, 1)),
        capture_output=True,
        text=True,
        check=True,
    )
    drawn = json.loads(done.stdout)
    assert len(drawn["objects"]) == len(odd) + 1
    assert len(drawn["edges"]) == len(odd)
    assert {"job:maker", 'asset:a"];evil', "asset:zwölf 🦆"} <= {one["name"] for one in drawn["objects"]}
    assert not done.stderr


def test_both_ways_is_what_it_comes_from_and_what_depends_on_it():
    """Together, each node as far away as on its shorter way."""
    up = Picture(
        "asset:b", {"asset:b": 0, "job:j": 1, "asset:a": 1}, (Edge("asset:a", "job:j"), Edge("job:j", "asset:b")), False
    )
    down = Picture("asset:b", {"asset:b": 0, "job:k": 1, "asset:a": 2}, (Edge("asset:b", "job:k"),), True)
    both = joined(up, down)
    assert both.nodes == {"asset:a": 1, "asset:b": 0, "job:j": 1, "job:k": 1}
    assert (len(both.edges), both.truncated) == (3, True)
