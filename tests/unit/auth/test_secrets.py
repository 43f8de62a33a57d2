"""What is decided about secrets and the keys that seal them, from values alone."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import Defect, Invalid
from tocsin_auth.adapters.sealing import AesSealer
from tocsin_auth.adapters.sources import EnvironmentSource, FolderSource
from tocsin_auth.domain.data_keys import SETTLED, DataKey, DataKeyRing
from tocsin_auth.domain.secrets import (
    KEPT_VERSIONS,
    Provider,
    SecretRecord,
    SecretVersion,
    checked_reference,
    checked_secret_name,
    context_of,
    is_confined,
    scopes_for,
)
from tocsin_kit.web.access import name_matches

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def test_the_nearest_scope_comes_first() -> None:
    """The namespace, its parents by whole segments, then the global scope."""
    assert scopes_for("team-a") == ("team-a", "*")
    assert scopes_for("a.b.c") == ("a.b.c", "a.b", "a", "*")


def test_the_last_values_are_kept_and_numbers_never_come_again() -> None:
    """Ten of them; the number goes on, also when the value was elsewhere for a while."""
    record = SecretRecord(scope="a", name="n", provider=Provider.STORE, created_at=NOW, changed_at=NOW)
    for number in range(1, 15):
        record = record.stored(SecretVersion(number, "k", b"", NOW, "user:a"))
    assert [version.number for version in record.versions] == list(range(15 - KEPT_VERSIONS, 15))
    assert record.version(4) is None
    elsewhere = record.referring(Provider.VAULT, "a/b", NOW)
    assert (elsewhere.current, elsewhere.latest) == (None, 14)


@pytest.mark.parametrize("name", ["", ".a", "a.", "a/b", "a b", "ä", "a" * 129, "a\n"])
def test_a_name_that_could_mean_something_else_is_refused(name: str) -> None:
    """No slashes, so the key and the context are unambiguous."""
    with pytest.raises(Invalid):
        checked_secret_name(name)


@pytest.mark.parametrize(
    "reference", ["", "/etc/passwd", "../x", "a/../b", "a//b", "a/./b", "a/..", "a?b", "a b", "a%2fb", "a#", "a#b#c", "a\n"]
)
def test_a_reference_never_leaves_its_root(reference: str) -> None:
    """Neither in files nor in the paths of a vault."""
    for provider in (Provider.FILE, Provider.VAULT):
        with pytest.raises(Invalid):
            checked_reference(provider, reference)


def test_a_namespace_refers_below_its_own_name_only() -> None:
    """By the whole first step; variables of the environment are the platform's."""
    assert is_confined(Provider.VAULT, "team-a/db", "team-a")
    assert not is_confined(Provider.VAULT, "team-ab/db", "team-a")
    assert not is_confined(Provider.VAULT, "team-a", "team-a")
    assert not is_confined(Provider.FILE, "db", "team-a")
    assert not is_confined(Provider.ENVIRONMENT, "TEAM", "team-a")
    assert not is_confined(Provider.VAULT, "team-a/db", "*")


@given(st.text("ab-.", min_size=1, max_size=6), st.text("ab-.", min_size=1, max_size=6))
def test_patterns_match_whole_segments(name: str, head: str) -> None:
    """`billing-*` is never `billingx`, nor `billing` itself; a bare prefix with a star means nothing."""
    if head[-1] in ".-":
        assert name_matches(name, head + "*") == (name.startswith(head) and name != head)
    else:
        assert not name_matches(name, head + "*") or name == head + "*"
    assert name_matches(name, "*")
    assert name_matches(name, name)


def test_a_data_key_goes_when_nothing_needs_it_and_its_successor_is_settled() -> None:
    """Never the active one."""
    ring = DataKeyRing().with_key(DataKey("a", b"", NOW)).with_key(DataKey("b", b"", NOW)).with_key(DataKey("c", b"", NOW))
    assert ring.without_unused((), NOW + SETTLED - timedelta(seconds=1)) == ring
    assert [key.id for key in ring.without_unused({"a"}, NOW + SETTLED).keys] == ["a", "c"]
    assert [key.id for key in ring.without_unused((), NOW + SETTLED).keys] == ["c"]


def test_a_changed_key_opens_what_the_one_before_sealed() -> None:
    """And says what is to be sealed anew; without the one before it does not open."""
    old, new = bytes(32), bytes([1]) * 32
    sealed = AesSealer(old).seal(b"value", context="c", nonce=bytes(12))
    both = AesSealer(new, old)
    assert both.unseal(sealed, context="c") == b"value"
    assert not both.is_current(sealed)
    assert both.is_current(both.seal(b"value", context="c", nonce=bytes(12)))
    with pytest.raises(Defect):
        AesSealer(new).unseal(sealed, context="c")


def test_what_was_sealed_before_keys_had_names_still_opens() -> None:
    """With the key, or the key before."""
    sealer = AesSealer(bytes(32))
    sealed = sealer.seal(b"value", context="c", nonce=bytes(12))
    unnamed = b"\x01" + sealed[5:]
    assert sealer.unseal(unnamed, context="c") == AesSealer(bytes([1]) * 32, bytes(32)).unseal(unnamed, context="c") == b"value"
    assert not sealer.is_current(unnamed)


def test_a_ciphertext_moved_to_another_secret_does_not_open() -> None:
    """Namespace, name and version are associated data."""
    sealer = AesSealer(bytes(32))
    sealed = sealer.seal(b"value", context=context_of("team-a", "db", 1), nonce=bytes(12))
    for other in (context_of("team-ab", "db", 1), context_of("team-a", "db2", 1), context_of("team-a", "db", 2)):
        with pytest.raises(Defect):
            sealer.unseal(sealed, context=other)


async def test_only_variables_with_the_prefix_can_be_secrets() -> None:
    """Whatever a reference says."""
    source = EnvironmentSource({"WORKFLOW_SECRET_A": '{"b":"c"}', "TOCSIN_AUTH_KEY": "x"}, "WORKFLOW_SECRET_")
    assert await source.read("A", None) == '{"b":"c"}'
    assert await source.read("A", "b") == "c"
    assert await source.read("A", "absent") is None
    assert await source.read("TOCSIN_AUTH_KEY", None) is None


async def test_a_file_is_read_below_the_folder_only(tmp_path) -> None:
    """Links within are followed, as Kubernetes mounts need; links out of it are not."""
    root = tmp_path / "root"
    (root / "..data" / "team-a").mkdir(parents=True)
    (root / "..data" / "team-a" / "db").write_text("value\n")
    (root / "team-a").symlink_to(root / "..data" / "team-a")
    (tmp_path / "outside").write_text("outside")
    (root / "leak").symlink_to(tmp_path / "outside")
    source = FolderSource(root)
    assert await source.read("team-a/db", None) == "value"
    assert await source.read("leak", None) is None
    assert await source.read("absent", None) is None
