"""What is declared about an asset, and conditions over what it is made of."""

import contextlib
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.schedules import Exclusions
from tocsin_lineage.domain.automation import Facts, Part, Simple, Upstream, answered_by, causes, evaluate
from tocsin_lineage.domain.causes import Clockwork, Maker, Source, Wait, Why, explain
from tocsin_lineage.domain.freshness import Deadline, MaximumLag, State
from tocsin_lineage.domain.mappings import Newest, Shifted
from tocsin_lineage.domain.partitions import Pairs, Windows
from tocsin_lineage.domain.policy import PolicyInvalid, read_policy

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def test_a_declaration_is_read_whole():
    """Partitions in their zone, mappings, promise, checks, maker and condition."""
    policy = read_policy(
        {
            "partitions": {
                "first": {"every": "@daily", "zone": "Europe/Berlin", "start": "2026-01-01"},
                "second": {"keys": ["a"]},
            },
            "upstream": ["raw", {"asset": "other", "mapping": {"shift": [-1, 0]}}, {"asset": "x", "mapping": {"last": 3}}],
            "freshness": {"maximum_lag": "PT6H", "warn": "PT4H"},
            "checks": {"rows": {"severity": "warn", "blocking": True}},
            "maker": {"workflow": "nightly"},
            "automation": {"when": {"all": [{"cron": "0 6 * * *"}, {"not": "missing"}, {"any": ["any-updated", "eager"]}]}},
        }
    )
    assert isinstance(policy.partitions, Pairs)
    assert isinstance(policy.partitions.first, Windows)
    assert policy.partitions.first.start == datetime(2025, 12, 31, 23, tzinfo=UTC)
    assert [type(one.mapping) for one in policy.upstream[1:]] == [Shifted, Newest]
    assert policy.promise == MaximumLag(timedelta(hours=6), timedelta(hours=4))
    assert policy.checks["rows"].blocking


NO_DAYS = [
    {"deadline": "0 6 * * *", "exclude": days}
    for days in ({"weekdays": [8]}, {"weekdays": [0]}, {"dates": ["soon"]}, {"yearly": ["13-01"]}, {"ics": "x"}, 7)
]
WRONG = {
    "partitions": [{}, {"every": "61 * * * *", "start": "2026-01-01"}, {"every": "@daily"}, {"keys": ["a|b"]}, {"first": {}}],
    "upstream": [[{"asset": "x", "mapping": "sideways"}], [7], [{"asset": "x", "mapping": {"shift": [1, 0]}}]],
    "freshness": [
        {},
        {"maximum_lag": "tomorrow"},
        {"maximum_lag": "PT1H", "warn": "PT2H"},
        {"each_partition": "PT1H"},
        *NO_DAYS,
    ],
    "checks": [{"rows": {"severity": "grave"}}],
    "maker": [{}, {"workflow": 7}],
    "automation": [{"when": "someday"}, {"when": {"all": []}}, {"when": {"all": [{"cron": "@daily"}, {"cron": "@hourly"}]}}],
}


@pytest.mark.parametrize(("part", "value"), [(part, value) for part, values in WRONG.items() for value in values])
def test_what_makes_no_sense_is_refused_with_its_place(part, value):
    """With a pointer into what was said."""
    with pytest.raises(PolicyInvalid) as refused:
        read_policy({part: value, **({"maker": {"workflow": "w"}} if part == "automation" else {})})
    assert refused.value.violations[0].pointer.startswith(f"/{part}")


@pytest.mark.parametrize(
    ("declared", "pointer"),
    [
        ({"partitions": {"every": "@daily", "zone": "Europe/Belin", "start": "2026-01-01"}}, "/partitions/zone"),
        ({"freshness": {"deadline": "0 6 * * *", "zone": "Mars/Phobos"}}, "/freshness/zone"),
        ({"automation": {"when": {"cron": "@daily", "zone": "x"}}, "maker": {"workflow": "w"}}, "/automation/when/zone"),
        ({"partitions": {"every": "@daily", "zon": "Europe/Berlin", "start": "2026-01-01"}}, "/partitions/zon"),
        ({"freshness": {"deadline": "0 6 * * *", "withn": "PT1H"}}, "/freshness/withn"),
        ({"freshness": {"maximum_lag": "PT1H", "deadline": "0 6 * * *"}}, "/freshness/maximum_lag"),
        ({"checks": {"rows": {"blocking": "yes"}}}, "/checks/rows/blocking"),
        ({"upstream": [{"asset": "x", "mapping": {"last": 3, "first": 1}}]}, "/upstream/0/mapping"),
        ({"partitions": {"every": "@daily", "start": "0001-01-01", "zone": "Asia/Tokyo"}}, "/partitions/start"),
    ],
)
def test_a_slip_of_the_pen_is_no_other_promise(declared, pointer):
    """What nobody would read is refused where it is, a zone that does not exist at the zone."""
    with pytest.raises(PolicyInvalid) as refused:
        read_policy(declared)
    assert [one.pointer for one in refused.value.violations] == [pointer]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["every", "cron", "all", "asset", "x"]), inner),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.sampled_from(sorted(WRONG)), JSON)
def test_nonsense_is_refused_and_never_a_crash(part, value):
    """Any part may be anything."""
    with contextlib.suppress(PolicyInvalid):
        assert read_policy({part: value}).document.keys() <= {part}


PARTS = st.builds(
    Part,
    st.sampled_from(["", "a", "b"]),
    st.none() | st.integers(0, 10).map(lambda minutes: NOW + minutes * MINUTE),
    st.sampled_from(["h1", "h2", "h3", "h4"]),
)
UPSTREAM = st.lists(
    st.builds(lambda key, parts: Upstream(key=key, parts=tuple(parts)), st.sampled_from("xyz"), st.lists(PARTS, max_size=3)),
    max_size=3,
)


@settings(deadline=None)
@given(UPSTREAM, st.integers(0, 10))
def test_what_was_answered_is_not_new_again(upstream, minutes):
    """After a start for what was seen nothing of it starts another, and something else does."""
    facts = Facts(partition="", upstream=tuple(upstream), handled=NOW + minutes * MINUTE, written=False, requested=False)
    found = evaluate(Simple.ANY_UPDATED, facts)
    if not found.holds:
        return
    assert causes(Simple.ANY_UPDATED, facts) != ("missing",)
    handled, answered = answered_by(facts)
    after = Facts(
        partition="",
        upstream=tuple(upstream),
        handled=handled,
        answered=frozenset(answered),
        written=False,
        requested=False,
    )
    assert not evaluate(Simple.ANY_UPDATED, after).holds
    late = Upstream(key="late", parts=(Part("", handled - timedelta(seconds=5), "other"),))
    more = Facts(
        partition="",
        upstream=(*upstream, late),
        handled=handled,
        answered=frozenset(answered),
        written=False,
        requested=False,
    )
    assert evaluate(Simple.ANY_UPDATED, more).holds, "recorded by a process whose clock is behind"


def test_causes_come_in_the_order_of_what_they_explain():
    """And there is always one."""
    failed = Maker(namespace="default", name="w", run="r1", status="faulted", at=NOW, error="boom")
    paused = Clockwork(name="s", workflow="w", paused=True)
    late = Source(key="raw", state=State.STALE, written=None)
    assert [one.why for one in explain(None, [failed], [paused], [late])] == [
        Why.FAILED_RUN,
        Why.PAUSED_SCHEDULE,
        Why.LATE_UPSTREAM,
    ]
    old = Maker(namespace="default", name="w", run="r1", status="faulted", at=NOW - MINUTE)
    assert [one.why for one in explain(NOW, [old], [], [])] == [Why.NO_RUN]
    assert [one.why for one in explain(None, [], [], [])] == [Why.NO_WRITER]
    running = Maker(namespace="default", name="w", run="r2", status="running", at=NOW)
    assert [one.why for one in explain(NOW, [running], [], [])] == [Why.RUNNING]


def test_a_run_that_waits_names_the_limit_and_who_holds_it():
    """Instead of what its signals told; a run that waits for something else is one that is still running."""
    failed = Maker(namespace="default", name="w", run="r1", status="running", at=NOW)
    about = {"namespace": "default", "workflow": "w", "status": "pending"}
    limit = Wait(run="r1", waits_for="limit", detail="limit 'pool:db'", limit="pool:db", held_by=("r8", "r9"), **about)
    queue = Wait(run="r2", waits_for="worker", detail="sent to queue 'gpu'", limit="gpu", **about)
    held = Wait(run="r3", waits_for="worker", detail="worker 7 has it", **about)
    people = Wait(run="r4", waits_for="approval", detail="it waits for ada", **about)
    first, second, third, fourth = explain(None, [failed], [], [], waits=[limit, queue, held, people])
    assert (first.why, first.subject, first.limit, first.held_by) == (Why.WAITING_SLOT, "r1", "pool:db", ("r8", "r9"))
    assert first.detail == "run r1 of default/w waits at limit 'pool:db', which r8, r9 hold"
    assert (second.why, second.limit) == (Why.WAITING_SLOT, "gpu")
    assert [(one.why, one.subject) for one in (third, fourth)] == [(Why.RUNNING, "r3"), (Why.RUNNING, "r4")]


def test_code_that_changed_is_a_cause_of_its_own():
    """The strongest, with both versions."""
    late = Source(key="raw", state=State.STALE, written=None)
    first, second = explain(NOW, [], [], [late], code=("1.0", "1.1"))
    assert (first.why, first.subject, second.why) == (Why.CODE_CHANGED, "1.1", Why.LATE_UPSTREAM)
    assert first.detail == "the code that makes it is version 1.1 now, and it was made with 1.0"


def test_a_change_of_the_code_is_answered_once():
    """The version is the cause: the same one starts the same run, and none while one is under way."""
    about = {"partition": "", "upstream": (), "handled": NOW, "written": True}
    changed = Facts(**about, requested=False, code=("1.0", "1.1"))
    assert evaluate(Simple.CODE_CHANGED, changed).holds
    assert causes(Simple.CODE_CHANGED, changed) == ("code:1.1",)
    assert not evaluate(Simple.CODE_CHANGED, Facts(**about, requested=True, code=("1.0", "1.1"))).holds
    assert not evaluate(Simple.CODE_CHANGED, Facts(**about, requested=False)).holds


def test_days_without_a_deadline_are_read_with_those_of_a_calendar():
    """Weekdays as ISO counts them, dates, yearly days, and an iCalendar file."""
    ics = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART;VALUE=DATE:20260501\nEND:VEVENT\nEND:VCALENDAR\n"
    days = {"weekdays": [6, 7], "dates": ["2026-12-24"], "yearly": ["02-29"], "ics": ics}
    promise = read_policy({"freshness": {"deadline": "0 6 * * *", "exclude": days}}).promise
    assert isinstance(promise, Deadline)
    assert promise.exclusions == Exclusions(
        frozenset({date(2026, 12, 24), date(2026, 5, 1)}), frozenset({(2, 29)}), frozenset({5, 6})
    )
    friday = datetime(2026, 4, 30, 7, tzinfo=UTC)  # May the first is a Friday and a holiday, then comes the weekend
    assert promise.next(friday) == datetime(2026, 5, 4, 6, tzinfo=UTC)
