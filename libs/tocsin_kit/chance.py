"""The one place that draws: samples, tokens and new ids come from a :class:`Chance`, so that a test can repeat them."""

import random
import secrets
from datetime import datetime
from typing import Protocol

# Crockford's base 32 without the letters that read like digits: ids sort by time and survive being read aloud.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


class Chance(Protocol):
    """A source of randomness."""

    def sample(self) -> float:
        """A number in [0, 1). Not for secrets."""
        ...

    def token(self, size: int) -> bytes:
        """``size`` unpredictable bytes, fit for secrets."""
        ...


class SystemChance:
    """The operating system's randomness."""

    def sample(self) -> float:
        """A number in [0, 1). Not for secrets."""
        return random.random()

    def token(self, size: int) -> bytes:
        """``size`` unpredictable bytes, fit for secrets."""
        return secrets.token_bytes(size)


class SeededChance:
    """Repeatable randomness for tests and simulations; never for secrets."""

    def __init__(self, seed: int) -> None:
        """Start the sequence that belongs to ``seed``."""
        self._random = random.Random(seed)

    def sample(self) -> float:
        """A number in [0, 1)."""
        return self._random.random()

    def token(self, size: int) -> bytes:
        """``size`` bytes of the seeded sequence."""
        return self._random.randbytes(size)


def new_id(now: datetime, chance: Chance) -> str:
    """A new id of 26 characters that sorts by the time it was made (the ULID layout, in lower case).

    Args:
        now: Aware instant; its milliseconds make the first 10 characters.
        chance: Source of the remaining 80 bits.
    """
    number = int(now.timestamp() * 1000) << 80 | int.from_bytes(chance.token(10), "big")
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))
