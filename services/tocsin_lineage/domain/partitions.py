"""Partitions of an asset: windows of time, fixed keys, keys that come up, and pairs of two of these.

A window's key is the local date of its beginning, or, where windows are shorter than a day, its local minute with the offset
(so that the hour that a clock change repeats has two keys), and the second where that is not 0. Nothing here knows what has
been written.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import TypeAlias

from tocsin.schedules import Gap, Overlap, Timetable, kind_of, parse_timetable

WHOLE = ""  # the key that stands for an asset without partitions
KEY_LIMIT = 256  # characters
LISTED_LIMIT = 10_000  # of one asset's partitions that are looked at together
PAIR = "|"  # between the two keys of a pair; no key of a dimension holds it

_DAYS = re.compile(r"P\d+[YMWD]|@(yearly|annually|monthly|weekly|daily|midnight)", re.IGNORECASE)
_OF_DAY = {5: 2, 6: 3, 7: 3}  # how many fields of a cron pattern are about the time of day, seconds included, by their number
_TICK = timedelta(microseconds=1)
_NEAR = timedelta(seconds=2)  # how far is looked back first; windows may be a second long
_REACH = timedelta(days=366 * 8)  # a leap day comes again after eight years at the latest


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time: from ``start`` until before ``end``."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Windows:
    """Partitions by time.

    Attributes:
        every: Cron pattern or ISO 8601 duration: when one window ends and the next begins.
        zone: IANA name.
        start: Where the first window begins, or the first boundary after it; what intervals count from.
        end: No window begins here or later; ``None`` for never.
    """

    every: str
    zone: str
    start: datetime
    end: datetime | None = None

    @property
    def by_day(self) -> bool:
        """Whether windows are days or longer, so that no two begin on one day."""
        text = self.every.strip()
        fields = text.split()
        midnight = fields[: _OF_DAY.get(len(fields), 0)]
        return _DAYS.fullmatch(text) is not None or (bool(midnight) and all(one.strip("0") == "" for one in midnight))

    def timetable(self) -> Timetable:
        """Its boundaries. A midnight that does not exist is an hour later; an hour that comes twice is two windows."""
        return _timetable(self)


@lru_cache(maxsize=1024)
def _timetable(windows: Windows) -> Timetable:
    twice = Overlap.ONCE if windows.by_day else Overlap.TWICE
    return parse_timetable(windows.every, windows.zone, anchor=windows.start, gap=Gap.SHIFT, overlap=twice)


@dataclass(frozen=True, slots=True)
class Fixed:
    """Partitions by name, known in advance, in their order."""

    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Growing:
    """Partitions that come to be by being written or registered."""


Single: TypeAlias = Windows | Fixed | Growing


@dataclass(frozen=True, slots=True)
class Pairs:
    """Every combination of two dimensions; keys are ``<first>|<second>``."""

    first: Single
    second: Single


Partitions: TypeAlias = Windows | Fixed | Growing | Pairs | None


def key_of(windows: Windows, at: datetime) -> str:
    """The key of the window that begins at ``at``."""
    local = at.astimezone(windows.timetable().place)
    if windows.by_day:
        return local.strftime("%Y-%m-%d")
    return local.strftime("%Y-%m-%dT%H:%M:%S%z" if local.second else "%Y-%m-%dT%H:%M%z")


def boundary_before(windows: Windows, at: datetime) -> datetime | None:
    """The last boundary at or before ``at``; ``None`` before the first."""
    table = windows.timetable()
    span = _NEAR
    while True:
        begin = max(at - span, windows.start)
        found = _last(table, begin - _TICK, at)
        if found is not None:
            return found
        if begin == windows.start or span > _REACH:
            return None
        span *= 16


def _last(table: Timetable, after: datetime, until: datetime) -> datetime | None:
    found, next_one = None, table.next(after)
    while next_one is not None and next_one <= until:
        found, next_one = next_one, table.next(next_one)
    return found


def window_at(windows: Windows, at: datetime) -> Window | None:
    """The window that ``at`` is in."""
    start = boundary_before(windows, at)
    if start is None or (windows.end is not None and start >= windows.end):
        return None
    end = windows.timetable().next(start)
    return Window(start, end) if end is not None else None


@lru_cache(maxsize=20_000)
def window_of(partitions: Single, key: str) -> Window | None:
    """The window of a key; ``None`` when it is none of this asset's, or these are no windows."""
    if not isinstance(partitions, Windows):
        return None
    try:
        at = datetime.fromisoformat(key)
    except ValueError:
        return None
    if partitions.by_day:
        if len(key) != 10:
            return None
        try:
            midnight = (at + timedelta(days=1)).replace(tzinfo=partitions.timetable().place).astimezone(UTC)
        except OverflowError:
            return None
        at = midnight - _TICK  # whatever the clocks do on that day, the window has begun by then
    elif at.tzinfo is None:
        return None
    window = window_at(partitions, at)
    return window if window is not None and key_of(partitions, window.start) == key else None


def windows_from(windows: Windows, after: datetime) -> Iterator[Window]:
    """Windows in order, from the first that begins after ``after``."""
    table = windows.timetable()
    start = table.next(max(after, windows.start - _TICK))
    while start is not None and (windows.end is None or start < windows.end):
        end = table.next(start)
        if end is None:
            return
        yield Window(start, end)
        start = end


def closed_windows(windows: Windows, after: datetime, until: datetime) -> Iterator[Window]:
    """Windows whose end is in (after, until], in order."""
    begun = boundary_before(windows, after)
    before = (begun if begun is not None else windows.start) - _TICK
    for window in windows_from(windows, before):
        if window.end > until:
            return
        if window.end > after:
            yield window


def last_closed(windows: Windows, now: datetime) -> Window | None:
    """The newest window that is over."""
    current = boundary_before(windows, now)
    if current is None:
        return None
    if windows.end is not None and current > windows.end:
        return window_at(windows, windows.end - _TICK)
    return window_at(windows, current - _TICK)


def listed(partitions: Single, now: datetime, known: Sequence[str], limit: int = LISTED_LIMIT) -> list[str]:
    """The keys that there should be now: closed windows (the newest ``limit``), fixed keys, and known ones.

    Args:
        partitions: Of one dimension.
        now: Windows that are not over by then do not count.
        known: Keys of a growing dimension, in order.
        limit: At most so many.
    """
    match partitions:
        case Fixed(keys=keys):
            return list(keys[:limit])
        case Growing():
            return list(known[:limit])
        case Windows():
            return [key_of(partitions, window.start) for window in _newest(partitions, now, limit)]


def _newest(windows: Windows, now: datetime, limit: int) -> list[Window]:
    """The last windows that are over, in order: walked forwards through spans that grow, so that each is met about once."""
    last = last_closed(windows, now)
    if last is None:
        return []
    found, until, span = [last], last.start, (last.end - last.start) * 16
    while len(found) < limit and until > windows.start:
        begin = max(until - span, windows.start - _TICK)
        found = [*closed_windows(windows, begin, until), *found]
        until, span = begin, span * 2
    return found[-limit:]


def all_keys(partitions: Partitions, now: datetime, known: Sequence[str], limit: int = LISTED_LIMIT) -> list[str]:
    """As :func:`listed`, for any asset; ``[""]`` for one without partitions.

    Keys in ``known`` are those that have come up, of a pair both parts together.
    """
    if partitions is None:
        return [WHOLE]
    if not isinstance(partitions, Pairs):
        return listed(partitions, now, known, limit)
    firsts = list(dict.fromkeys(key.partition(PAIR)[0] for key in known))
    seconds = list(dict.fromkeys(key.partition(PAIR)[2] for key in known))
    left = listed(partitions.first, now, firsts, limit)
    right = listed(partitions.second, now, seconds, limit)
    return list(islice((f"{a}{PAIR}{b}" for a in left for b in right), limit))


def is_key(partitions: Partitions, key: str) -> bool:
    """Whether an asset of this kind can have this key at all."""
    match partitions:
        case None:
            return key == WHOLE
        case Windows():
            return window_of(partitions, key) is not None
        case Fixed(keys=keys):
            return key in keys
        case Growing():
            return 0 < len(key) <= KEY_LIMIT and PAIR not in key
        case Pairs(first=first, second=second):
            a, mark, b = key.partition(PAIR)
            return mark == PAIR and is_key(first, a) and is_key(second, b)


def time_of(partitions: Partitions, key: str) -> Window | None:
    """The window of a key, also of the dimension of a pair that is one of time."""
    match partitions:
        case Pairs(first=first, second=second):
            a, _, b = key.partition(PAIR)
            return window_of(first, a) or window_of(second, b)
        case None:
            return None
        case _:
            return window_of(partitions, key)


def windows_in(partitions: Partitions) -> Windows | None:
    """The windows of time of an asset, also where they are one dimension of a pair."""
    sides = (partitions.first, partitions.second) if isinstance(partitions, Pairs) else (partitions,)
    return next((one for one in sides if isinstance(one, Windows)), None)


@dataclass(frozen=True, slots=True)
class Grid:
    """The partitions of an asset as a promise about each of them sees them: windows of time, and the keys beside each.

    Attributes:
        windows: Of time; ``None`` where no dimension is one of time.
        others: Keys of the other dimension of a pair, as far as they are known; without windows, all keys.
        side: Which dimension is that of time: 0 where it is the only one, else 1 or 2.
    """

    windows: Windows | None
    others: tuple[str, ...] = ()
    side: int = 0

    def keys(self, window: str) -> list[str]:
        """The partitions of a window."""
        match self.side:
            case 0:
                return [window]
            case 1:
                return [f"{window}{PAIR}{other}" for other in self.others]
            case _:
                return [f"{other}{PAIR}{window}" for other in self.others]

    def window_of(self, key: str) -> Window | None:
        """The window that a partition is of."""
        if self.windows is None:
            return None
        first, _, second = key.partition(PAIR)
        return window_of(self.windows, second if self.side == 2 else first)


def grid_of(partitions: Partitions, now: datetime, known: Sequence[str], limit: int = 1000) -> Grid | None:
    """The grid of an asset; ``None`` where it has no partitions.

    Args:
        partitions: What they are.
        now: When.
        known: Keys that have come up, of a pair both parts together.
        limit: Keys beside a window, or without windows, at most; the newest.
    """
    match partitions:
        case None:
            return None
        case Windows():
            return Grid(partitions)
        case Pairs(first=Windows() as windows, second=other):
            keys = dict.fromkeys(key.partition(PAIR)[2] for key in known if PAIR in key)
            return Grid(windows, tuple(listed(other, now, list(keys))[-limit:]), 1)
        case Pairs(first=other, second=Windows() as windows):
            keys = dict.fromkeys(key.partition(PAIR)[0] for key in known if PAIR in key)
            return Grid(windows, tuple(listed(other, now, list(keys))[-limit:]), 2)
        case _:
            return Grid(None, tuple(all_keys(partitions, now, known)[-limit:]))


def is_interval(text: str) -> bool:
    """Whether a text is an interval or a cron pattern, and so makes windows."""
    return kind_of(text) in {"every", "cron"}
