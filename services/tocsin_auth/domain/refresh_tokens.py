"""Refresh tokens as text: ``tcr_<session>_<secret>``; only the digest of the secret is kept."""

import hashlib
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import Final

_TOKEN: Final = re.compile(r"tcr_([0-9a-z]{26})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """The parts of a token; ``repr`` does not show the secret.

    Attributes:
        session: Id of the session.
        secret: The rest.
    """

    session: str
    secret: str

    def __repr__(self) -> str:
        return f"RefreshToken(session={self.session!r})"

    @property
    def text(self) -> str:
        """The whole token."""
        return f"tcr_{self.session}_{self.secret}"

    @property
    def digest(self) -> bytes:
        """What is kept: SHA-256 is enough for 256 random bits."""
        return hashlib.sha256(self.secret.encode()).digest()


def make_refresh_token(session: str, randomness: bytes) -> RefreshToken:
    """A new token from 32 unpredictable bytes."""
    assert len(randomness) == 32
    return RefreshToken(session, urlsafe_b64encode(randomness).decode().rstrip("="))


def parse_refresh_token(text: str) -> RefreshToken | None:
    """The token in ``text``, or ``None`` when it is none."""
    match = _TOKEN.fullmatch(text)
    return RefreshToken(match[1], match[2]) if match else None
