"""Recurrence rules, single instants and calendars."""

from datetime import UTC, date, datetime

import pytest

from tocsin.schedules import CalendarInvalid, TimetableInvalid, parse_timetable, read_ics

ANCHOR = datetime(2024, 1, 1, 9, 0, tzinfo=UTC)


def following(rule: str, count: int = 3, timezone: str = "UTC") -> list[str]:
    return [i.isoformat()[:16] for i in parse_timetable(rule, timezone, anchor=ANCHOR).upcoming(ANCHOR, count)]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", ["2024-01-31", "2024-02-29", "2024-03-29"]),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=TU", ["2024-01-02", "2024-01-16", "2024-01-30"]),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", ["2024-02-29", "2028-02-29", "2032-02-29"]),
        ("FREQ=DAILY;COUNT=2", ["2024-01-02"]),
        ("FREQ=DAILY;UNTIL=20240103", ["2024-01-02", "2024-01-03"]),
        ("FREQ=DAILY;UNTIL=20240103T080000Z", ["2024-01-02"]),
    ],
)
def test_the_rules_of_rfc_5545(rule: str, expected: list[str]) -> None:
    """Their time of day is that of the anchor."""
    assert following(rule) == [f"{day}T09:00" for day in expected]


def test_a_rule_keeps_its_local_time() -> None:
    """Ten in Berlin is nine in winter and eight in summer."""
    found = following("FREQ=MONTHLY;BYMONTHDAY=1", 3, "Europe/Berlin")
    assert found == ["2024-02-01T09:00", "2024-03-01T09:00", "2024-04-01T08:00"]


@pytest.mark.parametrize(
    ("rule", "position"),
    [
        ("FREQ=HOURLY", 1),
        ("FREQ=DAILY;BYDYA=MO", 12),
        ("FREQ=DAILY;UNTIL=soon", 12),
        ("FREQ=DAILY;COUNT=x", 1),
        ("2024-13-01T00:00:00Z", 1),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(rule: str, position: int) -> None:
    """Before anything waits for it."""
    with pytest.raises(TimetableInvalid) as caught:
        following(rule)
    assert caught.value.position == position


def test_a_single_instant_fires_once() -> None:
    """Without an offset it is meant in the zone."""
    assert following("2024-07-01T12:00:00+02:00") == ["2024-07-01T10:00"]
    assert following("2024-07-01T12:00:00", 3, "Europe/Berlin") == ["2024-07-01T10:00"]
    assert following("2023-07-01T12:00:00Z") == []


CALENDAR = """BEGIN:VCALENDAR
BEGIN:VEVENT
SUMMARY:Christmas
DTSTART;VALUE=DATE:20201225
DTEND;VALUE=DATE:20201227
RRULE:FREQ=YEARLY
END:VEVENT
BEGIN:VEVENT
SUMMARY:Moving holi
 day
DTSTART;VALUE=DATE:20240329
END:VEVENT
END:VCALENDAR
"""


def test_holidays_are_read_from_icalendar() -> None:
    """Single days and those of every year; the end of an event is the day behind it."""
    days = read_ics(CALENDAR)
    assert days.dates == {date(2024, 3, 29)}
    assert days.yearly == {(12, 25), (12, 26)}
    assert days.cover(date(2031, 12, 26))
    assert not days.cover(date(2031, 12, 27))


@pytest.mark.parametrize(
    ("old", "new"),
    [("FREQ=YEARLY", "FREQ=MONTHLY"), ("20240329", "20240329T100000Z"), ("VCALENDAR", "VCARD"), ("20201227", "20291227")],
)
def test_a_calendar_that_is_not_understood_is_refused(old: str, new: str) -> None:
    """Better than firing on a holiday."""
    with pytest.raises(CalendarInvalid):
        read_ics(CALENDAR.replace(old, new))
