"""From local times to instants: time zones, and what happens when their clocks jump.

The default follows the Open Cron Pattern Specification 1.4: a local time that does not exist is skipped, one that exists twice
fires once, at its first occurrence. Both can be chosen for each schedule.
"""

import difflib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from enum import Enum
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from tocsin.schedules.failures import TimetableInvalid

_NEAR = timedelta(hours=25)  # no zone has moved its clocks by more than a day since 1970
_SECOND = timedelta(seconds=1)
_NONE = timedelta()


class Gap(Enum):
    """A local time that does not exist (the clocks went forward)."""

    SKIP = "skip"  # does not fire
    SHIFT = "shift"  # fires as much later as the clocks jumped: 02:30 becomes 03:30


class Overlap(Enum):
    """A local time that exists twice (the clocks went back)."""

    ONCE = "once"  # the first time
    TWICE = "twice"  # both times


def zone(name: str) -> tzinfo:
    """The IANA time zone of a name.

    Raises:
        TimetableInvalid: There is none; with the nearest name.
    """
    if name in ("UTC", "Etc/UTC", "Z"):
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        close = difflib.get_close_matches(name, available_timezones(), n=1)
        hint = f"Did you mean '{close[0]}'?" if close else "Write an IANA name such as Europe/Berlin."
        raise TimetableInvalid(f"there is no time zone '{name[:60]}'", position=None, hint=hint) from None


def instants(local: datetime, place: tzinfo, gap: Gap, overlap: Overlap) -> tuple[datetime, ...]:
    """The instants (UTC, ascending) at which a naive local time fires: none, one or two."""
    first = local.replace(tzinfo=place)
    second = first.replace(fold=1)
    before, after = first.utcoffset(), second.utcoffset()
    if before == after or before is None or after is None:
        return (first.astimezone(UTC),)
    if before < after:
        # In a gap, the first reading takes the offset from before it: exactly the shift.
        return (first.astimezone(UTC),) if gap is Gap.SHIFT else ()
    if overlap is Overlap.ONCE:
        return (first.astimezone(UTC),)
    return first.astimezone(UTC), second.astimezone(UTC)


def next_instant(
    at_or_after: Callable[[datetime], datetime | None], after: datetime, place: tzinfo, gap: Gap, overlap: Overlap
) -> datetime | None:
    """The first firing instant after another.

    Args:
        at_or_after: Gives the first matching local time not before a (naive) one, or ``None``.
        after: An instant; the answer is later.
        place: The zone that local times are in.
        gap: What becomes of local times that do not exist.
        overlap: What becomes of local times that exist twice.

    Returns:
        An instant in UTC, or ``None`` when nothing matches any more.
    """
    mixed = gap is Gap.SHIFT or overlap is Overlap.TWICE
    local = at_or_after(after.astimezone(place).replace(tzinfo=None, fold=0) - (_jump_near(after, place) if mixed else _NONE))
    best: datetime | None = None
    while local is not None:
        fires = instants(local, place, gap, overlap)
        if not mixed and fires and fires[0] > after:
            return fires[0]  # without shifts and repeats, local times and instants have one order
        later = [instant for instant in fires if instant > after]
        if later and (best is None or later[0] < best):
            best = later[0]
        if best is not None and _settled(local, best, place):
            return best
        local = at_or_after(local + _SECOND)
    return best


def _jump_near(after: datetime, place: tzinfo) -> timedelta:
    """How far the clocks jump close to an instant: so much earlier local times can still give later instants."""
    jump = _spread(after, _NEAR, place)
    return jump if jump and _spread(after, jump, place) else _NONE


def _spread(after: datetime, around: timedelta, place: tzinfo) -> timedelta:
    offsets = [(after + shift).astimezone(place).utcoffset() or _NONE for shift in (-around, _NONE, around)]
    return max(offsets) - min(offsets)


def _settled(local: datetime, best: datetime, place: tzinfo) -> bool:
    """Whether no later local time can give an earlier instant.

    First readings come in order, except for times in a gap, whose reading is shifted past times that do exist.
    """
    first = local.replace(tzinfo=place)
    before, after = first.utcoffset(), first.replace(fold=1).utcoffset()
    in_gap = before is not None and after is not None and before < after
    return not in_gap and first.astimezone(UTC) >= best
