"""The life of a case and its clocks."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import Invalid
from tocsin_case.domain.calendars import ALWAYS
from tocsin_case.domain.cases import Case, ImpossibleTransition, Link, Sla, occur_again
from tocsin_case.domain.flow import promise_of, promised_anew, spoke, tick, transition, with_promise
from tocsin_case.domain.types import (
    CaseType,
    FieldKind,
    FieldSpec,
    Priority,
    Stage,
    StatusSpec,
    Step,
    Targets,
    check_fields,
    checked,
    standard,
)
from unit.case.samples import NOW
from unit.case.samples import new_case as fresh

HOUR = timedelta(hours=1)
KIND = standard("default", "incident")


def new_case(sla: Sla | None = None, **changes: object) -> Case:
    promise = sla or Sla(targets=Targets(response=HOUR, resolution=8 * HOUR))
    return replace(with_promise(fresh(), promise, NOW, ALWAYS), **changes)


def step(case: Case, to: str, at: datetime, resolution: str | None = None) -> Case:
    return transition(case, KIND, to, now=at, hours=ALWAYS, resolution=resolution)


def test_a_step_that_no_status_allows_is_refused_with_the_possible_ones():
    """Closed cases are opened again, never acknowledged."""
    closed = step(new_case(), "closed", NOW)
    with pytest.raises(ImpossibleTransition) as refused:
        step(closed, "acknowledged", NOW)
    assert refused.value.hint == "possible: open"


def test_resolving_says_how():
    """A resolution without a reason helps nobody."""
    with pytest.raises(Invalid):
        step(new_case(), "resolved", NOW)


def test_acknowledging_in_time_meets_the_response():
    """The response clock stops at the first answer; the resolution clock goes on."""
    case = step(new_case(), "acknowledged", NOW + HOUR / 2)
    assert (case.clocks["response"].met, case.clocks["response"].breached) == (NOW + HOUR / 2, None)
    assert case.next_due == NOW + 8 * HOUR


def test_an_answer_after_the_promise_is_met_and_breached():
    """A late answer does not hide that it was late, nor when the promise was broken, also when no timer looked in between."""
    case = step(new_case(), "acknowledged", NOW + 2 * HOUR)
    assert case.clocks["response"].breached == NOW + HOUR
    assert case.clocks["response"].met == NOW + 2 * HOUR


@pytest.mark.parametrize("pause", ["on-hold", "waiting"])
def test_time_on_hold_or_waiting_for_others_does_not_count(pause):
    """Held for a day with six hours left, a case still has six hours."""
    case = step(new_case(), "in-progress", NOW)
    held = step(case, pause, NOW + 2 * HOUR)
    assert held.next_due is None
    back = step(held, "in-progress", NOW + 26 * HOUR)
    assert back.next_due == NOW + 32 * HOUR


def test_a_reopened_case_gets_its_full_time_and_keeps_its_breach():
    """The past is not forgiven, the future is promised anew."""
    late = tick(new_case(), NOW + 9 * HOUR)
    solved = step(late, "resolved", NOW + 10 * HOUR, "restarted")
    again = step(solved, "open", NOW + 20 * HOUR)
    assert again.clocks["resolution"].due == NOW + 28 * HOUR
    assert (again.clocks["resolution"].breaches, again.clocks["resolution"].breached) == (1, None)


def test_each_word_of_those_who_work_on_it_promises_the_next():
    """The update clock begins anew with each word; while the case is held it waits."""
    case = new_case(Sla(targets=Targets(update=4 * HOUR)))
    said = spoke(case, NOW + 3 * HOUR, ALWAYS)
    assert (said.next_due, said.clocks["update"].resets) == (NOW + 7 * HOUR, 1)
    late = spoke(said, NOW + 9 * HOUR, ALWAYS)
    assert (late.clocks["update"].breaches, late.next_due) == (1, NOW + 13 * HOUR)


def test_a_higher_priority_promises_more_and_counts_what_has_passed():
    """Two hours are gone whatever the promise is now."""
    kind = replace(KIND, sla={"critical": Targets(resolution=4 * HOUR), "*": Targets(resolution=8 * HOUR)}, warn_at=0.5)
    case = new_case(promise_of(kind, new_case()))
    raised = promised_anew(replace(case, priority=Priority.CRITICAL), kind, NOW + 2 * HOUR, ALWAYS)
    assert (raised.clocks["resolution"].due, raised.clocks["resolution"].warn_at) == (NOW + 4 * HOUR, NOW + 2 * HOUR)


def test_a_promise_for_one_case_does_not_change_with_its_priority():
    """What was promised to somebody stays promised."""
    own = promise_of(replace(KIND, sla={"*": Targets(resolution=HOUR)}), new_case(), Targets(resolution=3 * HOUR))
    case = new_case(own)
    assert promised_anew(replace(case, priority=Priority.CRITICAL), KIND, NOW, ALWAYS) == replace(
        case, priority=Priority.CRITICAL
    )


OWN = checked(
    CaseType(
        namespace="default",
        name="refund",
        initial="asked",
        statuses=(
            StatusSpec("asked", Stage.NEW, (Step("checking", ("owner",)),)),
            StatusSpec("checking", Stage.ACTIVE, (Step("paid", ("resolution", "fields.amount")), Step("refused"))),
            StatusSpec("paid", Stage.CLOSED),
            StatusSpec("refused", Stage.RESOLVED, (Step("checking"),)),
        ),
        fields=(FieldSpec(name="amount", kind=FieldKind.NUMBER), FieldSpec(name="card", required=True)),
    )
)


def test_a_step_of_a_type_of_ones_own_names_what_it_lacks():
    """Each missing field is pointed at."""
    case = new_case(status="asked", fields={"card": "x"})
    with pytest.raises(Invalid) as refused:
        transition(case, OWN, "checking", now=NOW, hours=ALWAYS)
    assert [v.pointer for v in refused.value.violations] == ["/owner"]
    checking = transition(replace(case, owner="user:ada"), OWN, "checking", now=NOW, hours=ALWAYS)
    with pytest.raises(Invalid) as refused:
        transition(checking, OWN, "paid", now=NOW, hours=ALWAYS)
    assert {v.pointer for v in refused.value.violations} == {"/resolution", "/fields/amount"}
    paid = transition(checking, OWN, "paid", now=NOW, hours=ALWAYS, resolution="paid", fields={"amount": 3})
    assert (paid.stage, paid.fields["amount"]) == (Stage.CLOSED, 3)


@pytest.mark.parametrize(
    ("statuses", "problem"),
    [
        ((StatusSpec("a", Stage.NEW, (Step("b"),)),), "no other status b"),
        ((StatusSpec("a", Stage.NEW),), "can never end"),
        ((StatusSpec("a", Stage.NEW, (Step("c"),)), StatusSpec("b", Stage.NEW), StatusSpec("c", Stage.CLOSED)), "leads to b"),
        ((StatusSpec("a", Stage.NEW, (Step("c", ("mood",)),)), StatusSpec("c", Stage.CLOSED)), "no field mood"),
    ],
)
def test_a_type_that_could_not_work_is_refused(statuses, problem):
    """With the place of each mistake."""
    with pytest.raises(Invalid) as refused:
        checked(CaseType(namespace="default", name="x", initial="a", statuses=statuses))
    assert any(problem in v.detail for v in refused.value.violations)


def test_custom_fields_hold_what_their_type_says():
    """A number is a number, a choice one of its choices, and what is required is there."""
    kind = replace(
        OWN,
        fields=(
            FieldSpec(name="n", kind=FieldKind.NUMBER),
            FieldSpec(name="c", kind=FieldKind.CHOICE, choices=("a", "b")),
            FieldSpec(name="d", kind=FieldKind.DATE, required=True),
        ),
    )
    assert check_fields(kind, {"n": 1.5, "c": "a", "d": "2026-02-28"}, opening=True)
    with pytest.raises(Invalid) as refused:
        check_fields(kind, {"n": True, "c": "z", "other": 1}, opening=True)
    assert [v.pointer for v in refused.value.violations] == ["/fields/n", "/fields/c", "/fields/other", "/fields/d"]


STATUSES = [status.name for status in KIND.statuses]


@given(st.lists(st.tuples(st.sampled_from(STATUSES), st.integers(0, 500)), max_size=12))
def test_whatever_people_do_the_clocks_stay_sound(steps):
    """An ended case has no running clock, a held one none that is due, and what is met stays met until it is opened again."""
    case, now = new_case(), NOW
    for to, minutes in steps:
        now += timedelta(minutes=minutes)
        status = KIND.status(case.status)
        assert status is not None
        if to not in [one.to for one in status.steps]:
            continue
        case = step(case, to, now, "because")
        if not case.stage.is_active:
            assert case.next_due is None
            assert all(not clock.running for clock in case.clocks.values())
        if case.stage is Stage.PAUSED:
            assert case.next_due is None


def test_a_second_occurrence_joins_the_case_once():
    """Counted and linked; the same signal again changes nothing."""
    case = new_case(links=(Link("run", "r1"),), last_position=7)
    again = occur_again(case, Link("run", "r2"), position=9, now=NOW)
    assert (again.occurrences, [link.target for link in again.links]) == (2, ["r1", "r2"])
    assert occur_again(again, Link("run", "r2"), position=9, now=NOW) is again


def test_an_occurrence_that_a_killed_replica_had_in_hand_still_counts_when_it_comes_late():
    """And what was well in between proves nothing: the last place stays the last."""
    case = new_case(links=(Link("run", "r3"),), last_position=9)
    late = occur_again(case, Link("run", "r2"), position=7, now=NOW)
    assert (late.occurrences, late.last_position, [link.target for link in late.links]) == (2, 9, ["r3", "r2"])
