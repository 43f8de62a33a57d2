"""Business time and the clocks that run on it, against a model that looks at every minute."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tocsin.schedules import TimetableInvalid
from tocsin_case.domain.calendars import ALWAYS, BusinessCalendar, Hours, NeverOpen, Window, checked_calendar
from tocsin_case.domain.clocks import SlaClock, clock_events, start_clock

MINUTE = timedelta(minutes=1)
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu")
# Days around which clocks change in one of the zones, and one on which nothing happens.
STARTS = tuple(
    datetime.fromisoformat(text)
    for text in (
        "2026-03-28T06:00+00:00",
        "2026-10-24T06:00+00:00",
        "2026-03-07T20:00+00:00",
        "2026-10-31T20:00+00:00",
        "2026-04-04T03:00+00:00",
        "2026-10-03T03:00+00:00",
        "2026-06-10T00:00+00:00",
    )
)


@st.composite
def calendars(draw: st.DrawFn) -> BusinessCalendar:
    windows = []
    for weekday in draw(st.sets(st.integers(0, 6), min_size=1)):
        for _ in range(draw(st.integers(1, 2))):
            start = draw(st.integers(0, 95)) * 15
            windows.append(Window(weekday, start, min(1440, start + draw(st.integers(1, 60)) * 15)))
    holidays = draw(st.sets(st.integers(0, 4), max_size=2))
    first = date(2026, 3, 28)
    return BusinessCalendar(
        namespace="default",
        name="c",
        timezone=draw(st.sampled_from(ZONES)),
        windows=tuple(windows),
        holidays=tuple(first + timedelta(days=day) for day in holidays),
    )


def is_open(calendar: BusinessCalendar, instant: datetime) -> bool:
    """The rule in one sentence: the local time lies in a window of its weekday, and the day is no holiday."""
    local = instant.astimezone(ZoneInfo(calendar.timezone))
    minute = local.hour * 60 + local.minute
    windows = (w for w in calendar.windows if w.weekday == local.weekday())
    return local.date() not in calendar.holidays and any(w.start <= minute < w.end for w in windows)


def minutes(calendar: BusinessCalendar, start: datetime, count: int) -> list[datetime]:
    """Business minutes of the next ``count`` minutes."""
    return [at for n in range(count) if is_open(calendar, at := start + n * MINUTE)]


@settings(max_examples=60, deadline=None)
@given(calendars(), st.sampled_from(STARTS), st.integers(0, 90), st.integers(1, 3 * 1440))
def test_business_time_between_two_instants_is_the_number_of_open_minutes(calendar, start, shift, length):
    """Also over days on which clocks jump, in zones with half hours, and over holidays."""
    start += shift * MINUTE
    counted = len(minutes(calendar, start, length))
    assert Hours(calendar).between(start, start + length * MINUTE) == counted * MINUTE


@settings(max_examples=40, deadline=None)
@given(calendars(), st.sampled_from(STARTS), st.integers(1, 240))
def test_a_due_instant_is_the_first_by_which_the_time_has_passed(calendar, start, wanted):
    """The model counts minute by minute."""
    open_minutes = minutes(calendar, start, 3 * 1440)
    if len(open_minutes) < wanted:
        return
    assert Hours(calendar).after(start, wanted * MINUTE) == open_minutes[wanted - 1] + MINUTE


def test_a_calendar_that_is_never_open_is_not_waited_for():
    """Ten years are enough to know."""
    with pytest.raises(NeverOpen):
        Hours(BusinessCalendar(namespace="default", name="c")).after(STARTS[0], MINUTE)


def test_a_calendar_that_cannot_work_is_refused_when_it_is_written():
    """And not when the first case is to be promised something; a zone that does not exist is refused where it is."""
    with pytest.raises(NeverOpen):
        checked_calendar(BusinessCalendar(namespace="default", name="c"))
    with pytest.raises(TimetableInvalid) as refused:
        checked_calendar(BusinessCalendar(namespace="default", name="c", timezone="Europe/Belin", windows=(Window(0, 0, 9),)))
    assert [(one.pointer, one.column) for one in refused.value.violations] == [("/timezone", None)]


class PlainClock:
    """The rules of a clock, minute by minute, without any arithmetic."""

    def __init__(self, calendar: BusinessCalendar, target: int, warn: int) -> None:
        self.calendar, self.target, self.warn = calendar, target, warn
        self.used, self.held, self.met = 0, False, False
        self.breaches: list[datetime] = []
        self.warnings: list[datetime] = []
        self.told = False

    def pass_minute(self, at: datetime) -> None:
        if self.met or self.held or self.told or not is_open(self.calendar, at):
            return
        if self.used == self.target - self.warn and not self.warnings_of_term:
            self.warnings.append(at)
            self.warnings_of_term = True
        self.used += 1
        if self.used == self.target:
            self.breaches.append(at + MINUTE)
            self.told = True

    warnings_of_term = False

    def reset(self) -> None:
        self.used, self.met, self.told, self.warnings_of_term = 0, False, False, False


OPERATIONS = st.sampled_from(["hold", "go", "reset", "meet", "nothing"])


@settings(max_examples=120, deadline=None)
@given(
    calendars(),
    st.sampled_from(STARTS),
    st.integers(2, 400),
    st.lists(st.tuples(st.integers(1, 900), OPERATIONS), max_size=10),
)
@example(
    BusinessCalendar(namespace="default", name="c", timezone="Europe/Berlin", windows=(Window(6, 60, 240),)),
    STARTS[1],
    200,
    [(700, "nothing"), (700, "hold"), (30, "go")],
)
def test_a_clock_breaches_when_the_plain_model_does(calendar, start, target, steps):
    """Through holds, resets and goals, over days on which clocks jump: the same breaches, to the second."""
    try:
        clock = start_clock(start, target * MINUTE, hours := Hours(calendar))
    except NeverOpen:
        return
    plain, now = PlainClock(calendar, target, warn=0), start
    plain.warnings_of_term = True
    breaches: list[datetime] = []
    for wait, what in steps:
        for n in range(wait):
            plain.pass_minute(now + n * MINUTE)
        now += wait * MINUTE
        clock = noted(clock.check(now), breaches)
        match what:
            case "hold":
                clock, plain.held = clock.hold(now, hours), (not plain.met and not plain.told) or plain.held
            case "go":
                clock, plain.held = clock.go_on(now, hours), False
            case "reset":
                clock, plain.held = clock.reset(now, hours), False
                plain.reset()
                plain.warnings_of_term = True
            case "meet":
                clock, plain.met = clock.meet(now), True
            case _:
                pass
    assert breaches == plain.breaches


def noted(clock: SlaClock, breaches: list[datetime]) -> SlaClock:
    if clock.breached is not None and clock.breaches > len(breaches):
        breaches.append(clock.breached)
    return clock


def test_a_clock_warns_once_before_it_breaches():
    """At four fifths of the time, at that instant, however late somebody looks."""
    start = STARTS[-1]
    clock = start_clock(start, timedelta(hours=10), ALWAYS, warn_left=timedelta(hours=2))
    assert clock.next_instant == start + timedelta(hours=8)
    warned = clock.check(start + timedelta(hours=9))
    assert (warned.warned, warned.next_instant) == (start + timedelta(hours=8), start + timedelta(hours=10))
    assert clock_events(clock, warned) == ["warned"]
    late = clock.check(start + timedelta(days=2))
    assert clock_events(clock, late) == ["warned", "breached"]
    assert late.check(start + timedelta(days=3)) == late


def test_a_held_clock_warns_when_it_is_its_time_after_all():
    """What is left counts, not what was planned."""
    start = STARTS[-1]
    clock = start_clock(start, timedelta(hours=10), ALWAYS, warn_left=timedelta(hours=2))
    held = clock.hold(start + timedelta(hours=5), ALWAYS)
    assert held.next_instant is None
    back = held.go_on(start + timedelta(hours=25), ALWAYS)
    assert (back.warn_at, back.due) == (start + timedelta(hours=28), start + timedelta(hours=30))


def test_a_year_of_office_hours_takes_no_time():
    """Two thousand business hours of a Berlin office, from one new year to the next, with its holidays."""
    office = BusinessCalendar(
        namespace="default",
        name="berlin",
        timezone="Europe/Berlin",
        windows=tuple(Window(day, 9 * 60, 17 * 60) for day in range(5)),
        yearly=((1, 1), (5, 1), (10, 3), (12, 25), (12, 26)),
    )
    hours = Hours(office)
    begin, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    weekdays = sum(1 for n in range(365) if (date(2026, 1, 1) + timedelta(days=n)).weekday() < 5)
    holidays = sum(1 for m, d in office.yearly if date(2026, m, d).weekday() < 5)
    assert hours.between(begin, end) == (weekdays - holidays) * timedelta(hours=8)
