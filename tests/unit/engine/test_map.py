"""``for`` with ``metadata.concurrency``: a window over the items, outputs in order, and a state that does not grow."""

from random import Random
from typing import Any

import pytest

from tocsin.errors import Invalid
from tocsin_executor.application.views import live_tasks_of
from tocsin_executor.domain.codec import encode_cell
from tocsin_executor.domain.effects import Dispatch, Record
from tocsin_executor.domain.explain import explain
from tocsin_executor.domain.inputs import Verb
from tocsin_executor.domain.remembered import counted
from tocsin_executor.domain.state import HEAD
from unit.engine.world import Failure, World, program_of

CALL = {"call": "noop", "with": {"n": "${ $item }", "i": "${ $index }"}}


def mapped(limit: int, items: str = "${ .items }", body: list[Any] | None = None, **more: Any) -> list[Any]:
    """A map over the input's items."""
    loop = {"for": {"in": items}, "do": body or [{"c": CALL}], "metadata": {"concurrency": limit}}
    return [{"m": {**loop, **more}}]


def shuffled(world: World, seed: int) -> int:
    """Let things happen in any order until the end; the most that was at work at once."""
    random, most = Random(seed), 0
    while world.choices():
        most = max(most, len(world.work))
        world.happen(*random.choice(world.choices()))
    return most


@pytest.mark.parametrize(("count", "limit"), [(0, 3), (1, 3), (7, 3), (50, 50), (51, 10), (130, 7)])
def test_outputs_are_in_the_order_of_the_items_whatever_ends_first(count: int, limit: int) -> None:
    """An array; never more than the limit at once, and as many as there may be."""
    world = World(program_of(mapped(limit)), persist=count < 100, checked=count < 100)
    world.start({"items": [n * 2 for n in range(count)]})
    most = shuffled(world, count)
    assert world.status == "completed"
    assert world.shelf.load(world.output) == [{"n": n * 2, "i": n} for n in range(count)]
    assert most == min(count, limit)


def test_each_item_is_the_input_of_its_first_task() -> None:
    """Not the output of another item, nothing is known of their order; and no record has the whole collection."""
    body = [{"a": {"set": "${ . + $workflow.input.k }"}}, {"b": {"set": "${ . * 10 }"}}]
    world = World(program_of(mapped(2, body=body)), persist=True)
    world.start({"items": [1, 2, 3], "k": 100})
    assert world.finish().output == [1010, 1020, 1030]
    assert [record.input for record in world.of(Record) if record.name == "a"] == [1, 2, 3]


def test_the_first_error_is_the_tasks_and_the_others_are_cancelled() -> None:
    """The run goes on in its ``catch``; it ends when all have confirmed."""

    def body(dispatch: Dispatch) -> Any:
        if dispatch.spec["n"] == 3:
            raise Failure({"type": "about:blank", "status": 500})
        return dispatch.spec

    caught = [{"t": {"try": mapped(3), "catch": {"do": [{"h": {"set": "${ $error.status }"}}]}}}]
    world = World(program_of(caught), body, persist=True)
    world.start({"items": [1, 2, 3, 4, 5, 6]})
    failing = next(attempt for attempt, work in world.work.items() if work.spec["n"] == 3)
    world.answer(failing)
    assert len(world.stopping) == 2
    assert world.status == "running"
    world.finish()
    assert (world.status, world.output) == ("completed", 500)
    assert len(world.dispatched) == 3


def test_a_map_can_be_cancelled_suspended_and_resumed() -> None:
    """Answers that come meanwhile are kept."""
    world = World(program_of(mapped(4)), persist=True)
    world.start({"items": list(range(60))})
    world.control(Verb.SUSPEND)
    for attempt in list(world.work):
        world.answer(attempt)
    assert not world.work
    world.control(Verb.RESUME)
    assert len(world.work) == 4
    world.control(Verb.CANCEL)
    world.finish()
    assert world.status == "cancelled"


def test_many_items_leave_the_state_as_small_as_a_few() -> None:
    """What is alive, two pages of outputs, and a reference for each full page."""
    sizes = {}
    for count in (1_250, 5_000):
        world = World(program_of(mapped(20)), checked=False)
        world.start(world.shelf.keep({"items": list(range(count))}, always=True))
        largest = at = 0
        while world.status == "running":
            busy = world.asked or world.work  # what is stored apart comes first, or nothing further begins
            (world.evaluate if busy is world.asked else world.answer)(next(iter(busy)))
            at += 1
            if at % 100 == 0:
                largest = max(largest, len(encode_cell(world.run, HEAD).body))
        assert world.status == "completed"
        assert len(world.shelf.load(world.output)) == count
        sizes[count] = largest
    references = (5_000 - 1_250) // 50 * 160
    assert sizes[5_000] - sizes[1_250] < references
    assert sizes[5_000] < 32 * 1024


def test_forks_within_a_map_wait_for_room() -> None:
    """More than may be alive at once is a matter of time, and no error."""
    branches = [{f"b{n}": {"call": "noop", "with": {"n": n}}} for n in range(20)]
    world = World(program_of(mapped(500, body=[{"f": {"fork": {"branches": branches}}}])), checked=False)
    world.start({"items": list(range(200))})
    alive = 0
    while world.status == "running":
        alive = max(alive, len(world.run.home.tokens))
        world.happen(*world.choices()[0])
    assert world.status == "completed"
    assert alive < 1_250
    assert world.shelf.load(world.output)[199] == [{"n": n} for n in range(20)]


def test_progress_is_told() -> None:
    """How many have ended, are alive, and are there."""
    world = World(program_of(mapped(3)))
    world.start({"items": list(range(10))})
    world.answer(next(iter(world.work)))
    token = next(token for token in world.run.home.tokens.values() if world.program.nodes[token.node].name == "m")
    assert counted(token.state, len(token.kids or ())) == (1, 3, 10)
    told = explain(world.program, world.run)
    assert told[0]["detail"] == "1 of 10 items have ended, 3 are alive, 3 may be at once"
    assert [wait["for"] for wait in told] == ["items", "worker", "worker", "worker"]


def test_a_plain_for_and_a_fork_tell_how_far_they_are_too() -> None:
    """Items that have ended of those that there are, in the explanation as well; branches likewise."""
    world = World(program_of([{"f": {"for": {"in": "${ .items }"}, "do": [{"c": CALL}]}}]))
    world.start({"items": list(range(10))})
    for _ in range(3):
        world.answer(next(iter(world.work)))
    told = explain(world.program, world.run)
    assert told[0]["detail"] == "3 of 10 items have ended, one after the other"
    assert [wait["for"] for wait in told] == ["items", "worker"]
    tasks = {task.name: (task.done, task.total) for task in live_tasks_of(world.run, world.program)}
    assert tasks == {"f": (3, 10), "c": (None, None)}
    world = World(program_of([{"f": {"fork": {"branches": [{name: {"call": "noop"}} for name in "abc"]}}}]))
    world.start()
    world.answer(next(iter(world.work)))
    assert [(task.done, task.total) for task in live_tasks_of(world.run, world.program) if task.name == "f"] == [(1, 3)]


@pytest.mark.parametrize("limit", [0, 1_001, "3", True])
def test_a_limit_that_is_none_is_refused(limit: Any) -> None:
    """At publication, with its place."""
    with pytest.raises(Invalid) as caught:
        program_of(mapped(limit))
    assert caught.value.violations[0].pointer == "/do/0/m/metadata/concurrency"


def test_a_condition_does_not_go_with_it() -> None:
    """It would look at an output that is not there yet."""
    with pytest.raises(Invalid) as caught:
        program_of(mapped(2, **{"while": ". < 3"}))
    assert "concurrency" in caught.value.violations[0].detail
