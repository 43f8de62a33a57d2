"""What the auth service needs of the world."""

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

from tocsin.signals.kinds import JsonValue
from tocsin_auth.domain.oidc import Provider
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

    def is_current(self, sealed: bytes) -> bool:
        """Whether it was sealed with the key that seals today."""
        ...


class IdentityProvider(Protocol):
    """Where people of an organisation log in."""

    async def discover(self) -> Provider:
        """What it says of itself.

        Raises:
            Unavailable: It does not answer.
        """
        ...

    async def redeem(self, code: str, *, verifier: str, redirect_uri: str) -> Mapping[str, object]:
        """The verified claims of the ID token that a code is worth.

        Raises:
            Unauthenticated: It is worth nothing.
            Unavailable: The provider does not answer.
        """
        ...


class Teller(Protocol):
    """Has every service look at the revocations anew."""

    async def tell(self) -> None:
        """There is something new. Best effort: services also look by themselves every few seconds."""
        ...


class KeyWrapper(Protocol):
    """The key-encryption key, wherever it is: here, or in a key management service that never gives it out."""

    async def wrap(self, raw: bytes, *, context: str) -> bytes:
        """Encrypt a data key.

        Raises:
            Unavailable: The service does not answer.
        """
        ...

    async def unwrap(self, wrapped: bytes, *, context: str) -> bytes:
        """Decrypt it.

        Raises:
            Unavailable: The service does not answer.
            Defect: It was wrapped with a key that is not there any more.
        """
        ...

    def is_current(self, wrapped: bytes) -> bool:
        """Whether it was wrapped with the key that wraps today."""
        ...


class SecretSource(Protocol):
    """A place outside where values are."""

    async def read(self, path: str, member: str | None) -> JsonValue:
        """The value now; ``None`` when there is nothing.

        Args:
            path: Checked (``domain.secrets.checked_reference``).
            member: Of the object that is there, or ``None`` for all of it.

        Raises:
            Unavailable: The place does not answer, or not with something that can be read.
        """
        ...
