"""The verifier refuses everything but what the auth service signed, and is fast once it knows a token."""

import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tocsin.errors import Unauthenticated, Unavailable
from tocsin_kit.testing.clocks import ManualClock
from tocsin_kit.web import Grant, Principal
from tocsin_kit.web.api_keys import make_api_key, parse_api_key
from tocsin_kit.web.jwks import KeySet
from tocsin_kit.web.jws import fit_keys
from tocsin_kit.web.tokens import CredentialVerifier

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))


def b64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def jwk(key: Ed25519PrivateKey, kid: str, **more: object) -> dict[str, object]:
    x = b64(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
    return {"kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid, "use": "sig", "alg": "EdDSA", **more}


class Source:
    """A key source that a test changes and that counts."""

    def __init__(self, *keys: dict[str, object]) -> None:
        self.keys = list(keys)
        self.asked = 0
        self.down = False

    async def fetch(self) -> Mapping[str, object]:
        self.asked += 1
        if self.down:
            raise Unavailable("down")
        return {"keys": self.keys}


class Exchange:
    """Knows one API key."""

    def __init__(self) -> None:
        self.known: dict[str, Principal] = {}
        self.asked = 0

    async def exchange(self, api_key: str) -> Principal:
        self.asked += 1
        if api_key not in self.known:
            raise Unauthenticated("revoked")
        return self.known[api_key]


def claims(clock: ManualClock, **changes: object) -> dict[str, Any]:
    now = int(clock.now().timestamp())
    base: dict[str, Any] = {
        "iss": "tocsin",
        "aud": "tocsin",
        "sub": "user:ada",
        "name": "ada",
        "grants": [{"permission": "run:read", "namespace": "*"}],
        "iat": now,
        "exp": now + 900,
    }
    return {name: value for name, value in {**base, **changes}.items() if value is not None}


def sign(payload: dict[str, Any], *, key: Any = KEY, kid: str | None = "k1", alg: str = "EdDSA", **header: object) -> str:
    return jwt.encode(payload, key, algorithm=alg, headers={**({"kid": kid} if kid else {}), **header})


@pytest.fixture
def source() -> Source:
    return Source(jwk(KEY, "k1"))


@pytest.fixture
def verifier(source: Source, clock: ManualClock) -> CredentialVerifier:
    return CredentialVerifier(KeySet(source, clock), Exchange(), clock)


async def test_a_good_token_is_a_principal(verifier: CredentialVerifier, clock: ManualClock) -> None:
    """Subject, name and grants come from the claims."""
    principal = await verifier.authenticate(sign(claims(clock)))
    assert principal.subject == "user:ada"
    assert principal.grants == (Grant("run:read", "*"),)


FORGERIES = {
    "signed with another key": lambda c: sign(claims(c), key=OTHER),
    "of an unknown key": lambda c: sign(claims(c), kid="k9"),
    "without a key id": lambda c: sign(claims(c), kid=None),
    "for another audience": lambda c: sign(claims(c, aud="elsewhere")),
    "without an audience": lambda c: sign(claims(c, aud=None)),
    "of another issuer": lambda c: sign(claims(c, iss="elsewhere")),
    "without an expiry": lambda c: sign(claims(c, exp=None)),
    "with an expiry that is no number": lambda c: sign(claims(c, exp=None)).rsplit(".", 1)[0] + ".AA",
    "expired": lambda c: sign(claims(c, exp=int(c.now().timestamp()))),
    "not yet valid": lambda c: sign(claims(c, nbf=int(c.now().timestamp()) + 60)),
    "issued in the future": lambda c: sign(claims(c, iat=int(c.now().timestamp()) + 60)),
    "about nobody": lambda c: sign(claims(c, sub=None)),
    "about somebody of no kind": lambda c: sign(claims(c, sub="ada")),
    "with grants that are no grants": lambda c: sign(claims(c, grants=["*"])),
    "with a grant that could be misread": lambda c: sign(claims(c, grants=[{"permission": "*", "namespace": "*"}])),
    "with a critical header": lambda c: sign(claims(c), crit=["exp"]),
    "of another type": lambda c: sign(claims(c), typ="secevent+jwt"),
    "of algorithm none": lambda c: jwt.encode(claims(c), None, algorithm="none", headers={"kid": "k1"}),
    "of algorithm None": lambda c: none_token(claims(c), "None"),
    "with the public key as an HMAC secret": lambda c: confused(claims(c)),
    "too long": lambda c: sign(claims(c, name="x" * 9000)),
    "with padding": lambda c: sign(claims(c)) + "=",
    "with one part": lambda c: "abc",
    "with four parts": lambda c: sign(claims(c)) + ".AA",
    "empty": lambda c: "..",
    "not ASCII": lambda c: sign(claims(c)) + "é",
}


def none_token(payload: dict[str, Any], alg: str) -> str:
    header = b64(json.dumps({"alg": alg, "kid": "k1"}).encode())
    return f"{header}.{b64(json.dumps(payload).encode())}."


def confused(payload: dict[str, Any]) -> str:
    import hashlib
    import hmac

    secret = KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    head = b64(json.dumps({"alg": "HS256", "kid": "k1", "typ": "JWT"}).encode()) + "." + b64(json.dumps(payload).encode())
    return f"{head}.{b64(hmac.new(secret, head.encode(), hashlib.sha256).digest())}"


@pytest.mark.parametrize("kind", FORGERIES)
async def test_a_forged_token_is_refused(kind: str, verifier: CredentialVerifier, clock: ManualClock) -> None:
    """Each of them proves nothing, and the refusal does not repeat it."""
    token = FORGERIES[kind](clock)
    with pytest.raises(Unauthenticated) as refusal:
        await verifier.authenticate(token)
    assert len(token) < 10 or token not in str(refusal.value.detail)


async def test_a_second_spelling_of_the_signature_is_refused(verifier: CredentialVerifier, clock: ManualClock) -> None:
    """The last character of an Ed25519 signature in base64url has unused bits; only one value of them is canonical."""
    token = sign(claims(clock))
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twin = token[:-1] + alphabet[alphabet.index(token[-1]) ^ 1]
    with pytest.raises(Unauthenticated):
        await verifier.authenticate(twin)


async def test_a_token_ends_when_it_says_so_even_if_it_is_remembered(verifier: CredentialVerifier, clock: ManualClock) -> None:
    """The memory never outlives the token."""
    token = sign(claims(clock))
    await verifier.authenticate(token)
    await clock.advance(901)
    with pytest.raises(Unauthenticated, match="expired"):
        await verifier.authenticate(token)


@pytest.mark.parametrize(
    "change",
    [
        {"use": "enc"},
        {"key_ops": ["sign"]},
        {"key_ops": "verify"},
        {"kty": "EC"},
        {"crv": "X25519"},
        {"alg": "HS256"},
        {"x": "AA"},
        {"kid": 7},
    ],
    ids=str,
)
def test_a_key_that_is_not_for_verifying_our_signatures_is_left_out(change: dict[str, object]) -> None:
    """A key set may hold other keys; none of them verifies a token."""
    assert fit_keys({"keys": [{**jwk(KEY, "k1"), **change}]}) == {}
    assert fit_keys({"keys": [{**jwk(KEY, "k1"), "key_ops": ["verify"]}]}).keys() == {"k1"}


async def test_a_new_key_is_fetched_once_and_forged_ids_do_not_hammer_the_source(
    source: Source, verifier: CredentialVerifier, clock: ManualClock
) -> None:
    """Rotation works without a restart; an attacker cannot use it."""
    await verifier.authenticate(sign(claims(clock)))
    source.keys.append(jwk(OTHER, "k2"))
    await clock.advance(6)
    assert (await verifier.authenticate(sign(claims(clock), key=OTHER, kid="k2"))).name == "ada"
    asked = source.asked
    for number in range(50):
        with pytest.raises(Unauthenticated):
            await verifier.authenticate(sign(claims(clock), kid=f"forged{number}"))
    assert source.asked == asked


async def test_known_keys_outlive_the_auth_service(source: Source, verifier: CredentialVerifier, clock: ManualClock) -> None:
    """Tokens already issued keep working; nothing new is let in."""
    await verifier.authenticate(sign(claims(clock)))
    source.down = True
    await clock.advance(timedelta(minutes=6))
    assert (await verifier.authenticate(sign(claims(clock)))).name == "ada"
    with pytest.raises((Unauthenticated, Unavailable)):
        await verifier.authenticate(sign(claims(clock), key=OTHER, kid="k2"))


async def test_without_any_key_nothing_can_be_decided(clock: ManualClock) -> None:
    """An auth service that never answered is not the caller's fault."""
    source = Source()
    source.down = True
    verifier = CredentialVerifier(KeySet(source, clock), Exchange(), clock)
    for _ in range(2):
        with pytest.raises(Unavailable):
            await verifier.authenticate(sign(claims(clock)))


async def test_a_withdrawn_key_stops_working(source: Source, verifier: CredentialVerifier, clock: ManualClock) -> None:
    """A key set is not believed for ever."""
    await verifier.authenticate(sign(claims(clock)))
    source.keys.clear()
    await clock.advance(timedelta(minutes=6))
    with pytest.raises(Unauthenticated):
        await verifier.authenticate(sign(claims(clock)))


async def test_an_api_key_is_asked_about_once_in_a_while(source: Source, clock: ManualClock) -> None:
    """A revoked key works for seconds at most, and a wrong one does not hammer the auth service either."""
    exchange = Exchange()
    verifier = CredentialVerifier(KeySet(source, clock), exchange, clock)
    key = make_api_key("0" * 26, bytes(range(32)))
    with pytest.raises(Unauthenticated, match="revoked"):
        await verifier.authenticate(key.text)
    exchange.known[key.text] = Principal("key:1", "ci")
    await clock.advance(11)
    for _ in range(5):
        assert (await verifier.authenticate(key.text)).name == "ci"
    assert exchange.asked == 2
    exchange.known.clear()
    await clock.advance(11)
    with pytest.raises(Unauthenticated):
        await verifier.authenticate(key.text)


def test_a_mistyped_api_key_is_recognised_without_asking() -> None:
    """The checksum finds every single wrong character."""
    text = make_api_key("0" * 26, bytes(range(32))).text
    assert parse_api_key(text) is not None
    assert parse_api_key(text[:-1]) is None
    for position in range(4, len(text)):
        wrong = "x" if text[position] != "x" else "y"
        assert parse_api_key(text[:position] + wrong + text[position + 1 :]) is None


def test_an_api_key_does_not_show_its_secret() -> None:
    """Neither repr nor str."""
    key = make_api_key("0" * 26, bytes(range(32)))
    assert key.secret not in repr(key)
    assert key.secret not in str(key)


async def test_a_warm_verification_is_cheap(verifier: CredentialVerifier, clock: ManualClock) -> None:
    """Under 100 microseconds; the best of several rounds, so that a busy machine does not decide."""
    token = sign(claims(clock))
    await verifier.authenticate(token)
    rounds = []
    for _ in range(10):
        begin = time.perf_counter()
        for _ in range(200):
            await verifier.authenticate(token)
        rounds.append((time.perf_counter() - begin) / 200)
    assert min(rounds) < 100e-6
