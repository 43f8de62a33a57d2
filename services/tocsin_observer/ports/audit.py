"""What the audit trail needs: where the chain lies, legal holds, and who signs."""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tocsin.signals.audit_chain import Checkpoint
from tocsin_kit.store import Entry as Stored
from tocsin_kit.store import Outgoing, Page
from tocsin_observer.domain.audit import Entry, Head
from tocsin_observer.domain.holds import Hold


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSearch:
    """What to look for in the audit trail; ``None`` everywhere is everything."""

    namespaces: Collection[str] | None = None
    prefixes: Sequence[str] = ()
    actor: str | None = None
    action: str | None = None
    entity: str | None = None
    entity_id: str | None = None
    type: str | None = None
    outcome: str | None = None
    address: str | None = None
    request: str | None = None
    correlation: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class AuditStore(Protocol):
    """Where the audit chain lies. Writes compare the end of the chain: a deposed writer meets a ``Conflict``."""

    async def head(self) -> Head:
        """The end of the chain; begins one where there is none."""
        ...

    async def append(self, head: Head, entries: Sequence[Entry], after: Head) -> None:
        """Add records behind ``head``; ``after`` is the new end.

        Raises:
            Conflict: The chain does not end there any more.
        """
        ...

    async def seal(self, head: Head, checkpoint: Checkpoint, after: Head) -> None:
        """Keep a checkpoint at the end of the chain; raises as :meth:`append`."""
        ...

    async def publish_key(self, kid: str, public: bytes) -> None:
        """Remember a public key for ever."""
        ...

    async def keys(self) -> dict[str, bytes]:
        """All public keys that ever signed, by id."""
        ...

    async def search(self, search: AuditSearch, *, limit: int, cursor: str | None) -> Page[Entry]:
        """One page of records, newest first."""
        ...

    async def range(self, since: datetime | None, until: datetime | None) -> tuple[int, int]:
        """Numbers of the first and last record stored in a period; the last is one below the first when there is none."""
        ...

    async def hash_before(self, number: int, genesis: bytes) -> bytes:
        """The hash that record ``number`` was written behind."""
        ...

    async def covered_by(self, number: int) -> int:
        """The number of the first checkpoint at or behind a record; the number itself where there is none yet."""
        ...

    async def checkpoints(self, first: int, last: int) -> Sequence[Checkpoint]:
        """Checkpoints at these records."""
        ...

    def entries(self, first: int, last: int) -> AsyncIterator[Entry]:
        """Records in order."""
        ...

    async def expired(self, before: datetime, *, after: int, limit: int) -> Sequence[Entry]:
        """Records in full that were stored before an instant, behind number ``after``, in order."""
        ...

    async def erase(self, numbers: Sequence[int]) -> None:
        """Leave of these records no more than the digest and the hash."""
        ...

    async def cut(self) -> None:
        """Remove the beginning of the chain up to the last checkpoint before which nothing but digests is left."""
        ...


class HoldStore(Protocol):
    """Legal holds."""

    async def load(self, name: str) -> Stored[Hold]:
        """The hold, or an entry without value."""
        ...

    async def commit(self, entry: Stored[Hold], hold: Hold | None, outbox: Sequence[Outgoing]) -> Stored[Hold]:
        """Store (``None`` releases) and say it."""
        ...

    async def all(self) -> Sequence[Stored[Hold]]:
        """All of them, by name."""
        ...


class CheckpointSigner(Protocol):
    """Signs checkpoints."""

    @property
    def kid(self) -> str:
        """Id of its key."""
        ...

    @property
    def public(self) -> bytes:
        """Its public key, 32 bytes."""
        ...

    def sign(self, message: bytes) -> bytes:
        """An Ed25519 signature, 64 bytes."""
        ...
