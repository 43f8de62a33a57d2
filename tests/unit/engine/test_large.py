"""Large values are references in the engine: handed on for nothing, looked into elsewhere, and never mistaken for data."""

from typing import Any

import orjson
import pytest

from tocsin_executor.domain import large
from tocsin_executor.domain.codec import encode_cell
from tocsin_executor.domain.effects import Emit, Record, StartRun
from tocsin_executor.domain.large import APART, Large, admit, dump_document, load_document, pack, unpack
from tocsin_executor.domain.state import HEAD
from unit.engine.world import World, program_of

BIG = {"text": "x" * (2 * APART), "n": 1}


def world_of(tasks: list[Any], **parts: Any) -> World:
    """A world that saves, forgets and loads after every input."""
    return World(program_of(tasks, **parts), persist=True)


def started(tasks: list[Any], data: Any = None, **parts: Any) -> World:
    """A run of these tasks with a large input, at its end."""
    world = world_of(tasks, **parts)
    world.start(world.shelf.keep(BIG if data is None else data))
    return world.finish()


def test_what_is_handed_on_is_never_looked_at() -> None:
    """Input, context, an output as it is: no evaluation, and a head of a few hundred bytes."""
    tasks = [
        {"a": {"call": "noop", "with": "${ . }", "export": {"as": "${ . }"}}},
        {"b": {"set": "${ $context }"}},
        {"c": {"set": "${ $workflow.input }", "input": {"from": "${ $input }"}}},
    ]
    world = world_of(tasks)
    world.start(world.shelf.keep(BIG))
    assert not world.asked
    (work,) = world.work.values()
    assert isinstance(work.spec, Large)
    assert len(encode_cell(world.run, HEAD).body) < 1_200
    world.finish()
    assert world.shelf.load(world.output) == BIG
    assert len(world.shelf.bodies) == 1


def test_what_looks_inside_gets_the_value() -> None:
    """Conditions, transformations, arguments, schemas: the same outcome as with a small one."""
    schema = {"document": {"type": "object", "required": ["n"]}}
    tasks = [
        {"skipped": {"if": ".n == 2", "set": 1}},
        {"a": {"call": "noop", "with": {"n": "${ .n }"}, "input": {"schema": schema}, "output": {"as": "${ .n + 1 }"}}},
    ]
    world = started(tasks)
    assert (world.status, world.output) == ("completed", 2)
    wrong = started([{"a": {"set": 1, "input": {"schema": {"document": {"type": "array"}}}}}])
    assert wrong.status == "faulted"
    assert "is not of type" in wrong.error["detail"]


def test_what_becomes_large_is_stored_apart() -> None:
    """A ``set``, an export, the branches of a fork together; and it is an array of what was inside."""
    half = "x" * (APART // 2)
    tasks: list[Any] = [{"s": {"set": {"a": "${ .h }", "b": "${ .h }", "c": "${ .h }"}, "export": {"as": "${ . }"}}}]
    world = started(tasks, {"h": half})
    assert isinstance(world.output, Large)
    assert world.shelf.load(world.output) == {"a": half, "b": half, "c": half}
    branches = [{f"b{n}": {"call": "noop", "with": "${ . }"}} for n in range(3)]
    world = started([{"f": {"fork": {"branches": branches}}}])
    assert world.shelf.load(world.output) == [BIG] * 3


def test_a_loop_takes_a_large_collection_page_by_page() -> None:
    """Also one whose items are large themselves."""
    items = [{"n": n, "text": "x" * 1_500} for n in range(110)]
    body = [{"c": {"call": "noop", "with": {"n": "${ $item.n }", "index": "${ $index }"}}}]
    world = started([{"l": {"for": {"in": "${ .items }"}, "do": body}}], {"items": items})
    assert world.output == {"n": 109, "index": 109}
    heavy = [{"n": n, "text": "x" * (2 * APART)} for n in range(3)]
    world = started([{"l": {"for": {"in": "${ .items }"}, "do": body}}], {"items": heavy})
    assert (world.status, world.output) == ("completed", {"n": 2, "index": 2})


def test_events_carry_where_their_large_data_is() -> None:
    """The extension ``dataref`` of CloudEvents, instead of ``data``."""
    world = started([{"e": {"emit": {"event": {"with": {"type": "a.b", "data": "${ . }"}}}}}])
    (emit,) = world.of(Emit)
    digest = next(iter(world.shelf.bodies))
    assert emit.event["dataref"] == f"/api/v1/runs/r/values/{digest}"
    assert "data" not in emit.event
    assert world.output["dataref"] == emit.event["dataref"]


def test_children_and_records_have_the_reference() -> None:
    """Nothing is copied on the way."""
    world = world_of([{"c": {"run": {"workflow": {"namespace": "n", "name": "w", "version": "1.0.0", "input": "${ . }"}}}}])
    world.start(world.shelf.keep(BIG))
    (child,) = world.of(StartRun)
    assert isinstance(child.input, Large)
    world.child(child.attempt, output=world.shelf.keep([BIG]))
    assert isinstance(world.of(Record)[-1].output, Large)
    assert set(world.run.head.large) == set(world.shelf.bodies)


def test_uris_with_names_of_a_large_input() -> None:
    """The names are taken from it, and a large request has its URI expanded."""
    call = {"call": "http", "with": {"method": "post", "endpoint": "http://x/{n}", "body": "${ . }"}}
    world = world_of([{"a": call}])
    world.start(world.shelf.keep(BIG))
    while world.asked:
        world.evaluate(next(iter(world.asked)))
    (work,) = world.work.values()
    assert world.shelf.load(work.spec)["endpoint"] == "http://x/1"


def test_a_run_has_a_limit_for_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the task that goes beyond it, with the number; what is there already counts once."""
    monkeypatch.setattr(large, "RUN_LIMIT", 3 * APART)
    tasks = [{"a": {"call": "noop", "with": "${ . }"}}, {"b": {"call": "noop", "with": "${ [.] }"}}]
    world = started(tasks)
    assert world.status == "faulted"
    assert f"the limit is {3 * APART}" in world.error["detail"]
    known = {"d": 5}
    assert admit(known, [Large("d", 5), Large("e", 7)]) is None
    assert known == {"d": 5, "e": 7}


@pytest.mark.parametrize("value", [1, {"r": "d", "n": 1}, {"dataref": "d", "size": 1}, {"l": [1]}, [{"i": 1}], "text", None])
def test_no_data_passes_for_a_reference(value: Any) -> None:
    """Whatever somebody sends stays what it is, beside references as well."""
    document = load_document(orjson.loads(dump_document({"output": value}, "output")))
    assert document == {"output": value}
    assert not isinstance(document["output"], Large)
    beside = load_document(orjson.loads(dump_document({"output": [value, Large("d", 1)]}, "output")))["output"]
    assert not isinstance(beside[0], Large)
    assert isinstance(beside[1], Large)
    assert unpack(orjson.loads(orjson.dumps(pack([value, {"x": Large("d", 1)}])))) == [value, {"x": Large("d", 1)}]
    world = world_of([{"a": {"call": "noop", "with": "${ . }"}}])
    world.start(value)
    world.finish()
    assert world.output == value
