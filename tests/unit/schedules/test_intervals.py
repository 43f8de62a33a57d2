"""Intervals count from their anchor, whoever asks, whenever."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.schedules import TimetableInvalid, parse_timetable

ANCHOR = datetime(2024, 1, 31, 9, 0, tzinfo=UTC)


def following(expression: str, count: int, timezone: str = "UTC", after: datetime = ANCHOR) -> list[str]:
    return [i.isoformat()[:16] for i in parse_timetable(expression, timezone, anchor=ANCHOR).upcoming(after, count)]


def test_exact_and_calendar_steps() -> None:
    """Minutes are exact; a month from the 31st takes the last day of shorter months, without drifting."""
    assert following("PT90M", 2) == ["2024-01-31T10:30", "2024-01-31T12:00"]
    assert following("P1M", 4) == ["2024-02-29T09:00", "2024-03-31T09:00", "2024-04-30T09:00", "2024-05-31T09:00"]
    assert following("P1Y", 2) == ["2025-01-31T09:00", "2026-01-31T09:00"]


def test_a_day_keeps_its_time_of_day_through_a_change_of_the_clocks() -> None:
    """Ten in the morning in Berlin stays ten in the morning."""
    berlin = ZoneInfo("Europe/Berlin")
    timetable = parse_timetable("P1D", "Europe/Berlin", anchor=ANCHOR)
    days = list(timetable.upcoming(datetime(2024, 3, 29, tzinfo=UTC), 4))
    assert {day.astimezone(berlin).hour for day in days} == {10}
    assert days[2] - days[1] == timedelta(hours=23)
    assert list(parse_timetable("PT24H", "Europe/Berlin", anchor=ANCHOR).upcoming(ANCHOR, 1)) == [ANCHOR + timedelta(hours=24)]


def test_nothing_before_the_anchor() -> None:
    """The first firing is the anchor itself."""
    assert parse_timetable("PT1H", anchor=ANCHOR).next(ANCHOR - timedelta(days=3)) == ANCHOR


@pytest.mark.parametrize("text", ["P", "PT", "PT0S", "PT0.2S", "P-1D", "PT5", "P300Y", "P1.5D", "P1D "[:-1] + "X"])
def test_what_is_no_interval_is_refused(text: str) -> None:
    """At least a second, at most 200 years, ISO 8601."""
    with pytest.raises(TimetableInvalid):
        parse_timetable(text)


@given(
    st.sampled_from(["PT1S", "PT7M", "PT1H30M", "P1D", "P2W", "P1M", "P1M2DT3H", "P1Y"]),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"]),
    st.integers(0, 10 * 366 * 86400).map(lambda s: ANCHOR + timedelta(seconds=s - 86400)),
)
def test_the_next_is_later_and_none_is_left_out(text: str, timezone: str, after: datetime) -> None:
    """For every instant asked about, the answer is the first of the sequence behind it."""
    timetable = parse_timetable(text, timezone, anchor=ANCHOR)
    first = timetable.next(after)
    assert first is not None
    assert first > after
    assert timetable.next(first - timedelta(microseconds=1)) == first
    second = timetable.next(first)
    assert second is not None
    assert second > first
    assert timetable.next(second - timedelta(microseconds=1)) == second
