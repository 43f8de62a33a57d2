"""What is believed of an identity provider's ID token, and where people are sent back to."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tocsin.errors import Invalid, Unauthenticated
from tocsin_auth.domain.oidc import PATIENCE, Attempt, challenge, checked_redirect, digest, identity_of, provider_of

NOW = datetime(2026, 3, 1, tzinfo=UTC)
CLAIMS: dict[str, Any] = {
    "iss": "https://id.example",
    "aud": "tocsin",
    "sub": "42",
    "nonce": "n",
    "exp": NOW.timestamp() + 60,
    "iat": NOW.timestamp(),
    "preferred_username": "Ada Lovelace",
    "groups": ["ops", 7, ""],
}


def identity(**changes: Any) -> Any:
    claims = {name: value for name, value in {**CLAIMS, **changes}.items() if value is not ...}
    return identity_of(claims, nonce="n", client="tocsin", now=NOW, names="preferred_username", groups="groups")


def test_a_person_is_the_issuer_and_the_subject() -> None:
    """The name is only what we call a new user, made fit; groups that are none are left out."""
    found = identity()
    assert (found.origin, found.name, found.groups) == ("https://id.example 42", "ada-lovelace", ("ops",))
    assert identity(preferred_username=...).name == "42"
    assert identity(preferred_username="../../Admin\n").name == "admin"
    assert identity(preferred_username="***").name == "user"
    assert identity(groups="ops").groups == ()


@pytest.mark.parametrize(
    "change",
    [
        {"nonce": "other"},
        {"nonce": ...},
        {"nonce": 7},
        {"exp": NOW.timestamp() - 61},
        {"exp": "soon"},
        {"iat": NOW.timestamp() - PATIENCE.total_seconds() - 61},
        {"iat": NOW.timestamp() + PATIENCE.total_seconds() + 61},
        {"azp": "another"},
        {"aud": ["tocsin", "another"]},
        {"sub": ""},
        {"sub": 42},
        {"sub": "x" * 256},
    ],
)
def test_a_token_of_another_login_proves_nothing(change: dict[str, Any]) -> None:
    """Replayed, expired, made for another client, or about nobody."""
    with pytest.raises(Unauthenticated):
        identity(**change)


@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.example/callback",
        "http://127.0.0.1/callback",
        "http://127.0.0.1:1/other",
        "http://127.0.0.1:1/callback?x=1",
        "http://127.0.0.1:1/callback#x",
        "http://user@127.0.0.1:1/callback",
        "http://127.0.0.1.evil.example:1/callback",
        "http://localhost:1/callback",
        "https://tocsin.example/console",
        "javascript:alert(1)",
    ],
)
def test_a_code_goes_to_nobody_else(uri: str) -> None:
    """The console exactly, or a program on the person's own machine."""
    with pytest.raises(Invalid):
        checked_redirect(uri, "https://tocsin.example/")
    for good in ("https://tocsin.example/", "http://127.0.0.1:49152/callback", "http://[::1]:49152/callback"):
        assert checked_redirect(good, "https://tocsin.example/") == good


def test_a_login_is_finished_by_who_began_it_and_in_time() -> None:
    """The ticket is not kept, only its digest."""
    attempt = Attempt(digest("ticket"), "n", "v", "u", NOW)
    assert not attempt.belongs_to("ticket", NOW)
    assert attempt.belongs_to("ticket", NOW - PATIENCE)
    assert not attempt.belongs_to("another", NOW - PATIENCE)
    assert "ticket" not in repr(attempt)


def test_the_challenge_is_that_of_the_standard() -> None:
    """RFC 7636, appendix B."""
    assert challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "https://id.example/"},
        {"token_endpoint": "http://id.example/token"},
        {"jwks_uri": None},
        {"authorization_endpoint": 7},
    ],
)
def test_a_provider_that_says_it_is_another_is_not_used(change: dict[str, Any]) -> None:
    """Mix-ups between providers begin like that; and nothing goes over plain HTTP."""
    document = {
        "issuer": "https://id.example",
        "authorization_endpoint": "https://id.example/authorize",
        "token_endpoint": "https://id.example/token",
        "jwks_uri": "https://id.example/keys",
    }
    assert provider_of(document, "https://id.example").token == "https://id.example/token"
    with pytest.raises(Invalid):
        provider_of({**document, **change}, "https://id.example")
