"""Rehearsals: a definition's cases in virtual time, and what is said when one is not as expected."""

from typing import Any

from tocsin_executor.domain.rehearsal import complaints, rehearse
from unit.engine.world import program_of

RETRY = {"retry": {"delay": {"hours": 1}, "limit": {"attempt": {"count": 3}}}}
ORDER = [
    {"charge": {"try": [{"card": {"call": "http", "with": {"method": "post", "endpoint": "http://x"}}}], "catch": RETRY}},
    {"ask": {"call": "approval", "with": {"title": "Ship?", "deadline": {"days": 2}, "default": {"ok": False}}}},
    {"paid": {"listen": {"to": {"one": {"with": {"type": "bank.paid"}}}}}},
    {"night": {"wait": {"hours": 8}}},
    {"end": {"set": {"amount": "${ .[0].amount }"}}},
]
CASE: dict[str, Any] = {
    "input": {},
    "tasks": {"card": [{"error": {"type": "x", "status": 503}}, {"output": {"ok": 1}}], "ask": {"output": {"ok": True}}},
    "events": [{"type": "other", "data": {}}, {"type": "bank.paid", "data": {"amount": 7}}],
    "expect": {"output": {"amount": 7}, "tasks": {"card": "completed", "never-there": "never"}},
}


def play(**changes: Any) -> tuple[Any, list[str]]:
    """A case with changes: what came of it, and what is wrong."""
    case = {**CASE, **changes}
    outcome = rehearse(program_of(ORDER), case)
    return outcome, complaints(case, outcome)


def test_a_case_goes_through_retries_people_events_and_waits_in_no_time() -> None:
    """An hour until the retry, eight for the night; the event that does not fit is passed over."""
    outcome, wrong = play()
    assert wrong == []
    assert (outcome.status, outcome.seconds) == ("completed", 9 * 3600)


def test_what_is_not_as_expected_is_said() -> None:
    """Output, error and tasks."""
    _, wrong = play(expect={"output": {"amount": 8}, "tasks": {"card": "faulted"}})
    assert wrong == [
        "the output is {'amount': 7} and should be {'amount': 8}",
        "task 'card' is completed and should be faulted",
    ]
    failing = {**CASE["tasks"], "card": {"error": {"type": "x", "status": 503, "title": "Down"}}}
    outcome, wrong = play(tasks=failing, expect={"error": {"status": 503}})
    assert (outcome.status, wrong) == ("faulted", [])


def test_a_question_without_an_answer_ends_at_its_deadline() -> None:
    """As it would with people who do not answer."""
    outcome, _ = play(tasks={"card": {"output": {}}})
    assert outcome.tasks["ask"] == "completed"
    assert outcome.seconds == 2 * 86_400 + 8 * 3600


def test_a_case_that_does_not_say_enough_names_what_it_lacks() -> None:
    """A task without an answer; an event that never comes."""
    _, wrong = play(tasks={})
    assert wrong[0].startswith("the run is incomplete and should be completed: the case does not say what task 'card'")
    outcome, wrong = play(events=[])
    assert outcome.status == "waiting"
    assert "bank.paid" in str(outcome.waits)
    assert wrong[0].startswith("the run is waiting and should be completed")


def test_several_people_answer_as_the_case_says_one_after_the_other() -> None:
    """One answer is everybody's; of a list each gives one, by the name that is asked."""
    asked = {"title": "Pay?", "assignees": ["ada", "bob"], "roles": ["finance"], "approvals": 3, "refusals": 2}
    program = program_of([{"ask": {"call": "approval", "with": asked}}])
    yes, no = {"output": {"approved": True}}, {"output": {"approved": False}}
    for answers, approved, people in (
        (yes, True, ["user:ada", "user:bob", "user:case-2"]),
        ([no, yes, no], False, ["user:ada", "user:bob", "user:case-2"]),
    ):
        outcome = rehearse(program, {"input": {}, "tasks": {"ask": answers}})
        assert outcome.status == "completed"
        assert outcome.output["approved"] is approved
        assert [one["person"] for one in outcome.output["answers"]] == people
    wrong = rehearse(program, {"input": {}, "tasks": {"ask": {"output": True}}})
    assert wrong.status == "incomplete"
