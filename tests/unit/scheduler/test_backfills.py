"""Backfills: which instants need a run, and that each item gets one, a few at a time."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import TooLarge
from tocsin_scheduler.domain.backfills import (
    AT_ONCE,
    Backfill,
    Item,
    Order,
    Progress,
    Reprocess,
    closed,
    ended,
    launched,
    plan,
    run_of,
    stopped,
    unique,
)
from tocsin_scheduler.domain.schedules import NotNow, Outcome, ScheduleInvalid, Start
from tocsin_scheduler.domain.timetables import When

DAY = datetime(2024, 1, 1, tzinfo=UTC)
HOURLY = When(expression="0 * * * *", anchor=DAY, starts_at=DAY + timedelta(days=300))


def keys(items: list[Item]) -> list[str]:
    return [item.key[11:13] for item in items]


def backfill(total: int = 5, **more: object) -> Backfill:
    made = Backfill(
        namespace="default",
        name="b",
        generation=1,
        schedule=None,
        start=Start(workflow="w"),
        total=total,
        created_at=DAY,
        actor="user:a",
    )
    return replace(made, **more)


def test_the_window_is_half_open_and_reaches_before_the_schedule() -> None:
    """A schedule of today may be given the past; each instant knows the one before it."""
    items = plan(HOURLY, DAY, DAY + timedelta(hours=3), order=Order.OLDEST_FIRST, reprocess=Reprocess.NONE, had={})
    assert keys(items) == ["00", "01", "02"]
    assert [item.previous for item in items] == [DAY - timedelta(hours=1), DAY, DAY + timedelta(hours=1)]


def test_the_newest_may_come_first() -> None:
    """The interval of an instant stays what it was."""
    items = plan(HOURLY, DAY, DAY + timedelta(hours=3), order=Order.NEWEST_FIRST, reprocess=Reprocess.NONE, had={})
    assert keys(items) == ["02", "01", "00"]
    assert items[0].previous == DAY + timedelta(hours=1)


@pytest.mark.parametrize(
    ("reprocess", "expected"),
    [(Reprocess.NONE, ["04"]), (Reprocess.FAILED, ["01", "02", "04"]), (Reprocess.ALL, ["00", "01", "02", "03", "04"])],
)
def test_what_had_a_run_gets_another_only_as_wished(reprocess: Reprocess, expected: list[str]) -> None:
    """A run that goes on counts as had, one that was refused as failed."""
    outcomes = [Outcome.COMPLETED, Outcome.FAULTED, Outcome.REFUSED, None]
    had = {DAY + timedelta(hours=hour): outcome for hour, outcome in enumerate(outcomes)}
    assert keys(plan(HOURLY, DAY, DAY + timedelta(hours=5), order=Order.OLDEST_FIRST, reprocess=reprocess, had=had)) == expected


def test_what_cannot_be_known_or_is_too_much_is_refused() -> None:
    """With the number and what to do."""
    after = When(expression="PT1H", anchor=DAY, after_end=True)
    with pytest.raises(ScheduleInvalid):
        plan(after, DAY, DAY + timedelta(days=1), order=Order.OLDEST_FIRST, reprocess=Reprocess.ALL, had={})
    with pytest.raises(TooLarge, match="10000"):
        plan(HOURLY, DAY, DAY + timedelta(days=500), order=Order.OLDEST_FIRST, reprocess=Reprocess.ALL, had={})
    with pytest.raises(ScheduleInvalid, match="'a'"):
        unique([Item("a"), Item("b"), Item("a")])


@given(
    total=st.integers(0, 60),
    concurrency=st.integers(1, 30),
    ends=st.lists(st.tuples(st.integers(0, 40), st.sampled_from(list(Outcome)), st.booleans()), max_size=120),
    cancel_at=st.integers(0, 200),
)
def test_every_item_gets_one_run_and_never_too_many_at_once(
    total: int, concurrency: int, ends: list[tuple[int, Outcome, bool]], cancel_at: int
) -> None:
    """Whatever the order of the ends, heard twice or not, cancelled or not: the counts add up when it is over."""
    items = [Item(f"p{number}") for number in range(total)]
    known, started = backfill(total, concurrency=concurrency), []

    def advance(now: Backfill) -> Backfill:
        while now.wants:
            assert now.wants <= AT_ONCE
            chosen = items[now.cursor : now.cursor + now.wants]
            started.extend(run_of(now, item) for item in chosen)
            now = launched(now, chosen)
        assert len(now.going) <= concurrency
        return closed(now, DAY)

    known = advance(known)
    for number, (which, outcome, twice) in enumerate(ends):
        if number == cancel_at and not known.is_over:
            known = closed(stopped(known, None), DAY)
        if not known.going:
            break
        run = known.going[which % len(known.going)].run
        counted = ended(known, {run: outcome, "another": outcome})
        assert counted is not None
        known = advance(counted)
        if twice:
            assert ended(known, {run: outcome}) is None
    assert len(started) == len(set(started)) == known.cursor
    assert known.completed + known.failed + known.cancelled + len(known.going) == known.cursor
    if known.status is Progress.COMPLETED:
        assert known.cursor == total
    if known.is_over:
        assert not known.going
        with pytest.raises(NotNow):
            stopped(known, None)
