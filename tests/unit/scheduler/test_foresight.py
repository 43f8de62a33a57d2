"""What is foretold is what will be done."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.schedules import Exclusions
from tocsin_scheduler.domain.foresight import foresee, simulate, upcoming
from tocsin_scheduler.domain.schedules import Concurrency, Policy, Schedule, Start, planned
from tocsin_scheduler.domain.timetables import When

START = datetime(2024, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def schedule(expression: str = "*/10 * * * *", name: str = "s", *, when: dict[str, object] | None = None, **policy: object):
    made = Schedule(
        namespace="default",
        name=name,
        generation=1,
        when=When(expression=expression, anchor=START, **(when or {})),
        start=Start(workflow="w"),
        policy=Policy(**policy),
        settled=START,
        created_at=START,
        updated_at=START,
        actor="user:a",
    )
    return planned(made)


def told(known: Schedule, duration: int, count: int = 5) -> list[tuple[int, str, int]]:
    found = upcoming(known, START + timedelta(days=1), duration * MINUTE, count)
    return [(int((f.at - START) / MINUTE), f.decision, int((f.decided_at - START) / MINUTE)) for f in found]


def test_each_policy_says_what_it_will_do() -> None:
    """Runs of fifteen minutes, every ten."""
    assert told(schedule(), 15, 3) == [(10, "run", 10), (20, "run", 20), (30, "run", 30)]
    assert told(schedule(concurrency=Concurrency.SKIP), 15, 3) == [(10, "run", 10), (20, "skip", 20), (30, "run", 30)]
    waits = told(schedule(concurrency=Concurrency.BUFFER_ALL), 15, 4)
    assert waits == [(10, "run", 10), (20, "run", 25), (30, "run", 40), (40, "run", 55)]
    one = told(schedule(concurrency=Concurrency.BUFFER_ONE), 25, 4)
    assert one == [(10, "run", 10), (30, "skip", 30), (20, "run", 35), (50, "skip", 50)]
    assert told(schedule(max_runs=2), 1) == [(10, "run", 10), (20, "run", 20)]
    assert told(schedule("PT5M", when={"after_end": True}), 15, 3) == [(5, "run", 5), (25, "run", 25), (45, "run", 45)]


def test_excluded_days_are_shown_with_the_reason() -> None:
    """A preview explains what it leaves out."""
    known = schedule("0 12 * * *", when={"exclusions": Exclusions(frozenset({date(2024, 1, 2)}))})
    found = list(foresee(known, START + timedelta(days=3), MINUTE))
    assert [(f.at.day, f.decision, f.why) for f in found] == [
        (1, "run", None),
        (2, "skip", "the day is excluded"),
        (3, "run", None),
    ]


def test_a_paused_schedule_foretells_nothing() -> None:
    """There is nothing to tell."""
    assert upcoming(replace(schedule(), next_at=None), START + timedelta(days=1), MINUTE, 3) == []


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(Concurrency), st.integers(0, 90))
def test_every_instant_has_one_decision(concurrency: Concurrency, minutes: int) -> None:
    """Whatever the policy and the length of the runs; what still waits at the end is not decided yet."""
    found = list(foresee(schedule(concurrency=concurrency), START + timedelta(hours=4), minutes * MINUTE))
    instants = sorted(f.at for f in found)
    assert len(instants) == len(set(instants))
    if concurrency in (Concurrency.ALLOW, Concurrency.SKIP, Concurrency.TERMINATE_OTHER):
        assert instants == [START + 10 * n * MINUTE for n in range(1, 25)]


def test_a_month_of_a_set_of_schedules() -> None:
    """Load by hour, crowds at the same instant, runs that are too long, and the most at once."""
    known = [schedule("0 * * * *", f"hourly-{n}") for n in range(3)]
    known.append(schedule("0 6 * * *", "daily"))
    known.append(schedule("*/10 * * * *", "tight", concurrency=Concurrency.SKIP))
    found = simulate(known, START + timedelta(days=1), {"w": 15 * MINUTE}, MINUTE)
    assert found.is_complete
    assert found.firings == 3 * 24 + 1 + 72
    assert list(found.skipped.values()) == [72]
    assert found.by_hour[START + timedelta(hours=6)] == 3 + 1 + 3
    assert found.crowded[0][0] == START + timedelta(hours=6)
    assert len(found.crowded[0][1]) >= 4
    assert dict(found.overlapping) == {"default/tight": 72}
    assert found.at_once == 5
