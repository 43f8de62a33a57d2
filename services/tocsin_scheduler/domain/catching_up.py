"""Instants that went by while nobody could fire: what is caught up, and what is said about them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from tocsin_scheduler.domain.schedules import CatchUp, Schedule
from tocsin_scheduler.domain.timetables import When

AT_ONCE = 20  # firings in one decision: each carries its input, and a document has a limit of 16 MB
COUNTED = 1_000  # missed instants that are counted; beyond that the number says nothing more
_WIDER = 8  # factor between windows when looking for the latest missed instant


@dataclass(frozen=True, slots=True)
class Missed:
    """Instants that went by.

    Attributes:
        first: The first of them.
        last: The last of them.
        count: How many, at most :data:`COUNTED`.
        action: What was done about them.
    """

    first: datetime
    last: datetime
    count: int
    action: str


def caught_up(schedule: Schedule, until: datetime, now: datetime) -> tuple[list[datetime], Missed | None, datetime]:
    """Instants up to ``until`` that nobody fired: what is caught up now, what to say about them, and the cursor behind them."""
    when, policy, settled = schedule.when, schedule.policy, schedule.settled
    reach = max(settled, until - policy.window)
    match policy.catch_up:
        case CatchUp.NONE:
            return [], _missed(when, settled, until, "skipped"), until
        case CatchUp.LATEST:
            # An instant that is in time is later than any that was missed.
            last = None if _take(when, until, now, 1) else latest(when, reach, until)
            caught = [] if last is None else [last]
            return caught, _missed(when, settled, until, "fired once" if caught else "skipped"), until
        case CatchUp.ALL:
            caught = _take(when, reach, until, AT_ONCE)
            return caught, _missed(when, settled, reach, "skipped"), caught[-1] if caught else until
        case _:
            assert_never(policy.catch_up)


def _missed(when: When, after: datetime, until: datetime, action: str) -> Missed | None:
    counted = _take(when, after, until, COUNTED) if after < until else []
    if not counted:
        return None
    last = counted[-1] if len(counted) < COUNTED else latest(when, after, until) or counted[-1]
    return Missed(counted[0], last, len(counted), action)


def _take(when: When, after: datetime, until: datetime, limit: int) -> list[datetime]:
    """Instants in (after, until], at most so many."""
    found: list[datetime] = []
    instant = when.next(after)
    while instant is not None and instant <= until and len(found) < limit:
        found.append(instant)
        instant = when.next(instant)
    return found


def latest(when: When, after: datetime, until: datetime) -> datetime | None:
    """The last instant in (after, until], found by looking into ever wider windows from the end."""
    for window in _windows(until - after):
        found = None
        instant = when.next(max(after, until - window))
        while instant is not None and instant <= until:
            found = instant
            instant = when.next(instant)
        if found is not None:
            return found
    return None


def _windows(whole: timedelta) -> Iterator[timedelta]:
    window = timedelta(minutes=1)
    while window < whole:
        yield window
        window *= _WIDER
    yield whole
