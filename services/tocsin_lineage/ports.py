"""What lineage needs from outside: assets and their partitions, what happened to them, foreign events, and the graph."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from tocsin.signals import Json
from tocsin_kit.store import Entry, Outgoing, Page
from tocsin_lineage.domain.assets import Act, Asset, Condition, Happening, Slot
from tocsin_lineage.domain.causes import Clockwork, Maker, Wait
from tocsin_lineage.domain.checks import CheckResult
from tocsin_lineage.domain.columns import ColumnEdge
from tocsin_lineage.domain.graph import Direction, Edge
from tocsin_lineage.domain.openlineage import LineageEvent
from tocsin_lineage.domain.schema_history import SchemaVersion

Place = tuple[str, str]
"""Namespace and key of an asset."""

SlotPlace = tuple[str, str, str]
"""Namespace and key of an asset, and the key of a partition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetSearch:
    """What to look for; ``None`` everywhere is everything."""

    namespaces: frozenset[str] | None = None
    prefixes: tuple[str, ...] = ()
    prefix: str | None = None
    group: str | None = None
    tag: str | None = None
    kind: str | None = None
    state: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HappeningSearch:
    """Which happenings.

    Attributes:
        namespace: Of the asset.
        key: The asset's.
        partition: Of one partition; ``None`` for any.
        acts: Of these kinds; empty for any.
        until: Up to this instant; ``None`` for now.
        since: From this instant on.
    """

    namespace: str
    key: str
    partition: str | None = None
    acts: tuple[Act, ...] = ()
    until: datetime | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """A condition that was looked at.

    Attributes:
        id: Derived from the cause.
        namespace: Of the asset.
        asset: Its key.
        partition: For which partition.
        at: When.
        cause: Id of the signal or instant that made it be looked at.
        finding: What it came to, see ``automation.Finding``.
        run: The run that was started; ``None`` for none.
    """

    id: str
    namespace: str
    asset: str
    partition: str
    at: datetime
    cause: str
    finding: Mapping[str, Json]
    run: str | None


@dataclass(slots=True)
class Changes:
    """Everything that one decision stores together.

    Attributes:
        assets: Entries as they were read, what becomes of them, and what is said.
        slots: The same of partitions; commands leave with them.
        happenings: New ones, by asset.
        checks: New results, by asset.
        schemas: New versions of columns, by asset.
        evaluations: Conditions that were looked at.
    """

    assets: list[tuple[Entry[Asset], Asset | None, Sequence[Outgoing]]] = field(default_factory=list)
    slots: list[tuple[Entry[Slot], Slot, Sequence[Outgoing]]] = field(default_factory=list)
    happenings: list[tuple[Place, Happening]] = field(default_factory=list)
    checks: list[tuple[Place, CheckResult]] = field(default_factory=list)
    schemas: list[tuple[Place, SchemaVersion]] = field(default_factory=list)
    evaluations: list[Evaluation] = field(default_factory=list)


class AssetStore(Protocol):
    """Assets, their partitions, and what happened to them."""

    async def load(self, namespace: str, key: str) -> Entry[Asset]:
        """The asset, or an entry without value."""
        ...

    async def load_many(self, places: Collection[Place]) -> Mapping[Place, Entry[Asset]]:
        """Each of them, as :meth:`load`."""
        ...

    async def load_slots(self, places: Collection[SlotPlace]) -> Mapping[SlotPlace, Entry[Slot]]:
        """Each of these partitions, or entries without value."""
        ...

    async def commit(self, entry: Entry[Asset], asset: Asset | None, outbox: Sequence[Outgoing]) -> Entry[Asset]:
        """Store (``None`` deletes) and say it.

        Raises:
            Conflict: Someone was first.
        """
        ...

    async def commit_together(self, changes: Changes) -> None:
        """Store all of it, or nothing.

        Raises:
            Conflict: Someone was first with a part of it.
        """
        ...

    async def known(self, happenings: Collection[str], checks: Collection[str]) -> frozenset[str]:
        """Which of these happenings and check results are recorded already."""
        ...

    async def happenings(self, search: HappeningSearch, *, limit: int, cursor: str | None) -> Page[Happening]:
        """What happened to an asset, newest first."""
        ...

    async def of_run(self, run: str, limit: int) -> Sequence[tuple[Place, Happening]]:
        """What a run wrote and read."""
        ...

    async def search(self, search: AssetSearch, *, limit: int, cursor: str | None) -> Page[Entry[Asset]]:
        """One page of assets, by key."""
        ...

    async def kinds(self, namespace: str, keys: Collection[str]) -> Mapping[str, tuple[str | None, str]]:
        """Kind and freshness of those assets that there are."""
        ...

    async def downstream(self, namespace: str, key: str) -> Sequence[Asset]:
        """Assets that are declared to be made of this one."""
        ...

    async def due(self, now: datetime, limit: int) -> Sequence[Place]:
        """Assets whose freshness has to be judged, the longest overdue first."""
        ...

    async def automation_due(self, now: datetime, limit: int) -> Sequence[Place]:
        """Assets whose condition has to be looked at."""
        ...

    async def slots(
        self, namespace: str, key: str, *, condition: Condition | None, limit: int, cursor: str | None
    ) -> Page[Slot]:
        """Partitions that something is known about, by key."""
        ...

    async def slots_of(self, run: str) -> Sequence[SlotPlace]:
        """The partitions that a run was started for from here."""
        ...

    async def slot_keys(self, namespace: str, key: str, limit: int) -> Sequence[str]:
        """Keys of those that were written or registered, in order."""
        ...

    async def checks(
        self, namespace: str, key: str, *, check: str | None, until: datetime | None, limit: int, cursor: str | None
    ) -> Page[CheckResult]:
        """Results of the checks of an asset, newest first."""
        ...

    async def forget(self, before: datetime) -> int:
        """Forget happenings and check results of before an instant; how many these were."""
        ...

    async def schemas(self, namespace: str, key: str, *, limit: int, cursor: str | None) -> Page[SchemaVersion]:
        """Versions of the columns of an asset, newest first."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSearch:
    """Which foreign events; all of it must hold."""

    namespace: str
    job: str | None = None
    run: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class KeptEvent:
    """A foreign event and its id here."""

    id: str
    event: LineageEvent


class EventStore(Protocol):
    """Foreign events, whole."""

    async def page(self, search: EventSearch, *, limit: int, cursor: str | None) -> Page[KeptEvent]:
        """Events as they came, newest first."""
        ...

    async def forget(self, before: datetime) -> int:
        """Forget events of before an instant; how many these were."""
        ...

    async def keep_many(self, events: Sequence[tuple[str, str, LineageEvent]]) -> None:
        """Keep events (namespace, id, event); one that is there already changes nothing."""
        ...


class GraphStore(Protocol):
    """The edges of the graph: between assets and jobs, and between columns."""

    async def add(self, namespace: str, edges: Iterable[tuple[Edge, datetime]]) -> None:
        """Add edges, each with the instant it was seen; those that are there are known to be younger."""
        ...

    async def declare(self, namespace: str, target: str, edges: Sequence[Edge], at: datetime) -> None:
        """What a person says asset ``target`` is made of; replaces what was declared for it before, unless that is newer."""
        ...

    async def touching(
        self, namespace: str, nodes: frozenset[str], direction: Direction, since: datetime | None, until: datetime | None
    ) -> Sequence[Edge]:
        """Edges that begin (downstream) or end (upstream) at one of ``nodes``, seen in that span; bounded."""
        ...

    async def add_columns(self, namespace: str, edges: Iterable[tuple[ColumnEdge, datetime]]) -> None:
        """The same for columns."""
        ...

    async def touching_columns(self, namespace: str, nodes: frozenset[str], direction: Direction) -> Sequence[ColumnEdge]:
        """The same for columns."""
        ...

    async def writers(self, namespace: str, key: str) -> Sequence[str]:
        """The jobs that write an asset."""
        ...


class FactStore(Protocol):
    """What signals of others tell: who makes an asset, how their runs end, which schedules start them."""

    async def run_is(self, maker: Maker, *, position: datetime) -> None:
        """A run of a workflow has come to this status; older news changes nothing."""
        ...

    async def schedule_is(self, namespace: str, schedule: Clockwork, *, position: datetime) -> None:
        """A schedule has come to this."""
        ...

    async def schedule_gone(self, namespace: str, name: str) -> None:
        """A schedule is no more."""
        ...

    async def declared(self, namespace: str, workflow: str, version: str, writes: Mapping[str, Sequence[Place]]) -> None:
        """The newest version of a workflow writes these assets, by task; replaces what was declared before."""
        ...

    async def makers(self, namespace: str, key: str) -> Sequence[Maker]:
        """Workflows that are declared to write an asset, with their latest runs."""
        ...

    async def written_by(self, namespace: str, workflow: str) -> Sequence[Place]:
        """The assets that a workflow is declared to write."""
        ...

    async def makes(self, namespace: str, workflow: str) -> None:
        """A workflow has written something, declared or not."""
        ...

    async def is_maker(self, namespace: str, workflow: str) -> bool:
        """Whether a workflow is known to write, or declared to make, any asset; as of a second ago."""
        ...

    async def runs_of(self, workflows: Collection[Place]) -> Sequence[Maker]:
        """The latest runs of these workflows (namespace and name), known or not."""
        ...

    async def schedules_of(self, workflows: Collection[Place]) -> Sequence[Clockwork]:
        """The schedules that start these workflows."""
        ...


class Waits(Protocol):
    """What runs wait for, as the executor says."""

    async def of(self, workflows: Collection[Place]) -> Sequence[Wait]:
        """Of the newest runs of these workflows that have not ended; nothing where nobody can be asked."""
        ...


class EvaluationStore(Protocol):
    """Every evaluation, for a month."""

    async def keep(self, evaluations: Sequence[Evaluation]) -> None:
        """Keep them; one that is there already changes nothing."""
        ...

    async def known(self, ids: Collection[str]) -> frozenset[str]:
        """Which of these are kept already."""
        ...

    async def page(
        self, namespace: str, key: str, *, partition: str | None, limit: int, cursor: str | None
    ) -> Page[Evaluation]:
        """Of an asset, newest first."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Emission:
    """An OpenLineage event that has to be sent.

    Attributes:
        id: Of the signal that it tells.
        body: Its bytes.
        attempts: So far.
    """

    id: str
    body: bytes
    attempts: int = 0


class EmissionStore(Protocol):
    """What has to be sent, until it is."""

    async def keep(self, emissions: Sequence[Emission], at: datetime) -> None:
        """Keep them in order; those that are there stay as they are."""
        ...

    async def next(self, now: datetime, limit: int) -> Sequence[Emission]:
        """Those that are due, the oldest first."""
        ...

    async def claim(self, emission: Emission, now: datetime, until: datetime) -> bool:
        """Whether it is still due, and nobody else's until then."""
        ...

    async def sent(self, emission: Emission) -> None:
        """It is delivered, or will never be."""
        ...

    async def later(self, emission: Emission, at: datetime, error: str) -> None:
        """It was not taken; try again then."""
        ...


class Receiver(Protocol):
    """The other side of emission."""

    async def send(self, body: bytes) -> None:
        """Send one event.

        Raises:
            Rejected: It is not wanted, now or ever.
            Unavailable: Not now.
        """
        ...
