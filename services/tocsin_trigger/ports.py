"""What the trigger service needs from outside: its stores, the bus, a cipher for secrets."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeAlias

from tocsin.expressions import Json
from tocsin.signals import CloudEvent
from tocsin_kit.store import Change, Creation, Entry, Outgoing, Page
from tocsin_trigger.domain.events import Decision, Gathering, Received
from tocsin_trigger.domain.grouping import Slot
from tocsin_trigger.domain.sources import WatchedSource
from tocsin_trigger.domain.triggers import JwtScheme, Trigger
from tocsin_trigger.domain.watching import Item, Look, Watch
from tocsin_trigger.domain.wishes import Wish


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerSearch:
    """Which triggers; ``None`` is no condition.

    Attributes:
        namespaces: Exact namespaces.
        prefixes: Namespaces that begin so.
        kind: ``webhook`` or ``event``.
        workflow: Name of what is started.
    """

    namespaces: frozenset[str] | None = None
    prefixes: tuple[str, ...] = ()
    kind: str | None = None
    workflow: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSearch:
    """Which events; ``None`` is no condition.

    Attributes:
        namespaces: Exact namespaces.
        prefixes: Namespaces that begin so.
        type: CloudEvents type.
        trigger: Name of a trigger that decided about it, or that it came by.
        outcome: Of a decision; or the code of a refusal.
        refused: Only refused ones, or only accepted ones.
        since: Received at or after.
        until: Received before.
    """

    namespaces: frozenset[str] | None = None
    prefixes: tuple[str, ...] = ()
    type: str | None = None
    trigger: str | None = None
    outcome: str | None = None
    refused: bool | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All triggers as they are now; what was known before is void.

    Attributes:
        entries: Those that were not known as they are.
        same: Keys of those that were.
    """

    entries: Sequence[Entry[Trigger]]
    same: frozenset[str] = frozenset()


Known: TypeAlias = Mapping[str, tuple[str, int]]  # a trigger's key: its id, and which state of it


class TriggerStore(Protocol):
    """Triggers."""

    async def load(self, key: str) -> Entry[Trigger]:
        """The trigger, or an entry without value."""
        ...

    async def commit(self, entry: Entry[Trigger], trigger: Trigger | None, outbox: Sequence[Outgoing]) -> Entry[Trigger]:
        """Store (``None`` deletes) and say it.

        Raises:
            Conflict: Someone was first.
        """
        ...

    async def page(self, search: TriggerSearch, *, limit: int, cursor: str | None) -> Page[Entry[Trigger]]:
        """A page, by namespace and name."""
        ...

    async def snapshot(self) -> Snapshot:
        """All of them."""
        ...

    def follow(self, known: Callable[[], Known]) -> AsyncIterator[Snapshot | Entry[Trigger]]:
        """A snapshot, then each change by any replica, without a gap.

        Args:
            known: Says which states need not be read.

        Raises:
            Unavailable: The database was lost; follow again.
        """
        ...


class EventStore(Protocol):
    """What came in."""

    async def record(self, creations: Sequence[Creation[Received]]) -> set[str]:
        """Store many with what is to be said; on disk when it returns.

        Returns:
            Keys that were there before and were left alone.
        """
        ...

    async def repeated(self, key: str, at: datetime) -> None:
        """Count that it was sent again."""
        ...

    async def load(self, key: str) -> Entry[Received]:
        """The event, or an entry without value."""
        ...

    async def load_many(self, keys: Sequence[str]) -> dict[str, Received]:
        """Those of these events that there are."""
        ...

    async def mark(self, entry: Entry[Received], received: Received) -> None:
        """Store what became of its runs.

        Raises:
            Conflict: Someone else did something about it.
        """
        ...

    async def attempts(self, name: str, trigger: str, until: datetime, limit: int) -> list[Decision]:
        """What a trigger (its name and id) started, or failed to, up to then: the newest first."""
        ...

    async def page(self, search: EventSearch, *, limit: int, cursor: str | None) -> Page[Entry[Received]]:
        """A page, newest first."""
        ...


class GroupStore(Protocol):
    """What triggers remember, and what came of it."""

    async def load_many(self, keys: Sequence[str]) -> dict[str, Entry[Slot]]:
        """Those of these groups that there are."""
        ...

    async def due(self, until: datetime, limit: int) -> list[Entry[Slot]]:
        """Groups that time alone changes by then, the earliest first."""
        ...

    async def count(self, trigger: str, since: datetime, most: int) -> int:
        """How many groups of a trigger (its id) were touched since then; counting ends at ``most``."""
        ...

    async def held_by(self, trigger: str, limit: int) -> list[Slot]:
        """What a trigger (its id) holds now, in no order."""
        ...

    async def load_gathering(self, key: str) -> Entry[Gathering]:
        """What came of a group, or an entry without value."""
        ...

    async def mark(self, entry: Entry[Gathering], gathering: Gathering) -> None:
        """Store what became of its run.

        Raises:
            Conflict: Someone else did something about it.
        """
        ...

    async def gatherings_of(self, event: str) -> list[Gathering]:
        """What an event was a part of, for every trigger."""
        ...

    async def commit(
        self,
        records: Sequence[Creation[Received]],
        gatherings: Sequence[Creation[Gathering]],
        slots: Sequence[Change[Slot]],
    ) -> None:
        """Store all of it, or nothing; on disk when it returns.

        Raises:
            Conflict: A group was changed, or an event recorded, by someone else; decide again.
        """
        ...


class EventBus(Protocol):
    """Where custom events go."""

    @property
    def connected(self) -> bool:
        """Whether it can take something now."""
        ...

    async def publish(self, namespace: str, events: Sequence[CloudEvent]) -> None:
        """Publish; on disk when it returns.

        Raises:
            Unavailable: Not all were stored.
        """
        ...


class ForeignTokens(Protocol):
    """Tokens of other issuers."""

    async def verify(self, scheme: JwtScheme, token: str) -> str:
        """Who sends, as the token proves it.

        Raises:
            SignatureInvalid: It proves nothing here.
            Unavailable: The issuer's keys cannot be had now.
        """
        ...


class WatchStore(Protocol):
    """What is known about what triggers watch."""

    async def load(self, key: str) -> Entry[Watch]:
        """Of this trigger (its id), or an entry without value."""
        ...

    async def commit(self, entry: Entry[Watch], watch: Watch) -> Entry[Watch]:
        """Store it.

        Raises:
            Conflict: Another replica was first.
        """
        ...


class WishStore(Protocol):
    """What definitions ask for."""

    async def load(self, key: str) -> Entry[Wish]:
        """Of this definition (namespace/name), or an entry without value."""
        ...

    async def commit(self, entry: Entry[Wish], wish: Wish) -> Entry[Wish]:
        """Store it.

        Raises:
            Conflict: Another replica was first.
        """
        ...


class Sensors(Protocol):
    """Look at what is outside."""

    async def look(self, trigger: Trigger, source: WatchedSource, cursor: Json, now: datetime) -> Look:
        """What is new.

        Args:
            trigger: Whose it is.
            source: Where to look.
            cursor: Of the last look; ``None`` for the first one.
            now: The present.

        Raises:
            Unavailable: It does not answer.
            Rejected: It can never be looked at like this.
        """
        ...

    async def accepted(self, source: WatchedSource, items: Sequence[Item]) -> None:
        """The events of these are on disk; do with them what the source asks for."""
        ...


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a run ended.

    Attributes:
        status: ``completed``, ``faulted`` or ``cancelled``.
        output: Of a completed one.
    """

    status: str
    output: Json


class Results(Protocol):
    """What becomes of runs."""

    @property
    def offered(self) -> bool:
        """Whether anybody can wait."""
        ...

    async def wait(self, run: str, within: timedelta) -> RunEnd | None:
        """How a run ended; ``None`` when it has not by then."""
        ...


class Listening(Protocol):
    """What the service is given of the platform's signals."""

    async def widen(self) -> None:
        """Make sure that nothing is missing that a trigger listens to.

        Raises:
            Unavailable: The bus does not answer.
        """
        ...


class Progress(Protocol):
    """How far the events of the bus have been decided."""

    async def horizon(self, now: datetime) -> datetime | None:
        """Every event that was stored before this has been decided; ``None`` while that is not known of any time.

        Raises:
            Unavailable: The bus does not answer.
        """
        ...


class Cipher(Protocol):
    """Encrypts secrets at rest."""

    def seal(self, text: str, context: str) -> bytes:
        """Encrypt ``text`` so that it opens in this context only."""
        ...

    def unseal(self, sealed: bytes, context: str) -> str:
        """The reverse.

        Raises:
            Defect: It was sealed with another key or for another context.
        """
        ...
