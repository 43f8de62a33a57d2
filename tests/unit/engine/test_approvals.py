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


def several(**more: Any) -> World:
    """A run that wants the approval of two."""
    given = {"title": "Pay?", "assignees": ["ada", "eve", "bob"], "approvals": 2, **more}
    world = World(
        program_of([{"ask": {"call": "approval", "with": given}}, {"then": {"set": {"got": "${ . }"}}}]), persist=True
    )
    world.start({"amount": 7})
    return world


def answered(world: World, who: str, *, yes: bool = True, key: str | None = None, **more: Any) -> Reply:
    """Somebody answers, perhaps with a key of theirs."""
    output = {"answer": {"approved": yes, **more}, "person": f"user:{who}"}
    world.control(Verb.ANSWER, token="ask", output=output, actor=key or f"user:{who}")
    return world.of(Reply)[-1]


def handed(world: World, source: str, to: str, *, named: bool = True) -> Reply:
    """Somebody hands it over."""
    world.control(Verb.DELEGATE, token="ask", output={"from": source, "to": to, "named": named}, actor=f"user:{source}")
    return world.of(Reply)[-1]


def test_so_many_approvals_let_it_go_on_and_each_answer_is_in_the_output() -> None:
    """One alone does not, nor the same person twice, also not by a key of theirs."""
    world = several()
    assert answered(world, "ada", note="fine").accepted
    assert world.status == "waiting"
    (wait,) = explain(world.program, world.run)
    assert "1 of 2 approvals" in str(wait["detail"])
    again = answered(world, "ada", key="key:k1")
    assert (again.accepted, again.reason) == (False, "ada has answered already")
    assert answered(world, "bob").accepted
    got = world.output["got"]
    assert (world.status, got["approved"]) == ("completed", True)
    told = [(one["by"], one["person"], one["approved"], one["answer"]) for one in got["answers"]]
    assert told == [
        ("user:ada", "user:ada", True, {"approved": True, "note": "fine"}),
        ("user:bob", "user:bob", True, {"approved": True}),
    ]
    assert said(world) == ["approval.requested", "approval.counted", "approval.answered"]
    assert next(record for record in world.of(Record) if record.name == "ask").worker == "user:bob"


def test_one_refusal_ends_it_unless_it_is_said_otherwise() -> None:
    """And once those who are left could not approve it any more, it is refused whatever is said."""
    world = several()
    answered(world, "eve", yes=False)
    assert (world.status, world.output["got"]["approved"]) == ("completed", False)
    world = several(refusals=3)
    answered(world, "eve", yes=False)
    assert world.status == "waiting"
    answered(world, "ada", yes=False)
    assert (world.status, world.output["got"]["approved"], len(world.output["got"]["answers"])) == ("completed", False, 2)
    world = several(refusals=2, roles=["finance"])
    answered(world, "eve", yes=False)
    answered(world, "ada")
    answered(world, "someone-of-finance")
    assert world.output["got"]["approved"] is True


def test_an_answer_of_several_says_whether_it_approves() -> None:
    """Anything else is refused, with the reason, and counts for nothing."""
    world = several()
    for wrong in ({"answer": {"approved": "yes"}}, {"answer": True}, {}, True):
        world.control(Verb.ANSWER, token="ask", output=wrong)
        assert "says 'approved'" in str(world.of(Reply)[-1].reason)
    much = answered(world, "ada", note="x" * 200_000)
    assert "the limit is" in str(much.reason)
    assert world.status == "waiting"


def test_the_deadline_of_several_keeps_what_was_said() -> None:
    """With a default it is beside the answers; without one the task times out and says how many there were."""
    world = several(deadline={"minutes": 5}, default={"approved": False, "why": "${ .amount }"})
    answered(world, "ada")
    world.finish()
    got = world.output["got"]
    assert (got["approved"], got["default"], len(got["answers"])) == (False, {"approved": False, "why": 7}, 1)
    world = several(deadline={"minutes": 5})
    answered(world, "ada")
    world.finish()
    assert (world.error["status"], world.error["detail"]) == (408, "only 1 answered 'ask' before its deadline")


def test_how_many_may_be_told_from_the_input_and_has_to_be_possible() -> None:
    """More than are asked fault the task, and so does what is no number."""
    world = several(approvals="${ if .amount > 5 then 1 else 2 end }")
    answered(world, "ada")
    assert world.status == "completed"
    for wrong, words in (("${ .amount }", "3 may give one"), ("${ 0 }", "whole number"), ("${ 1.5 }", "whole number")):
        world = several(approvals=wrong)
        assert world.status == "faulted"
        assert words in world.error["detail"]


def test_a_question_that_was_handed_over_is_the_other_ones() -> None:
    """Who did it and why is recorded; nobody hands over twice, what is answered, or to whom is asked already."""
    world = several()
    assert handed(world, "ada", "zoe").accepted
    (wait,) = explain(world.program, world.run)
    assert wait["assignees"] == ["zoe", "eve", "bob"]
    assert answered(world, "ada").reason == "ada has handed it over to zoe"
    assert handed(world, "ada", "max").reason == "ada is not asked any more"
    assert handed(world, "eve", "bob").reason == "bob is asked already"
    answered(world, "eve")
    assert handed(world, "eve", "max").reason == "eve has answered already"
    assert handed(world, "bob", "eve").reason == "eve has answered already"
    assert handed(world, "zoe", "ada").accepted  # which gives it back
    assert answered(world, "ada").accepted
    assert world.output["got"]["approved"] is True
    told = next(signal for signal in world.of(Signal) if signal.type is Transition.APPROVAL_DELEGATED)
    assert told.data is not None
    assert (told.data["delegator"], told.data["delegate"]) == ("ada", "zoe")
    assert said(world) == [
        "approval.requested",
        *["approval.delegated", "approval.counted", "approval.delegated"],
        "approval.answered",
    ]


def test_who_is_asked_by_a_role_hands_it_over_to_somebody_by_name() -> None:
    """Who is away from then on; the role goes on being asked, and a single answer is the output as ever."""
    world = asked(roles=["finance"], assignees=[])
    assert handed(world, "ada", "zoe", named=False).accepted
    assert handed(world, "ada", "max", named=False).reason == "ada is not asked any more"
    (wait,) = explain(world.program, world.run)
    assert wait["assignees"] == ["zoe", "finance"]
    world.control(Verb.ANSWER, token="ask", output={"approved": True})
    assert world.output == {"got": {"approved": True}}
