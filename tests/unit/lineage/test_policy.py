"""What is declared about an asset, and conditions over what it is made of."""

import contextlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin_lineage.domain.automation import Facts, Part, Simple, Upstream, answered_by, causes, evaluate
from tocsin_lineage.domain.causes import Clockwork, Maker, Source, Why, explain
from tocsin_lineage.domain.freshness import MaximumLag, State
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


WRONG = {
    "partitions": [{}, {"every": "61 * * * *", "start": "2026-01-01"}, {"every": "@daily"}, {"keys": ["a|b"]}, {"first": {}}],
    "upstream": [[{"asset": "x", "mapping": "sideways"}], [7], [{"asset": "x", "mapping": {"shift": [1, 0]}}]],
    "freshness": [{}, {"maximum_lag": "tomorrow"}, {"maximum_lag": "PT1H", "warn": "PT2H"}, {"each_partition": "PT1H"}],
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
