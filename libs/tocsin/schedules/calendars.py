"""Days on which nothing fires: weekends, dates, holidays of an iCalendar file.

A calendar is read once, into plain dates, when a schedule is made: no schedule depends on a server of holidays at the moment
it fires. Of iCalendar only whole days and their yearly repetition are read, which is what calendars of holidays consist of.
"""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import ClassVar

from tocsin.errors import Invalid

SATURDAY, SUNDAY = 5, 6
MOST_DAYS = 2_000  # excluded dates kept with one schedule
LONGEST_EVENT = 366  # days of one event
_FOLD = re.compile(r"\r?\n[ \t]")
_LINE = re.compile(r"(?P<name>[A-Za-z-]+)(?P<parameters>(?:;[^:]*)?):(?P<value>.*)")


class CalendarInvalid(Invalid):
    """The text is no iCalendar of whole days."""

    code: ClassVar[str] = "calendar_invalid"


@dataclass(frozen=True, slots=True)
class Exclusions:
    """Days on which nothing fires, in the zone of the timetable.

    Attributes:
        dates: Single days.
        yearly: Month and day of those that come back every year.
        weekdays: 0 is Monday.
    """

    dates: frozenset[date] = frozenset()
    yearly: frozenset[tuple[int, int]] = frozenset()
    weekdays: frozenset[int] = frozenset()

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.dates or self.yearly or self.weekdays)

    def __or__(self, other: "Exclusions") -> "Exclusions":
        """The days of both."""
        return Exclusions(self.dates | other.dates, self.yearly | other.yearly, self.weekdays | other.weekdays)

    def cover(self, day: date) -> bool:
        """Whether nothing fires on a day."""
        return day.weekday() in self.weekdays or day in self.dates or (day.month, day.day) in self.yearly


def read_ics(text: str) -> Exclusions:
    """The days of an iCalendar file.

    Args:
        text: RFC 5545; events with ``DTSTART;VALUE=DATE``, and ``RRULE:FREQ=YEARLY`` without further parts but ``INTERVAL=1``.

    Raises:
        CalendarInvalid: It is no calendar, or has an event that is not understood: better refused than fired on.
    """
    if "BEGIN:VCALENDAR" not in text.upper():
        raise CalendarInvalid("this is no iCalendar", hint="It begins with BEGIN:VCALENDAR.")
    dates: set[date] = set()
    yearly: set[tuple[int, int]] = set()
    event: dict[str, str] | None = None
    for line in _FOLD.sub("", text).splitlines():
        found = _LINE.fullmatch(line.strip())
        if found is None:
            continue
        name, value = found["name"].upper(), found["value"].strip()
        if (name, value.upper()) == ("BEGIN", "VEVENT"):
            event = {}
        elif (name, value.upper()) == ("END", "VEVENT") and event is not None:
            days, repeats = _days(event)
            if repeats:
                yearly |= {(day.month, day.day) for day in days}
            else:
                dates |= set(days)
            event = None
        elif event is not None:
            event[name] = value
        if len(dates) + len(yearly) > MOST_DAYS:
            raise CalendarInvalid(f"the calendar has more than {MOST_DAYS} days", hint="Leave past years out.")
    return Exclusions(frozenset(dates), frozenset(yearly))


def _days(event: dict[str, str]) -> tuple[list[date], bool]:
    """The days of an event, and whether they come back every year."""
    title = event.get("SUMMARY", "an event")[:60]
    start, end = _date(event.get("DTSTART"), title), event.get("DTEND")
    length = (_date(end, title) - start).days if end is not None else 1
    if length > LONGEST_EVENT:
        raise CalendarInvalid(f"'{title}' lasts longer than a year")
    rule = event.get("RRULE", "").upper()
    parts = {part for part in rule.split(";") if part} - {"INTERVAL=1", "WKST=MO", "WKST=SU"}
    if parts and parts - {f"BYMONTH={start.month}", f"BYMONTHDAY={start.day}"} != {"FREQ=YEARLY"}:
        raise CalendarInvalid(f"'{title}' repeats by '{rule[:60]}', which is not understood", hint="List its dates instead.")
    return [start + timedelta(days=n) for n in range(max(1, length))], bool(parts)


def _date(text: str | None, title: str) -> date:
    try:
        if text is None or len(text) != len("20260101"):
            raise ValueError
        return date(int(text[:4]), int(text[4:6]), int(text[6:8]))
    except ValueError:
        raise CalendarInvalid(f"'{title}' is not a whole day", hint="Events need DTSTART;VALUE=DATE.") from None
