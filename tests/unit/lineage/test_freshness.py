"""Freshness in virtual time, against a plain model of the same promises."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.schedules import Exclusions
from tocsin_lineage.domain.freshness import Change, Deadline, EachPartition, Known, MaximumLag, State, Verdict, judge, open_keys
from tocsin_lineage.domain.partitions import Fixed, Grid, Growing, Pairs, Windows, grid_of, key_of, window_of

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def lived(promise, until, writes, *, partitions=None, codes=()):
    """Judge at each due instant and at each writing, as the service does; the transitions with their instants.

    Writings are instants with keys; codes are instants at which the code becomes another.
    """
    verdict, now, written, keys = Verdict(), START, None, {}
    said, looks, version, made_with = [], 0, 0, None
    pending = sorted([*writes, *((at, None, "code") for at in codes)], key=lambda one: one[0])
    while True:
        grid = grid_of(partitions, now, sorted(keys))
        asked = open_keys(promise, verdict, now=now, since=START, grid=grid)
        verdict, changes = judge(
            promise,
            verdict,
            now=now,
            since=START,
            written=written,
            outdated=made_with is not None and made_with != version,
            grid=grid,
            look=lambda key, asked=asked: Known(keys[key][-1], keys[key][0]) if key in keys and key in asked else Known(),
        )
        said += [(now, change) for change in changes]
        looks += 1
        assert verdict.due is None or verdict.due > now, "it would be judged again and again at the same instant"
        upcoming = [at for at in (verdict.due, pending[0][0] if pending else None) if at is not None]
        if not upcoming or min(upcoming) > until:
            return said, verdict, looks
        now = min(upcoming)
        while pending and pending[0][0] <= now:
            at, key, *is_code = pending.pop(0)
            if is_code:
                version += 1
                continue
            written, made_with = max(at, written or at), version
            if key is not None:
                keys[key] = [*keys.get(key, []), at]


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


HOLIDAYS = Exclusions(frozenset({date(2026, 4, 3)}), frozenset({(12, 25)}), frozenset({5, 6}))


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(["Europe/Berlin", "America/New_York"]),
    st.integers(1, 30),
    st.none() | st.integers(1, 10),
    st.sampled_from([Exclusions(), HOLIDAYS]),
    st.lists(st.integers(0, 60 * 24 * 370), max_size=40),
)
def test_a_year_of_deadlines_is_what_the_plain_rule_says(zone, within, warn, days, minutes):
    """At 02:30 of each day in the zone that is no holiday: through both changes of the clocks, one of which skips that time."""
    promise = Deadline("30 2 * * *", zone, timedelta(hours=within), None if warn is None else timedelta(hours=warn), days)
    writes = [(START + timedelta(minutes=m), None) for m in minutes]
    said, _, _ = lived(promise, START + timedelta(days=400), writes)
    place = ZoneInfo(zone)
    deadlines = []
    for number in range(-3, 400):
        day = START.date() + timedelta(days=number)
        at = datetime(day.year, day.month, day.day, 2, 30, tzinfo=place).astimezone(UTC)
        exists = at.astimezone(place).strftime("%H:%M") == "02:30"
        if exists and day not in days.dates and (day.month, day.day) not in days.yearly and day.weekday() not in days.weekdays:
            deadlines.append(at)
    done, story = sorted(at for at, _ in writes), [(when, c.after) for when, c in said]
    for step in range(0, 60 * 24 * 390, 60 * 5 + 7):
        now = START + timedelta(minutes=step)
        newest = max((at for at in done if at <= now), default=None)
        past = [at for at in deadlines if START <= at <= now]
        coming = next(at for at in deadlines if at > now)
        if past and (newest is None or newest < past[-1] - promise.within):
            expected = State.STALE
        elif promise.warn is not None and now >= coming - promise.warn and (newest is None or newest < coming - promise.within):
            expected = State.WARNING
        else:
            expected = State.FRESH if newest is not None or past else State.UNKNOWN
        assert next((after for when, after in reversed(story) if when <= now), State.UNKNOWN) is expected, (now, newest)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 20), st.none() | st.integers(0, 10), st.dictionaries(st.integers(0, 9), st.integers(0, 80), max_size=9))
def test_each_window_has_a_clock_of_its_own(fail, warn, delays):
    """Windows that are never written stay late by name; those written in time are never mentioned."""
    promise = EachPartition(fail * HOUR, None if warn is None or warn >= fail else warn * HOUR)
    windows = Windows("@daily", "Europe/Berlin", datetime(2026, 2, 1, tzinfo=UTC))
    keys = [f"2026-03-{day:02d}" for day in range(1, 11)]
    spans = {key: window_of(windows, key) for key in keys}
    writes = [(spans[keys[day]].end + delay * HOUR, keys[day]) for day, delay in delays.items()]
    said, verdict, _ = lived(promise, START + timedelta(days=20), writes, partitions=windows)
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
    said, verdict, _ = lived(promise, START + timedelta(days=365), writes, partitions=windows)
    stale = [change.partition for _, change in said if change.after is State.STALE and change.partition]
    assert stale == [key for n, key in every if n % 50 == 0]
    assert set(verdict.late) == set(stale)


@settings(max_examples=40, deadline=None)
@given(
    st.booleans(),
    st.sampled_from([Fixed(("eu", "us")), Growing()]),
    st.dictionaries(st.tuples(st.integers(0, 6), st.sampled_from(["eu", "us"])), st.integers(0, 40), max_size=12),
)
def test_each_pair_of_a_window_and_a_key_has_a_clock(time_first, other, delays):
    """As each window has; a key that comes up later is expected from then on."""
    windows = Windows("@daily", "America/New_York", START - timedelta(days=1))
    partitions = Pairs(windows, other) if time_first else Pairs(other, windows)
    promise = EachPartition(10 * HOUR, 4 * HOUR)
    days = [f"2026-03-{day:02d}" for day in range(2, 9)]
    spans = {day: window_of(windows, day) for day in days}
    names = {(n, key): f"{day}|{key}" if time_first else f"{key}|{day}" for n, day in enumerate(days) for key in ("eu", "us")}
    writes = [(spans[days[n]].end + delay * HOUR, names[n, key]) for (n, key), delay in delays.items()]
    said, verdict, _ = lived(promise, START + timedelta(days=20), writes, partitions=partitions)
    for (n, key), name in names.items():
        story = [change.after for _, change in said if change.partition == name]
        delay, end = delays.get((n, key)), spans[days[n]].end
        came_up = min((at for at, one in writes if key in one.split("|")), default=None)
        if isinstance(other, Growing) and (came_up is None or came_up > end + promise.warn):
            assert story == []  # nobody knew that there is such a key when the window had its alarm
            continue
        expected = [State.WARNING] * (delay is None or delay > 4) + [State.STALE] * (delay is None or delay > 10)
        assert story == expected + [State.FRESH] * (bool(expected) and delay is not None)
        assert delay is not None or verdict.late[name] is State.STALE


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60 * 24 * 20), st.sampled_from(["eu", "us", "asia"])), max_size=20))
def test_each_key_without_time_is_never_older_than_promised(minutes):
    """A year's worth of plain rules: each key has a lag of its own, and the asset is as bad as its worst."""
    promise, keys = EachPartition(30 * HOUR, 20 * HOUR), ("eu", "us", "asia")
    writes = [(START + timedelta(minutes=minute), key) for minute, key in minutes]
    said, _, _ = lived(promise, START + timedelta(days=30), writes, partitions=Fixed(keys))
    for step in range(0, 60 * 24 * 25, 61):
        now = START + timedelta(minutes=step, seconds=1)
        states = {}
        for key in keys:
            done = [at for at, one in writes if one == key and at <= now]
            age = now - max(done, default=START)
            late = State.STALE if age > promise.fail else State.WARNING if age > promise.warn else None
            states[key] = late or (State.FRESH if done else State.UNKNOWN)
            assert (state_at(said, now, key) if late else late) is late
            assert late or state_at(said, now, key) in {State.FRESH, State.UNKNOWN}
        assert state_at(said, now) is max(states.values(), key=list(State).index)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 1000), max_size=6), st.lists(st.integers(0, 1000), max_size=6), st.booleans())
def test_what_was_made_with_other_code_is_stale_until_it_is_made_again(writes, codes, promised):
    """Whether or not something is promised about its age."""
    promise = MaximumLag(timedelta(days=400)) if promised else None
    at = [(START + HOUR * hour, None) for hour in writes]
    said, _, _ = lived(promise, START + timedelta(days=60), at, codes=[START + HOUR * hour + MINUTE for hour in codes])
    for hour in range(1100):
        now = START + HOUR * hour + 2 * MINUTE
        newest = max((one for one in writes if one <= hour), default=None)
        stale = newest is not None and any(newest <= code <= hour for code in codes)
        expected = State.STALE if stale else State.FRESH if newest is not None else State.UNKNOWN
        assert state_at(said, now) is expected


def test_only_known_keys_are_beside_a_window():
    """A grid names partitions of pairs in their order, and finds the window of each."""
    windows = Windows("@daily", "UTC", START)
    grid = grid_of(Pairs(Growing(), windows), START, ["eu|2026-03-01", "us|2026-03-02", "eu|2026-03-02"])
    assert grid == Grid(windows, ("eu", "us"), 2)
    assert grid.keys("2026-03-05") == ["eu|2026-03-05", "us|2026-03-05"]
    assert grid.window_of("us|2026-03-05") == window_of(windows, "2026-03-05")
    assert grid_of(None, START, []) is None


def test_what_was_never_promised_is_unknown():
    """A partition promise without windows says nothing."""
    verdict, changes = judge(EachPartition(HOUR), Verdict(), now=START, since=START, written=None)
    assert (verdict.state, changes) == (State.UNKNOWN, [])
    assert Change(None, State.UNKNOWN, State.FRESH).partition is None
