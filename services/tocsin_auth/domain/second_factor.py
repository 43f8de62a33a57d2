"""Second factors: time-based codes (RFC 6238) and recovery codes. A code works once, whoever saw it.

A code is accepted one step early or late, because clocks differ; a step at or before the latest accepted one never again.
"""

import hashlib
import hmac
import re
from base64 import b32encode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hmac import compare_digest
from typing import Final
from urllib.parse import quote

STEP_SECONDS: Final = 30
DIGITS: Final = 6
_DRIFT: Final = 1  # steps
RECOVERY_CODES: Final = 10
_RECOVERY_BYTES: Final = 10  # 80 bits each: a plain digest is enough to keep
_CODE: Final = re.compile(r"[0-9]{6}")
_RECOVERY: Final = re.compile(r"[a-z2-7]{4}(-[a-z2-7]{4}){3}")


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """What a user proves beside the password.

    Attributes:
        sealed: The shared secret, encrypted.
        confirmed: Whether a code was shown once; before that it is not asked for.
        last_step: The step of the latest accepted code.
        recovery: Digests of the recovery codes that are left.
    """

    sealed: bytes
    confirmed: bool = False
    last_step: int = -1
    recovery: tuple[bytes, ...] = ()

    def with_code(self, secret: bytes, code: str, now: datetime) -> "SecondFactor | None":
        """After this code was used; ``None`` when it is wrong or was used before."""
        present = int(now.timestamp()) // STEP_SECONDS
        if _CODE.fullmatch(code):
            steps = range(max(present - _DRIFT, self.last_step + 1), present + _DRIFT + 1)
            right = [step for step in steps if compare_digest(totp(secret, step), code)]
            return replace(self, last_step=right[0]) if right else None
        given = code.strip().lower()
        if not _RECOVERY.fullmatch(given):
            return None
        digest = recovery_digest(given)
        left = tuple(one for one in self.recovery if not compare_digest(one, digest))
        return replace(self, recovery=left) if len(left) < len(self.recovery) else None


def totp(secret: bytes, step: int, digits: int = DIGITS) -> str:
    """The code of a step (RFC 4226 with SHA-1, which authenticator programs expect)."""
    mac = hmac.new(secret, step.to_bytes(8, "big"), hashlib.sha1).digest()
    at = mac[-1] & 15
    number = int.from_bytes(mac[at : at + 4], "big") & 0x7FFFFFFF
    return str(number % 10**digits).rjust(digits, "0")


def make_recovery_codes(randomness: bytes) -> list[str]:
    """Codes for people to print, from ``RECOVERY_CODES * 10`` unpredictable bytes."""
    assert len(randomness) == RECOVERY_CODES * _RECOVERY_BYTES
    parts = [randomness[at : at + _RECOVERY_BYTES] for at in range(0, len(randomness), _RECOVERY_BYTES)]
    texts = [b32encode(part).decode().lower() for part in parts]
    return ["-".join(text[at : at + 4] for at in range(0, 16, 4)) for text in texts]


def recovery_digest(code: str) -> bytes:
    """What is kept of a recovery code."""
    return hashlib.sha256(b"recovery\x00" + code.encode()).digest()


def recovery_digests(codes: Sequence[str]) -> tuple[bytes, ...]:
    """What is kept of them."""
    return tuple(recovery_digest(code) for code in codes)


def provisioning_uri(name: str, secret: bytes, issuer: str) -> str:
    """The text that authenticator programs read from a QR code."""
    text = b32encode(secret).decode().rstrip("=")
    label = quote(f"{issuer}:{name}", safe=":")
    return f"otpauth://totp/{label}?secret={text}&issuer={quote(issuer)}&algorithm=SHA1&digits={DIGITS}&period={STEP_SECONDS}"
