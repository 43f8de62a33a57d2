"""One field of a cron pattern: names, ranges, lists and steps become a sorted tuple of numbers.

After the Open Cron Pattern Specification, 1.0 with the increments 1.1 to 1.4. Every refusal has the position of what is wrong.
"""

import re
from dataclasses import dataclass

from tocsin.schedules.failures import TimetableInvalid

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
FIRST_YEAR, LAST_YEAR = 1970, 2199  # the portable range of OCPS 1.2
_NUMBER = re.compile(r"[0-9]{1,4}")
_MODIFIED = re.compile(r"(?P<day>[0-9]|[A-Za-z]{3})(?:#(?P<nth>[1-5L])|(?P<last>L))")


@dataclass(frozen=True, slots=True)
class Field:
    """What a field may hold."""

    title: str
    least: int
    most: int
    names: tuple[str, ...] = ()
    first_name: int = 0


SECOND = Field("second", 0, 59)
MINUTE = Field("minute", 0, 59)
HOUR = Field("hour", 0, 23)
DAY = Field("day of month", 1, 31)
MONTH = Field("month", 1, 12, MONTHS, 1)
WEEKDAY = Field("day of week", 0, 7, WEEKDAYS, 0)
YEAR = Field("year", FIRST_YEAR, LAST_YEAR)


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of the pattern and where it begins (0-based)."""

    text: str
    offset: int

    def wrong(self, detail: str, hint: str | None = None, *, shift: int = 0) -> TimetableInvalid:
        """The error for this piece."""
        return TimetableInvalid(detail, position=self.offset + shift + 1, hint=hint)

    def split(self, sign: str) -> list["Part"]:
        """The pieces between signs."""
        found: list[Part] = []
        offset = self.offset
        for text in self.text.split(sign):
            found.append(Part(text, offset))
            offset += len(text) + len(sign)
        return found


_MOST_BEFORE_LAST = 30


@dataclass(frozen=True, slots=True)
class DaysOfMonth:
    """The day-of-month field: plain days, days before the last (0: it), or the weekday closest to a day (0: to the last)."""

    any_day: bool
    days: tuple[int, ...] = ()
    before_last: tuple[int, ...] = ()
    closest_weekday: int | None = None


@dataclass(frozen=True, slots=True)
class DaysOfWeek:
    """The day-of-week field; Sunday is 0.

    Attributes:
        any_day: Whether the field is ``*``.
        weekdays: Days that match in every week.
        nth: (weekday, n) pairs that match the nth of their kind in a month; n = 0 means the last.
        both: Whether the day of month has to match too (``+``).
    """

    any_day: bool
    weekdays: tuple[int, ...] = ()
    nth: tuple[tuple[int, int], ...] = ()
    both: bool = False


ANY_DAY = DaysOfMonth(any_day=True)
ANY_WEEKDAY = DaysOfWeek(any_day=True)


def numbers(field: Field, part: Part) -> tuple[int, ...]:
    """The values of a field without modifiers."""
    found: set[int] = set()
    for piece in part.split(","):
        found.update(_range(field, piece))
    return tuple(sorted(found))


def days_of_month(part: Part) -> DaysOfMonth:
    """The day-of-month field.

    Raises:
        TimetableInvalid: With the position.
    """
    if part.text in ("*", "?"):
        return DaysOfMonth(any_day=True)
    if "W" in part.text:
        return _closest(part)
    days: set[int] = set()
    before_last: set[int] = set()
    for piece in part.split(","):
        if piece.text == "L":
            before_last.add(0)
        elif piece.text.startswith("L-"):
            before_last.add(_before_last(Part(piece.text[2:], piece.offset + 2)))
        else:
            days.update(_range(DAY, piece))
    return DaysOfMonth(any_day=False, days=tuple(sorted(days)), before_last=tuple(sorted(before_last)))


def _before_last(piece: Part) -> int:
    """Beyond the specification, but widely used: ``L-3`` is three days before the last."""
    if not _NUMBER.fullmatch(piece.text) or not 1 <= int(piece.text) <= _MOST_BEFORE_LAST:
        raise piece.wrong(f"behind 'L-' stands a number of days (1-{_MOST_BEFORE_LAST})", "L-3 is three days before the last.")
    return int(piece.text)


def _closest(part: Part) -> DaysOfMonth:
    day = part.text[:-1]
    if not part.text.endswith("W") or not (day == "L" or _NUMBER.fullmatch(day)):
        raise part.wrong("'W' stands behind a single day and goes with no list, range or step", "Write for example 15W.")
    number = 0 if day == "L" else int(day)
    if day != "L" and not DAY.least <= number <= DAY.most:
        raise part.wrong(f"{day} is not a day of month ({DAY.least}-{DAY.most})")
    return DaysOfMonth(any_day=False, closest_weekday=number)


def days_of_week(part: Part) -> DaysOfWeek:
    """The day-of-week field.

    Raises:
        TimetableInvalid: With the position.
    """
    both = part.text.startswith("+")
    if both:
        part = Part(part.text[1:], part.offset + 1)
    if part.text in ("*", "?"):
        return DaysOfWeek(any_day=True, both=both)
    weekdays: set[int] = set()
    nth: set[tuple[int, int]] = set()
    for piece in part.split(","):
        modified = _MODIFIED.fullmatch(piece.text)
        if modified is not None:
            day = _value(WEEKDAY, Part(modified["day"], piece.offset)) % 7
            occurrence = modified["nth"] or "L"
            nth.add((day, 0 if occurrence == "L" else int(occurrence)))
        elif "#" in piece.text or piece.text.endswith("L"):
            raise piece.wrong(
                "'#' and 'L' stand behind a single weekday", "Write MON#1 for the first Monday, FRI#L for the last Friday."
            )
        else:
            weekdays.update(day % 7 for day in _range(WEEKDAY, piece))
    return DaysOfWeek(any_day=False, weekdays=tuple(sorted(weekdays)), nth=tuple(sorted(nth)), both=both)


def _range(field: Field, piece: Part) -> range:
    span, slash, step_text = piece.text.partition("/")
    step = 1
    if slash:
        place = Part(step_text, piece.offset + len(span) + 1)
        if not _NUMBER.fullmatch(step_text):
            raise place.wrong(f"a step of the {field.title} must be a number")
        step = int(step_text)
        if step == 0:
            raise place.wrong("a step of 0 never moves")
    if span == "*":
        return range(field.least, field.most + 1, step)
    low_text, dash, high_text = span.partition("-")
    if slash and not dash:
        raise piece.wrong(
            "a step stands behind '*' or a range", f"Write */{step} or {low_text or field.least}-{field.most}/{step}."
        )
    low = _value(field, Part(low_text, piece.offset))
    if not dash:
        return range(low, low + 1)
    end = Part(high_text, piece.offset + len(low_text) + 1)
    high = _value(field, end)
    if field is WEEKDAY and high == 0 and high_text.upper() == "SUN" and low > 0:
        high = 7  # Sunday is 0 or 7: at the end of a range it is the end of the week
    if low > high:
        raise piece.wrong(f"the range {span} runs backwards", "Write two ranges, separated by a comma.")
    return range(low, high + 1, step)


def _value(field: Field, piece: Part) -> int:
    if not piece.text:
        raise piece.wrong(f"a {field.title} is missing here")
    name = piece.text.upper()
    if name in field.names:
        return field.names.index(name) + field.first_name
    if not _NUMBER.fullmatch(piece.text):
        expected = f"{field.least}-{field.most}" + (f" or {field.names[0]}-{field.names[-1]}" if field.names else "")
        raise piece.wrong(f"'{piece.text}' is not a {field.title} ({expected})")
    number = int(piece.text)
    if not field.least <= number <= field.most:
        raise piece.wrong(f"{number} is not a {field.title} ({field.least}-{field.most})")
    return number
