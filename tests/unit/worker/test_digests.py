"""Digest authentication: the examples of RFC 7616, and what servers offer besides; the whole way is beside the others'."""

import hashlib

import pytest

from tocsin_executor.worker.digests import Asked, answered, is_stale
from tocsin_executor.worker.policies import Digest

MUFASA = Digest("Mufasa", "Circle of Life")
CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
ROOM = 'realm="http-auth@example.org", qop="auth, auth-int", nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"'
OPAQUE = 'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
ASKED = Asked("GET", "/dir/index.html", b"")


@pytest.mark.parametrize(
    ("challenges", "response"),
    [
        ([f"Digest {ROOM}, algorithm=MD5, {OPAQUE}"], "8ca523f5e9506fed4657c9700eebdbec"),
        ([f"Digest {ROOM}, {OPAQUE}"], "8ca523f5e9506fed4657c9700eebdbec"),
        (
            [f"Digest {ROOM}, algorithm=SHA-256, {OPAQUE}", f"Digest {ROOM}, algorithm=MD5, {OPAQUE}"],
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
        ),
        ([f'Negotiate, Basic realm="a, b=c", Digest {ROOM}, algorithm=MD5'], "8ca523f5e9506fed4657c9700eebdbec"),
        ([f"Digest algorithm=WHAT, {ROOM}", f"Digest {ROOM}"], "8ca523f5e9506fed4657c9700eebdbec"),
    ],
)
def test_the_first_challenge_that_is_known_is_answered(challenges: list[str], response: str) -> None:
    """Among other schemes and other hashes, in one header or in several."""
    said = answered(MUFASA, challenges, ASKED, CNONCE)
    assert said is not None
    assert f'response="{response}"' in said
    assert 'username="Mufasa"' in said
    assert "qop=auth, nc=00000001" in said


def test_sessions_bodies_and_hashed_names() -> None:
    """What a server may ask for besides: each by the formula of the RFC."""

    def sha(text: str) -> str:
        return hashlib.new("sha512_256", text.encode()).hexdigest()

    who = Digest("J\u00e4s\u00f8n Doe", "Secret, or not?")
    challenge = (
        'Digest realm="api \\"x\\"", nonce="n", qop="auth-int", algorithm=SHA-512-256-sess, userhash=true, charset=UTF-8'
    )
    said = answered(who, [challenge], Asked("PUT", "/d?q=1", b"body"), "c")
    one = sha(sha(f'{who.username}:api "x":{who.password}') + ":n:c")
    response = sha(f"{one}:n:00000001:c:auth-int:" + sha("PUT:/d?q=1:" + sha("body")))
    assert said is not None
    assert f'response="{response}"' in said
    assert f'username="{sha(who.username + ":api " + chr(34) + "x" + chr(34))}"' in said
    assert r'realm="api \"x\""' in said
    assert "userhash=true" in said
    plain = answered(who, ['Digest realm="r", nonce="n"'], ASKED, "c")
    assert plain is not None
    assert "username*=UTF-8''J%C3%A4s%C3%B8n%20Doe" in plain
    assert "qop" not in plain
    assert "cnonce" not in plain


@pytest.mark.parametrize(
    "challenge",
    ["", "Basic realm=x", "Digest", "Digest realm=x", 'Digest nonce="n", qop="never"', 'Digest nonce="n", algorithm=X'],
)
def test_what_cannot_be_answered_is_not(challenge: str) -> None:
    """The service's refusal is the outcome then."""
    assert answered(MUFASA, [challenge], ASKED, "c") is None


def test_an_old_nonce_is_told_from_a_wrong_password() -> None:
    """A server says so."""
    assert is_stale(['Digest realm="r", nonce="n2", stale=TRUE'])
    assert not is_stale(['Digest realm="r", nonce="n2", stale=false'])
    assert not is_stale(['Basic realm="r", stale=true'])
