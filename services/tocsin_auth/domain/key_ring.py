"""The signing keys: one signs, the ones before and after it are published.

A new key is published before it signs, so that every verifier can have it by then; a retired one stays published until the
last token it signed has expired. So rotation is never an outage.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

NOTICE: Final = timedelta(seconds=15)  # between publishing and signing; above the verifiers' pause between fetches
GRACE: Final = timedelta(minutes=1)  # clocks


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One Ed25519 key.

    Attributes:
        kid: Its id.
        public: 32 bytes.
        sealed: The private key, encrypted.
        signs_from: Signs from then on, until a newer one does.
    """

    kid: str
    public: bytes
    sealed: bytes
    signs_from: datetime


@dataclass(frozen=True, slots=True)
class KeyRing:
    """All keys that matter, oldest first."""

    keys: tuple[SigningKey, ...] = ()

    def signer(self, now: datetime) -> SigningKey | None:
        """The newest key that may sign now; ``None`` in an empty ring."""
        return next((key for key in reversed(self.keys) if key.signs_from <= now), None)

    def rotated(self, new: SigningKey, *, now: datetime, lifetime: timedelta) -> "KeyRing":
        """With a new key, without those whose last token has expired.

        Args:
            new: Signs after :data:`NOTICE`, or at once if it is the first.
            now: The present.
            lifetime: Of a token.
        """
        first = self.signer(now) is None
        return KeyRing((*self.published(now, lifetime), replace(new, signs_from=now if first else now + NOTICE)))

    def published(self, now: datetime, lifetime: timedelta) -> tuple[SigningKey, ...]:
        """The keys that verifiers need: what signs or will sign, and what may have signed a token that is still valid."""
        successors = (*self.keys[1:], None)[: len(self.keys)]
        return tuple(
            key
            for key, successor in zip(self.keys, successors, strict=True)
            if successor is None or successor.signs_from + lifetime + GRACE > now
        )
