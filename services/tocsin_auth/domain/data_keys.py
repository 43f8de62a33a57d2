"""Data keys: each encrypts many values and is itself wrapped by the key-encryption key.

One is active, older ones still open what was sealed with them; they go when nothing is sealed with them any more and every
replica has long noticed the newer one.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

SETTLED: Final = timedelta(minutes=10)  # by then no replica seals with the one before


@dataclass(frozen=True, slots=True)
class DataKey:
    """One 256-bit key.

    Attributes:
        id: Its name in what it seals.
        wrapped: The key, encrypted.
        made_at: When.
    """

    id: str
    wrapped: bytes
    made_at: datetime


@dataclass(frozen=True, slots=True)
class DataKeyRing:
    """All data keys, oldest first."""

    keys: tuple[DataKey, ...] = ()

    @property
    def active(self) -> DataKey | None:
        """The one that seals."""
        return self.keys[-1] if self.keys else None

    def get(self, key: str) -> DataKey | None:
        """A key by its id."""
        return next((one for one in self.keys if one.id == key), None)

    def with_key(self, key: DataKey) -> "DataKeyRing":
        """With a new active key."""
        return DataKeyRing((*self.keys, key))

    def rewrapped(self, wrapped: dict[str, bytes]) -> "DataKeyRing":
        """With other wrappings of the same keys, by id."""
        return DataKeyRing(tuple(replace(key, wrapped=wrapped.get(key.id, key.wrapped)) for key in self.keys))

    def without_unused(self, used: Collection[str], now: datetime) -> "DataKeyRing":
        """Without the keys that seal nothing and whose successor is settled."""
        successors = (*self.keys[1:], None)[: len(self.keys)]
        return DataKeyRing(
            tuple(
                key
                for key, successor in zip(self.keys, successors, strict=True)
                if successor is None or key.id in used or successor.made_at + SETTLED > now
            )
        )
