"""Freshness: what was promised about an asset, and whether it holds at an instant.

A verdict is a function of the promise, of when the asset was written, and of the instant; nothing else. It comes with the next
instant at which it can change by itself, so that nobody has to look in between.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from itertools import islice
from typing import TypeAlias

from tocsin.schedules import Exclusions, Timetable, parse_timetable
from tocsin_lineage.domain.partitions import Grid, Windows, boundary_before, closed_windows, key_of, windows_from

LATE_LIMIT = 1000  # partitions that are late at once and are kept by name; with more the asset is broken as a whole
WINDOWS_AT_ONCE = 200  # that one look decides; it looks again at once if there are more
_STEP = timedelta(milliseconds=1)  # what the store can tell apart: a due instant is kept as it was meant
_REACH = timedelta(days=366 * 8)
_EXCLUDED_LIMIT = 10_000  # deadlines on excluded days in a row


class State(Enum):
    """How fresh an asset is, from best to worst."""

    UNKNOWN = "unknown"  # nothing was promised yet that could be broken
    FRESH = "fresh"
    WARNING = "warning"  # late, within what is tolerated
    STALE = "stale"  # the promise is broken


ORDER = {state: number for number, state in enumerate(State)}


@dataclass(frozen=True, slots=True)
class MaximumLag:
    """It was written not longer ago than this.

    Attributes:
        fail: Longer ago is stale.
        warn: Longer ago is a warning; ``None`` for none.
    """

    fail: timedelta
    warn: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Deadline:
    """By each of these instants it was written anew.

    Attributes:
        cron: The deadlines.
        zone: IANA name.
        within: How long before its deadline a writing counts for it.
        warn: How long before the deadline the warning comes; ``None`` for none.
        exclusions: Days of the zone on which there is no deadline.
    """

    cron: str
    zone: str
    within: timedelta
    warn: timedelta | None = None
    exclusions: Exclusions = Exclusions()  # noqa: RUF009  # frozen

    def timetable(self) -> Timetable:
        """The deadlines, with those of excluded days."""
        return parse_timetable(self.cron, self.zone)

    def next(self, after: datetime) -> datetime | None:
        """The first deadline after an instant."""
        table = self.timetable()
        found = table.next(after)
        for _ in range(_EXCLUDED_LIMIT):
            if found is None or not self.exclusions.cover(found.astimezone(table.place).date()):
                return found
            found = table.next(found)
        return None


@dataclass(frozen=True, slots=True)
class EachPartition:
    """Each window is written so long after its end; where no dimension is one of time, each key is never older than that.

    Attributes:
        fail: Later is stale.
        warn: Later is a warning; ``None`` for none.
    """

    fail: timedelta
    warn: timedelta | None = None


Promise: TypeAlias = MaximumLag | Deadline | EachPartition


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was found.

    Attributes:
        state: Of the asset; with partitions the worst of them.
        since: When it came to be so.
        due: When it can change by itself next; ``None`` for never.
        judged: Windows that end before are decided or in ``late``.
        late: Windows that should have been written and are not, with their states.
    """

    state: State = State.UNKNOWN
    since: datetime | None = None
    due: datetime | None = None
    judged: datetime | None = None
    late: dict[str, State] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """A transition, to be said.

    Attributes:
        partition: Of which window; ``None`` for the asset itself.
        before: Its state before.
        after: Its state now.
    """

    partition: str | None
    before: State
    after: State


@dataclass(frozen=True, slots=True)
class Known:
    """What is known about a partition.

    Attributes:
        written: When it was written last.
        since: When it came to be known, where that is on record: its clock begins then.
    """

    written: datetime | None = None
    since: datetime | None = None


Look: TypeAlias = Callable[[str], Known]
"""What is known about the partition of a key."""
_NOTHING = Known()


def judge(
    promise: Promise | None,
    before: Verdict,
    *,
    now: datetime,
    since: datetime,
    written: datetime | None,
    outdated: bool = False,
    grid: Grid | None = None,
    look: Look = lambda key: _NOTHING,
) -> tuple[Verdict, list[Change]]:
    """Judge at an instant.

    Args:
        promise: What was promised; ``None`` where only the code's version counts.
        before: The last verdict.
        now: The instant.
        since: When it was promised; counts as a writing where there was none, so that a new asset is not stale at once.
        written: When the asset was written last.
        outdated: Whether the code that makes it has changed since it was written: then it is stale, whatever else holds.
        grid: Its partitions, for :class:`EachPartition`.
        look: What is known about a partition; asked for those of :func:`open_keys`.

    Returns:
        The verdict and the transitions since the last one, the asset's own last.
    """
    changes: list[Change] = []
    match promise:
        case None:
            state, after = State.FRESH if written is not None else State.UNKNOWN, replace(before, due=None, late={})
        case MaximumLag():
            state, due = _lag(promise, now, since, written)
            after = replace(before, due=due, late={})
        case Deadline():
            state, due = _deadline(promise, now, since, written)
            after = replace(before, due=due, late={})
        case EachPartition() if grid is None:
            return replace(before, due=None), []
        case EachPartition() if grid.windows is None:
            state, after, changes = _each_key(promise, before, now=now, since=since, keys=grid.others, look=look)
        case EachPartition():
            state, after, changes = _each(promise, before, now=now, since=since, grid=grid, look=look)
            if state is State.UNKNOWN and written is not None:
                state = State.FRESH  # no window has come to its end since it was promised, and something is there
    return _turned(after, before, State.STALE if outdated else state, now, changes)


def _turned(
    after: Verdict, before: Verdict, state: State, now: datetime, changes: list[Change]
) -> tuple[Verdict, list[Change]]:
    if state is before.state:
        return after, changes
    return replace(after, state=state, since=now), [*changes, Change(None, before.state, state)]


def _lag(promise: MaximumLag, now: datetime, since: datetime, written: datetime | None) -> tuple[State, datetime | None]:
    base = written if written is not None else since
    fails = base + promise.fail
    warns = base + promise.warn if promise.warn is not None else None
    if now > fails:
        return State.STALE, None
    if warns is not None and now > warns:
        return State.WARNING, fails + _STEP
    state = State.FRESH if written is not None else State.UNKNOWN
    return state, (warns if warns is not None else fails) + _STEP


def _deadline(promise: Deadline, now: datetime, since: datetime, written: datetime | None) -> tuple[State, datetime | None]:
    coming = promise.next(now)
    passed = _passed(promise, since, now)
    if passed is not None and (written is None or written < passed - promise.within):
        return State.STALE, None  # until it is written: the next deadline makes it no worse
    alarm = coming - promise.warn if coming is not None and promise.warn is not None else None
    met = coming is not None and written is not None and written >= coming - promise.within
    if alarm is not None and now >= alarm and not met:
        return State.WARNING, coming
    state = State.FRESH if written is not None or passed is not None else State.UNKNOWN
    if alarm is not None and alarm > now and not met:
        return state, alarm
    return state, coming


def _passed(promise: Deadline, since: datetime, now: datetime) -> datetime | None:
    """The last deadline in [since, now]."""
    span = timedelta(hours=6)
    while True:
        begin = max(now - span, since)
        found, following = None, promise.next(begin - _STEP)
        while following is not None and following <= now:
            found, following = following, promise.next(following)
        if found is not None:
            return found
        if begin == since or span > _REACH:
            return None
        span *= 4


def open_keys(promise: Promise | None, before: Verdict, *, now: datetime, since: datetime, grid: Grid | None) -> list[str]:
    """The partitions that a verdict at ``now`` has to know about: late ones, and those that came to their alarm since.

    Where no dimension is one of time: all of them.
    """
    if grid is None or not isinstance(promise, EachPartition):
        return []
    if grid.windows is None:
        return list(dict.fromkeys([*before.late, *grid.others]))
    ripe = _ripe(promise, before, now=now, since=since, windows=grid.windows)
    return list(dict.fromkeys([*before.late, *(key for window in ripe for key in grid.keys(window))]))


def _ripe(promise: EachPartition, before: Verdict, *, now: datetime, since: datetime, windows: Windows) -> dict[str, datetime]:
    """Windows whose first alarm has passed and which are not judged, with their ends."""
    alarm = promise.warn if promise.warn is not None else promise.fail
    found = islice(closed_windows(windows, before.judged or since, now - alarm - _STEP), WINDOWS_AT_ONCE)
    return {key_of(windows, window.start): window.end for window in found}


def _each(
    promise: EachPartition, before: Verdict, *, now: datetime, since: datetime, grid: Grid, look: Look
) -> tuple[State, Verdict, list[Change]]:
    assert grid.windows is not None  # the caller has looked
    ripe = _ripe(promise, before, now=now, since=since, windows=grid.windows)
    fresh = {key: end for window, end in ripe.items() for key in grid.keys(window)}
    ends = {**_ends(grid, before.late), **fresh}
    late: dict[str, State] = {}
    changes: list[Change] = []
    alarms: list[datetime] = []
    for key, end in ends.items():
        was = before.late.get(key, State.UNKNOWN if key in fresh else State.FRESH)
        fails = end + promise.fail
        is_now = State.FRESH if look(key).written is not None else State.STALE if now > fails else State.WARNING
        if is_now is not State.FRESH:
            late[key] = is_now
            if is_now is State.WARNING:
                alarms.append(fails + _STEP)
        if is_now is not was and not (is_now is State.FRESH and was is State.UNKNOWN):
            changes.append(Change(key, was, is_now))
    judged = max([*ripe.values(), before.judged or since])
    following = next(ends_after(grid.windows, judged), None)
    if following is not None:
        first = following + (promise.warn if promise.warn is not None else promise.fail) + _STEP
        alarms.append(max(first, now) if len(ripe) < WINDOWS_AT_ONCE else now)
    kept = dict(sorted(late.items(), key=lambda item: item[0])[-LATE_LIMIT:])
    state = max(kept.values(), key=ORDER.__getitem__, default=State.FRESH if judged > since else State.UNKNOWN)
    return state, replace(before, due=min(alarms, default=None), judged=judged, late=kept), changes


def _each_key(
    promise: EachPartition, before: Verdict, *, now: datetime, since: datetime, keys: tuple[str, ...], look: Look
) -> tuple[State, Verdict, list[Change]]:
    """Each key has the clock of :class:`MaximumLag`; one that came to be known later counts from then."""
    lag = MaximumLag(promise.fail, promise.warn)
    late: dict[str, State] = {}
    changes: list[Change] = []
    alarms: list[datetime] = []
    states: list[State] = []
    for key in keys:
        known = look(key)
        state, due = _lag(lag, now, max(since, known.since or since), known.written)
        states.append(state)
        if due is not None:
            alarms.append(due)
        is_late = ORDER[state] > ORDER[State.FRESH]
        if is_late:
            late[key] = state
        was = before.late.get(key, State.FRESH)
        if (is_late and state is not was) or (not is_late and key in before.late):
            changes.append(Change(key, was, State.FRESH if not is_late else state))
    kept = dict(sorted(late.items(), key=lambda item: item[0])[-LATE_LIMIT:])
    worst = max(states, key=ORDER.__getitem__, default=State.UNKNOWN)
    return worst, replace(before, due=min(alarms, default=None), judged=None, late=kept), changes


def _ends(grid: Grid, keys: dict[str, State]) -> dict[str, datetime]:
    found = {}
    for key in keys:
        window = grid.window_of(key)
        if window is not None:
            found[key] = window.end
    return found


def ends_after(windows: Windows, after: datetime) -> Iterator[datetime]:
    """Ends of windows after an instant, in order, without a limit in time."""
    begun = boundary_before(windows, after)
    before = (begun if begun is not None else windows.start) - _STEP
    return (window.end for window in windows_from(windows, before) if window.end > after)
