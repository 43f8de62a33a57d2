"""Grants are compared by whole segments."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin_kit.web import Grant, Namespaces, Permission, Principal, Public, meet, permits

SEGMENT = st.text("ab", min_size=1, max_size=2)
NAMESPACE = st.lists(SEGMENT, min_size=1, max_size=3).map(".".join)
SCOPE = st.one_of(st.just("*"), NAMESPACE, NAMESPACE.map(lambda name: f"{name}.*"))


@pytest.mark.parametrize(
    ("granted", "scope", "permission", "namespace", "allowed"),
    [
        ("run:read", "default", "run:read", "default", True),
        ("run:read", "default", "run:read", "default2", False),
        ("run:read", "default", "run:start", "default", False),
        ("run:*", "default", "run:start", "default", True),
        ("*:read", "default", "run:read", "default", True),
        ("*:read", "default", "run:start", "default", False),
        ("*:*", "*", "run:start", "anything", True),
        ("run:read", "team.*", "run:read", "team.a", True),
        ("run:read", "team.*", "run:read", "team.a.b", True),
        ("run:read", "team.*", "run:read", "team", False),
        ("run:read", "team.*", "run:read", "teams.a", False),
        ("run:read", "team.a", "run:read", "team.ab", False),
        ("run:read", "team.a", "run:read", "*", False),
        ("run:read", "team.*", "run:read", "*", False),
        ("run:read", "*", "run:read", "*", True),
        ("ru:read", "*", "run:read", "a", False),
    ],
)
def test_a_grant_gives_what_it_names_and_no_more(
    granted: str, scope: str, permission: str, namespace: str, allowed: bool
) -> None:
    """No prefix of a string opens anything."""
    assert permits([Grant(granted, scope)], permission, namespace) is allowed


@given(SCOPE, SCOPE, NAMESPACE)
def test_a_grant_within_another_never_gives_more(inner: str, outer: str, namespace: str) -> None:
    """Whoever delegates grants within their own cannot widen them."""
    small, large = Grant("run:read", inner), Grant("run:*", outer)
    if small.within(large) and permits([small], "run:read", namespace):
        assert permits([large], "run:read", namespace)


@given(st.lists(SCOPE, max_size=3), NAMESPACE)
def test_a_list_filter_and_a_single_check_agree(scopes: list[str], namespace: str) -> None:
    """What a list shows is what a look at the single thing allows."""
    principal = Principal("user:a", "a", tuple(Grant("run:read", scope) for scope in scopes))
    assert (namespace in principal.where("run:read")) is principal.may("run:read", namespace)


def test_a_list_filter_that_matches_nothing_says_so() -> None:
    """A handler can tell "no namespace" from "all namespaces"."""
    assert Principal("user:a", "a").where("run:read").nowhere
    assert not Namespaces(everywhere=True).nowhere


@pytest.mark.parametrize("name", ["run", "run:", ":read", "Run:read", "run:*", "run:read:x", "", "run read"])
def test_a_permission_is_resource_and_action(name: str) -> None:
    """A name no grant could give is refused when the route is built."""
    with pytest.raises(ValueError, match="permission"):
        Permission(name)


@pytest.mark.parametrize("scope", ["", ".", "a.", ".a", "a*", "*.a", "a.*.b", "a..b", "a b", "a.>"])
def test_a_scope_that_could_be_misread_is_refused(scope: str) -> None:
    """Wildcards stand at the end and alone."""
    with pytest.raises(ValueError, match="namespace"):
        Grant("run:read", scope)


def test_a_public_route_says_why() -> None:
    """An empty reason would be a default."""
    with pytest.raises(ValueError, match="why"):
        Public(" ")


PERMISSION = st.sampled_from(["run:read", "run:start", "run:*", "*:read", "*:*", "case:*"])
GRANT = st.builds(Grant, PERMISSION, SCOPE)


@given(GRANT, GRANT, st.sampled_from(["run:read", "run:start", "case:read"]), NAMESPACE)
def test_the_meet_of_two_grants_gives_exactly_what_both_give(one: Grant, other: Grant, permission: str, namespace: str) -> None:
    """An API key gives what it names and its owner holds, no more and no less."""
    both = meet(one, other)
    expected = permits([one], permission, namespace) and permits([other], permission, namespace)
    assert permits([both] if both else [], permission, namespace) is expected
