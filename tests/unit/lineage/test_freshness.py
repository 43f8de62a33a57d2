"""Freshness in virtual time, against a plain model of the same promises."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin_lineage.domain.freshness import Change, Deadline, EachPartition, MaximumLag, State, Verdict, judge, open_keys
from tocsin_lineage.domain.partitions import Windows, key_of, window_of

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def lived(promise, until, writes, *, windows=None):
    """Judge at each due instant and at each writing, as the service does; the transitions with their instants."""
    verdict, now, written, keys = Verdict(), START, None, {}
    said, looks = [], 0
    pending = sorted(writes)
    while True:
        asked = open_keys(promise, verdict, now=now, since=START, windows=windows)
        verdict, changes = judge(
            promise,
            verdict,
            now=now,
            since=START,
            written=written,
            windows=windows,
            is_written=lambda key, asked=asked: key in keys and key in asked,
        )
        said += [(now, change) for change in changes]
        looks += 1
        assert verdict.due is None or verdict.due > now, "it would be judged again and again at the same instant"
        upcoming = [at for at in (verdict.due, pending[0][0] if pending else None) if at is not None]
        if not upcoming or min(upcoming) > until:
            return said, verdict, looks
        now = min(upcoming)
        while pending and pending[0][0] <= now:
            at, key = pending.pop(0)
            written = max(at, written or at)
            if key is not None:
                keys[key] = at


def state_at(said, at, partition=None):
    """The state that was said last, up to an instant."""
    return next((c.after for when, c in reversed(said) if when <= at and c.partition == partition), State.UNKNOWN)


HOURS = st.integers(1, 60 * 40).map(lambda minutes: timedelta(minutes=minutes))


@settings(max_examples=60, deadline=None)
@given(HOURS, st.none() | HOURS, st.lists(st.integers(0, 60 * 24 * 6), max_size=8))
def test_a_lag_is_what_the_plain_rule_says_at_every_minute(fail, warn, minutes):
    """Fresh up to and including the lag, a warning from its own, stale beyond; looked at only when it can change."""
    warn = warn if warn is None or warn < fail else None
    writes = [(START + timedelta(minutes=m), None) for m in minutes]
    said, _, looks = lived(MaximumLag(fail, warn), START + timedelta(days=8), writes)
    for step in range(0, 60 * 24 * 8, 7):
        now = START + timedelta(minutes=step, seconds=1)
        done = [at for at, _ in writes if at <= now]
        age = now - (max(done) if done else START)
        if age > fail:
            expected = State.STALE
        elif warn is not None and age > warn:
            expected = State.WARNING
        else:
            expected = State.FRESH if done else State.UNKNOWN
        assert state_at(said, now) is expected
    assert looks <= 4 + 3 * len(writes)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"]),
    st.integers(1, 30),
    st.none() | st.integers(1, 10),
    st.lists(st.integers(0, 60 * 24 * 20), max_size=14),
)
def test_a_deadline_holds_when_something_was_written_in_time(zone, within, warn, minutes):
    """At 06:00 of each day in the zone, through the change of the clocks in March."""
    promise = Deadline("0 6 * * *", zone, timedelta(hours=within), None if warn is None else timedelta(hours=warn))
    writes = [(START + timedelta(minutes=m), None) for m in minutes]
    said, _, _ = lived(promise, START + timedelta(days=45), writes)
    place = ZoneInfo(zone)
    for step in range(0, 60 * 24 * 40, 61):
        now = START + timedelta(minutes=step)
        done = [at for at, _ in writes if at <= now]
        newest = max(done) if done else None
        today = now.astimezone(place).replace(hour=6, minute=0, second=0, microsecond=0)
        passed = today if today <= now else today - timedelta(days=1)  # wall clock: the zone's own six o'clock
        passed, coming = passed.astimezone(UTC), (passed + timedelta(days=1)).astimezone(UTC)
        if passed >= START and (newest is None or newest < passed - promise.within):
            expected = State.STALE
        elif promise.warn is not None and now >= coming - promise.warn and (newest is None or newest < coming - promise.within):
            expected = State.WARNING
        else:
            expected = State.FRESH if newest is not None or passed >= START else State.UNKNOWN
        assert state_at(said, now) is expected, (now, newest, passed, coming)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 20), st.none() | st.integers(0, 10), st.dictionaries(st.integers(0, 9), st.integers(0, 80), max_size=9))
def test_each_window_has_a_clock_of_its_own(fail, warn, delays):
    """Windows that are never written stay late by name; those written in time are never mentioned."""
    promise = EachPartition(fail * HOUR, None if warn is None or warn >= fail else warn * HOUR)
    windows = Windows("@daily", "Europe/Berlin", datetime(2026, 2, 1, tzinfo=UTC))
    keys = [f"2026-03-{day:02d}" for day in range(1, 11)]
    spans = {key: window_of(windows, key) for key in keys}
    writes = [(spans[keys[day]].end + delay * HOUR, keys[day]) for day, delay in delays.items()]
    said, verdict, _ = lived(promise, START + timedelta(days=20), writes, windows=windows)
    for day, key in enumerate(keys):
        story = [(at, change.after) for at, change in said if change.partition == key]
        end, delay = spans[key].end, delays.get(day)
        expected = []
        if promise.warn is not None and (delay is None or delay * HOUR > promise.warn):
            expected.append(State.WARNING)
        if delay is None or delay * HOUR > promise.fail:
            expected.append(State.STALE)
            assert [at for at, after in story if after is State.STALE] == [end + promise.fail + timedelta(milliseconds=1)]
        if expected and delay is not None:
            expected.append(State.FRESH)
        assert [after for _, after in story] == expected
    late = {key for day, key in enumerate(keys) if day not in delays}
    assert late <= set(verdict.late)


def test_a_year_of_windows_takes_seconds_and_misses_none():
    """Each of 2,190 windows is judged once; every fiftieth was never written."""
    windows = Windows("PT4H", "UTC", START)
    promise = EachPartition(HOUR, 30 * MINUTE)
    every = [(n, key_of(windows, START + 4 * n * HOUR)) for n in range(6 * 365)]
    writes = [(START + 4 * (n + 1) * HOUR + 10 * MINUTE, key) for n, key in every if n % 50]
    said, verdict, _ = lived(promise, START + timedelta(days=365), writes, windows=windows)
    stale = [change.partition for _, change in said if change.after is State.STALE and change.partition]
    assert stale == [key for n, key in every if n % 50 == 0]
    assert set(verdict.late) == set(stale)


def test_what_was_never_promised_is_unknown():
    """A partition promise without windows says nothing."""
    verdict, changes = judge(EachPartition(HOUR), Verdict(), now=START, since=START, written=None)
    assert (verdict.state, changes) == (State.UNKNOWN, [])
    assert Change(None, State.UNKNOWN, State.FRESH).partition is None
