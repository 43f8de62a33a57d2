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

from tocsin.schedules import Timetable, parse_timetable
from tocsin_lineage.domain.partitions import Windows, boundary_before, closed_windows, key_of, window_of, windows_from

LATE_LIMIT = 200  # partitions that are late at once and are kept by name; with more the asset is broken as a whole
_STEP = timedelta(milliseconds=1)  # what the store can tell apart: a due instant is kept as it was meant
_REACH = timedelta(days=366 * 8)


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
    """

    cron: str
    zone: str
    within: timedelta
    warn: timedelta | None = None

    def timetable(self) -> Timetable:
        """The deadlines."""
        return parse_timetable(self.cron, self.zone)


@dataclass(frozen=True, slots=True)
class EachPartition:
    """Each window is written so long after its end.

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


Written: TypeAlias = Callable[[str], bool]
"""Whether the partition of a key has been written."""


def judge(
    promise: Promise,
    before: Verdict,
    *,
    now: datetime,
    since: datetime,
    written: datetime | None,
    windows: Windows | None = None,
    is_written: Written = lambda key: False,
) -> tuple[Verdict, list[Change]]:
    """Judge at an instant.

    Args:
        promise: What was promised.
        before: The last verdict.
        now: The instant.
        since: When it was promised; counts as a writing where there was none, so that a new asset is not stale at once.
        written: When the asset was written last.
        windows: Its windows of time, for :class:`EachPartition`.
        is_written: Whether a window's partition is written; asked for windows that have ended and are not decided, see
            :func:`open_keys`.

    Returns:
        The verdict and the transitions since the last one, the asset's own last.
    """
    match promise:
        case MaximumLag():
            state, due = _lag(promise, now, since, written)
            after = replace(before, due=due, late={})
            return _turned(after, before, state, now, [])
        case Deadline():
            state, due = _deadline(promise, now, since, written)
            after = replace(before, due=due, late={})
            return _turned(after, before, state, now, [])
        case EachPartition():
            if windows is None:
                return replace(before, due=None), []
            return _each(promise, before, now=now, since=since, windows=windows, is_written=is_written)


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
    table = promise.timetable()
    coming = table.next(now)
    passed = _passed(table, since, now)
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


def _passed(table: Timetable, since: datetime, now: datetime) -> datetime | None:
    """The last deadline in [since, now]."""
    span = timedelta(hours=6)
    while True:
        begin = max(now - span, since)
        found, following = None, table.next(begin - _STEP)
        while following is not None and following <= now:
            found, following = following, table.next(following)
        if found is not None:
            return found
        if begin == since or span > _REACH:
            return None
        span *= 4


def open_keys(promise: Promise, before: Verdict, *, now: datetime, since: datetime, windows: Windows | None) -> list[str]:
    """The windows that a verdict at ``now`` has to know about: late ones, and those that came to their alarm since."""
    if windows is None or not isinstance(promise, EachPartition):
        return []
    return list(dict.fromkeys([*before.late, *_ripe(promise, before, now=now, since=since, windows=windows)]))


def _ripe(promise: EachPartition, before: Verdict, *, now: datetime, since: datetime, windows: Windows) -> dict[str, datetime]:
    """Windows whose first alarm has passed and which are not judged, with their ends."""
    alarm = promise.warn if promise.warn is not None else promise.fail
    found = islice(closed_windows(windows, before.judged or since, now - alarm - _STEP), LATE_LIMIT)
    return {key_of(windows, window.start): window.end for window in found}


def _each(
    promise: EachPartition, before: Verdict, *, now: datetime, since: datetime, windows: Windows, is_written: Written
) -> tuple[Verdict, list[Change]]:
    ripe = _ripe(promise, before, now=now, since=since, windows=windows)
    ends = {**_ends(windows, before.late), **ripe}
    late: dict[str, State] = {}
    changes: list[Change] = []
    alarms: list[datetime] = []
    for key, end in ends.items():
        was = before.late.get(key, State.UNKNOWN if key in ripe else State.FRESH)
        fails = end + promise.fail
        is_now = State.FRESH if is_written(key) else State.STALE if now > fails else State.WARNING
        if is_now is not State.FRESH:
            late[key] = is_now
            if is_now is State.WARNING:
                alarms.append(fails + _STEP)
        if is_now is not was and not (is_now is State.FRESH and was is State.UNKNOWN):
            changes.append(Change(key, was, is_now))
    judged = max([*ripe.values(), before.judged or since])
    following = next(ends_after(windows, judged), None)
    if following is not None:
        first = following + (promise.warn if promise.warn is not None else promise.fail) + _STEP
        alarms.append(max(first, now) if len(ripe) < LATE_LIMIT else now)
    kept = dict(sorted(late.items(), key=lambda item: item[0])[-LATE_LIMIT:])
    state = max(kept.values(), key=ORDER.__getitem__, default=State.FRESH if judged > since else State.UNKNOWN)
    after = replace(before, due=min(alarms, default=None), judged=judged, late=kept)
    return _turned(after, before, state, now, changes)


def _ends(windows: Windows, keys: dict[str, State]) -> dict[str, datetime]:
    found = {}
    for key in keys:
        window = window_of(windows, key)
        if window is not None:
            found[key] = window.end
    return found


def ends_after(windows: Windows, after: datetime) -> Iterator[datetime]:
    """Ends of windows after an instant, in order, without a limit in time."""
    begun = boundary_before(windows, after)
    before = (begun if begun is not None else windows.start) - _STEP
    return (window.end for window in windows_from(windows, before) if window.end > after)
