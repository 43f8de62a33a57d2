"""What the auth service needs of the world."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from tocsin_kit.store import Entry, Filter, Outgoing, Page, Sort

T = TypeVar("T")


class Records(Protocol[T]):
    """Entities of one kind, each with a revision and an outbox (``tocsin_kit.store.Repository``)."""

    async def load(self, key: str) -> Entry[T]:
        """What is under ``key``, also when nothing is."""
        ...

    async def load_many(self, keys: Sequence[str]) -> dict[str, Entry[T]]:
        """Those of ``keys`` that there are."""
        ...

    async def find(self, where: Filter, *, limit: int = 1000) -> list[Entry[T]]:
        """Those that match, by key."""
        ...

    async def page(self, where: Filter, *, sort: Sort, limit: int, cursor: str | None) -> Page[Entry[T]]:
        """One page of those that match."""
        ...

    async def commit(self, entry: Entry[T], value: T | None, *, outbox: Sequence[Outgoing] = ()) -> Entry[T]:
        """Store the new state (``None`` deletes) with what is to be said about it.

        Raises:
            Conflict: Someone else was first.
        """
        ...


class PasswordHasher(Protocol):
    """Slow on purpose; does its work outside the loop."""

    async def hash(self, password: str) -> str:
        """A salted, encoded hash."""
        ...

    async def verify(self, encoded: str | None, password: str) -> bool:
        """Whether ``password`` belongs to the hash; with ``None`` the same work is done for nothing."""
        ...

    def is_outdated(self, encoded: str) -> bool:
        """Whether the hash was made with weaker parameters than today's."""
        ...


class Sealer(Protocol):
    """Authenticated encryption under the key-encryption key."""

    def seal(self, plain: bytes, *, context: str, nonce: bytes) -> bytes:
        """Encrypt; only the same ``context`` opens it again. ``nonce``: 12 fresh random bytes."""
        ...

    def unseal(self, sealed: bytes, *, context: str) -> bytes:
        """Decrypt.

        Raises:
            Defect: It was sealed with another key or for another context.
        """
        ...
