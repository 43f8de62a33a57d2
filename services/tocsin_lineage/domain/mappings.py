"""Which partitions of one asset another one's are made of, and the way back.

The way back is found by asking forwards, so the two cannot disagree: candidates are those downstream partitions that could
concern the upstream one, and each is kept if it really reads it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from itertools import islice
from typing import TypeAlias

from tocsin_lineage.domain.partitions import (
    PAIR,
    WHOLE,
    Pairs,
    Partitions,
    Single,
    Window,
    Windows,
    all_keys,
    boundary_before,
    closed_windows,
    is_key,
    key_of,
    listed,
    window_at,
    window_of,
    windows_from,
)

MAPPED_LIMIT = 1000  # partitions that one partition is made of, or concerns
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Same:
    """The partition of the same key; of the same time where the windows differ; everything where only one has partitions."""


@dataclass(frozen=True, slots=True)
class Shifted:
    """Windows from ``first`` to ``last``, counted from the one of the same time: -1 to -1 is the one before."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Everything:
    """Each partition is made of all of them."""


@dataclass(frozen=True, slots=True)
class Newest:
    """Each partition is made of the last ``count`` that are over by its end."""

    count: int


class Side(Enum):
    """One of the dimensions of a pair."""

    FIRST = "first"
    SECOND = "second"


@dataclass(frozen=True, slots=True)
class OneSide:
    """Only one of the two has two dimensions, and shares this one of them; of the other dimension all of it is meant."""

    side: Side


Mapping: TypeAlias = Same | Shifted | Everything | Newest | OneSide


@dataclass(frozen=True, slots=True)
class Ends:
    """The two assets of a mapping.

    Attributes:
        down: Partitions of the asset that is made.
        up: Partitions of the one that it is made of.
        now: Windows that are not over do not exist yet.
        known_down: Keys downstream that have come up.
        known_up: The same upstream.
    """

    down: Partitions
    up: Partitions
    now: datetime
    known_down: Sequence[str] = ()
    known_up: Sequence[str] = ()


def upstream_keys(mapping: Mapping, ends: Ends, key: str) -> list[str]:
    """The upstream partitions that downstream partition ``key`` is made of."""
    if ends.up is None:
        return [WHOLE]
    if isinstance(mapping, OneSide):
        shared = upstream_keys(Same(), _along(ends, mapping.side), _part(ends.down, key, mapping.side))
        return _spread(ends.up, shared, mapping.side, ends.now, ends.known_up)
    if isinstance(mapping, Newest):
        return _newest(mapping.count, ends, key)
    if isinstance(mapping, Everything) or ends.down is None:
        return all_keys(ends.up, ends.now, ends.known_up, MAPPED_LIMIT)
    if isinstance(ends.down, Pairs) and isinstance(ends.up, Pairs):
        one, two = (
            upstream_keys(_on(mapping, ends.down, side), _along(ends, side), _part(ends.down, key, side)) for side in Side
        )
        return _paired(one, two)
    if isinstance(ends.down, Windows) and isinstance(ends.up, Windows):
        window = window_of(ends.down, key)
        if window is None:
            return []
        span = (mapping.first, mapping.last) if isinstance(mapping, Shifted) else (0, 0)
        return [key_of(ends.up, one.start) for one in _around(ends.up, window, span)]
    return [key] if is_key(ends.up, key) else []


def downstream_keys(mapping: Mapping, ends: Ends, key: str) -> list[str]:
    """The downstream partitions that upstream partition ``key`` concerns."""
    if ends.down is None:
        return [WHOLE] if key in upstream_keys(mapping, ends, WHOLE) else []
    if isinstance(mapping, OneSide):
        shared = downstream_keys(Same(), _along(ends, mapping.side), _part(ends.up, key, mapping.side))
        return _spread(ends.down, shared, mapping.side, ends.now, ends.known_down)
    if isinstance(mapping, Same | Shifted) and isinstance(ends.down, Pairs) and isinstance(ends.up, Pairs):
        one, two = (
            downstream_keys(_on(mapping, ends.down, side), _along(ends, side), _part(ends.up, key, side)) for side in Side
        )
        return _paired(one, two)
    candidates = _candidates(mapping, ends, key)
    return list(islice((one for one in candidates if key in upstream_keys(mapping, ends, one)), MAPPED_LIMIT))


def _side(partitions: Partitions, side: Side) -> Partitions:
    """That dimension of two; what has only one is it."""
    if not isinstance(partitions, Pairs):
        return partitions
    return partitions.first if side is Side.FIRST else partitions.second


def _part(partitions: Partitions, key: str, side: Side) -> str:
    """The same of a key."""
    first, _, second = key.partition(PAIR)
    return key if not isinstance(partitions, Pairs) else first if side is Side.FIRST else second


def _known(partitions: Partitions, known: Sequence[str], side: Side) -> Sequence[str]:
    return list(dict.fromkeys(_part(partitions, key, side) for key in known))


def _along(ends: Ends, side: Side) -> Ends:
    """The two assets as they are along one dimension."""
    known = _known(ends.down, ends.known_down, side), _known(ends.up, ends.known_up, side)
    return Ends(_side(ends.down, side), _side(ends.up, side), ends.now, *known)


def _on(mapping: Mapping, down: Pairs, side: Side) -> Mapping:
    """What a mapping of pairs means along one dimension: that of time is moved, the other one is the same."""
    of_time = Side.FIRST if isinstance(down.first, Windows) else Side.SECOND
    return mapping if side is of_time else Same()


def _spread(partitions: Partitions, shared: Sequence[str], side: Side, now: datetime, known: Sequence[str]) -> list[str]:
    """These keys of one dimension with every key of the other one, if there is one."""
    if not isinstance(partitions, Pairs):
        return list(shared)
    if side is Side.FIRST:
        return _paired(shared, listed(partitions.second, now, _known(partitions, known, Side.SECOND)))
    return _paired(listed(partitions.first, now, _known(partitions, known, Side.FIRST)), shared)


def _paired(firsts: Sequence[str], seconds: Sequence[str]) -> list[str]:
    """Every combination, of too many the last ones."""
    whole = len(firsts) * len(seconds)
    pairs = (f"{first}{PAIR}{second}" for first in firsts for second in seconds)
    return list(islice(pairs, max(0, whole - MAPPED_LIMIT), None))


def _candidates(mapping: Mapping, ends: Ends, key: str) -> Iterable[str]:
    if isinstance(ends.down, Windows) and isinstance(ends.up, Windows):
        window = window_of(ends.up, key)
        if window is None:
            return ()
        match mapping:
            case Shifted(first=first, last=last):
                return _reached(ends.down, ends.up, window, -last, -first)
            case Newest(count=count):
                return _reached(ends.down, ends.up, window, 0, count)
            case Same() | OneSide():  # of a side was asked before
                return _reached(ends.down, ends.up, window, 0, 0)
            case Everything():
                return all_keys(ends.down, ends.now, ends.known_down)
    plain = not isinstance(ends.down, Pairs) and ends.up is not None
    if isinstance(mapping, Same | Shifted) and plain:
        return (key,) if is_key(ends.down, key) else ()
    return all_keys(ends.down, ends.now, ends.known_down)


def _reached(down: Windows, up: Windows, window: Window, first: int, last: int) -> list[str]:
    """Downstream windows that touch the upstream ones from ``first`` to ``last`` after ``window``, one more on each side."""
    shifted = list(_around(up, window, (first - 1, last + 1)))
    if not shifted:
        shifted = [window]
    begin, end = shifted[0].start, shifted[-1].end
    start = boundary_before(down, begin)
    before = (start if start is not None else down.start) - _TICK
    found: list[str] = []
    for one in islice(windows_from(down, before), MAPPED_LIMIT):
        if one.start > end:
            break
        found.append(key_of(down, one.start))
    return found


def _around(up: Windows, window: Window, span: tuple[int, int]) -> list[Window]:
    """Upstream windows that overlap ``window``, moved by ``span`` windows."""
    first, last = window_at(up, window.start), window_at(up, window.end - _TICK)
    if first is None:
        first = next(windows_from(up, window.start - _TICK), None)
        if first is None or first.start >= window.end:
            return []
    begin, before = _step(up, first, span[0])
    end, behind = _step(up, last or first, span[1])
    if before > 0 or behind < 0:  # all of them would be after the last window, or before the first
        return []
    found: list[Window] = []
    for one in islice(windows_from(up, begin.start - _TICK), MAPPED_LIMIT):
        if one.start > end.start:
            break
        found.append(one)
    return found


def _step(up: Windows, window: Window, steps: int) -> tuple[Window, int]:
    """The window so many further on or back, and how many steps lead beyond the first (negative) or last one."""
    forwards = steps > 0
    for taken in range(abs(steps)):
        following = window_at(up, window.end if forwards else window.start - _TICK)
        if following is None:
            left = abs(steps) - taken
            return window, left if forwards else -left
        window = following
    return window, 0


def _newest(count: int, ends: Ends, key: str) -> list[str]:
    if ends.up is None or isinstance(ends.up, Pairs):
        return all_keys(ends.up, ends.now, ends.known_up)[-count:]
    until = ends.now
    if isinstance(ends.down, Windows) and (window := window_of(ends.down, key)) is not None:
        until = min(until, window.end) if window.end <= ends.now else window.end
    return _listed_until(ends.up, until, ends.known_up, count)


def _listed_until(up: Single, until: datetime, known: Sequence[str], count: int) -> list[str]:
    if isinstance(up, Windows):
        return listed(up, until, known, count)
    return listed(up, until, known)[-count:]


def closed_keys(windows: Windows, after: datetime, until: datetime) -> list[str]:
    """Keys of the windows that have ended in (after, until]."""
    return [key_of(windows, one.start) for one in islice(closed_windows(windows, after, until), MAPPED_LIMIT)]
