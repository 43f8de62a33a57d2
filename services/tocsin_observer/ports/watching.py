"""What watching needs: where signals are kept, and the stream they come from."""

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tocsin_observer.domain.audit import Heard
from tocsin_observer.domain.reading import Gap
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

    def between(self, first: int, last: int) -> AsyncIterator[list[Heard]]:
        """What is kept of the signals at these positions, in order, as they were heard."""
        ...

    async def first(self) -> int | None:
        """Position of the first signal that is kept; ``None`` when there is none."""
        ...

    async def forget(self, before: datetime) -> int:
        """Remove what retention no longer covers; how many."""
        ...


class Places(Protocol):
    """How far each reader of the stream has come."""

    async def load(self, reader: str) -> int | None:
        """Up to where it has read; ``None`` when it never did."""
        ...

    async def keep(self, reader: str, position: int) -> None:
        """Remember it."""
        ...

    async def gaps(self, reader: str) -> Sequence[Gap]:
        """What it never came to see, the last of it."""
        ...

    async def miss(self, reader: str, gap: Gap, *, most: int) -> None:
        """Remember a gap, and at most so many."""
        ...


class SignalStream(Protocol):
    """The stream of all signals."""

    def follow(self, subjects: Sequence[str], *, after: int | None) -> AsyncGenerator[Seen, None]:
        """Signals in order without a gap, from behind ``after`` (``None``: from now) until the reader closes."""
        ...

    def read(self, subjects: Sequence[str], *, after: int, at_once: int = 500) -> AsyncGenerator[list[Heard], None]:
        """The same in batches of at most ``at_once``, each signal with the time at which the stream stored it."""
        ...

    async def retire(self, consumer: str) -> int | None:
        """Delete a durable consumer of an earlier version; up to where it had settled everything, ``None`` if there is none."""
        ...

    async def bounds(self) -> tuple[int, int]:
        """Sequence of the first and of the last signal that the stream has; the last is one below the first when empty."""
        ...
