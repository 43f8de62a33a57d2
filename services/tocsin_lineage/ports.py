"""What lineage needs from outside: its assets, what happened to them, foreign events, and the edges of the graph."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from tocsin_kit.store import Entry, Outgoing, Page
from tocsin_lineage.domain.assets import Asset, Happening
from tocsin_lineage.domain.graph import Direction, Edge
from tocsin_lineage.domain.openlineage import LineageEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetSearch:
    """What to look for; ``None`` everywhere is everything."""

    namespaces: frozenset[str] | None = None
    prefixes: tuple[str, ...] = ()
    prefix: str | None = None
    group: str | None = None
    tag: str | None = None
    kind: str | None = None


class AssetStore(Protocol):
    """Assets and what happened to them."""

    async def load(self, namespace: str, key: str) -> Entry[Asset]:
        """The asset, or an entry without value."""
        ...

    async def commit(self, entry: Entry[Asset], asset: Asset | None, outbox: Sequence[Outgoing]) -> Entry[Asset]:
        """Store (``None`` deletes) and say it.

        Raises:
            Conflict: Someone was first.
        """
        ...

    async def record(self, entry: Entry[Asset], asset: Asset, happening: Happening, outbox: Sequence[Outgoing]) -> Entry[Asset]:
        """Store what happened together with the asset that it happened to.

        Raises:
            Conflict: Someone was first.
        """
        ...

    async def known(self, happening_id: str) -> bool:
        """Whether this is recorded already."""
        ...

    async def happenings(self, namespace: str, key: str, *, limit: int, cursor: str | None) -> Page[Happening]:
        """What happened to an asset, newest first."""
        ...

    async def search(self, search: AssetSearch, *, limit: int, cursor: str | None) -> Page[Entry[Asset]]:
        """One page of assets, by key."""
        ...


class EventStore(Protocol):
    """Foreign events, whole."""

    async def keep(self, namespace: str, event_id: str, event: LineageEvent) -> None:
        """Keep an event; one that is there already changes nothing."""
        ...


class EdgeStore(Protocol):
    """The edges of the graph."""

    async def add(self, namespace: str, edges: Iterable[Edge]) -> None:
        """Add edges; those that are there stay."""
        ...

    async def touching(self, namespace: str, nodes: frozenset[str], direction: Direction) -> Sequence[Edge]:
        """Edges that begin (downstream) or end (upstream) at one of ``nodes``; bounded."""
        ...
