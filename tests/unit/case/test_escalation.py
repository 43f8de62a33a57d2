"""Escalation and on-call rotations, against models that count minutes."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.errors import Invalid
from tocsin_case.domain.calendars import ALWAYS, BusinessCalendar, Hours, Window
from tocsin_case.domain.cases import Sla
from tocsin_case.domain.escalation import (
    Action,
    ActionKind,
    Begins,
    Directory,
    Level,
    Policy,
    Team,
    Until,
    begin,
    checked_policy,
    climb,
    settled,
)
from tocsin_case.domain.flow import tick, transition, with_promise
from tocsin_case.domain.oncall import Layer, Override, Rotation, checked_rotation, on_call, shifts
from tocsin_case.domain.types import Targets, standard
from unit.case.samples import NOW, new_case

MINUTE = timedelta(minutes=1)
TELL = (Action(kind=ActionKind.NOTIFY, to=("user:ada",)),)
KIND = standard("default", "incident")


def policy(*after: int, **more: object) -> Policy:
    levels = tuple(Level(after=n * MINUTE, actions=TELL) for n in after)
    return Policy(namespace="default", name="chain", levels=levels, **more)


@given(
    st.lists(st.integers(0, 90), min_size=1, max_size=5),
    st.integers(0, 3),
    st.integers(1, 60),
    st.lists(st.integers(0, 300), max_size=8),
)
def test_every_level_is_reached_once_at_its_instant_however_often_somebody_looks(after, repeat, pause, looks):
    """The model adds up; looks come at any time, also hours late."""
    chain = policy(*after, repeat=repeat, repeat_after=pause * MINUTE)
    expected, at = [], NOW
    for turn in range(repeat + 1):
        for number, wait in enumerate(after):
            at += (pause if turn and not number else wait) * MINUTE
            expected.append((turn, number + 1, at))
    state, now, fired = begin(chain, NOW), NOW, []
    for look in (0, *looks):
        now += look * MINUTE
        state, more = climb(state, chain, now)
        fired += [(one.turn, one.level, one.at) for one in more]
        assert all(one[2] <= now for one in fired)
    assert fired == [one for one in expected if one[2] <= now]
    state, more = climb(state, chain, at)
    assert len(fired) + len(more) == len(expected)
    assert state.ended == "exhausted"


def test_an_answer_stops_a_chain_that_waits_for_one_and_no_other():
    """Acknowledged: no level any more, unless the chain waits for the solution."""
    for until, ended in ((Until.ACKNOWLEDGED, "acknowledged"), (Until.RESOLVED, None)):
        chain = policy(10, until=until)
        case = settled(None, new_case(), chain, NOW)
        after = transition(case, KIND, "acknowledged", now=NOW + 5 * MINUTE, hours=ALWAYS)
        assert settled(case, after, chain, NOW + 5 * MINUTE).escalation.ended == ended
        over = transition(after, KIND, "resolved", now=NOW, hours=ALWAYS, resolution="x")
        assert settled(after, over, chain, NOW).escalation.ended == "resolved" or ended == "acknowledged"


def test_a_chain_waits_while_the_case_waits():
    """What was left until the next level is left when the case goes on."""
    chain = policy(10, until=Until.RESOLVED)
    case = settled(None, new_case(), chain, NOW)
    held = settled(case, transition(case, KIND, "waiting", now=NOW + 4 * MINUTE, hours=ALWAYS), chain, NOW + 4 * MINUTE)
    assert (held.escalation.next_at, held.next_due) == (None, None)
    later = NOW + timedelta(days=1)
    back = settled(held, transition(held, KIND, "in-progress", now=later, hours=ALWAYS), chain, later)
    assert back.escalation.next_at == later + 6 * MINUTE


@pytest.mark.parametrize("begins", [Begins.WARNED, Begins.BREACHED])
def test_a_chain_begins_at_the_warning_or_the_breach_itself(begins):
    """Not when somebody looked."""
    sla = Sla(targets=Targets(response=timedelta(hours=1)), warn_at=0.5)
    case = with_promise(new_case(), sla, NOW, ALWAYS)
    chain = policy(10, begins=begins)
    assert settled(None, case, chain, NOW).escalation is None
    now = NOW + timedelta(hours=5)
    after = settled(case, tick(case, now), chain, now)
    assert after.escalation.since == NOW + (30 if begins is Begins.WARNED else 60) * MINUTE


def test_a_chain_that_could_do_nothing_is_refused():
    """No levels, nothing to do, nobody to tell."""
    for wrong in (policy(), Policy(namespace="d", name="x", levels=(Level(after=MINUTE, actions=()),))):
        with pytest.raises(Invalid):
            checked_policy(wrong)


def test_people_are_found_through_teams_and_rotations_once_each():
    """Whoever is on call, the members of a team, the owner: nobody is told twice."""
    layer = Layer(participants=("user:bob",), start=date(2026, 1, 1))
    directory = Directory(
        {"ops": Team(namespace="default", name="ops", members=("user:ada", "user:bob"))},
        {"db": Rotation(namespace="default", name="db", layers=(layer,))},
    )
    case = new_case(owner="user:cy")
    assert directory.people(("on-call:db", "team:ops", "owner", "team:none"), case, NOW) == ("user:bob", "user:ada", "user:cy")


ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe")


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(ZONES),
    st.integers(0, 1439),
    st.integers(1, 9),
    st.integers(1, 4),
    st.integers(0, 365 * 24 * 60),
)
def test_turns_change_at_the_local_time_of_handover_all_year(zone, handover, days, people, minutes):
    """Whoever counts handovers one by one comes to the same person, also over changes of the clocks."""
    participants = tuple(f"user:{n}" for n in range(people))
    layer = Layer(participants=participants, start=date(2026, 1, 1), handover=handover, days=days)
    rotation = Rotation(namespace="default", name="r", timezone=zone, layers=(layer,))
    at = datetime(2026, 1, 3, tzinfo=UTC) + minutes * MINUTE
    turns, day = -1, date(2026, 1, 1)
    while True:
        local = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)) + handover * MINUTE
        if local.astimezone(UTC) > at:
            break
        turns, day = turns + 1, day + timedelta(days=days)
    assert on_call(rotation, at) == participants[turns % people]


def test_overrides_count_first_and_shifts_have_no_gaps():
    """The week as a list: every instant belongs to exactly one shift, and each shift to who is on call then."""
    week = datetime(2026, 3, 25, tzinfo=UTC)
    night = tuple(Window(day, 0, 6 * 60) for day in range(7))
    rotation = Rotation(
        namespace="default",
        name="r",
        timezone="Europe/Berlin",
        layers=(
            Layer(participants=("user:a", "user:b"), start=date(2026, 1, 1), days=1),
            Layer(participants=("user:night",), start=date(2026, 1, 1), windows=night),
        ),
        overrides=(Override(who="user:x", start=week + timedelta(hours=10), end=week + timedelta(hours=12)),),
    )
    found = shifts(rotation, week, week + timedelta(days=7))
    assert found[0].start == week
    assert found[-1].end == week + timedelta(days=7)
    assert all(one.end == two.start and one.who != two.who for one, two in pairwise(found))
    for shift in found:
        instants = (shift.start, shift.start + (shift.end - shift.start) / 2, shift.end - timedelta(seconds=1))
        assert {on_call(rotation, at) for at in instants} == {shift.who}
    assert on_call(rotation, week + timedelta(hours=11)) == "user:x"


@pytest.mark.parametrize("to", ["ada", "rotation:db", "user:", "on-call", "teams:ops"])
def test_a_chain_that_would_tell_nobody_is_refused_when_it_is_written(to):
    """Not at night, by silence."""
    level = Level(after=MINUTE, actions=(Action(kind=ActionKind.NOTIFY, to=("owner", to)),))
    with pytest.raises(Invalid) as refused:
        checked_policy(Policy(namespace="d", name="p", levels=(level,)))
    assert refused.value.violations[0].pointer == "/levels/0/actions/0/to/1"


def test_hours_over_midnight_are_two_windows_and_no_layer_that_never_counts():
    """A window that ends before it begins would be a night without anybody on call."""
    night = Layer(participants=("user:a",), start=date(2026, 1, 1), windows=(Window(0, 22 * 60, 6 * 60),))
    with pytest.raises(Invalid) as refused:
        checked_rotation(Rotation(namespace="d", name="r", layers=(night,)))
    assert refused.value.violations[0].pointer == "/layers/0/windows/0/end"


def test_a_year_of_cases_in_virtual_time_does_what_a_plain_model_says():
    """A case every ten hours in an office in Berlin and one in New York: each breach and each level at its instant."""
    for zone in ("Europe/Berlin", "America/New_York"):
        windows = tuple(Window(day, 9 * 60, 17 * 60) for day in range(5))
        office = BusinessCalendar(
            namespace="d", name="o", timezone=zone, windows=windows, yearly=((1, 1), (5, 1), (7, 4), (12, 25))
        )
        hours, place = Hours(office), ZoneInfo(zone)
        chain = policy(0, 30, begins=Begins.BREACHED)
        for number in range(876):
            opened = datetime(2026, 1, 1, 3, 7, tzinfo=UTC) + timedelta(hours=10) * number
            case = replace(new_case(), opened_at=opened, updated_at=opened)
            case = with_promise(case, Sla(targets=Targets(response=timedelta(hours=4))), opened, hours)
            due = plain_due(opened, 240, place, office)
            assert case.clocks["response"].due == due, (zone, opened)
            answered = opened + timedelta(hours=number % 90)
            if answered <= due:
                met = transition(case, KIND, "acknowledged", now=answered, hours=hours)
                assert (met.next_due, met.clocks["response"].breaches) == (None, 0 if answered < due else 1)
                continue
            late = settled(case, tick(case, answered), chain, answered)
            _, fired = climb(late.escalation, chain, answered)
            assert [one.at for one in fired] == [at for at in (due, due + 30 * MINUTE) if at <= answered]


def plain_due(start: datetime, minutes: int, place: ZoneInfo, office: BusinessCalendar) -> datetime:
    """Minute by minute, skipping nights in whole hours."""
    at = start
    while minutes:
        local = at.astimezone(place)
        closed = local.weekday() > 4 or (local.month, local.day) in office.yearly or not 9 <= local.hour < 17
        if closed:
            at += MINUTE * (60 - local.minute) if local.second == 0 else MINUTE
            continue
        at += MINUTE
        minutes -= 1
    return at
