"""What becomes of an instant while a run is still going on, of late ones, of failures, and of everything with a bound."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.schedules import Exclusions
from tocsin_scheduler.application.announcing import CANCEL, carry_out
from tocsin_scheduler.domain.firing import WAITING_LIMIT, Skip
from tocsin_scheduler.domain.schedules import (
    CatchUp,
    Concurrency,
    Lateness,
    Outcome,
    Status,
    planned,
    resumed,
)
from tocsin_scheduler.domain.timetables import When
from unit.scheduler.life import MINUTE, START, Life, schedule


def test_buffering_one_keeps_the_first_instant_that_waits() -> None:
    """It fires when the run has ended; the later ones were skipped, and it is said why."""
    life = Life(schedule(concurrency=Concurrency.BUFFER_ONE)).at(10).at(20).at(30)
    assert (life.fired, life.skipped) == ([10], [(30, Skip.ONE_WAITS)])
    life.ends(33)
    assert life.fired == [10, 20]
    assert (life.known.waiting, life.known.next_at) == ((), START + 40 * MINUTE)
    life.ends(35).at(40)
    assert life.fired == [10, 20, 40]


def test_buffering_all_fires_each_in_its_turn_up_to_a_limit() -> None:
    """One run at a time, in order; what is beyond the limit is skipped and told."""
    life = Life(schedule(concurrency=Concurrency.BUFFER_ALL)).at(10).at(20).at(30)
    assert life.fired == [10]
    life.ends(35)
    assert life.fired == [10, 20]
    life.at(40).ends(45).ends(46)
    assert life.fired == [10, 20, 30, 40]
    for minute in range(50, 50 + 10 * (WAITING_LIMIT + 2), 10):
        life.at(minute)
    assert [why for _, why in life.skipped] == [Skip.FULL] * 2
    assert len(life.known.waiting) == WAITING_LIMIT


def test_cancelling_the_other_waits_for_its_end() -> None:
    """It is asked once; the latest instant takes the place of those that waited."""
    life = Life(schedule(concurrency=Concurrency.CANCEL_OTHER)).at(10)
    first = life.known.going[0].run
    life.at(20).at(30)
    assert (life.fired, life.cancels, life.skipped) == ([10], [first], [(20, Skip.REPLACED)])
    life.ends(31, Outcome.CANCELLED)
    assert life.fired == [10, 30]


def test_terminating_the_other_does_not_wait() -> None:
    """The command to cancel leaves with the same decision as the start."""
    life = Life(schedule(concurrency=Concurrency.TERMINATE_OTHER)).at(10)
    first = life.known.going[0].run
    life.at(20)
    assert (life.fired, life.cancels) == ([10, 20], [first])
    outbox = carry_out(life.decisions[-1], after=3, now=START)
    assert len(outbox) == 3
    assert outbox[-1].subject == f"commands.executor.cancel.{first}"
    assert CANCEL.encode() in outbox[-1].payload


def test_what_waited_fires_even_when_no_instant_is_left() -> None:
    """A schedule that has finished still owes what it has accepted."""
    known = schedule(when={"ends_at": START + 20 * MINUTE}, concurrency=Concurrency.BUFFER_ALL)
    life = Life(known).at(10).at(20)
    assert (life.known.status, life.fired) == (Status.FINISHED, [10])
    life.ends(25)
    assert (life.known.status, life.fired) == (Status.FINISHED, [10, 20])


def test_it_has_finished_after_so_many_runs() -> None:
    """And stays so."""
    life = Life(schedule(max_runs=2, catch_up=CatchUp.ALL)).at(45)
    assert life.fired == [10, 20]
    assert (life.known.status, life.known.next_at) == (Status.FINISHED, None)
    assert planned(life.known).status is Status.FINISHED
    assert {why for _, why in life.skipped} <= {Skip.USED_UP}


@pytest.mark.parametrize(("lateness", "fired", "late"), [("run", [10], False), ("skip", [], None), ("flag", [10], True)])
def test_a_late_firing_runs_is_skipped_or_flagged(lateness: str, fired: list[int], late: bool | None) -> None:
    """Half a minute late, where ten seconds are allowed."""
    life = Life(schedule(lateness=Lateness(lateness), late_after=timedelta(seconds=10))).at(10.5)
    assert life.fired == fired
    assert [f.late for d in life.decisions for f in d.firings] == ([] if late is None else [late])
    assert life.skipped == ([] if fired else [(10, Skip.TOO_LATE)])


def test_failures_in_a_row_pause_it() -> None:
    """One success begins the row again; resuming too."""
    life = Life(schedule(failures=2)).at(10).ends(11, Outcome.FAULTED).at(20).ends(21).at(30).ends(31, Outcome.FAULTED)
    assert life.known.status is Status.ACTIVE
    life.at(40).ends(41, Outcome.FAULTED)
    assert (life.known.status, life.known.reason, life.known.next_at) == (Status.PAUSED, "2 runs in a row have failed", None)
    assert [item.subject for item in carry_out(life.decisions[-1], after=1, now=START)] == ["signals.default.schedule.paused.s"]
    again = resumed(life.known, now=START + 60 * MINUTE, actor="user:a")
    assert (again.failures, again.status) == (0, Status.ACTIVE)


def test_jitter_is_a_function_of_schedule_and_instant() -> None:
    """The instant stays what it is, only the firing comes later; no instant is lost or doubled."""
    known = schedule(jitter=timedelta(minutes=5))
    assert known.next_at is not None
    put_off = known.put_off(START + 10 * MINUTE)
    assert timedelta(0) < put_off < timedelta(minutes=5)
    assert known.next_at == START + 10 * MINUTE + put_off
    life = Life(known).at(10)
    assert life.fired == []
    life.at(15)
    assert life.fired == [10]
    for minute in range(16, 66):
        life.at(minute)
    assert life.fired == [10, 20, 30, 40, 50, 60]
    assert known.put_off(START) != replace(known, name="t").put_off(START)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=30), st.integers(0, 1800))
def test_with_jitter_every_instant_fires_once(gaps: list[int], jitter: int) -> None:
    """Also with more jitter than there is between two instants."""
    life, minute = Life(schedule("* * * * *", jitter=timedelta(seconds=jitter), catch_up=CatchUp.ALL)), 0.0
    for gap in gaps:
        minute += gap / 60
        life.at(minute)
    life.at(minute + 31)
    assert life.fired == sorted(set(life.fired))
    assert life.fired[: int(minute)] == list(range(1, int(minute) + 1))


def test_after_the_end_of_the_previous_run() -> None:
    """No second run while one is going on; the pause between them is exact, whatever the outcome."""
    life = Life(schedule("PT5M", when={"after_end": True})).at(5)
    assert life.fired == [5]
    life.at(60)
    assert life.fired == [5]
    life.ends(70, Outcome.FAULTED)
    assert life.known.next_at == START + 75 * MINUTE
    life.at(90)
    assert life.fired == [5, 75]
    forgotten = Life(life.known).at(60 * 24 * 9)
    assert len(forgotten.fired) == 1  # a run that never told its end holds nothing back for ever


def test_several_timetables_explicit_dates_and_excluded_days() -> None:
    """The instants of all of them, each once, without those on excluded days."""
    when = When(
        expression="0 9 * * *",
        also=("0 9,17 * * MON", "2024-01-03T12:00:00+00:00", "FREQ=MONTHLY;BYDAY=FR;BYSETPOS=1"),
        anchor=START + timedelta(hours=8),
        exclusions=Exclusions(frozenset(), frozenset({(1, 1)}), frozenset({5, 6})),
    )
    found, instant = [], START
    for _ in range(7):
        instant = when.next(instant)
        found.append(f"{instant:%a %d %H}")
    assert found == ["Tue 02 09", "Wed 03 09", "Wed 03 12", "Thu 04 09", "Fri 05 08", "Fri 05 09", "Mon 08 09"]
    never = replace(when, also=(), expression="0 9 * * SAT")
    assert never.next(START) is None
