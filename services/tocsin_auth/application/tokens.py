"""Access tokens and the keys that sign them: issue, publish, rotate.

The private keys lie sealed in the database; this process opens them once. A rotation by another process is noticed within
seconds, and a new key is published before it signs (``domain/key_ring.py``), so nobody is refused meanwhile.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tocsin.errors import Conflict, Defect
from tocsin.signals.catalogue.auth import SIGNING_KEY_ROTATED, SigningKeyRotated
from tocsin_auth.application.saying import Asker, said
from tocsin_auth.domain.key_ring import KeyRing, SigningKey
from tocsin_auth.ports import Records, Sealer
from tocsin_kit.bus.run_tokens import LONGEST, PERMISSIONS
from tocsin_kit.chance import Chance, new_id
from tocsin_kit.clock import Clock
from tocsin_kit.store import Entry, undisputed
from tocsin_kit.web.access import Grant, Proof
from tocsin_kit.web.encoding import encode_base64url
from tocsin_kit.web.tokens import ALGORITHM, AUDIENCE, ISSUER, grant_claim

RING: Final = "tokens"
_MOST_KEYS: Final = 32  # published at once; a key set must stay small, and nobody rotates twice a minute for a good reason
_NOTHING: Final = Proof()
_SHORTEST: Final = timedelta(seconds=1)
_BELIEVED: Final = timedelta(seconds=5)  # for so long the ring is not read again; below the notice of a new key


@dataclass(frozen=True, slots=True)
class Issued:
    """An access token.

    Attributes:
        token: The JWT.
        lifetime: From now.
    """

    token: str
    lifetime: timedelta


class Tokens:
    """Issues access tokens.

    Args:
        rings: Where the key ring is.
        sealer: Opens private keys.
        clock: Time.
        chance: Makes keys and ids.
        lifetime: Of a token.
    """

    def __init__(self, rings: Records[KeyRing], sealer: Sealer, clock: Clock, chance: Chance, lifetime: timedelta) -> None:
        self.lifetime = lifetime
        self._longest = max(lifetime, LONGEST)  # a retired key is published for as long as any token may live
        self._rings, self._sealer, self._clock, self._chance = rings, sealer, clock, chance
        self._entry: Entry[KeyRing] | None = None
        self._read_at = float("-inf")
        self._opened: dict[str, Ed25519PrivateKey] = {}

    async def prepare(self, asker: Asker) -> None:
        """See that there is a key, and that it can be opened.

        Raises:
            Defect: The key-encryption key is not the one that the keys were sealed with.
        """
        entry = await self._rings.load(RING)
        if entry.value is None or not entry.value.keys:
            try:
                await self._rotate(asker)
            except Conflict:  # another replica was first: its key is as good, and a second one would not be better
                self._read_at = float("-inf")
        self._open(self._signer(await self._ring()))

    @undisputed
    async def rotate(self, asker: Asker) -> str:
        """Add a new key, which will sign after a short notice.

        Returns:
            Its id.

        Raises:
            Conflict: There are many young keys already; wait until tokens of the oldest have expired.
        """
        return await self._rotate(asker)

    async def _rotate(self, asker: Asker) -> str:
        now = self._clock.now()
        private = Ed25519PrivateKey.from_private_bytes(self._chance.token(32))
        kid = new_id(now, self._chance)
        sealed = self._sealer.seal(private.private_bytes_raw(), context=_context(kid), nonce=self._chance.token(12))
        key = SigningKey(kid, private.public_key().public_bytes_raw(), sealed, now)
        entry = await self._rings.load(RING)
        if len((entry.value or KeyRing()).published(now, self._longest)) >= _MOST_KEYS:
            raise Conflict("the key was rotated too often in a short time", hint="wait a few minutes")
        ring = (entry.value or KeyRing()).rotated(key, now=now, lifetime=self._longest)
        signal = said(SIGNING_KEY_ROTATED, entry, SigningKeyRotated(kid=kid), asker=asker, now=now, to=ring)
        self._entry = await self._rings.commit(entry, ring, outbox=[signal])
        self._read_at = self._clock.monotonic()
        return kid

    @undisputed
    async def reseal(self) -> int:
        """Seal the private keys with today's key-encryption key; so many were."""
        entry = await self._rings.load(RING)
        old = entry.value or KeyRing()
        fresh = {key.kid: self._resealed(key) for key in old.keys if not self._sealer.is_current(key.sealed)}
        if fresh:
            ring = KeyRing(tuple(replace(key, sealed=fresh.get(key.kid, key.sealed)) for key in old.keys))
            self._entry = await self._rings.commit(entry, ring)
            self._read_at = self._clock.monotonic()
        return len(fresh)

    def _resealed(self, key: SigningKey) -> bytes:
        raw = self._sealer.unseal(key.sealed, context=_context(key.kid))
        return self._sealer.seal(raw, context=_context(key.kid), nonce=self._chance.token(12))

    async def issue(
        self,
        *,
        subject: str,
        name: str,
        grants: Sequence[Grant],
        proof: Proof = _NOTHING,
        until: datetime | None = None,
    ) -> Issued:
        """A token for a principal.

        Args:
            subject: ``user:<name>``, ``key:<id>`` or ``service:<name>``.
            name: For people.
            grants: With deny rules.
            proof: What they were made from.
            until: It lives no longer than that, nor longer than usual.
        """
        now = self._clock.now()
        lasts = self.lifetime if until is None else min(self.lifetime, max(until - now, _SHORTEST))
        return await self._signed(subject, name, grants, lasts, _origin(subject, proof))

    async def for_run(self, namespace: str, run: str, lifetime: timedelta) -> Issued:
        """A token for the code of a task: it may little, and only in the namespace of its run."""
        grants = [Grant(permission, namespace) for permission in PERMISSIONS]
        more = {"run": run, "sid": f"rt-{new_id(self._clock.now(), self._chance)}"}
        return await self._signed(f"run:{run}", f"run {run}", grants, min(lifetime, LONGEST), more)

    async def _signed(
        self, subject: str, name: str, grants: Sequence[Grant], lasts: timedelta, more: Mapping[str, str | int]
    ) -> Issued:
        now = self._clock.now()
        key = self._signer(await self._ring())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject,
            "name": name,
            "grants": [grant_claim(grant) for grant in grants],
            "iat": int(now.timestamp()),
            "exp": int((now + lasts).timestamp()),
            "jti": new_id(now, self._chance),
            **more,
        }
        token = jwt.encode(claims, self._open(key), algorithm=ALGORITHM, headers={"kid": key.kid})
        return Issued(token, lasts)

    async def jwks(self) -> dict[str, object]:
        """The public keys (RFC 7517) that a verifier needs now."""
        ring = await self._ring()
        return {"keys": [_jwk(key) for key in ring.published(self._clock.now(), self._longest)]}

    async def fetch(self) -> Mapping[str, object]:
        """The same, as the verifier in this process asks for it (``tocsin_kit.web.jwks.KeySource``)."""
        return await self.jwks()

    async def _ring(self) -> KeyRing:
        now = self._clock.monotonic()
        if self._entry is None or now - self._read_at >= _BELIEVED.total_seconds():
            self._entry = await self._rings.load(RING)
            self._read_at = now
        if self._entry.value is None:
            raise Defect("there is no signing key")
        return self._entry.value

    def _signer(self, ring: KeyRing) -> SigningKey:
        key = ring.signer(self._clock.now())
        if key is None:
            raise Defect("no signing key may sign yet")
        return key

    def _open(self, key: SigningKey) -> Ed25519PrivateKey:
        if key.kid not in self._opened:
            raw = self._sealer.unseal(key.sealed, context=_context(key.kid))
            self._opened[key.kid] = Ed25519PrivateKey.from_private_bytes(raw)
        return self._opened[key.kid]


def _origin(subject: str, proof: Proof) -> dict[str, str | int]:
    """What the token was made from; empty members are left out."""
    claims: dict[str, str | int] = {
        "own": "" if proof.holder == subject else proof.holder,
        "sid": proof.session,
        "rev": proof.revision,
        "pol": proof.policy,
    }
    return {name: value for name, value in claims.items() if value}


def _context(kid: str) -> str:
    return f"signing-key/{kid}"


def _jwk(key: SigningKey) -> dict[str, object]:
    x = encode_base64url(key.public)
    return {"kty": "OKP", "crv": "Ed25519", "x": x, "kid": key.kid, "use": "sig", "alg": ALGORITHM, "key_ops": ["verify"]}
