"""Asking people: answers are checked, deadlines have defaults, reminders go on, and nothing is asked twice."""

from typing import Any

from tocsin_executor.domain.effects import Record, Reply, Signal, Transition
from tocsin_executor.domain.explain import explain
from tocsin_executor.domain.inputs import Verb
from unit.engine.world import World, program_of

FORM = {"type": "object", "properties": {"approved": {"type": "boolean"}}, "required": ["approved"]}


def asked(**more: Any) -> World:
    """A run that waits for an answer."""
    given = {"title": '${ "Refund \\(.amount)?" }', "assignees": ["ada", "eve"], "form": FORM, **more}
    world = World(
        program_of([{"ask": {"call": "approval", "with": given}}, {"then": {"set": {"got": "${ . }"}}}]), persist=True
    )
    world.start({"amount": 7})
    return world


def said(world: World) -> list[str]:
    """The signals about the approval."""
    return [s.type.value for s in world.of(Signal) if s.type.value.startswith("approval")]


def test_the_answer_is_the_output_and_who_answered_is_recorded() -> None:
    """The question is evaluated; the run waits for nothing but people, and says so."""
    world = asked()
    assert world.status == "waiting"
    request = next(s for s in world.of(Signal) if s.type is Transition.APPROVAL_REQUESTED)
    assert request.data is not None
    assert (request.data["title"], request.data["approval"]) == ("Refund 7?", "r-h-3")
    (wait,) = explain(world.program, world.run)
    assert (wait["for"], wait["assignees"], wait["approval"]) == ("approval", ["ada", "eve"], "r-h-3")
    world.control(Verb.ANSWER, token="h:3", output={"approved": True})
    assert (world.status, world.output) == ("completed", {"got": {"approved": True}})
    record = next(record for record in world.of(Record) if record.name == "ask")
    assert (record.worker, record.output) == ("user:ada", {"approved": True})
    assert said(world) == ["approval.requested", "approval.answered"]
    assert world.dispatched == []


def test_an_answer_that_does_not_fit_or_comes_late_is_refused() -> None:
    """The question stays open; after an answer there is none any more."""
    world = asked()
    world.control(Verb.ANSWER, token="h:3", output={"approved": "maybe"})
    assert world.status == "waiting"
    world.control(Verb.ANSWER, token="h:3", output={"approved": False})
    world.control(Verb.ANSWER, token="h:3", output={"approved": True})
    answers = world.of(Reply)
    assert [answer.accepted for answer in answers] == [False, True, False]
    assert "does not fit the form" in str(answers[0].reason)
    assert world.output == {"got": {"approved": False}}


def test_at_the_deadline_the_default_is_the_answer() -> None:
    """Reminders come until then, never more often than once a minute."""
    world = asked(deadline={"minutes": 5}, reminder={"seconds": 1}, default={"approved": False, "why": "${ .amount }"})
    world.finish()
    assert world.output == {"got": {"approved": False, "why": 7}}
    assert said(world) == ["approval.requested", *["approval.reminded"] * 4, "approval.expired"]


def test_at_the_deadline_without_a_default_the_task_times_out() -> None:
    """Which a ``try`` around it can catch."""
    world = asked(deadline={"minutes": 5})
    world.finish()
    assert (world.status, world.error["status"]) == ("faulted", 408)
    assert said(world)[-1] == "approval.expired"


def test_a_cancelled_run_withdraws_its_question() -> None:
    """And so does a skip by hand."""
    for verb in (Verb.CANCEL, Verb.SKIP):
        world = asked(reminder={"hours": 1})
        world.control(verb, token="ask")
        assert said(world)[-1] == "approval.withdrawn"
        assert world.run.wake is None


def test_a_question_that_makes_no_sense_faults_the_task() -> None:
    """Assignees that are no list of names after their expression was evaluated."""
    world = asked(assignees="${ .amount }")
    assert world.status == "faulted"
    assert "assignees" in world.error["detail"]
