"""Keys and signatures as RFC 7515, 7517 and 7518 say, strictly: which keys are fit for which algorithms, what a token proves.

A key is taken only if everything it says about itself fits; any other key in a set is ignored, never guessed at. The algorithm
is chosen by us from what the key can do, and the token has to say the same: so no token brings its own rules, `none` is no
algorithm here, and a public key is never taken for a shared secret, because no shared secrets are verified here at all.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey, EllipticCurvePublicNumbers
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers

from tocsin.errors import Unauthenticated
from tocsin_kit.web.encoding import decode_base64url

EDDSA: Final = "EdDSA"
ALGORITHMS: Final = (EDDSA, "ES256", "RS256", "PS256")
"""What can be verified at all; who verifies says which of them are offered."""

MAX_TOKEN_BYTES: Final = 8 * 1024
_RSA_BITS: Final = range(2048, 8193)  # shorter ones are weak, longer ones are work that a sender chooses
_EXPONENTS: Final = range(65537, 1 << 32)

PublicKey = Ed25519PublicKey | EllipticCurvePublicKey | RSAPublicKey


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """A public key and what it may verify.

    Attributes:
        key: The key.
        algorithms: Never more than the kind of key and the key's own ``alg`` allow.
    """

    key: PublicKey
    algorithms: frozenset[str]


@dataclass(frozen=True, slots=True)
class Header:
    """What a token says about its signature.

    Attributes:
        algorithm: One of those offered.
        kid: Id of the key; empty when it says none.
    """

    algorithm: str
    kid: str


def fit_keys(document: Mapping[str, object], offered: Collection[str] = (EDDSA,)) -> dict[str, VerifyingKey]:
    """The keys of a JWKS (RFC 7517) that verify signatures by one of the algorithms offered, by key id; no others.

    A key without an id is under the empty one, if it is the only such key.
    """
    keys = document.get("keys")
    fit: dict[str, VerifyingKey] = {}
    nameless = 0
    for jwk in keys if isinstance(keys, list) else ():
        if not isinstance(jwk, dict) or not _says_verify(jwk):
            continue
        kid = jwk.get("kid", "")
        key = _public_key(jwk)
        if key is None or not isinstance(kid, str):
            continue
        said = jwk.get("alg")
        algorithms = frozenset(one for one in _possible(key) if one in offered and said in {None, one, _alias(one)})
        if algorithms:
            nameless += kid == ""
            fit[kid] = VerifyingKey(key, algorithms)
    if nameless > 1:
        del fit[""]
    return fit


def read_header(token: str, offered: Collection[str] = (EDDSA,)) -> Header:
    """The header of a token that is worth verifying.

    Raises:
        Unauthenticated: It is too long, not three canonical base64url parts, or its header asks for what is not offered.
    """
    if len(token) > MAX_TOKEN_BYTES:
        raise Unauthenticated(f"the token is longer than {MAX_TOKEN_BYTES} bytes")
    parts = token.split(".")
    decoded = [decode_base64url(part) for part in parts]
    if len(parts) != 3 or not all(decoded):
        raise Unauthenticated("this is neither an access token nor an API key")
    try:
        header = orjson.loads(decoded[0] or b"")
    except orjson.JSONDecodeError:
        header = None
    if not isinstance(header, dict):
        raise Unauthenticated("the token's header cannot be read")
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in offered:
        raise Unauthenticated(f"the token is not signed with {' or '.join(offered)}")
    if "crit" in header or "b64" in header or header.get("typ", "JWT") not in {"JWT", "at+jwt"}:
        raise Unauthenticated("the token's header asks for something that is not understood here")
    kid = header.get("kid", "")
    if not isinstance(kid, str) or len(kid) > 128:
        raise Unauthenticated("the token does not say which key signed it")
    return Header(algorithm, kid)


def verified_claims(
    token: str, header: Header, key: VerifyingKey, *, audience: str, issuer: str, required: Collection[str]
) -> Mapping[str, Any]:
    """The claims of a token with a right signature, issuer and audience. Its times are not looked at.

    Args:
        token: Compact serialization.
        header: Of this token.
        key: That its header names.
        audience: Who is meant.
        issuer: Who has to have made it.
        required: Claims that must be there.

    Raises:
        Unauthenticated: It proves nothing; the text never repeats the token.
    """
    if header.algorithm not in key.algorithms:
        raise Unauthenticated("the token's key is not for the token's algorithm")
    try:
        claims: Mapping[str, Any] = jwt.decode(
            token,
            key.key,
            algorithms=[header.algorithm],
            audience=audience,
            issuer=issuer,
            # The times are checked by the clock that everything else goes by.
            options={
                "require": [*required],
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
                "strict_aud": False,
            },
        )
    except jwt.PyJWTError as error:
        raise Unauthenticated(f"the token is not valid: {_reason(error)}", hint="log in again") from error
    return claims


def _says_verify(jwk: Mapping[str, object]) -> bool:
    operations = jwk.get("key_ops", ["verify"])
    return jwk.get("use", "sig") == "sig" and isinstance(operations, list) and "verify" in operations


def _public_key(jwk: Mapping[str, object]) -> PublicKey | None:
    match jwk.get("kty"), jwk.get("crv"):
        case "OKP", "Ed25519":
            x = _bytes(jwk, "x")
            return Ed25519PublicKey.from_public_bytes(x) if x is not None and len(x) == 32 else None
        case "EC", "P-256":
            return _curve_key(_bytes(jwk, "x"), _bytes(jwk, "y"))
        case "RSA", _:
            return _rsa_key(_bytes(jwk, "n"), _bytes(jwk, "e"))
        case _:
            return None


def _curve_key(x: bytes | None, y: bytes | None) -> EllipticCurvePublicKey | None:
    if x is None or y is None or len(x) != 32 or len(y) != 32:
        return None
    try:
        return EllipticCurvePublicNumbers(int.from_bytes(x, "big"), int.from_bytes(y, "big"), SECP256R1()).public_key()
    except ValueError:  # not a point of the curve
        return None


def _rsa_key(n: bytes | None, e: bytes | None) -> RSAPublicKey | None:
    if not n or not e or n[0] == 0:  # a leading zero would be a second spelling
        return None
    modulus, exponent = int.from_bytes(n, "big"), int.from_bytes(e, "big")
    if modulus.bit_length() not in _RSA_BITS or exponent not in _EXPONENTS or exponent % 2 == 0:
        return None
    try:
        return RSAPublicNumbers(exponent, modulus).public_key()
    except ValueError:
        return None


def _bytes(jwk: Mapping[str, object], member: str) -> bytes | None:
    value = jwk.get(member)
    return decode_base64url(value) if isinstance(value, str) and len(value) <= 2048 else None


def _possible(key: PublicKey) -> tuple[str, ...]:
    match key:
        case Ed25519PublicKey():
            return (EDDSA,)
        case EllipticCurvePublicKey():
            return ("ES256",)
        case _:
            return ("RS256", "PS256")


def _alias(algorithm: str) -> str:
    """The fully specified name of RFC 9864, which a key may carry instead."""
    return "Ed25519" if algorithm == EDDSA else algorithm


def _reason(error: jwt.PyJWTError) -> str:
    """Our words for PyJWT's verdicts: its texts may repeat parts of the token."""
    match error:
        case jwt.InvalidSignatureError():
            return "wrong signature"
        case jwt.InvalidAudienceError():
            return "wrong audience"
        case jwt.InvalidIssuerError():
            return "wrong issuer"
        case jwt.MissingRequiredClaimError():
            return f"it has no {error.claim}"
        case _:
            return "it cannot be read"
