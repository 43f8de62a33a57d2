"""What becomes of due instants: each is decided once, in order, and nothing is decided behind the cursor."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin_scheduler.domain.firing import AT_ONCE, Decision, ended, run_id, settle
from tocsin_scheduler.domain.schedules import (
    CatchUp,
    Concurrency,
    Going,
    Outcome,
    Policy,
    Schedule,
    Start,
    Status,
    paused,
    planned,
    resumed,
)
from tocsin_scheduler.domain.timetables import When

START = datetime(2024, 1, 1, tzinfo=UTC)


def schedule(
    expression: str = "*/10 * * * *", *, policy: Policy | None = None, at: datetime = START, **when: object
) -> Schedule:
    made = Schedule(
        namespace="default",
        name="s",
        generation=1,
        when=When(expression=expression, anchor=START, **when),
        start=Start(workflow="w"),
        policy=policy or Policy(),
        settled=at,
        created_at=at,
        updated_at=at,
        actor="user:a",
    )
    return planned(made)


def all_of(known: Schedule, now: datetime) -> tuple[Schedule, list[Decision]]:
    """Decide until nothing is due."""
    decisions = []
    while (decision := settle(known, now)) is not None:
        decisions.append(decision)
        known = decision.schedule
        assert len(decisions) < 10_000
    return known, decisions


def fired(decisions: list[Decision]) -> list[str]:
    return [firing.at.isoformat()[11:16] for decision in decisions for firing in decision.firings]


def test_an_instant_fires_once_it_has_come() -> None:
    """Not before; and then the next one is known."""
    known = schedule()
    assert known.next_at == START + timedelta(minutes=10)
    assert settle(known, START + timedelta(minutes=9, seconds=59)) is None
    after, decisions = all_of(known, START + timedelta(minutes=10, milliseconds=3))
    assert fired(decisions) == ["00:10"]
    assert not decisions[0].firings[0].late
    assert (after.next_at, after.fired, after.last_run) == (START + timedelta(minutes=20), 1, decisions[0].firings[0].run)
    assert settle(after, START + timedelta(minutes=10, seconds=5)) is None


def test_the_run_of_an_instant_is_known_in_advance() -> None:
    """So that a repeat starts nothing twice; another generation is another schedule."""
    known = schedule()
    at = START + timedelta(minutes=10)
    _, decisions = all_of(known, at)
    assert decisions[0].firings[0].run == run_id(known, at)
    assert run_id(replace(known, generation=2), at) != run_id(known, at)


def test_catching_up_none_latest_all() -> None:
    """After an hour of silence: nothing, the latest, or all within the window; and it is said what was given up."""
    now = START + timedelta(minutes=65)
    for catch_up, window, expected, count, action in (
        (CatchUp.NONE, 24, [], 6, "skipped"),
        (CatchUp.LATEST, 24, ["01:00"], 6, "fired once"),
        (CatchUp.ALL, 24, ["00:10", "00:20", "00:30", "00:40", "00:50", "01:00"], None, None),
        (CatchUp.ALL, 0.5, ["00:40", "00:50", "01:00"], 3, "skipped"),
    ):
        policy = Policy(catch_up=catch_up, window=timedelta(hours=window))
        after, decisions = all_of(schedule(policy=policy), now)
        assert fired(decisions) == expected, catch_up
        missed = [decision.missed for decision in decisions if decision.missed is not None]
        assert [(m.count, m.action) for m in missed] == ([] if count is None else [(count, action)]), catch_up
        assert after.next_at == START + timedelta(minutes=70)
        assert all(firing.late for decision in decisions for firing in decision.firings)


def test_an_instant_in_time_makes_catching_up_the_latest_needless() -> None:
    """What is fired is the present, not the past."""
    after, decisions = all_of(schedule(policy=Policy(catch_up=CatchUp.LATEST)), START + timedelta(minutes=60, seconds=2))
    assert fired(decisions) == ["01:00"]
    assert decisions[0].missed is not None
    assert decisions[0].missed.count == 5
    assert after.fired == 1


def test_a_month_of_seconds_is_given_up_without_counting_them_all() -> None:
    """A platform that was off for a month is up in a moment."""
    policy = Policy(catch_up=CatchUp.LATEST, window=timedelta(days=60))
    after, decisions = all_of(schedule("* * * * * *", policy=policy), START + timedelta(days=30))
    assert decisions[0].missed is not None
    assert decisions[0].missed.count == 1000
    assert after.settled >= START + timedelta(days=30)
    assert sum(len(decision.firings) for decision in decisions) <= 61


def test_many_instants_are_taken_in_pieces() -> None:
    """A decision fits into a document whatever the backlog."""
    policy = Policy(catch_up=CatchUp.ALL, window=timedelta(hours=1))
    _, decisions = all_of(schedule("* * * * *", policy=policy), START + timedelta(minutes=59))
    assert [len(decision.firings) for decision in decisions] == [AT_ONCE, AT_ONCE, 19]
    assert len(set(fired(decisions))) == 59


def test_while_a_run_is_going_on_instants_are_skipped() -> None:
    """If the schedule asks for that; the end of the run lets it fire again, and a week of silence too."""
    known = schedule(policy=Policy(concurrency=Concurrency.SKIP))
    known, first = all_of(known, START + timedelta(minutes=10))
    known, second = all_of(known, START + timedelta(minutes=20))
    assert (len(first[0].firings), len(second[0].firings), len(second[0].skipped)) == (1, 0, 1)
    known = ended(known, {first[0].firings[0].run: Outcome.COMPLETED}, START + timedelta(minutes=25)).schedule
    known, third = all_of(known, START + timedelta(minutes=30))
    assert fired(third) == ["00:30"]
    forgotten = replace(known, going=(Going("lost", START - timedelta(days=8)),))
    assert fired(all_of(forgotten, START + timedelta(minutes=40))[1]) == ["00:40"]


def test_pausing_and_resuming() -> None:
    """A paused schedule does not fire, and what went by meanwhile was not wanted."""
    known = paused(schedule(), "holiday", now=START, actor="user:a")
    assert settle(known, START + timedelta(hours=1)) is None
    assert known.next_at is None
    again = resumed(known, now=START + timedelta(hours=1, minutes=1), actor="user:a")
    assert (again.status, again.next_at) == (Status.ACTIVE, START + timedelta(minutes=70))


def test_start_and_end() -> None:
    """No instant before the start or after the end; then it is finished."""
    known = schedule(starts_at=START + timedelta(minutes=20), ends_at=START + timedelta(minutes=40))
    assert known.next_at == START + timedelta(minutes=20)
    after, decisions = all_of(known, START + timedelta(minutes=41))
    assert fired(decisions) == ["00:40"]
    assert (after.status, after.next_at) == (Status.FINISHED, None)


MOMENTS = st.lists(st.integers(1, 5000), min_size=1, max_size=12)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["* * * * *", "*/7 * * * *", "PT90S", "0 * * * *", "30 2,3 * * *"]), MOMENTS, st.sampled_from(CatchUp))
def test_whenever_anybody_looks_instants_fire_in_order_and_once(expression: str, gaps: list[int], catch_up: CatchUp) -> None:
    """Looks at any moments: each firing is an instant of the timetable, later than all before; catching up leaves none out."""
    known = schedule(expression, policy=Policy(catch_up=catch_up, window=timedelta(days=30)))
    now, seen = START, []
    for gap in gaps:
        now += timedelta(seconds=gap)
        known, decisions = all_of(known, now)
        seen += [firing.at for decision in decisions for firing in decision.firings]
        assert known.next_at is None or known.next_at > now
    assert seen == sorted(set(seen))
    every, _ = known.when.timetable.due(START, now, 100_000)
    assert set(seen) <= set(every)
    if catch_up is CatchUp.ALL:
        assert seen == every
