"""What it costs to verify a token: seen before and not, with a list of revocations and deny rules at hand."""

import statistics
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tocsin_kit.clock import SystemClock
from tocsin_kit.web.access import Principal
from tocsin_kit.web.encoding import encode_base64url
from tocsin_kit.web.jwks import KeySet
from tocsin_kit.web.revocations import RevocationList, Revocations, digest
from tocsin_kit.web.tokens import AUDIENCE, ISSUER, CredentialVerifier

_TOKENS: Final = 500
_LOOKS: Final = 20  # at each


class _Keys:
    """A key set of one."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        x = encode_base64url(key.public_key().public_bytes_raw())
        self._set = {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x, "kid": "k", "use": "sig", "alg": "EdDSA"}]}

    async def fetch(self) -> Mapping[str, object]:
        """It."""
        return self._set


class _NoKeys:
    """No API keys here."""

    async def exchange(self, api_key: str) -> Principal:
        """Never."""
        raise AssertionError(api_key)


def _token(key: Ed25519PrivateKey, number: int) -> str:
    now = int(datetime.now(UTC).timestamp())
    grants: list[dict[str, str | bool]] = [{"permission": f"resource-{n}:read", "namespace": "*"} for n in range(20)]
    grants.append({"permission": "run:start", "namespace": "prod", "name": "billing-*", "deny": True})
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": f"user:u{number}",
        "exp": now + 900,
        "iat": now,
        "rev": 1,
        "grants": grants,
    }
    return jwt.encode(claims, key, algorithm="EdDSA", headers={"kid": "k"})


async def verify(repeat: int) -> dict[str, object]:
    """Microseconds for one verification and one decision."""
    key, cold, warm, processor = Ed25519PrivateKey.generate(), [], [], []
    tokens = [_token(key, number) for number in range(_TOKENS)]
    for _ in range(repeat):
        revocations = Revocations()
        revocations.take(RevocationList(floors={digest(f"user:gone-{n}"): 1 for n in range(1000)}))
        verifier = CredentialVerifier(KeySet(_Keys(key), SystemClock()), _NoKeys(), SystemClock(), revocations=revocations)
        began = time.perf_counter()
        for token in tokens:
            (await verifier.authenticate(token)).may("run:start", "dev", "billing-eu")
        cold.append((time.perf_counter() - began) / _TOKENS)
        began, spent = time.perf_counter(), time.process_time()
        for _ in range(_LOOKS):
            for token in tokens:
                (await verifier.authenticate(token)).may("run:start", "dev", "billing-eu")
        warm.append((time.perf_counter() - began) / _TOKENS / _LOOKS)
        processor.append((time.process_time() - spent) / _TOKENS / _LOOKS)
    measured = {"warm_us": warm, "warm_processor_us": processor, "cold_us": cold}
    return {**{name: _microseconds(found) for name, found in measured.items()}, "goal_warm_us": 100}


def _microseconds(seconds: list[float]) -> float:
    return round(statistics.median(seconds) * 1e6, 1)
