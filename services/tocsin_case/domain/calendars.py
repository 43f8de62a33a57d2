"""Business time: when somebody is at work, in a zone with its clock changes and holidays.

An instant is business time when its local time of day lies in a window of its local weekday and the day is no holiday. That
sentence is the whole rule; days on which clocks jump follow from it (a local hour that exists twice counts twice).
"""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final

from tocsin.errors import Invalid, Violation
from tocsin.schedules import TimetableInvalid
from tocsin.schedules.calendars import Exclusions
from tocsin.schedules.zones import zone

DAY: Final = timedelta(days=1)
MINUTES: Final = 24 * 60
_HORIZON: Final = 3700  # days looked ahead for business time; a promise is at most ten years
_SECOND: Final = timedelta(seconds=1)
_KEPT: Final = 4000  # days kept in memory for one calendar

Span = tuple[datetime, datetime]


class NeverOpen(Invalid):
    """A business calendar has no business time at all."""

    code = "case.calendar_never_open"


@dataclass(frozen=True, slots=True)
class Window:
    """Business time on a weekday.

    Attributes:
        weekday: 0 is Monday.
        start: First minute of the day, 0 to 1439.
        end: The minute after the last, 1 to 1440.
    """

    weekday: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BusinessCalendar:
    """When a team is at work.

    Attributes:
        namespace: Where it is.
        name: Its name there.
        timezone: IANA name.
        windows: Business time by weekday.
        holidays: Days without any.
        yearly: Month and day of those that come back every year.
    """

    namespace: str
    name: str
    timezone: str = "UTC"
    windows: tuple[Window, ...] = ()
    holidays: tuple[date, ...] = ()
    yearly: tuple[tuple[int, int], ...] = ()


def checked_calendar(calendar: BusinessCalendar) -> BusinessCalendar:
    """A calendar as it may be stored.

    Raises:
        NeverOpen: No hour of a week is business time.
        Invalid: No such zone.
    """
    known_zone(calendar.timezone)
    if not calendar.windows:
        raise NeverOpen(f"calendar {calendar.name} has no business time", violations=[Violation("/hours", "none is left")])
    return calendar


def known_zone(name: str) -> tzinfo:
    """The zone of what somebody configures.

    Raises:
        TimetableInvalid: There is none; it says where the name was.
    """
    try:
        return zone(name)
    except TimetableInvalid as wrong:
        wrong.violations = (Violation("/timezone", wrong.detail, wrong.hint),)
        raise


class Hours:
    """Arithmetic over business time; remembers the days that it has looked at.

    Args:
        calendar: When; ``None`` for around the clock.
    """

    def __init__(self, calendar: BusinessCalendar | None = None) -> None:
        self._always = calendar is None
        self._zone: tzinfo = UTC if calendar is None else zone(calendar.timezone)
        self._windows: list[list[tuple[int, int]]] = [[] for _ in range(7)]
        self._closed = Exclusions()
        self._days: dict[date, tuple[Span, ...]] = {}
        if calendar is not None:
            for window in calendar.windows:
                self._windows[window.weekday].append((window.start, window.end))
            self._windows = [_joined(day) for day in self._windows]
            self._closed = Exclusions(frozenset(calendar.holidays), frozenset(calendar.yearly))

    def is_open(self, instant: datetime) -> bool:
        """Whether an instant is business time."""
        return self._always or any(start <= instant < end for start, end in self._spans(self._day(instant)))

    def between(self, start: datetime, end: datetime) -> timedelta:
        """Business time from one instant to another; none when they are the wrong way round."""
        if self._always or end <= start:
            return max(end - start, timedelta(0))
        total, day, last = timedelta(0), self._day(start), self._day(end)
        while day <= last:
            for opens, closes in self._spans(day):
                total += max(min(closes, end) - max(opens, start), timedelta(0))
            day += DAY
        return total

    def after(self, start: datetime, duration: timedelta) -> datetime:
        """The first instant by which so much business time has passed.

        Raises:
            NeverOpen: There is not so much in ten years.
        """
        if self._always or duration <= timedelta(0):
            return start + max(duration, timedelta(0))
        day, left = self._day(start), duration
        for _ in range(_HORIZON):
            for opens, closes in self._spans(day):
                begins = max(opens, start)
                if closes - begins >= left:
                    return begins + left
                left -= max(closes - begins, timedelta(0))
            day += DAY
        raise NeverOpen(
            "the calendar has not enough business time within ten years", hint="Give it windows and fewer holidays."
        )

    def _day(self, instant: datetime) -> date:
        return instant.astimezone(self._zone).date()

    def _spans(self, day: date) -> tuple[Span, ...]:
        known = self._days.get(day)
        if known is None:
            if len(self._days) >= _KEPT:
                self._days.clear()
            known = self._days[day] = () if self._closed.cover(day) else self._compute(day)
        return known

    def _compute(self, day: date) -> tuple[Span, ...]:
        windows = self._windows[day.weekday()]
        if not windows:
            return ()
        begin = _midnight(day, self._zone)
        finish = _midnight(day + DAY, self._zone)
        first, last = _offset(begin, self._zone), _offset(finish - _SECOND, self._zone)
        if first == last:
            return tuple((_at(day, start, first), _at(day, end, first)) for start, end in windows)
        jump = _jump(begin, finish, self._zone)
        spans: list[Span] = []
        for low, high, offset in ((begin, jump, first), (jump, finish, last)):
            for start, end in windows:
                opens, closes = max(_at(day, start, offset), low), min(_at(day, end, offset), high)
                if opens < closes:
                    spans.append((opens, closes))
        return tuple(spans)


def clock_change(day: date, place: tzinfo) -> tuple[datetime, ...]:
    """The instant at which clocks change on a local day; none on most."""
    begin, finish = _midnight(day, place), _midnight(day + DAY, place)
    return () if _offset(begin, place) == _offset(finish - _SECOND, place) else (_jump(begin, finish, place),)


def _joined(windows: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Windows of one day in order, without overlaps, so that no minute counts twice."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(windows):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _midnight(day: date, place: tzinfo) -> datetime:
    """The first instant of a local day; where clocks jump over midnight, the jump."""
    return datetime.combine(day, time(), tzinfo=place).astimezone(UTC)


def _offset(instant: datetime, place: tzinfo) -> timedelta:
    return instant.astimezone(place).utcoffset() or timedelta(0)


def _at(day: date, minutes: int, offset: timedelta) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC) + timedelta(minutes=minutes) - offset


def _jump(begin: datetime, finish: datetime, place: tzinfo) -> datetime:
    """The second at which the offset changes within a day."""
    first = _offset(begin, place)
    seconds = range(int((finish - begin).total_seconds()))
    return begin + timedelta(seconds=bisect_right(seconds, 0, key=lambda s: _offset(begin + s * _SECOND, place) != first))


ALWAYS: Final = Hours()
"""Around the clock."""
