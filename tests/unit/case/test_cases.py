"""The life of a case and its clocks."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import Invalid
from tocsin_case.domain.cases import (
    TRANSITIONS,
    Case,
    ImpossibleTransition,
    Link,
    Priority,
    Promise,
    Status,
    check_clocks,
    occur_again,
    transition,
    with_promise,
)
from tocsin_case.domain.rules import Failure, Rule, dedupe_key, open_case, recovered, rule_for

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def new_case(**changes: object) -> Case:
    case = Case(
        id="0" * 26,
        namespace="default",
        kind="incident",
        title="It broke",
        description="",
        status=Status.OPEN,
        priority=Priority.NORMAL,
        severity=3,
        owner=None,
        tags=(),
        links=(),
        opened_at=NOW,
        opened_by="user:ada",
        updated_at=NOW,
    )
    return replace(with_promise(case, Promise(response=HOUR, resolution=8 * HOUR), NOW), **changes)


def test_a_step_that_no_status_allows_is_refused_with_the_possible_ones():
    """Closed cases are opened again, never acknowledged."""
    closed = transition(new_case(), Status.CLOSED, now=NOW)
    with pytest.raises(ImpossibleTransition) as refused:
        transition(closed, Status.ACKNOWLEDGED, now=NOW)
    assert refused.value.hint == "possible: open"


def test_resolving_says_how():
    """A resolution without a reason helps nobody."""
    with pytest.raises(Invalid):
        transition(new_case(), Status.RESOLVED, now=NOW)


def test_acknowledging_in_time_meets_the_response():
    """The response clock stops at the first answer; the resolution clock goes on."""
    case = transition(new_case(), Status.ACKNOWLEDGED, now=NOW + HOUR / 2)
    assert case.response is not None
    assert (case.response.met, case.response.breached) == (NOW + HOUR / 2, None)
    assert case.next_due == NOW + 8 * HOUR


def test_an_answer_after_the_promise_is_met_and_breached():
    """A late answer does not hide that it was late, also when no timer looked in between."""
    case = transition(new_case(), Status.ACKNOWLEDGED, now=NOW + 2 * HOUR)
    assert case.response is not None
    assert case.response.breached == NOW + 2 * HOUR


def test_time_on_hold_does_not_count():
    """Held for a day with six hours left, a case still has six hours."""
    case = transition(new_case(), Status.IN_PROGRESS, now=NOW)
    held = transition(case, Status.ON_HOLD, now=NOW + 2 * HOUR)
    assert held.next_due is None
    back = transition(held, Status.IN_PROGRESS, now=NOW + 26 * HOUR)
    assert back.next_due == NOW + 32 * HOUR


def test_a_reopened_case_gets_its_full_time_and_keeps_its_breach():
    """The past is not forgiven, the future is promised anew."""
    late, _ = check_clocks(new_case(), NOW + 9 * HOUR)
    solved = transition(late, Status.RESOLVED, now=NOW + 10 * HOUR, resolution="restarted")
    again = transition(solved, Status.OPEN, now=NOW + 20 * HOUR)
    assert again.resolving is not None
    assert again.resolving.due == NOW + 28 * HOUR
    assert again.resolving.breached == NOW + 9 * HOUR


def test_each_clock_breaches_once():
    """Looking again changes nothing."""
    first, names = check_clocks(new_case(), NOW + 9 * HOUR)
    second, again = check_clocks(first, NOW + 10 * HOUR)
    assert names == ("response", "resolution")
    assert (second, again) == (first, ())


@given(st.lists(st.tuples(st.sampled_from(list(Status)), st.integers(0, 500)), max_size=12))
def test_whatever_people_do_the_clocks_stay_sound(steps):
    """An ended case has no running clock, a held one none that is due, and what is met stays met."""
    case, now = new_case(), NOW
    for to, minutes in steps:
        now += timedelta(minutes=minutes)
        if to not in TRANSITIONS[case.status]:
            continue
        case = transition(case, to, now=now, resolution="because")
        if not case.status.is_active:
            assert case.next_due is None or case.response is None or case.response.met is not None
            assert case.resolving is not None
            assert not case.resolving.running
        if case.status is Status.ON_HOLD:
            assert case.next_due is None


FAILURE = Failure(namespace="default", workflow="orders", run="r1", error="boom", position=7)


def test_the_most_specific_rule_opens_the_case():
    """``orders`` beats ``ord*`` beats ``*``; disabled ones and other namespaces do not count."""
    rules = [
        Rule(namespace="default", name="all"),
        Rule(namespace="default", name="off", workflow="orders", enabled=False),
        Rule(namespace="other", name="there", workflow="orders"),
        Rule(namespace="default", name="some", workflow="ord*"),
    ]
    chosen = rule_for(rules, FAILURE)
    assert chosen is not None
    assert chosen.name == "some"


def test_a_second_failure_joins_the_case_once():
    """Counted and linked; the same signal again changes nothing."""
    case = open_case(Rule(namespace="default", name="all"), FAILURE, case_id="1" * 26, now=NOW)
    again = occur_again(case, Link("run", "r2"), position=9, now=NOW)
    assert (again.occurrences, [link.target for link in again.links]) == (2, ["r1", "r2"])
    assert occur_again(again, Link("run", "r2"), position=9, now=NOW) is again
    assert case.dedupe == dedupe_key("default", "orders")


def test_only_a_success_after_the_last_failure_is_a_recovery():
    """A run that completed before the failure proves nothing."""
    case = open_case(Rule(namespace="default", name="all"), FAILURE, case_id="1" * 26, now=NOW)
    assert not recovered(case, position=6)
    assert recovered(case, position=8)
    assert not recovered(replace(case, auto_resolve=False), position=8)
