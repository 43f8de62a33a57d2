"""Roles that count only with a second factor: for whom, where, and from when on."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tocsin_auth.application.compiling import Held, compiled_for, curbed, explained
from tocsin_auth.domain.factor_rules import FactorRule, FactorRules
from tocsin_auth.domain.roles import BUILT_IN, Binding
from tocsin_auth.domain.second_factor import SecondFactor
from tocsin_auth.domain.users import User
from tocsin_kit.web.access import permits

MADE = datetime(2026, 3, 2, 9, tzinfo=UTC)
DAY, WEEK = timedelta(days=1), timedelta(days=7)
USER = User("ada", "!", (), False, MADE - 30 * DAY, MADE)
WITH = replace(USER, second=SecondFactor(b"", confirmed=True))


def may(permission: str, namespace: str, *bindings: Binding, user: User, now: datetime, rule: FactorRule) -> bool:
    held, rules = [Held("user", binding) for binding in bindings], FactorRules((rule,))
    found = compiled_for(held, BUILT_IN, (), now, user=user, rules=rules)
    answer = permits(found.grants, permission, namespace)
    why = explained(held, BUILT_IN, (), now, (permission, namespace, None), curb=curbed(held, BUILT_IN, user, rules, now))
    assert why.decision.allowed == answer, "the explanation is the decision"
    if found.until is not None and found.until > now:  # a token lives no longer than the answer stays the same
        later = compiled_for(held, BUILT_IN, (), found.until, user=user, rules=rules)
        assert later.grants != found.grants or later.until != found.until
    return answer


def test_who_has_none_has_time_and_then_no_such_role() -> None:
    """Other roles stay; whoever adds one has everything again."""
    admin, viewer, rule = Binding("admin", "*"), Binding("viewer", "*"), FactorRule("admin", "*", MADE)
    for now, counts in ((MADE, True), (MADE + WEEK - DAY, True), (MADE + WEEK, False), (MADE + 60 * DAY, False)):
        assert may("user:write", "*", admin, viewer, user=USER, now=now, rule=rule) == counts
        assert may("run:read", "*", admin, viewer, user=USER, now=now, rule=rule)
        assert may("user:write", "*", admin, viewer, user=WITH, now=now, rule=rule)
    begun = replace(USER, second=SecondFactor(b""))
    assert not may("user:write", "*", admin, user=begun, now=MADE + WEEK, rule=rule), "it has not been confirmed"


def test_time_begins_for_each_when_they_come_or_are_reset() -> None:
    """Whichever is latest."""
    rule, admin, now = FactorRule("*", "*", MADE), Binding("admin", "*"), MADE + 10 * DAY
    new, reset = replace(USER, created_at=now - DAY), replace(USER, factor_grace=now - DAY)
    assert [may("run:read", "x", admin, user=one, now=now, rule=rule) for one in (USER, new, reset)] == [False, True, True]
    assert not may("run:read", "x", admin, user=reset, now=now + WEEK, rule=rule)


def test_a_rule_about_a_namespace_leaves_the_others() -> None:
    """Also for a role that is held everywhere."""
    rule, now = FactorRule("author", "prod", MADE, timedelta(0)), MADE
    for binding in (Binding("author", "*"), Binding("author", "prod")):
        assert not may("run:start", "prod", binding, user=USER, now=now, rule=rule)
    assert may("run:start", "dev", Binding("author", "*"), user=USER, now=now, rule=rule)
    assert may("run:start", "dev", Binding("author", "dev"), user=USER, now=now, rule=rule)


def test_programs_and_people_of_an_identity_provider_are_not_asked() -> None:
    """They have none, or prove it there."""
    rule, admin = FactorRule("*", "*", MADE, timedelta(0)), Binding("admin", "*")
    for user in (replace(USER, machine=True), replace(USER, origin="https://idp sub")):
        assert may("user:write", "*", admin, user=user, now=MADE, rule=rule)


BINDINGS = st.builds(Binding, st.sampled_from(sorted(BUILT_IN)), st.sampled_from(["*", "prod", "dev"]), deny=st.booleans())
RULES = st.builds(
    FactorRule, st.sampled_from(["*", *BUILT_IN]), st.sampled_from(["*", "prod", "dev"]), st.just(MADE), st.just(WEEK)
)


@given(st.lists(BINDINGS, max_size=4), RULES, st.integers(0, 14), st.sampled_from(["run:read", "workflow:write", "user:write"]))
def test_a_rule_never_gives(bindings: list[Binding], rule: FactorRule, days: int, permission: str) -> None:
    """Whatever is held: without a second factor nothing is permitted that is not with one; before its time nothing changes."""
    now = MADE + days * DAY
    for namespace in ("prod", "dev", "other", "*"):
        with_one = may(permission, namespace, *bindings, user=WITH, now=now, rule=rule)
        without = may(permission, namespace, *bindings, user=USER, now=now, rule=rule)
        assert without <= with_one
        if now < MADE + WEEK:
            assert without == with_one
