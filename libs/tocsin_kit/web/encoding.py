"""Base64url and base 62, strictly: what has two spellings can slip past a check that compares one of them."""

import re
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]*")
_BASE62: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def decode_base64url(text: str) -> bytes | None:
    """The bytes of canonical, unpadded base64url (RFC 7515, section 2); ``None`` for any other spelling."""
    if not _BASE64URL.fullmatch(text) or len(text) % 4 == 1:
        return None
    raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    return raw if encode_base64url(raw) == text else None


def encode_base64url(raw: bytes) -> str:
    """Canonical, unpadded base64url."""
    return urlsafe_b64encode(raw).decode().rstrip("=")


def encode_base62(number: int, width: int) -> str:
    """``number`` in digits and letters, filled with zeros to ``width``."""
    digits = []
    while number:
        number, digit = divmod(number, 62)
        digits.append(_BASE62[digit])
    return "".join(reversed(digits)).rjust(width, "0")


def checksum(text: str) -> str:
    """Six characters that tell a mistyped or truncated key from a wrong one (CRC-32 in base 62); no security."""
    return encode_base62(zlib.crc32(text.encode()), 6)
