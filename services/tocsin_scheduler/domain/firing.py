"""What becomes of the instants of a schedule that are due: fired, caught up, skipped.

A decision takes some instants off the front and moves the cursor behind them. It is committed with the revision of the
schedule, together with the signals and the commands that follow from it: of any number of replicas one decides, and what it
decided cannot be half told.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import assert_never

from tocsin.signals import derive
from tocsin_scheduler.domain.schedules import CatchUp, Concurrency, Going, Schedule, Status, When

AT_ONCE = 20  # firings in one decision: each carries its input, and a document has a limit of 16 MB
COUNTED = 1_000  # missed instants that are counted; beyond that the number says nothing more
GOING_LIMIT = 100  # runs whose end is waited for
FORGOTTEN_AFTER = timedelta(days=7)  # a run that never told its end does not hold a schedule back for ever
_WIDER = 8  # factor between windows when looking for the latest missed instant


class Skip(Enum):
    """Why an instant did not fire."""

    STILL_GOING = "a run of an earlier instant is still going on"


@dataclass(frozen=True, slots=True)
class Firing:
    """One instant that fires.

    Attributes:
        at: The instant.
        run: Id of the run, a function of schedule, generation and instant.
        late: Whether it was caught up.
    """

    at: datetime
    run: str
    late: bool


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


@dataclass(frozen=True, slots=True)
class Decision:
    """What is decided about due instants.

    Attributes:
        schedule: As it is then.
        firings: In order.
        missed: What was given up or caught up, if anything.
        skipped: Instants that did not fire, and why.
    """

    schedule: Schedule
    firings: tuple[Firing, ...] = ()
    missed: Missed | None = None
    skipped: tuple[tuple[datetime, Skip], ...] = ()


def run_id(schedule: Schedule, at: datetime) -> str:
    """The id of the run of an instant; the same for whoever computes it, whenever."""
    return derive("schedule", schedule.namespace, schedule.name, schedule.generation, at.isoformat())


def settle(schedule: Schedule, now: datetime) -> Decision | None:
    """Decide about instants that are due.

    Args:
        schedule: As it was loaded.
        now: The present.

    Returns:
        The decision about the next few instants, or ``None`` when nothing is due. Decide again until it is: a long list of
        instants is taken in pieces.
    """
    if schedule.status is not Status.ACTIVE or schedule.next_at is None or schedule.next_at > now:
        return None
    on_time_from = now - schedule.policy.on_time
    missed: Missed | None = None
    due: list[datetime] = []
    following: datetime | None = schedule.next_at
    cursor = schedule.settled
    if schedule.next_at < on_time_from:
        due, missed, cursor = _late(schedule, on_time_from, now)
        following = schedule.when.next(cursor)
    while following is not None and following <= now and len(due) < AT_ONCE:
        due.append(following)
        following = schedule.when.next(following)
    settled = due[-1] if due else cursor
    if following is None or following > now:
        settled = max(settled, now)
    firings, skipped, going = _fire(schedule, due, on_time_from, now)
    moved = replace(
        schedule,
        settled=settled,
        next_at=following,
        status=Status.FINISHED if following is None else Status.ACTIVE,
        going=going,
        fired=schedule.fired + len(firings),
        last_at=firings[-1].at if firings else schedule.last_at,
        last_run=firings[-1].run if firings else schedule.last_run,
    )
    return Decision(moved, firings, missed, skipped)


def _fire(
    schedule: Schedule, due: list[datetime], on_time_from: datetime, now: datetime
) -> tuple[tuple[Firing, ...], tuple[tuple[datetime, Skip], ...], tuple[Going, ...]]:
    alone = schedule.policy.concurrency is Concurrency.SKIP
    going = [known for known in schedule.going if known.since > now - FORGOTTEN_AFTER] if alone else []
    firings: list[Firing] = []
    skipped: list[tuple[datetime, Skip]] = []
    for at in due:
        if alone and going:
            skipped.append((at, Skip.STILL_GOING))
            continue
        firing = Firing(at, run_id(schedule, at), at < on_time_from)
        firings.append(firing)
        if alone:
            going.append(Going(firing.run, now))
    return tuple(firings), tuple(skipped), tuple(going[-GOING_LIMIT:])


def _late(schedule: Schedule, until: datetime, now: datetime) -> tuple[list[datetime], Missed | None, datetime]:
    """Instants up to ``until`` that nobody fired: what is caught up now, what to say about them, and the cursor behind them."""
    when, policy, settled = schedule.when, schedule.policy, schedule.settled
    reach = max(settled, until - policy.window)
    match policy.catch_up:
        case CatchUp.NONE:
            return [], _missed(when, settled, until, "skipped"), until
        case CatchUp.LATEST:
            # An instant that is in time is later than any that was missed.
            latest = None if _take(when, until, now, 1) else _latest(when, reach, until)
            caught = [] if latest is None else [latest]
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
    last = counted[-1] if len(counted) < COUNTED else _latest(when, after, until) or counted[-1]
    return Missed(counted[0], last, len(counted), action)


def _take(when: When, after: datetime, until: datetime, limit: int) -> list[datetime]:
    """Instants in (after, until], at most so many."""
    found: list[datetime] = []
    instant = when.next(after)
    while instant is not None and instant <= until and len(found) < limit:
        found.append(instant)
        instant = when.next(instant)
    return found


def _latest(when: When, after: datetime, until: datetime) -> datetime | None:
    """The last instant in (after, until], found by looking into ever wider windows from the end."""
    for window in _windows(until - after):
        latest = None
        instant = when.next(max(after, until - window))
        while instant is not None and instant <= until:
            latest = instant
            instant = when.next(instant)
        if latest is not None:
            return latest
    return None


def _windows(whole: timedelta) -> Iterator[timedelta]:
    window = timedelta(minutes=1)
    while window < whole:
        yield window
        window *= _WIDER
    yield whole
