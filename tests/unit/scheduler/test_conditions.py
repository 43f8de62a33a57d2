"""Conditions at fire time, starts that are refused, and instants that the ends of other runs set."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.cesql import CesqlInvalid
from tocsin.schedules import Exclusions
from tocsin.signals import Cause, decode
from tocsin_scheduler.application.announcing import carry_out
from tocsin_scheduler.domain.conditions import check_condition
from tocsin_scheduler.domain.firing import Skip, settle
from tocsin_scheduler.domain.following import PENDING_LIMIT, happened, workflow_of
from tocsin_scheduler.domain.foresight import upcoming
from tocsin_scheduler.domain.schedules import (
    Concurrency,
    Outcome,
    Retrying,
    Schedule,
    ScheduleInvalid,
    Start,
    Status,
    check,
    paused,
    planned,
)
from tocsin_scheduler.domain.timetables import Follows, When
from unit.scheduler.life import MINUTE, START, Life, schedule

RETRY = Retrying(attempts=3, delay=timedelta(minutes=2), factor=3.0)


def cause(number: int, depth: int = 1) -> Cause:
    return Cause(f"signal-{number}", f"flow-{number}", depth)


# -- conditions -----------------------------------------------------------------------------------------------------------


def test_an_instant_whose_condition_does_not_hold_is_skipped_and_told() -> None:
    """Decided by the instant in the zone of the schedule, not by when somebody got round to it."""
    steady = Life(schedule(condition="minute = 10 OR minute = 30"))
    for minute in (10, 20, 30, 40):
        steady.at(minute)
    assert (steady.fired, steady.skipped) == ([10, 30], [(20, Skip.CONDITION), (40, Skip.CONDITION)])


def test_what_will_be_skipped_is_foretold() -> None:
    """The preview decides as the firing does."""
    known = schedule("0 0 * * *", condition="weekday NOT IN ('SAT','SUN') AND lastday = false")
    seen = upcoming(known, START + timedelta(days=31), timedelta(0), 31)
    skipped = {found.at.day for found in seen if found.decision == "skip"}
    assert skipped == {6, 7, 13, 14, 20, 21, 27, 28, 31}


@pytest.mark.parametrize("text", ["colour = 'red'", "minute + 'x' = 1"])
def test_a_condition_that_asks_for_what_there_is_not_is_refused(text: str) -> None:
    """When it is written, not when it should fire; with what may be asked for."""
    with pytest.raises(ScheduleInvalid) as wrong:
        check_condition(schedule(condition=text), START)
    assert "weekday" in (wrong.value.hint or "")


def test_a_condition_that_makes_no_sense_is_refused_with_its_position() -> None:
    """As an expression."""
    with pytest.raises(CesqlInvalid):
        check_condition(schedule(condition="minute = = 1"), START)


# -- starts that are refused ------------------------------------------------------------------------------------------------


def test_a_refused_start_is_tried_again_with_growing_delays_and_then_counts_as_failed() -> None:
    """Each attempt has a run id of its own; the instant stays the same, and the timetable goes on meanwhile."""
    life = Life(schedule("0 * * * *", retry=RETRY, failures=1)).at(60)
    runs = [life.known.going[0].run]
    life.ends(61, Outcome.REFUSED)
    assert (life.known.next_at, life.known.failures) == (START + 63 * MINUTE, 0)
    life.at(62)
    assert len(life.decisions) == 2
    life.at(63)
    runs.append(life.known.going[0].run)
    assert [f.attempt for f in life.decisions[-1].firings] == [2]
    life.ends(63, Outcome.REFUSED).at(69)
    runs.append(life.known.going[0].run)
    assert len(set(runs)) == 3
    assert life.known.next_at == START + 120 * MINUTE
    life.ends(70, Outcome.REFUSED)
    assert (life.known.status, life.decisions[-1].paused) == (Status.PAUSED, "1 runs in a row have failed")
    assert life.known.fired == 1


def test_a_run_that_failed_is_not_started_again() -> None:
    """It began; trying again is the workflow's own business."""
    life = Life(schedule("0 * * * *", retry=RETRY)).at(60).ends(61, Outcome.FAULTED)
    assert life.known.retries == ()
    assert life.known.failures == 1


def test_a_retry_does_not_cost_an_instant_and_the_last_may_still_be_tried() -> None:
    """An instant in between fires in its time; a schedule that is used up ends after its retries."""
    life = Life(schedule("*/10 * * * *", retry=RETRY)).at(10).ends(19, Outcome.REFUSED).at(20).at(21)
    assert life.fired == [10, 20, 10]
    once = Life(schedule("*/10 * * * *", retry=RETRY, max_runs=1)).at(10)
    assert once.known.status is Status.FINISHED
    once.ends(11, Outcome.REFUSED)
    assert (once.known.status, once.known.next_at) == (Status.ACTIVE, START + 13 * MINUTE)
    once.at(13).ends(14)
    assert (once.known.status, once.fired) == (Status.FINISHED, [10, 10])


def test_a_retry_is_said_as_such_and_carries_priority() -> None:
    """There is one `fired` for an instant; what comes later is `retried`."""
    known = schedule("0 * * * *", retry=RETRY)
    life = Life(replace(known, start=Start(workflow="w", priority=7))).at(60).ends(61, Outcome.REFUSED).at(63)
    kinds = []
    for number, decision in enumerate(life.decisions):
        for item in carry_out(decision, after=number, now=START):
            event = decode(item.payload)
            kinds.append(event.type.split(".", 2)[2])
            if event.type.endswith("start.v1"):
                assert event.data["priority"] == 7
    assert kinds == ["schedule.fired.v1", "command.run.start.v1", "schedule.retried.v1", "command.run.start.v1"]


def test_pausing_gives_up_what_was_to_be_tried_again() -> None:
    """And says nothing more about it: the refusal has been signalled."""
    life = Life(schedule("0 * * * *", retry=RETRY)).at(60).ends(61, Outcome.REFUSED)
    stopped = paused(life.known, None, now=START, actor="user:a")
    assert (stopped.retries, settle(stopped, START + timedelta(days=1))) == ((), None)


# -- following a workflow ----------------------------------------------------------------------------------------------------


def follower(expression: str = "", **more: object) -> Schedule:
    follows = Follows(workflow="extract", delay=more.pop("delay", timedelta(0)))
    return schedule(expression, when={"follows": follows, **more.pop("when", {})}, **more)


def test_the_end_of_a_run_sets_an_instant_at_once_or_after_a_delay() -> None:
    """Nothing fires before; each end one firing, heard twice or not."""
    known = follower(delay=timedelta(minutes=5))
    assert (known.status, known.next_at) == (Status.ACTIVE, None)
    told = happened(known, Outcome.COMPLETED, START + 10 * MINUTE, cause(1))
    assert told is not None
    assert told.next_at == START + 15 * MINUTE
    assert happened(told, Outcome.COMPLETED, START + 10 * MINUTE, cause(1)) is None
    life = Life(told).at(14)
    assert life.fired == []
    life.at(15)
    assert (life.fired, life.known.next_at, life.known.status) == ([15], None, Status.ACTIVE)


def test_it_waits_for_the_next_business_hour() -> None:
    """A run that ends on Friday night is followed on Monday morning; two that end in between are followed once."""
    hours = {"when": {"timezone": "Europe/Berlin", "exclusions": Exclusions(weekdays=frozenset({5, 6}))}}
    known = follower("0 9-16 * * *", **hours)
    friday = datetime(2024, 1, 5, 20, tzinfo=UTC)
    told = happened(known, Outcome.COMPLETED, friday, cause(1))
    assert told is not None
    again = happened(told, Outcome.COMPLETED, friday + timedelta(hours=1), cause(2))
    assert again is not None
    assert [pending.at for pending in again.pending] == [datetime(2024, 1, 8, 8, tzinfo=UTC)]
    decision = settle(again, datetime(2024, 1, 8, 8, tzinfo=UTC))
    assert decision is not None
    assert [firing.cause for firing in decision.firings] == [cause(1)]


def test_only_the_wished_outcome_counts_and_only_while_active() -> None:
    """A run that failed is followed by those who ask for it."""
    known = follower()
    assert happened(known, Outcome.FAULTED, START, cause(1)) is None
    assert happened(paused(known, None, now=START, actor="a"), Outcome.COMPLETED, START, cause(1)) is None


def test_the_flow_goes_on_through_what_follows() -> None:
    """Correlation and depth are those of the run that ended, so that a chain is found, and stopped when it feeds itself."""
    told = happened(follower(), Outcome.COMPLETED, START, cause(1, depth=4))
    assert told is not None
    decision = settle(told, START)
    assert decision is not None
    signal, start = (decode(item.payload) for item in carry_out(decision, after=0, now=START))
    assert (signal.correlation_id, signal.depth, start.correlation_id, start.depth) == ("flow-1", 4, "flow-1", 5)


def test_following_itself_is_refused() -> None:
    """Each run would cause the next."""
    with pytest.raises(ScheduleInvalid, match="extract"):
        check(When(expression="", anchor=START, follows=Follows(workflow="extract")), Start(workflow="extract"), 2, START)


def test_the_workflow_is_read_from_the_name_of_a_run() -> None:
    """Workflows may have dashes, namespaces too."""
    assert workflow_of("nightly-load-0abc.team-a", "0abc", "team-a") == "nightly-load"
    assert workflow_of("else", "0abc", "team-a") is None


@given(ends=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 500)), max_size=40))
def test_every_end_is_followed_once_whatever_the_order(ends: list[tuple[int, int]]) -> None:
    """Each distinct instant fires once, repeats of a signal set nothing."""
    known = follower(concurrency=Concurrency.ALLOW)
    minutes: dict[int, int] = {}
    for number, minute in ends:
        minutes.setdefault(number, minute)
        known = happened(known, Outcome.COMPLETED, START + minutes[number] * MINUTE, cause(number)) or known
    assert len(known.pending) <= PENDING_LIMIT
    life = Life(known).at(1000)
    assert sorted(life.fired) == sorted(set(minutes.values()))
    assert planned(life.known).next_at is None
