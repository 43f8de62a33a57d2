"""No cell grows with a run's length, and large values live apart, once."""

from typing import Any

import orjson
import pytest

from tocsin.errors import Defect, Invalid
from tocsin_executor.domain.codec import INLINE_LIMIT, decode_run, encode_cell
from tocsin_executor.domain.state import HEAD
from unit.engine.world import World, program_of


def size(world: World) -> int:
    """Bytes of the head."""
    return len(encode_cell(world.run, HEAD).body)


def test_the_head_of_a_long_loop_stays_small() -> None:
    """Whatever the number of iterations."""
    world = World(
        program_of([{"l": {"for": {"in": ".items"}, "do": [{"c": {"call": "noop", "with": "${ $index }"}}]}}]), checked=False
    )
    world.start({"items": list(range(2000))})
    sizes = []
    for _ in range(1500):
        world.answer(next(iter(world.work)))
        sizes.append(size(world))
    assert max(sizes) - min(sizes) < 100
    assert max(sizes) < 2000


def test_the_head_of_a_long_sequence_stays_small() -> None:
    """Finished tasks leave the state."""
    world = World(program_of([{f"t{n}": {"call": "noop"}} for n in range(300)]), checked=False)
    world.start({})
    sizes = []
    while world.work:
        sizes.append(size(world))
        world.answer(next(iter(world.work)))
    assert max(sizes) < 700


def test_a_large_value_is_written_once_and_shared() -> None:
    """By its digest; the next save only refers to it."""
    big: dict[str, Any] = {"text": "x" * INLINE_LIMIT}
    world = World(program_of([{"a": {"call": "noop"}}, {"b": {"call": "noop"}}]), body=lambda _: 1)
    world.start(big)
    first = encode_cell(world.run, HEAD)
    assert len(first.body) < 1000
    assert len(first.values) == 1
    second = encode_cell(world.run, HEAD)
    assert (second.values, second.refs) == ({}, first.refs)
    loaded = decode_run("r", [first.body], first.values)
    assert loaded.head is not None
    assert loaded.head.input == big
    assert loaded.head.context is loaded.head.input
    world.answer("h:3#1")
    assert encode_cell(world.run, HEAD).refs == first.refs


def test_a_missing_value_and_a_newer_format_are_defects() -> None:
    """Never half a run."""
    world = World(program_of([{"a": {"call": "noop"}}]))
    world.start({"text": "x" * INLINE_LIMIT})
    saved = encode_cell(world.run, HEAD)
    with pytest.raises(Defect):
        decode_run("r", [saved.body], {})
    newer = orjson.dumps({**orjson.loads(saved.body), "f": 99})
    with pytest.raises(Defect):
        decode_run("r", [newer], saved.values)


def test_data_that_looks_like_a_reference_stays_data() -> None:
    """Values are always wrapped."""
    world = World(program_of([{"a": {"call": "noop", "with": "${ . }"}}]), persist=True)
    world.start({"r": "digest", "i": {"r": 1}})
    world.finish()
    assert world.output == {"r": "digest", "i": {"r": 1}}


def test_forks_inside_forks_have_a_window() -> None:
    """What does not fit begins when something else has ended; a branch list itself has a limit."""
    inner = {"fork": {"branches": [{f"b{n}": {"call": "noop"}} for n in range(200)]}}
    outer = {"f": {"fork": {"branches": [{f"a{n}": dict(inner)} for n in range(8)]}}}
    world = World(program_of([outer]), checked=False)
    world.start({})
    alive = 0
    while world.status == "running":
        alive = max(alive, len(world.run.home.tokens))
        world.happen(*world.choices()[0])
    assert world.status == "completed"
    assert [len(part) for part in world.output] == [200] * 8
    assert 1_000 <= alive < 1_020
    with pytest.raises(Invalid):
        program_of([{"f": {"fork": {"branches": [{f"b{n}": {"set": 1}} for n in range(257)]}}}])
