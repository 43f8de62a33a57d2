"""Cron patterns: what they mean, held against a plain model, and where they are wrong."""

import calendar
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.schedules import Gap, NeverFires, Overlap, TimetableInvalid, next_texts, parse_timetable

MIDNIGHT = datetime(2024, 1, 1, tzinfo=UTC)
SKIP_ONCE, SHIFT_ONCE, SKIP_TWICE = (Gap.SKIP, Overlap.ONCE), (Gap.SHIFT, Overlap.ONCE), (Gap.SKIP, Overlap.TWICE)


def following(expression: str, count: int = 4, after: datetime = MIDNIGHT, timezone: str = "UTC") -> list[str]:
    return [text[:16] for text in next_texts(expression, timezone, after, count)]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("*/20 * * * *", ["2024-01-01T00:20", "2024-01-01T00:40", "2024-01-01T01:00", "2024-01-01T01:20"]),
        ("5-59/15 9-17 * * MON-FRI", ["2024-01-01T09:05", "2024-01-01T09:20", "2024-01-01T09:35", "2024-01-01T09:50"]),
        ("0 12 1 * MON", ["2024-01-01T12:00", "2024-01-08T12:00", "2024-01-15T12:00", "2024-01-22T12:00"]),
        ("0 12 1 * +MON", ["2024-01-01T12:00", "2024-04-01T12:00", "2024-07-01T12:00", "2025-09-01T12:00"]),
        ("0 0 L-1 * *", ["2024-01-30T00:00", "2024-02-28T00:00", "2024-03-30T00:00", "2024-04-29T00:00"]),
        ("0 0 L-30,2 * *", ["2024-01-02T00:00", "2024-02-02T00:00", "2024-03-01T00:00", "2024-03-02T00:00"]),
        ("0 0 L-30 * 2", ["2024-01-02T00:00", "2024-01-09T00:00", "2024-01-16T00:00", "2024-01-23T00:00"]),
        ("0 0 L * *", ["2024-01-31T00:00", "2024-02-29T00:00", "2024-03-31T00:00", "2024-04-30T00:00"]),
        ("0 0 * * FRI#L", ["2024-01-26T00:00", "2024-02-23T00:00", "2024-03-29T00:00", "2024-04-26T00:00"]),
        ("0 0 * * 5L", ["2024-01-26T00:00", "2024-02-23T00:00", "2024-03-29T00:00", "2024-04-26T00:00"]),
        ("0 0 * * 2#3", ["2024-01-16T00:00", "2024-02-20T00:00", "2024-03-19T00:00", "2024-04-16T00:00"]),
        ("0 0 * * mon#5", ["2024-01-29T00:00", "2024-04-29T00:00", "2024-07-29T00:00", "2024-09-30T00:00"]),
        ("0 12 15W * *", ["2024-01-15T12:00", "2024-02-15T12:00", "2024-03-15T12:00", "2024-04-15T12:00"]),
        ("0 12 1W 6,9 *", ["2024-06-03T12:00", "2024-09-02T12:00", "2025-06-02T12:00", "2025-09-01T12:00"]),
        ("0 12 31W 8 *", ["2024-08-30T12:00", "2025-08-29T12:00", "2026-08-31T12:00", "2027-08-31T12:00"]),
        ("0 0 29 FEB *", ["2024-02-29T00:00", "2028-02-29T00:00", "2032-02-29T00:00", "2036-02-29T00:00"]),
        ("0 0 0 1 1 * 2030-2199/3", ["2030-01-01T00:00", "2033-01-01T00:00", "2036-01-01T00:00", "2039-01-01T00:00"]),
        ("30 15 10 * * * 2025", ["2025-01-01T10:15", "2025-01-02T10:15", "2025-01-03T10:15", "2025-01-04T10:15"]),
        ("0 0 * * 7", ["2024-01-07T00:00", "2024-01-14T00:00", "2024-01-21T00:00", "2024-01-28T00:00"]),
        ("0 0 ? * ?", ["2024-01-02T00:00", "2024-01-03T00:00", "2024-01-04T00:00", "2024-01-05T00:00"]),
        ("@hourly", ["2024-01-01T01:00", "2024-01-01T02:00", "2024-01-01T03:00", "2024-01-01T04:00"]),
        ("@yearly", ["2025-01-01T00:00", "2026-01-01T00:00", "2027-01-01T00:00", "2028-01-01T00:00"]),
        ("  0   0\t* * SAT-SUN ", ["2024-01-06T00:00", "2024-01-07T00:00", "2024-01-13T00:00", "2024-01-14T00:00"]),
    ],
)
def test_patterns_mean_what_the_specification_says(expression: str, expected: list[str]) -> None:
    """Fields, lists, ranges, steps, names, modifiers, nicknames, seconds and years."""
    assert following(expression) == expected


@pytest.mark.parametrize(
    ("expression", "position", "says"),
    [
        ("60 * * * *", 1, "60 is not a minute"),
        ("0 0 L-31 * *", 7, "a number of days (1-30)"),
        ("0 0 1,L-x * *", 9, "a number of days"),
        ("* 24 * * *", 3, "24 is not a hour"),
        ("* * 0 * *", 5, "day of month"),
        ("* * * 13 *", 7, "month"),
        ("* * * * 8", 9, "day of week"),
        ("* * * JANU *", 7, "'JANU'"),
        ("MON * * * *", 1, "minute"),
        ("5-1 * * * *", 1, "backwards"),
        ("*/0 * * * *", 3, "step of 0"),
        ("0/15 * * * *", 1, "behind '*' or a range"),
        ("/30 * * * *", 1, "behind '*' or a range"),
        ("1,,2 * * * *", 3, "missing"),
        ("1- * * * *", 3, "missing"),
        ("*/x * * * *", 3, "number"),
        ("* * *", 6, "fields"),
        ("* * * * * * * *", 15, "fields"),
        ("", 1, "fields"),
        ("* * * * *\n", 10, "no meaning"),
        ("0 0 * * $", 9, "no meaning"),
        ("* * 1-15W * *", 5, "'W'"),
        ("* * 1,15W * *", 5, "'W'"),
        ("* * W * *", 5, "'W'"),
        ("* * 32W * *", 5, "32"),
        ("* * l * *", 5, "'l'"),
        ("* * * * L", 9, "single weekday"),
        ("* * * * MON#6", 9, "single weekday"),
        ("* * * * MON-FRI#1", 9, "single weekday"),
        ("? * * * *", 1, "'?'"),
        ("* * * ? *", 7, "'?'"),
        ("* * +1 * *", 5, "'+'"),
        ("* * * * 1+", 10, "'+'"),
        ("@Daily", 1, "nickname"),
        ("@daily *", 1, "nickname"),
        ("* * * * * * 1969", 13, "1969"),
        ("* * * * * * 2200", 13, "2200"),
    ],
)
def test_a_mistake_is_shown_where_it_is(expression: str, position: int, says: str) -> None:
    """The position counts characters from 1."""
    with pytest.raises(TimetableInvalid) as caught:
        parse_timetable(expression)
    assert caught.value.position == position, caught.value.detail
    assert says in caught.value.detail


def test_what_never_fires_is_known() -> None:
    """A 31st of February is no syntax error, but nobody waits for it."""
    with pytest.raises(NeverFires):
        next_texts("0 0 31 2 *", "UTC", MIDNIGHT, 1)
    assert parse_timetable("0 0 31 2 *").next(MIDNIGHT) is None


def test_reboot_is_read_but_means_nothing_here() -> None:
    """The parser knows it, the platform says why it cannot be."""
    with pytest.raises(TimetableInvalid, match="no meaning here"):
        parse_timetable("@reboot").next(MIDNIGHT)


def test_an_unknown_zone_is_answered_with_the_nearest() -> None:
    """People mistype."""
    with pytest.raises(TimetableInvalid) as caught:
        parse_timetable("@daily", "Europe/Berln")
    assert caught.value.hint == "Did you mean 'Europe/Berlin'?"


@pytest.mark.parametrize(
    ("place", "expression", "policy", "expected"),
    [
        (("Europe/Berlin", "2024-03-30T12:00"), "30 2 * * *", SKIP_ONCE, ["04-01T02:30+02:00"]),
        (("Europe/Berlin", "2024-03-30T12:00"), "30 2 * * *", SHIFT_ONCE, ["03-31T03:30+02:00", "04-01T02:30+02:00"]),
        (
            ("Europe/Berlin", "2024-03-30T23:00"),
            "0,30 2,3 * * *",
            SHIFT_ONCE,
            ["03-31T03:00+02:00", "03-31T03:30+02:00", "04-01T02:00+02:00"],
        ),
        (("Europe/Berlin", "2024-10-26T12:00"), "30 2 * * *", SKIP_ONCE, ["10-27T02:30+02:00", "10-28T02:30+01:00"]),
        (
            ("Europe/Berlin", "2024-10-26T12:00"),
            "30 2 * * *",
            SKIP_TWICE,
            ["10-27T02:30+02:00", "10-27T02:30+01:00", "10-28T02:30+01:00"],
        ),
        (
            ("Europe/Berlin", "2024-10-27T00:20"),
            "15,45 2 * * *",
            SKIP_TWICE,
            ["10-27T02:45+02:00", "10-27T02:15+01:00", "10-27T02:45+01:00"],
        ),
        (("Australia/Lord_Howe", "2024-10-05T12:00"), "15 2 * * *", SHIFT_ONCE, ["10-06T02:45+11:00", "10-07T02:15+11:00"]),
        (("Pacific/Apia", "2011-12-29T12:00"), "0 12 * * *", SKIP_ONCE, ["12-29T12:00-10:00", "12-31T12:00+14:00"]),
    ],
)
def test_clocks_that_jump(place: tuple[str, str], expression: str, policy: tuple[Gap, Overlap], expected: list[str]) -> None:
    """Skipped or shifted, once or twice: as the schedule says."""
    timetable = parse_timetable(expression, place[0], gap=policy[0], overlap=policy[1])
    start = datetime.fromisoformat(place[1]).replace(tzinfo=UTC)
    found = [i.astimezone(ZoneInfo(place[0])).isoformat() for i in timetable.upcoming(start, len(expected))]
    assert [text[5:16] + text[19:] for text in found] == expected


# A model that does what a person would: look at every minute, and ask whether it matches.


@lru_cache
def _field(text: str, low: int, high: int) -> set[int]:
    found: set[int] = set()
    for piece in text.split(","):
        span, _, step = piece.partition("/")
        first, last = (low, high) if span == "*" else (int(span.split("-")[0]), int(span.split("-")[-1]))
        found |= {v for v in range(first, last + 1) if (v - first) % int(step or 1) == 0}
    return found


def _matches(pattern: list[str], at: datetime) -> bool:
    minute, hour, day, month, weekday = pattern
    if at.minute not in _field(minute, 0, 59) or at.hour not in _field(hour, 0, 23) or at.month not in _field(month, 1, 12):
        return False
    length = calendar.monthrange(at.year, at.month)[1]
    in_month = at.day in _field(day, 1, 31) if day != "L" else at.day == length
    sunday_based = (at.weekday() + 1) % 7
    if "#" in weekday:
        which, nth = weekday.split("#")
        right = (at.day + 7 > length) if nth == "L" else (at.day - 1) // 7 + 1 == int(nth)
        in_week = sunday_based == int(which) % 7 and right
    else:
        in_week = sunday_based in {d % 7 for d in _field(weekday, 0, 7)}
    return (in_month and in_week) if "*" in (day, weekday) else (in_month or in_week)


def _model(pattern: list[str], zone: ZoneInfo, after: datetime, until: datetime, *, shift: bool, twice: bool) -> list[datetime]:
    found: set[datetime] = set()
    # No clock here jumps by more than an hour, so a local time a day away is no instant of the window.
    local = (after - timedelta(days=1)).astimezone(zone).replace(tzinfo=None, second=0, fold=0)
    last, minute = until.astimezone(zone).replace(tzinfo=None) + timedelta(days=1), timedelta(minutes=1)
    minutes = _field(pattern[0], 0, 59)
    while local < last:
        if local.minute in minutes and _matches(pattern, local):
            read, real = _readings(zone, local)
            if not real:
                found |= {read} if shift else set()
            else:
                found |= set(real if twice else [min(real)])
        local += minute
    return sorted(i for i in found if after < i <= until)


@cache
def _readings(zone: ZoneInfo, local: datetime) -> tuple[datetime, tuple[datetime, ...]]:
    """What a local time would be without a jump, and the instants that really have it."""
    read = [local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)]
    return read[0], tuple(instant for instant in read if instant.astimezone(zone).replace(tzinfo=None, fold=0) == local)


def _numbers(low: int, high: int) -> st.SearchStrategy[str]:
    one = st.integers(low, high).map(str)
    span = st.tuples(st.integers(low, high), st.integers(low, high)).map(lambda t: f"{min(t)}-{max(t)}")
    return st.one_of(
        st.just("*"),
        one,
        span,
        st.tuples(st.one_of(st.just("*"), span), st.integers(1, high)).map(lambda t: f"{t[0]}/{t[1]}"),
        st.lists(st.one_of(one, span), min_size=2, max_size=3).map(",".join),
    )


PATTERNS = st.tuples(
    _numbers(0, 59),
    st.one_of(st.just("*"), _numbers(0, 4), _numbers(0, 23)),
    st.one_of(st.just("*"), _numbers(1, 31), st.just("L")),
    st.one_of(st.just("*"), _numbers(1, 12)),
    st.one_of(
        st.just("*"), _numbers(0, 7), st.tuples(st.integers(0, 7), st.sampled_from("12345L")).map(lambda t: f"{t[0]}#{t[1]}")
    ),
)
JUMPS = [
    ("Europe/Berlin", "2024-03-30T22:00"),
    ("Europe/Berlin", "2024-10-26T22:00"),
    ("America/New_York", "2024-03-10T04:00"),
    ("America/New_York", "2024-11-03T03:00"),
    ("Australia/Lord_Howe", "2024-04-06T12:00"),
    ("Australia/Lord_Howe", "2024-10-05T12:00"),
    ("America/Santiago", "2024-09-07T23:00"),
    ("Asia/Kathmandu", "2024-02-28T12:00"),
]


@settings(max_examples=150, deadline=None)
@given(PATTERNS, st.sampled_from(JUMPS), st.integers(0, 600), st.booleans(), st.booleans())
def test_it_agrees_with_looking_at_every_minute(
    pattern: tuple[str, ...], jump: tuple[str, str], minutes: int, shift: bool, twice: bool
) -> None:
    """Any pattern, around any jump of any zone's clocks, under any policy: exactly the instants of the model, in order."""
    zone = ZoneInfo(jump[0])
    after = datetime.fromisoformat(jump[1]).replace(tzinfo=UTC) + timedelta(minutes=minutes, seconds=minutes % 2)
    until = after + timedelta(hours=12)
    timetable = parse_timetable(
        " ".join(pattern), jump[0], gap=Gap.SHIFT if shift else Gap.SKIP, overlap=Overlap.TWICE if twice else Overlap.ONCE
    )
    found, more = timetable.due(after, until, 2000)
    assert found == _model(list(pattern), zone, after, until, shift=shift, twice=twice)
    assert not more


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="0123456789*,-/ LW#?+@MONJAN", max_size=20))
def test_any_text_is_read_or_refused_with_a_position(text: str) -> None:
    """Never anything else."""
    try:
        parse_timetable(text)
    except TimetableInvalid as refusal:
        assert 1 <= refusal.position <= len(text) + 1  # noqa: PT017 - most texts are refused, some are not
