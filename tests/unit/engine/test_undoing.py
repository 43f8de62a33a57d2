"""Compensation: what was completed is undone, the last first, when the run fails or is cancelled."""

from typing import Any

import pytest

from tocsin.errors import Invalid
from tocsin_executor.domain.inputs import Result, Verb
from unit.engine.world import Failure, World, program_of


def step(name: str, **more: Any) -> dict[str, Any]:
    """A task with one that undoes it, which gets its output."""
    undo = [{f"undo-{name}": {"call": "noop", "with": {"undone": "${ .v }"}}}]
    return {name: {"call": "noop", "with": {"v": name}, "metadata": {"compensate": undo}, **more}}


BOOM = {"boom": {"raise": {"error": {"type": "x", "status": 500, "title": "Boom"}}}}


def done(world: World) -> list[str]:
    """Tasks that workers did, in order."""
    return [dispatch.name for dispatch in world.effects if hasattr(dispatch, "runner")]


def started(tasks: list[Any], body: Any = None) -> World:
    """A world whose run has begun."""
    world = World(program_of(tasks), body or (lambda dispatch: dispatch.spec), persist=True)
    world.start({})
    return world


def test_a_fault_undoes_what_was_completed_in_reverse_order() -> None:
    """Each with the output of what it undoes; then the run is faulted with its own error."""
    world = started([step("a"), step("b"), BOOM]).finish()
    assert done(world) == ["a", "b", "undo-b", "undo-a"]
    assert [d.spec for d in world.effects if hasattr(d, "runner")][2:] == [{"undone": "b"}, {"undone": "a"}]
    assert (world.status, world.error["title"]) == ("faulted", "Boom")
    assert world.signals[-1] == "workflow.faulted"


def test_a_cancel_undoes_once_everything_has_stopped() -> None:
    """The task that was running was not completed, so it is not undone; the run is cancelled last of all."""
    world = started([step("a"), step("b")])
    world.answer(next(iter(world.work)))
    world.control(Verb.CANCEL)
    assert done(world) == ["a", "b"]
    assert world.status == "cancelling"
    world.confirm(world.stopping[0])
    assert done(world) == ["a", "b", "undo-a"]
    assert world.status == "cancelling"
    world.finish()
    assert world.status == "cancelled"


def test_an_error_that_is_caught_undoes_nothing_and_neither_does_a_good_end() -> None:
    """Compensation is for runs that come to nothing."""
    caught = {"t": {"try": [step("a"), BOOM], "catch": {"do": [{"ok": {"set": {"fine": True}}}]}}}
    world = started([caught]).finish()
    assert (world.status, done(world)) == ("completed", ["a"])


def test_what_cannot_be_undone_is_said_and_the_rest_is_undone() -> None:
    """The run's error names it."""

    def body(dispatch: Any) -> Any:
        if dispatch.name == "undo-b":
            raise Failure
        return dispatch.spec

    for end in ("fault", "cancel"):
        world = started([step("a"), step("b"), {"c": {"call": "noop"}}], body)
        world.answer(next(iter(world.work)))
        world.answer(next(iter(world.work)))
        if end == "fault":
            attempt = next(iter(world.work))
            world.work.clear()
            world.send(Result, attempt=attempt, error={"type": "x", "status": 500, "title": "C"})
        else:
            world.control(Verb.CANCEL)
        world.finish()
        assert done(world)[3:] == ["undo-b", "undo-a"]
        assert world.status == ("faulted" if end == "fault" else "cancelled")
        (entry,) = world.error["notUndone"]
        assert entry["instance"] == "/do/1/b/metadata/compensate/0/undo-b"


def test_each_iteration_is_undone_and_waits_in_between_are_kept() -> None:
    """Undoing takes its time, over saves and loads."""
    undo = [{"pause": {"wait": {"seconds": 5}}}, {"free": {"call": "noop", "with": "${ .v }"}}]
    body = [{"take": {"call": "noop", "with": {"v": "${ $item }"}, "metadata": {"compensate": undo}}}]
    world = started([{"l": {"for": {"each": "item", "in": "${ [1, 2, 3] }"}, "do": body}}, BOOM]).finish()
    assert [d.spec for d in world.effects if hasattr(d, "runner") and d.name == "free"] == [3, 2, 1]
    assert world.status == "faulted"


def test_a_terminated_run_undoes_nothing_more() -> None:
    """That is the way out when undoing hangs."""
    world = started([step("a"), BOOM])
    world.answer(next(iter(world.work)))
    assert done(world)[-1] == "undo-a"
    world.control(Verb.TERMINATE)
    assert world.status == "faulted"


def test_what_is_no_list_of_tasks_is_refused_at_its_place() -> None:
    """Metadata is open by the grammar, so it is checked here."""
    for wrong in ("x", [1], [{"u": {"nothing": 1}}], [{"u": {"call": 7}}]):
        with pytest.raises(Invalid) as caught:
            program_of([{"a": {"call": "noop", "metadata": {"compensate": wrong}}}])
        assert any("/metadata/compensate" in violation.pointer for violation in caught.value.violations)
