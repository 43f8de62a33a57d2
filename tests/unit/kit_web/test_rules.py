"""Deny rules, names and revocations: what a principal may do follows from its grants alone, and denying wins."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin_kit.web.access import Grant, Principal, Proof, decision, is_pattern, meet, name_matches, pattern_within, permits
from tocsin_kit.web.revocations import RevocationList, RevocationModel, Revocations, digest

SPACES = st.sampled_from(["a", "b", "team.a", "team.ab", "team.*", "*"])
PLACES = st.sampled_from(["a", "b", "team.a", "team.ab"])
PATTERNS = st.sampled_from(["*", "billing", "billing-*", "billing-eu", "billing-eu-*", "b-*"])
NAMES = st.sampled_from(["billing", "billing-eu", "billing-eu-1", "billingx", "b-1"])
PERMISSIONS = st.sampled_from(["run:read", "run:start", "case:read"])
GRANTS = st.lists(
    st.builds(Grant, st.sampled_from(["run:read", "run:*", "*:*", "*:read"]), SPACES, PATTERNS, st.booleans()), max_size=5
)


@given(GRANTS, PERMISSIONS, PLACES, NAMES)
def test_what_a_rule_denies_nothing_gives_back(grants: list[Grant], permission: str, namespace: str, name: str) -> None:
    """Whatever else is held, in whatever order; and what is allowed is given by some grant alone."""
    denied = Grant(permission, namespace, name, deny=True)
    assert not permits([*grants, Grant("*:*"), denied], permission, namespace, name)
    assert not permits([denied, *grants, Grant("*:*")], permission, namespace, name)
    found = decision(grants, permission, namespace, name)
    if found.allowed:
        assert found.by is not None
        assert permits([found.by], permission, namespace, name)
        assert permits(reversed(grants), permission, namespace, name)


@given(GRANTS, PERMISSIONS, PLACES, NAMES)
def test_without_a_name_nothing_is_allowed_that_some_name_would_refuse(
    grants: list[Grant], permission: str, namespace: str, name: str
) -> None:
    """A check that does not know the name is the stricter one."""
    if permits(grants, permission, namespace):
        assert permits(grants, permission, namespace, name)


@given(GRANTS, PERMISSIONS, PLACES)
def test_a_list_shows_what_a_check_would_allow(grants: list[Grant], permission: str, namespace: str) -> None:
    """No more, where deny rules are among the grants; and exactly that where names are not."""
    where = Principal("user:a", "a", grants).where(permission)
    allowed = permits(grants, permission, namespace)
    assert not (namespace in where and not allowed)
    if all(grant.name == "*" for grant in grants):
        assert (namespace in where) == allowed


@given(GRANTS, PERMISSIONS)
def test_all_namespaces_are_asked_for_as_one(grants: list[Grant], permission: str) -> None:
    """Whoever may do it in all of them may do it in each; a rule about one takes away the whole."""
    if permits(grants, permission, "*"):
        assert all(permits(grants, permission, namespace) for namespace in ("a", "b", "team.a"))


@given(PATTERNS, PATTERNS, NAMES)
def test_a_narrower_pattern_means_no_further_name(inner: str, outer: str, name: str) -> None:
    """For what is given on, and for the meeting of a key's scopes with what its owner holds."""
    if pattern_within(inner, outer) and name_matches(name, inner):
        assert name_matches(name, outer)
    both = meet(Grant("run:read", "a", inner), Grant("run:*", "*", outer))
    if both is not None:
        assert not name_matches(name, both.name) or (name_matches(name, inner) and name_matches(name, outer))


@pytest.mark.parametrize("pattern", ["", "a*", "*a", "a-*-b", "a\n", "**", "x" * 257])
def test_a_pattern_that_could_be_misread_is_refused(pattern: str) -> None:
    """A prefix that is no whole segment opens nothing, because it cannot be written."""
    assert not is_pattern(pattern)
    with pytest.raises(ValueError, match="name"):
        Grant("run:read", "*", pattern)


def who(revision: int = 3, policy: int = 2, session: str = "s", subject: str = "user:ada") -> Principal:
    return Principal(subject, "ada", (), None, Proof("user:ada", session, revision, policy))


def test_a_withdrawn_credential_is_refused_by_what_it_was_made_from() -> None:
    """Its holder's revision, the rules, its session, its key; nobody else's."""
    floor = RevocationList(floors={digest("user:ada"): 4})
    assert floor.refuses(who(3))
    assert not floor.refuses(who(4))
    assert floor.refuses(who(3, subject="key:1")), "keys fall with their owner"
    assert RevocationList(policy=3).refuses(who())
    assert RevocationList(ended=frozenset({digest("session:s")})).refuses(who())
    assert RevocationList(ended=frozenset({digest("key:1")})).refuses(who(subject="key:1"))
    assert not RevocationList(ended=frozenset({digest("session:t"), digest("key:2")})).refuses(who())
    assert not RevocationList(policy=9).refuses(Principal("service:case", "case")), "services hold no roles"


def test_the_list_travels_and_rules_never_go_back() -> None:
    """Whichever replica answers last; names are not in it."""
    sent = RevocationList(5, {digest("user:ada"): 4}, frozenset({digest("session:s")}))
    text = RevocationModel.of(sent).model_dump_json()
    assert RevocationModel.model_validate_json(text).read() == sent
    assert "ada" not in text
    known = Revocations()
    known.take(sent)
    known.take(RevocationList(policy=4))
    assert known.current.policy == 5


def test_two_credentials_of_one_person_are_one_person() -> None:
    """Where two deeds need two people, a key is its owner."""
    assert who().person == who(subject="key:1").person == "user:ada"
