"""Hands on a live run: outputs given, tasks skipped, runs terminated; who did it is in the record."""

from typing import Any

from tocsin_executor.domain.effects import Record, Reply
from tocsin_executor.domain.inputs import Result, StopKind, Verb
from unit.engine.world import World, program_of

CALL = {"call": "noop"}


def started(tasks: list[Any]) -> World:
    """A world whose run has begun."""
    world = World(program_of(tasks), persist=True)
    world.start({"n": 1})
    return world


def record(world: World, name: str) -> Record:
    """The last record of a task."""
    return [record for record in world.of(Record) if record.name == name][-1]


def test_an_output_by_hand_is_the_task_s_output_and_names_who_gave_it() -> None:
    """By name; the task's own data flow still applies; the revoked attempt has to confirm before the run ends."""
    world = started([{"a": {**CALL, "output": {"as": "${ {got: .} }"}}}, {"b": {"set": {"x": "${ .got }"}}}])
    world.control(Verb.OVERRIDE, token="a", output=7)
    assert (record(world, "a").status, record(world, "a").output, record(world, "a").worker) == (
        "completed",
        {"got": 7},
        "user:ada",
    )
    world.finish()
    assert (world.status, world.output) == ("completed", {"x": 7})


def test_a_skipped_task_passes_its_input_on() -> None:
    """A composite takes what lives in it along; the late result is the confirmation and changes nothing."""
    world = started([{"d": {"do": [{"a": CALL}]}}, {"b": {"set": {"n": "${ .n + 1 }"}}}])
    world.control(Verb.SKIP, token="/do/0/d", reason="known to be broken")
    assert (record(world, "d").status, record(world, "d").worker) == ("skipped", "user:ada")
    attempt = world.stopping[0]
    world.stopping.clear()
    world.send(Result, attempt=attempt, output=99)
    assert (world.status, world.output) == ("completed", {"n": 2})


def test_what_is_not_there_or_not_one_is_refused_with_the_reason() -> None:
    """No such task; two of that name."""
    branches = [{"x": {"do": [{"same": CALL}]}}, {"y": {"do": [{"same": CALL}]}}]
    world = started([{"f": {"fork": {"branches": branches}}}])
    world.control(Verb.SKIP, token="nothing")
    world.control(Verb.OVERRIDE, token="same", output=1)
    answers = [(reply.accepted, reply.reason) for reply in world.of(Reply)]
    assert answers[0] == (False, "there is no such live task")
    assert not answers[1][0]
    assert "2 live tasks" in str(answers[1][1])


def test_terminate_ends_at_once_and_does_not_claim_that_all_has_stopped() -> None:
    """Also when a cancel waits for a confirmation that never comes; what was open is faulted and says so."""
    for cancel_first in (False, True):
        world = started([{"d": {"do": [{"a": CALL}]}}])
        if cancel_first:
            world.control(Verb.CANCEL)
            assert world.status == "cancelling"
        world.control(Verb.TERMINATE, reason="stuck")
        assert world.status == "faulted"
        assert "terminated by user:ada: stuck; 1 attempts" in world.error["detail"]
        assert record(world, "a").status == "faulted"
        assert world.signals[-3:] == ["faulted a", "faulted d", "workflow.faulted"]
        effects = world.confirm(world.stopping[0], StopKind.KILLED)
        assert [type(effect).__name__ for effect in effects] == ["Decision"]
