"""API keys as text: ``tcn_<id>_<secret><checksum>``.

The prefix lets scanners find leaked keys, the id finds the record without a search over hashes, and the checksum refuses
typing mistakes without asking anybody. The secret is 32 random bytes, so a plain SHA-256 of it is enough to store.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Final

from tocsin_kit.web.encoding import checksum, encode_base62

PREFIX: Final = "tcn_"
_SECRET_WIDTH: Final = 43  # 256 bits in base 62
_KEY: Final = re.compile(rf"tcn_([0-9a-z]{{26}})_([0-9A-Za-z]{{{_SECRET_WIDTH}}})([0-9A-Za-z]{{6}})")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """The parts of a key; neither ``repr`` nor ``str`` shows the secret.

    Attributes:
        id: Public; names the key in lists, signals and logs.
        secret: The rest.
    """

    id: str
    secret: str

    def __repr__(self) -> str:
        return f"ApiKey(id={self.id!r})"

    @property
    def text(self) -> str:
        """The whole key, to be shown once."""
        return f"{PREFIX}{self.id}_{self.secret}{checksum(self.id + self.secret)}"

    @property
    def digest(self) -> bytes:
        """What the auth service keeps: 32 bytes."""
        return hashlib.sha256(self.secret.encode()).digest()


def make_api_key(key_id: str, randomness: bytes) -> ApiKey:
    """A new key.

    Args:
        key_id: 26 lower-case characters (``tocsin_kit.chance.new_id``).
        randomness: 32 unpredictable bytes.
    """
    assert len(randomness) == 32
    return ApiKey(id=key_id, secret=encode_base62(int.from_bytes(randomness, "big"), _SECRET_WIDTH))


def parse_api_key(text: str) -> ApiKey | None:
    """The key in ``text``, or ``None`` when it is mistyped, truncated or no key at all."""
    match = _KEY.fullmatch(text)
    if match is None or checksum(match[1] + match[2]) != match[3]:
        return None
    return ApiKey(id=match[1], secret=match[2])
