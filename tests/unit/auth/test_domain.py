"""What the auth service decides from values alone."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import Invalid
from tocsin_auth.domain.bus_access import bus_access, inbox_prefix
from tocsin_auth.domain.errors import WeakPassword
from tocsin_auth.domain.key_ring import GRACE, KeyRing, SigningKey
from tocsin_auth.domain.refresh_tokens import make_refresh_token, parse_refresh_token
from tocsin_auth.domain.roles import BUILT_IN, checked_binding, checked_role
from tocsin_auth.domain.sessions import Ending, Session, Verdict
from tocsin_auth.domain.throttle import LONGEST, Failures
from tocsin_auth.domain.users import check_password, checked_name

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LIFETIME = timedelta(minutes=15)
STEPS = st.lists(st.integers(0, 3600), max_size=12)


@given(st.integers(0, 10**6), st.integers(1, 50), st.integers(0, 10**5))
def test_a_wait_is_bounded_and_passes(count: int, free: int, later: int) -> None:
    """Nobody is locked out for ever, whatever an attacker does; free failures cost nothing."""
    failures = Failures(count, NOW)
    wait = failures.wait(NOW, free=free)
    assert timedelta(0) <= wait <= LONGEST
    assert (wait > timedelta(0)) is (count >= free)
    assert failures.wait(NOW + timedelta(seconds=later), free=free) == max(timedelta(0), wait - timedelta(seconds=later))


@given(STEPS)
def test_a_rotation_never_leaves_a_valid_token_without_its_key(pauses: list[int]) -> None:
    """Whenever rotations come: there is a signer, it is published, and so is every key whose tokens are still valid."""
    ring, now, signed = KeyRing(), NOW, list[tuple[datetime, str]]()
    for number, pause in enumerate([0, *pauses]):
        now += timedelta(seconds=pause)
        ring = ring.rotated(SigningKey(str(number), b"", b"", now), now=now, lifetime=LIFETIME)
        for moment in (now, now + timedelta(seconds=1)):
            signer = ring.signer(moment)
            assert signer is not None
            signed.append((moment, signer.kid))
        published = {key.kid for key in ring.published(now, LIFETIME)}
        assert {kid for at, kid in signed if at + LIFETIME > now and at <= now} <= published
    assert len(ring.published(now + LIFETIME + GRACE + timedelta(hours=1), LIFETIME)) == 1


def session(**changes: object) -> Session:
    base: dict[str, object] = {
        "id": "s",
        "user": "ada",
        "digest": b"d" * 32,
        "began_at": NOW,
        "idle_until": NOW + timedelta(days=7),
        "ends_at": NOW + timedelta(days=30),
        "address": "::1",
    }
    return Session(**{**base, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("after", "digest", "secured", "verdict"),
    [
        (timedelta(days=1), b"d" * 32, timedelta(0), Verdict.GOOD),
        (timedelta(days=1), b"x" * 32, timedelta(0), Verdict.REUSED),
        (timedelta(days=7), b"d" * 32, timedelta(0), Verdict.OVER),
        (timedelta(days=1), b"d" * 32, timedelta(hours=1), Verdict.OVER),
        (timedelta(days=8), b"x" * 32, timedelta(0), Verdict.OVER),
    ],
)
def test_a_refresh_token_is_judged(after: timedelta, digest: bytes, secured: timedelta, verdict: Verdict) -> None:
    """Good, over, or used before."""
    assert session().judge(digest, now=NOW + after, secure_since=NOW + secured) is verdict


def test_refreshing_never_outlives_the_longest_session() -> None:
    """However often."""
    renewed = session()
    for day in range(0, 40, 5):
        renewed = renewed.refreshed(b"", now=NOW + timedelta(days=day), idle=timedelta(days=7))
    assert renewed.idle_until == renewed.ends_at


def test_the_first_reason_of_an_ending_stays() -> None:
    """A logout after a theft does not hide the theft."""
    assert session().ended(Ending.REUSE, NOW).ended(Ending.LOGOUT, NOW).ending is Ending.REUSE


def test_a_refresh_token_survives_its_text_and_hides_its_secret() -> None:
    """Parsing is strict."""
    token = make_refresh_token("0" * 26, bytes(range(32)))
    assert parse_refresh_token(token.text) == token
    assert token.secret not in repr(token)
    for wrong in ("", "tcr_", token.text + "x", token.text.upper(), " " + token.text):
        assert parse_refresh_token(wrong) is None


@given(st.sampled_from(["user:a", "user:a.b", "user:a.>", "key:*", "key:x"]), st.sampled_from(["user:a", "user:a.b", "key:x"]))
def test_inboxes_of_different_principals_never_overlap(one: str, other: str) -> None:
    """Names with dots or wildcards neither."""
    prefix = inbox_prefix(one)
    assert not set(prefix) & set(".*>")
    assert (prefix == inbox_prefix(other)) is (one == other)


def test_bus_subjects_come_from_permissions() -> None:
    """All namespaces swallow single ones; without a permission only the inbox is left."""
    assert bus_access("user:a", publishes_in=[], reads_in=[]).publish == ()
    assert bus_access("user:a", publishes_in=[], reads_in=[]).subscribe == (f"{inbox_prefix('user:a')}.>",)
    access = bus_access("user:a", publishes_in=["default", "*"], reads_in=["default"])
    assert access.publish == ("events.*.>",)
    assert set(access.subscribe[1:]) == {"signals.default.>"}


@pytest.mark.parametrize("password", ["short", "aaaaaaaaaaaaaaaa", "administrator", "x" * 257, "adminadmin12"])
def test_a_password_that_would_be_guessed_is_refused(password: str) -> None:
    """Length counts, repetition and the name do not."""
    with pytest.raises(WeakPassword):
        check_password("admin" if "admin" in password else "ada", password if password != "administrator" else "administrato")
    check_password("ada", "correct horse battery")


@pytest.mark.parametrize(
    "password",
    [
        "password12345678",
        "P4ssw0rd!!!!2026",
        "letmein123456789",
        "Tocsin-2026-12345",
        "abcabcabcabcabc",
        "qwertyuiop123456",
        "1234567890123456",
        "zyxwvutsrqponm",
        "asdfghjklasdfghjkl",
    ],
)
def test_what_is_tried_first_is_no_password(password: str) -> None:
    """However long it is, and with the usual letters spelled as digits."""
    with pytest.raises(WeakPassword):
        check_password("ada", password)


@pytest.mark.parametrize(
    "password", ["seven quiet harbours at night", "my secret is a small boat", "kX9-vv2-Qm7-tR4", "abc river qwerty stone"]
)
def test_a_few_words_or_enough_chance_make_a_password(password: str) -> None:
    """A common word among others does no harm."""
    check_password("ada", password)


@pytest.mark.parametrize("name", ["", "A", "a b", ".a", "a.", "a" * 64, "a\n", "a>"])
def test_a_name_that_could_be_mistaken_is_refused(name: str) -> None:
    """It goes into subjects, logs and links."""
    with pytest.raises(Invalid):
        checked_name(name)


def test_roles_and_bindings_are_checked() -> None:
    """A permission nobody could use is refused, and so is a namespace that is none."""
    assert checked_role("own", ("run:read", "run:read"), "").permissions == ("run:read",)
    for permissions in ((), ("run",), ("Run:read",), ("*",)):
        with pytest.raises(Invalid):
            checked_role("own", permissions, "")
    for role, namespace in (("x y", "*"), ("viewer", "a.b"), ("viewer", ""), ("viewer", "A")):
        with pytest.raises(Invalid):
            checked_binding(role, namespace)


def test_built_in_roles_grow_from_viewer_to_administrator() -> None:
    """Each has what the one before has."""
    viewer, operator, author = (set(BUILT_IN[name].permissions) for name in ("viewer", "operator", "author"))
    assert viewer < operator < author
    assert BUILT_IN["admin"].permissions == ("*:*",)
    assert not any(permission.startswith(("user:", "role:", "api-key:", "signing-key:", "*")) for permission in author)
