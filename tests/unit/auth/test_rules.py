"""From bindings to grants: roles, groups, denials, conditions, protection; and the reasons."""

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import Invalid
from tocsin_auth.application.authority import narrowed, require_within
from tocsin_auth.application.compiling import Held, compiled, curbed, explained, widest
from tocsin_auth.domain.api_keys import Scope
from tocsin_auth.domain.conditions import Condition, NamespaceRules, Window, checked_window
from tocsin_auth.domain.errors import WiderThanOwn
from tocsin_auth.domain.factor_rules import FactorRules
from tocsin_auth.domain.roles import BUILT_IN, GUARDED, PUBLISHING, REVIEW, Binding, Role
from tocsin_auth.domain.users import User
from tocsin_kit.web.access import Grant, permits

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)  # a Monday
USER = User("ada", "!", (), False, NOW, NOW)
OFFICE = Window((1, 2, 3, 4, 5), time(8), time(18), "Europe/Berlin")
PLACES = (
    NamespaceRules("prod", "production", {"tier": "1"}, protected=True),
    NamespaceRules("dev", "development"),
    NamespaceRules("live", reviewed=True),
    NamespaceRules("vault", protected=True, reviewed=True),
)


def may(permission: str, namespace: str, *bindings: Binding, name: str | None = None, now: datetime = NOW) -> bool:
    held = [Held("user", binding) for binding in bindings]
    grants = compiled(held, BUILT_IN, PLACES, now).grants
    curb = curbed(held, BUILT_IN, USER, FactorRules(), now)
    why = explained(held, BUILT_IN, PLACES, now, (permission, namespace, name), curb=curb)
    assert why.decision.allowed == permits(grants, permission, namespace, name), "the explanation is the decision"
    effects = {one.effect for one in why.considered}
    assert why.decision.allowed <= ("gives" in effects)
    return why.decision.allowed


def test_a_denied_role_takes_away_what_another_gives() -> None:
    """In its namespace and for its names only."""
    author, no = Binding("author", "*"), Binding("author", "prod", "billing-*", deny=True)
    assert may("run:start", "dev", author, no, name="billing-eu")
    assert may("run:start", "prod", author, no, name="refunds")
    assert not may("run:start", "prod", author, no, name="billing-eu")
    assert not may("run:start", "prod", author, no), "an unknown name might be one of them"


def test_a_condition_on_what_a_namespace_is_opens_those_namespaces_only() -> None:
    """By environment or labels, known or not."""
    developers = Binding("operator", "*", when=Condition(environments=("development",)))
    assert may("run:start", "dev", developers)
    assert not may("run:start", "prod", developers)
    assert not may("run:start", "unknown", developers)
    assert may("run:start", "prod", Binding("operator", "*", when=Condition(labels={"tier": "1"})))
    hands_off = Binding("operator", "*", deny=True, when=Condition(environments=("production",)))
    assert may("run:start", "dev", Binding("admin", "*"), hands_off)
    assert not may("run:start", "prod", Binding("admin", "*"), hands_off)


def test_a_window_opens_and_closes_by_local_time() -> None:
    """And a token that was made within lives no longer than that."""
    binding = Binding("operator", "*", when=Condition(window=OFFICE))
    assert may("run:start", "dev", binding)
    found = compiled([Held("user", binding)], BUILT_IN, PLACES, NOW)
    assert found.until == datetime(2026, 3, 2, 17, tzinfo=UTC)
    for closed in (NOW.replace(hour=18), NOW.replace(day=7), NOW.replace(hour=6)):
        assert not may("run:start", "dev", binding, now=closed)
        until = compiled([Held("user", binding)], BUILT_IN, PLACES, closed).until
        assert until is not None
        assert may("run:start", "dev", binding, now=until), "the next edge is an opening"


@given(
    st.sets(st.integers(1, 7), min_size=1),
    st.times(),
    st.times(),
    st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/New_York"]),
    st.integers(0, 365 * 24 * 3600),
)
def test_between_two_edges_a_window_does_not_change(days: set[int], start: time, end: time, zone: str, moment: int) -> None:
    """So a token that lives until the edge is never wrong; over changes of the clock, and over midnight."""
    window = checked_window(tuple(days), start.replace(microsecond=0), end.replace(microsecond=0), zone)
    now = NOW + timedelta(seconds=moment)
    is_open, until = window.at(now)
    assert until > now
    for share in (0.25, 0.5, 0.999):
        assert window.at(now + (until - now) * share)[0] == is_open


def test_absolute_times_hold_from_and_until() -> None:
    """For a stand-in, or the week of an audit."""
    binding = Binding("viewer", "*", when=Condition(not_before=NOW, not_after=NOW + timedelta(days=1)))
    assert not may("run:read", "dev", binding, now=NOW - timedelta(seconds=1))
    assert may("run:read", "dev", binding)
    assert not may("run:read", "dev", binding, now=NOW + timedelta(days=1))


def test_publishing_to_a_protected_namespace_takes_a_role_bound_to_it() -> None:
    """Also for those who may do everything; everything else there is as usual."""
    for wide in (Binding("admin", "*"), Binding("author", "*")):
        assert not may("workflow:write", "prod", wide)
        assert may("workflow:write", "dev", wide)
        assert may("workflow:read", "prod", wide)
        assert may("workflow:write", "prod", wide, Binding("author", "prod"))
    assert not may("workflow:write", "prod", Binding("viewer", "prod"))


def test_deleting_the_newest_version_is_publishing_the_one_before() -> None:
    """So it takes the same binding, and so does publishing what somebody else proposed."""
    for permission in GUARDED:
        assert not may(permission, "prod", Binding("admin", "*"))
        assert may(permission, "prod", Binding("admin", "*"), Binding("author", "prod"))
    cleaner = [Held("user", Binding("admin", "*")), Held("user", Binding("cleaner", "prod"))]
    grants = compiled(cleaner, {**BUILT_IN, "cleaner": Role("cleaner", ("workflow:delete",))}, PLACES, NOW).grants
    assert permits(grants, "workflow:delete", "prod")
    assert not permits(grants, "workflow:write", "prod"), "each by itself"


def test_in_a_reviewed_namespace_nobody_publishes_alone() -> None:
    """Whatever they hold, and wherever it is bound; they propose and review."""
    for held in ([Binding("admin", "*")], [Binding("admin", "*"), Binding("author", "live")]):
        for permission in PUBLISHING:
            assert not may(permission, "live", *held)
        for permission in ("workflow:propose", REVIEW, "workflow:read"):
            assert may(permission, "live", *held)
    assert not may(REVIEW, "vault", Binding("admin", "*")), "protected too: takes a role bound to it"
    assert may(REVIEW, "vault", Binding("author", "vault"))
    assert not may("workflow:write", "vault", Binding("author", "vault"))


def test_what_may_be_bound_is_judged_by_the_widest_that_it_could_ever_be() -> None:
    """A window that is closed now is no way to give more than one has."""
    closed = Condition(not_before=NOW + timedelta(days=1))
    assert Grant("*:*", "*") in widest([Binding("admin", "*", when=closed)], BUILT_IN)
    assert widest([Binding("admin", "*", deny=True)], BUILT_IN) == ()


def test_nobody_gives_what_a_rule_denies_them() -> None:
    """Not even in part."""
    own = [Grant("*:*"), Grant("run:start", "prod", deny=True)]
    require_within([Grant("run:start", "dev")], own, "ada", deed="this")
    for grant in (Grant("run:*", "prod"), Grant("*:*"), Grant("run:start", "prod", "billing-*")):
        with pytest.raises(WiderThanOwn):
            require_within([grant], own, "ada", deed="this")


def test_a_key_keeps_what_is_denied_to_its_owner() -> None:
    """Whatever its scopes say."""
    held = [Grant("run:*", "*"), Grant("run:start", "prod", deny=True)]
    grants = narrowed([Scope("run:start", "*", "billing-*")], held)
    assert permits(grants, "run:start", "dev", "billing-eu")
    assert not permits(grants, "run:start", "dev", "refunds")
    assert not permits(grants, "run:start", "prod", "billing-eu")


@pytest.mark.parametrize(("days", "zone"), [((), "UTC"), ((0,), "UTC"), ((8,), "UTC"), ((1,), "Nowhere/Nix"), ((1,), "../etc")])
def test_a_window_that_never_opens_is_refused(days: tuple[int, ...], zone: str) -> None:
    """Early, and with an example."""
    with pytest.raises(Invalid):
        checked_window(days, time(8), time(9), zone)
