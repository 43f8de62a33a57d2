"""Every algorithm offered, and every way to be another one."""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

import jwt
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from tocsin.errors import Unauthenticated
from tocsin_kit.web.encoding import encode_base64url
from tocsin_kit.web.jws import ALGORITHMS, MAX_TOKEN_BYTES, fit_keys, read_header, verified_claims

RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
PRIVATE: Mapping[str, Any] = {"EdDSA": ED, "ES256": EC, "RS256": RSA, "PS256": RSA}


def number(value: int, size: int) -> str:
    return encode_base64url(value.to_bytes(size, "big"))


def jwk(algorithm: str, kid: str = "k", **more: Any) -> dict[str, Any]:
    if algorithm == "EdDSA":
        key = {"kty": "OKP", "crv": "Ed25519", "x": encode_base64url(ED.public_key().public_bytes_raw())}
    elif algorithm == "ES256":
        point = EC.public_key().public_numbers()
        key = {"kty": "EC", "crv": "P-256", "x": number(point.x, 32), "y": number(point.y, 32)}
    else:
        public = RSA.public_key().public_numbers()
        key = {"kty": "RSA", "n": number(public.n, 256), "e": number(public.e, 3)}
    return {**key, "kid": kid, "use": "sig", "alg": algorithm, **more}


def signed(algorithm: str, key: Any = None, **header: Any) -> str:
    claims = {"iss": "i", "aud": "a", "sub": "s", "exp": 1}
    return jwt.encode(claims, key or PRIVATE[algorithm], algorithm=algorithm, headers={"kid": "k", **header})


def check(token: str, keys: list[dict[str, Any]], offered: tuple[str, ...] = ALGORITHMS) -> Mapping[str, Any]:
    header = read_header(token, offered)
    known = fit_keys({"keys": keys}, offered)
    if header.kid not in known:
        raise Unauthenticated("no such key")
    return verified_claims(token, header, known[header.kid], audience="a", issuer="i", required=("exp", "sub"))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_is_offered_is_accepted(algorithm: str) -> None:
    """EdDSA, ES256, RS256, PS256; also where the key does not say its algorithm."""
    assert check(signed(algorithm), [jwk(algorithm)])["sub"] == "s"
    silent = {name: value for name, value in jwk(algorithm).items() if name not in {"alg", "use"}}
    assert check(signed(algorithm), [silent])["sub"] == "s"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("said", ALGORITHMS)
def test_a_key_verifies_only_what_it_says(algorithm: str, said: str) -> None:
    """An RSA key for PS256 verifies no RS256, and no key verifies another kind's signature."""
    if algorithm == said:
        return
    with pytest.raises(Unauthenticated):
        check(signed(algorithm), [jwk(said)])
    with pytest.raises(Unauthenticated):
        check(signed(algorithm), [{**jwk(algorithm), "alg": said}])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_is_not_offered_here_is_refused_although_it_could_be_verified(algorithm: str) -> None:
    """The verifier chooses, not the token."""
    others = tuple(one for one in ALGORITHMS if one != algorithm)
    with pytest.raises(Unauthenticated, match="not signed with"):
        check(signed(algorithm), [jwk(algorithm)], others)


@pytest.mark.parametrize(
    "change",
    [
        {"use": "enc"},
        {"key_ops": ["sign"]},
        {"key_ops": "verify"},
        {"kty": "oct"},
        {"crv": "P-384"},
        {"kid": 7},
        {"x": None},
        {"x": "AA"},
        {"x": "!" * 43},
    ],
)
@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256"])
def test_a_key_that_does_not_fit_is_left_out(algorithm: str, change: dict[str, Any]) -> None:
    """Whatever of it is wrong; it is never guessed at."""
    assert fit_keys({"keys": [{**jwk(algorithm), **change}]}, ALGORITHMS) == {}


@pytest.mark.parametrize(
    "change",
    [
        {"n": number((1 << 1023) + 1, 128)},
        {"n": "AA" + number((1 << 2047) + 1, 256)},
        {"e": number(3, 1)},
        {"e": number(65538, 3)},
        {"e": ""},
        {"n": 5},
        {"use": "enc"},
    ],
)
def test_a_weak_or_respelled_rsa_key_is_left_out(change: dict[str, Any]) -> None:
    """Short, with a small or even exponent, with a leading zero."""
    assert fit_keys({"keys": [{**jwk("RS256"), **change}]}, ALGORITHMS) == {}


def test_a_point_beside_the_curve_is_no_key() -> None:
    """So nothing is computed with it."""
    assert fit_keys({"keys": [{**jwk("ES256"), "y": number(1, 32)}]}, ALGORITHMS) == {}


def test_two_nameless_keys_are_none_and_one_is_the_one() -> None:
    """A provider with a single key need not name it."""
    nameless = {name: value for name, value in jwk("ES256").items() if name != "kid"}
    assert set(fit_keys({"keys": [nameless]}, ALGORITHMS)) == {""}
    assert fit_keys({"keys": [nameless, {**jwk("EdDSA"), "kid": ""}]}, ALGORITHMS) == {}


@pytest.mark.parametrize(
    "header", [{"alg": "none"}, {"alg": "HS256"}, {"alg": ["EdDSA"]}, {"crit": ["b64"], "b64": False}, {"typ": "JWE"}]
)
def test_a_header_cannot_bring_its_own_rules(header: dict[str, Any]) -> None:
    """None, shared secrets, lists, critical extensions, other types."""
    _, body, signature = signed("EdDSA").split(".")
    forged = encode_base64url(orjson.dumps({"alg": "EdDSA", "kid": "k", **header}))
    with pytest.raises(Unauthenticated):
        check(f"{forged}.{body}.{signature}", [jwk("EdDSA")])


def test_a_public_key_is_never_a_shared_secret() -> None:
    """The confusion that gave this whole family of attacks its name."""
    head = encode_base64url(orjson.dumps({"alg": "HS256", "kid": "k", "typ": "JWT"}))
    body = encode_base64url(orjson.dumps({"iss": "i", "aud": "a", "sub": "s", "exp": 1}))
    for secret in (ED.public_key().public_bytes_raw(), orjson.dumps(jwk("EdDSA"))):
        mac = encode_base64url(hmac.new(secret, f"{head}.{body}".encode(), hashlib.sha256).digest())
        with pytest.raises(Unauthenticated):
            check(f"{head}.{body}.{mac}", [jwk("EdDSA")])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_other_spellings_of_a_good_token_are_refused(algorithm: str) -> None:
    """Padding, the other alphabet, white space, loose bits, oversize."""
    token = signed(algorithm)
    head, body, signature = token.split(".")
    for other in (
        token + "=",
        token.replace(".", "..", 1),
        f" {token}",
        f"{head}.{body}.{signature}\n",
        f"{head}.{body}.{signature[:-1]}" + ("B" if signature[-1] == "A" else "A"),
        f"{head}.{body}.",
        token + "A" * MAX_TOKEN_BYTES,
    ):
        with pytest.raises(Unauthenticated):
            check(other, [jwk(algorithm)])
