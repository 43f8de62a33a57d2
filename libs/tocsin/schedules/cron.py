"""Cron patterns: which local times match.

Pure calendar arithmetic on naive local times; zones and their jumps are :mod:`tocsin.schedules.zones`. Finding the next match
never steps through time: it looks years, months and days up, so a pattern that fires on a 29th of February that is a Monday
costs microseconds, and one that never fires is known to.
"""

import re
from bisect import bisect_left
from calendar import monthrange
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tocsin.schedules.failures import TimetableInvalid
from tocsin.schedules.fields import (
    ANY_DAY,
    ANY_WEEKDAY,
    FIRST_YEAR,
    HOUR,
    LAST_YEAR,
    MINUTE,
    MONTH,
    SECOND,
    YEAR,
    DaysOfMonth,
    DaysOfWeek,
    Part,
    days_of_month,
    days_of_week,
    numbers,
)

NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_ALLOWED = re.compile(r"[0-9A-Za-z*,\-/#?+ \t]*")
_WORDS = re.compile(r"[^ \t]+")


@dataclass(frozen=True, slots=True)
class Cron:
    """A parsed pattern.

    Attributes:
        text: As it was written.
        seconds: Seconds that match, sorted; and so on for the other fields.
        reboot: Whether it is ``@reboot``, which names no time at all.
    """

    text: str
    seconds: tuple[int, ...] = ()
    minutes: tuple[int, ...] = ()
    hours: tuple[int, ...] = ()
    days: DaysOfMonth = ANY_DAY
    months: tuple[int, ...] = ()
    weekdays: DaysOfWeek = ANY_WEEKDAY
    years: tuple[int, ...] = ()
    reboot: bool = False
    # Days that match, by the weekday of the first and the length of a month: 28 kinds of month exist.
    _months: dict[tuple[int, int], tuple[int, ...]] = field(default_factory=dict, compare=False, repr=False)

    def at_or_after(self, start: datetime) -> datetime | None:
        """The first matching local time not before ``start`` (naive), or ``None`` when there is none until the last year."""
        if start.microsecond:
            start = start.replace(microsecond=0) + timedelta(seconds=1)
        for year in self.years[bisect_left(self.years, start.year) :]:
            first_month = start.month if year == start.year else 1
            for month in self.months[bisect_left(self.months, first_month) :]:
                same_month = year == start.year and month == start.month
                days = self.days_in(year, month)
                for day in days[bisect_left(days, start.day) if same_month else 0 :]:
                    clock = (start.hour, start.minute, start.second) if same_month and day == start.day else (0, 0, 0)
                    if time := self._time(clock):
                        return datetime(year, month, day, *time)  # noqa: DTZ001 - local times are naive here
        return None

    def _time(self, clock: tuple[int, int, int]) -> tuple[int, int, int] | None:
        """The first time of day that matches and is not before ``clock``."""
        hour, minute, second = clock
        for h in self.hours[bisect_left(self.hours, hour) :]:
            if h > hour:
                return h, self.minutes[0], self.seconds[0]
            for m in self.minutes[bisect_left(self.minutes, minute) :]:
                if m > minute:
                    return h, m, self.seconds[0]
                index = bisect_left(self.seconds, second)
                if index < len(self.seconds):
                    return h, m, self.seconds[index]
        return None

    def days_in(self, year: int, month: int) -> tuple[int, ...]:
        """The days of a month that match, sorted."""
        kind = monthrange(year, month)
        known = self._months.get(kind)
        if known is None:
            known = self._months[kind] = tuple(day for day in range(1, kind[1] + 1) if self._matches(day, *kind))
        return known

    def _matches(self, day: int, first_weekday: int, length: int) -> bool:
        """Whether a day matches, in a month whose first is ``first_weekday`` (Monday is 0)."""
        by_week = self.weekdays.any_day or self._week_matches(day, first_weekday, length)
        by_month = self.days.any_day or self._month_matches(day, first_weekday, length)
        if self.days.any_day or self.weekdays.any_day or self.weekdays.both:
            return by_week and by_month
        return by_week or by_month

    def _week_matches(self, day: int, first_weekday: int, length: int) -> bool:
        weekday = (first_weekday + day) % 7  # Sunday is 0, and the first day is day 1
        if weekday in self.weekdays.weekdays:
            return True
        occurrence = (day - 1) // 7 + 1
        return any(weekday == which and (occurrence == n or (n == 0 and day + 7 > length)) for which, n in self.weekdays.nth)

    def _month_matches(self, day: int, first_weekday: int, length: int) -> bool:
        if day in self.days.days or length - day in self.days.before_last:
            return True
        wanted = self.days.closest_weekday
        if wanted is None:
            return False
        wanted = wanted or length
        return wanted <= length and day == _closest_weekday(wanted, first_weekday, length)


def _closest_weekday(day: int, first_weekday: int, length: int) -> int:
    """Monday to Friday nearest to a day, inside its month."""
    weekday = (first_weekday + day - 1) % 7  # Monday is 0
    if weekday == 5:
        return day - 1 if day > 1 else day + 2
    if weekday == 6:
        return day + 1 if day < length else day - 2
    return day


def parse_cron(text: str) -> Cron:
    """Read a pattern of five fields, six with seconds first, seven with the year last, or a nickname.

    Raises:
        TimetableInvalid: With the position of what is wrong.
    """
    stripped = text.strip(" \t")
    lead = len(text) - len(text.lstrip(" \t"))
    if stripped.startswith("@"):
        return _nickname(text, stripped, lead)
    allowed = _ALLOWED.match(text)
    if allowed is not None and allowed.end() < len(text):
        where = allowed.end()
        raise TimetableInvalid(f"{text[where]!r} has no meaning in a cron pattern", position=where + 1)
    parts = [Part(found.group(), found.start()) for found in _WORDS.finditer(text)]
    if len(parts) not in (5, 6, 7):
        where = parts[7].offset if len(parts) > 7 else len(text.rstrip(" \t"))
        raise TimetableInvalid(
            f"a cron pattern has 5, 6 or 7 fields, not {len(parts)}",
            position=where + 1,
            hint="[second] minute hour day-of-month month day-of-week [year]",
        )
    has_second, has_year = len(parts) > 5, len(parts) == 7
    body = parts[has_second : has_second + 5]
    for index, part in enumerate(body):
        if "?" in part.text and (index not in (2, 4) or part.text.lstrip("+") != "?"):
            raise part.wrong("'?' stands alone, in the day of month or the day of week", shift=part.text.index("?"))
        if "+" in part.text and (index != 4 or part.text.rindex("+") > 0):
            raise part.wrong("'+' may only begin the day of week", shift=part.text.rindex("+"))
    for part in (*parts[:has_second], *(parts[6:] if has_year else ())):
        if found := re.search(r"[?+]", part.text):
            raise part.wrong(f"'{found.group()}' has no meaning here", shift=found.start())
    return Cron(
        text=text,
        seconds=numbers(SECOND, parts[0]) if has_second else (0,),
        minutes=numbers(MINUTE, body[0]),
        hours=numbers(HOUR, body[1]),
        days=days_of_month(body[2]),
        months=numbers(MONTH, body[3]),
        weekdays=days_of_week(body[4]),
        years=numbers(YEAR, parts[6]) if has_year else tuple(range(FIRST_YEAR, LAST_YEAR + 1)),
    )


def _nickname(text: str, stripped: str, lead: int) -> Cron:
    if stripped == "@reboot":
        return Cron(text=text, reboot=True)
    if stripped not in NICKNAMES:
        raise TimetableInvalid(
            f"'{stripped}' is not a nickname",
            position=lead + 1,
            hint="Known: " + ", ".join(sorted(NICKNAMES)) + ", in lower case.",
        )
    pattern = parse_cron(NICKNAMES[stripped])
    return Cron(
        text, pattern.seconds, pattern.minutes, pattern.hours, pattern.days, pattern.months, pattern.weekdays, pattern.years
    )
