"""Partitions and what maps one asset's to another's."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin_lineage.domain.mappings import (
    Ends,
    Everything,
    Newest,
    OneSide,
    Same,
    Shifted,
    Side,
    downstream_keys,
    upstream_keys,
)
from tocsin_lineage.domain.partitions import (
    Fixed,
    Growing,
    Pairs,
    Windows,
    all_keys,
    boundary_before,
    closed_windows,
    is_key,
    key_of,
    last_closed,
    listed,
    window_at,
    window_of,
    windows_from,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 4, 10, 8, 30, tzinfo=UTC)
DAILY = Windows("@daily", "UTC", START)
HOURLY = Windows("PT1H", "UTC", START)
WEEKLY = Windows("0 0 * * MON", "UTC", START)
BERLIN = Windows("0 * * * *", "Europe/Berlin", datetime(2026, 10, 24, tzinfo=UTC))
ZONES = [
    ("@daily", "UTC"),
    ("0 0 * * *", "America/New_York"),
    ("PT1H", "UTC"),
    ("0 * * * *", "Europe/Berlin"),
    ("30 3 * * 1-5", "UTC"),
    ("0 0 */6 * * *", "Europe/Berlin"),
    ("0 0 0 * * *", "America/Havana"),
    ("0 0 * * *", "America/Santiago"),
    ("PT20S", "UTC"),
    ("P1D", "Pacific/Apia"),
    ("P1M", "Africa/Casablanca"),
    ("PT90M", "Australia/Lord_Howe"),
]
BEGINNINGS = (START, datetime(2026, 1, 1, 22, 30, tzinfo=UTC), datetime(2026, 1, 3, 3, 15, 40, tzinfo=UTC))


@pytest.mark.parametrize(("every", "zone"), ZONES)
@settings(deadline=None)
@given(offset=st.integers(0, 60 * 24 * 330), start=st.sampled_from(BEGINNINGS))
def test_every_instant_is_in_exactly_the_window_of_its_key(every, zone, offset, start):
    """Windows follow each other without gap; keys lead back to their windows, through every change of the clocks."""
    windows = Windows(every, zone, start)
    at = start + timedelta(minutes=offset)
    window = window_at(windows, at)
    if window is None:
        assert boundary_before(windows, at) is None
        return
    assert window.start <= at < window.end
    assert window_of(windows, key_of(windows, window.start)) == window
    following = next(windows_from(windows, window.start))
    assert following.start == window.end
    assert key_of(windows, following.start) != key_of(windows, window.start)


def test_the_hour_that_comes_twice_has_two_keys():
    """With the offset in the key; 25 windows on that day."""
    day = closed_windows(BERLIN, datetime(2026, 10, 24, 22, tzinfo=UTC), datetime(2026, 10, 25, 23, tzinfo=UTC))
    keys = [key_of(BERLIN, window.start) for window in day]
    assert len(set(keys)) == 25
    assert {"2026-10-25T02:00+0200", "2026-10-25T02:00+0100"} <= set(keys)


def test_only_windows_that_are_over_are_listed():
    """Until the one before the current; from the start on; up to the end."""
    assert listed(DAILY, datetime(2026, 1, 4, 12, tzinfo=UTC), ()) == ["2026-01-01", "2026-01-02", "2026-01-03"]
    ended = Windows("@daily", "UTC", START, end=datetime(2026, 1, 3, tzinfo=UTC))
    assert listed(ended, NOW, ()) == ["2026-01-01", "2026-01-02"]
    assert last_closed(DAILY, START + timedelta(hours=3)) is None
    long_ago = Windows("PT1H", "UTC", datetime(2020, 1, 1, tzinfo=UTC), end=START)
    assert last_closed(long_ago, NOW) == window_at(long_ago, START - timedelta(hours=1))
    assert listed(long_ago, NOW, (), 2) == ["2025-12-31T22:00+0000", "2025-12-31T23:00+0000"]


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(ZONES), st.integers(0, 60 * 24 * 300), st.integers(1, 40))
def test_the_newest_that_are_over_are_the_last_of_all_that_are(shape, minutes, limit):
    """However many there were before, and through changes of the clocks."""
    windows = Windows(*shape, START)
    now = START + timedelta(minutes=minutes)
    expected = [key_of(windows, one.start) for one in closed_windows(windows, START - timedelta(days=1), now)]
    assert listed(windows, now, (), limit) == expected[-limit:]


def test_windows_of_a_second_since_a_century_are_listed_like_others():
    """Only the newest are looked at, each about once."""
    windows = Windows("PT1S", "UTC", datetime(1900, 1, 1, tzinfo=UTC))
    found = listed(windows, NOW, (), 2000)
    assert (len(found), found[-1]) == (2000, key_of(windows, NOW - timedelta(seconds=1)))


def test_keys_that_cannot_be_are_refused():
    """A date where minutes are wanted, a time inside a window, a name that is not one of the fixed."""
    assert is_key(DAILY, "2026-03-01")
    assert not is_key(DAILY, "2026-03-01T00:00+0000")
    assert not is_key(DAILY, "2025-12-31")
    assert is_key(HOURLY, "2026-03-01T05:00+0000")
    assert not is_key(HOURLY, "2026-03-01T05:30+0000")
    assert not is_key(Fixed(("de", "fr")), "it")
    assert is_key(Pairs(DAILY, Fixed(("de", "fr"))), "2026-03-01|fr")
    assert not is_key(Pairs(DAILY, Fixed(("de", "fr"))), "fr|2026-03-01")
    assert not is_key(Growing(), "a|b")


def test_pairs_are_every_combination():
    """Days by countries."""
    pairs = Pairs(Windows("@daily", "UTC", datetime(2026, 4, 8, tzinfo=UTC)), Fixed(("de", "fr")))
    assert all_keys(pairs, NOW, ()) == ["2026-04-08|de", "2026-04-08|fr", "2026-04-09|de", "2026-04-09|fr"]


def test_a_day_is_made_of_its_hours_and_a_week_of_its_days():
    """The same time, whatever the windows."""
    assert len(upstream_keys(Same(), Ends(DAILY, HOURLY, NOW), "2026-03-01")) == 24
    assert upstream_keys(Same(), Ends(WEEKLY, DAILY, NOW), "2026-03-02") == [f"2026-03-0{day}" for day in range(2, 9)]
    assert downstream_keys(Same(), Ends(WEEKLY, DAILY, NOW), "2026-03-05") == ["2026-03-02"]


def test_offsets_the_last_ones_and_sides():
    """Yesterday; the last three; all; one side of a pair."""
    assert upstream_keys(Shifted(-1, 0), Ends(DAILY, DAILY, NOW), "2026-03-02") == ["2026-03-01", "2026-03-02"]
    assert upstream_keys(Shifted(-1, -1), Ends(DAILY, DAILY, NOW), "2026-01-01") == []
    assert upstream_keys(Newest(3), Ends(None, DAILY, NOW), "") == ["2026-04-07", "2026-04-08", "2026-04-09"]
    assert upstream_keys(Everything(), Ends(None, Growing(), NOW, known_up=("x", "y")), "") == ["x", "y"]
    pairs = Pairs(Fixed(("a", "b")), Fixed(("de", "fr")))
    ends = Ends(pairs, Fixed(("de", "fr")), NOW)
    assert upstream_keys(OneSide(Side.SECOND), ends, "a|fr") == ["fr"]
    assert downstream_keys(OneSide(Side.SECOND), ends, "fr") == ["a|fr", "b|fr"]


def test_one_dimension_of_two_upstream_means_all_of_the_other():
    """A country is made of all its days; a week of all countries on its days; and back."""
    pairs = Pairs(Windows("@daily", "UTC", datetime(2026, 4, 6, tzinfo=UTC)), Fixed(("de", "fr")))
    country = Ends(Fixed(("de", "fr")), pairs, NOW)
    days = [f"2026-04-0{day}" for day in range(6, 10)]
    assert upstream_keys(OneSide(Side.SECOND), country, "fr") == [f"{day}|fr" for day in days]
    assert downstream_keys(OneSide(Side.SECOND), country, "2026-04-07|fr") == ["fr"]
    week = Ends(WEEKLY, pairs, NOW)
    assert upstream_keys(OneSide(Side.FIRST), week, "2026-04-06")[:4] == [f"{d}|{c}" for d in days[:2] for c in ("de", "fr")]
    assert downstream_keys(OneSide(Side.FIRST), week, "2026-04-08|de") == ["2026-04-06"]
    weeks = Ends(Pairs(WEEKLY, Fixed(("de", "fr"))), DAILY, NOW)
    assert upstream_keys(OneSide(Side.FIRST), weeks, "2026-03-02|de") == [f"2026-03-0{day}" for day in range(2, 9)]
    assert downstream_keys(OneSide(Side.FIRST), weeks, "2026-03-05") == ["2026-03-02|de", "2026-03-02|fr"]


def test_pairs_are_mapped_dimension_by_dimension():
    """The other dimension stays the same where time differs or is moved."""
    countries = Fixed(("de", "fr"))
    weeks = Ends(Pairs(countries, WEEKLY), Pairs(countries, DAILY), NOW)
    assert upstream_keys(Same(), weeks, "fr|2026-03-02") == [f"fr|2026-03-0{day}" for day in range(2, 9)]
    assert downstream_keys(Same(), weeks, "fr|2026-03-05") == ["fr|2026-03-02"]
    days = Ends(Pairs(DAILY, countries), Pairs(DAILY, countries), NOW)
    assert upstream_keys(Shifted(-1, -1), days, "2026-03-02|de") == ["2026-03-01|de"]
    assert downstream_keys(Shifted(-1, -1), days, "2026-03-01|de") == ["2026-03-02|de"]
    assert upstream_keys(Same(), days, "2026-03-02|de") == ["2026-03-02|de"]


MAPPINGS = st.one_of(
    st.just(Same()),
    st.integers(-3, 0).flatmap(lambda first: st.integers(first, 2).map(lambda last: Shifted(first, last))),
    st.integers(1, 4).map(Newest),
)
SHAPES = st.sampled_from([DAILY, WEEKLY, Windows("@daily", "America/New_York", START), Windows("PT12H", "UTC", START)])


@settings(deadline=None, max_examples=40)
@given(MAPPINGS, SHAPES, SHAPES, st.integers(20, 80))
def test_the_way_back_is_the_way_there(mapping, down, up, days):
    """A partition concerns exactly those that are made of it."""
    ends = Ends(down, up, NOW)
    window = window_at(up, START + timedelta(days=days))
    assert window is not None
    key = key_of(up, window.start)
    near = [
        key_of(down, w.start) for w in closed_windows(down, window.start - timedelta(days=25), window.end + timedelta(days=25))
    ]
    expected = {one for one in near if key in upstream_keys(mapping, ends, one)}
    assert set(downstream_keys(mapping, ends, key)) & set(near) == expected
