"""What the observer needs: where signals and the audit trail are kept, the stream they come from, and who signs."""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tocsin.signals.audit_chain import Checkpoint
from tocsin_kit.store import Entry as Stored
from tocsin_kit.store import Outgoing, Page
from tocsin_observer.domain.audit import Entry, Head, Heard
from tocsin_observer.domain.holds import Hold
from tocsin_observer.domain.records import SignalRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What to look for; ``None`` everywhere is everything.

    Attributes:
        namespaces: Only these; ``None`` for all.
        prefixes: Namespaces that begin with one of these too; only beside ``namespaces``.
        entity: Kind of thing.
        entity_id: One thing.
        type: CloudEvents type.
        correlation: One flow.
        actor: Who asked for it.
        with_actor: Only those that somebody asked for.
        since: Not before.
        until: Before.
    """

    namespaces: Collection[str] | None = None
    prefixes: Sequence[str] = ()
    entity: str | None = None
    entity_id: str | None = None
    type: str | None = None
    correlation: str | None = None
    actor: str | None = None
    with_actor: bool = False
    since: datetime | None = None
    until: datetime | None = None


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


@dataclass(frozen=True, slots=True)
class Found:
    """One page of signals, newest first."""

    records: Sequence[SignalRecord]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Seen:
    """A signal in the live stream."""

    position: int
    subject: str
    event: bytes


class SignalStore(Protocol):
    """Where signals are kept."""

    async def keep(self, records: Sequence[SignalRecord]) -> None:
        """Keep them; one that is there already changes nothing."""
        ...

    async def search(self, search: Search, *, limit: int, cursor: str | None) -> Found:
        """One page of what matches, newest first.

        Raises:
            InvalidCursor: The cursor is not from this search.
        """
        ...

    async def forget(self, before: datetime) -> int:
        """Remove what retention no longer covers; how many."""
        ...


class SignalStream(Protocol):
    """The stream of all signals."""

    def follow(self, subjects: Sequence[str], *, after: int | None) -> AsyncIterator[Seen]:
        """Signals in order without a gap, from behind ``after`` (``None``: from now) until the reader closes."""
        ...

    def read(self, subjects: Sequence[str], *, after: int) -> AsyncIterator[list[Heard]]:
        """The same in batches, each signal with the time at which the stream stored it."""
        ...

    async def bounds(self) -> tuple[int, int]:
        """Sequence of the first and of the last signal that the stream has; the last is one below the first when empty."""
        ...


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
