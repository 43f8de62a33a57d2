"""Assets, happenings, foreign events and edges in MongoDB."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from pymongo import UpdateOne

from tocsin.signals import derive
from tocsin_kit.store import (
    AlreadyExists,
    Database,
    Document,
    Entry,
    Filter,
    Outgoing,
    Page,
    Relay,
    Repository,
    Sort,
    fetch_page,
    translated,
)
from tocsin_kit.store.indexes import Index, ensure_indexes
from tocsin_lineage.domain.assets import Act, Asset, Happening
from tocsin_lineage.domain.graph import NODES, Direction, Edge
from tocsin_lineage.domain.openlineage import LineageEvent
from tocsin_lineage.ports import AssetSearch

ASSETS = "assets"
HAPPENINGS = "happenings"
EVENTS = "events"
EDGES = "edges"
INDEXES: Mapping[str, Sequence[Index]] = {
    ASSETS: (Index(("v.namespace", "v.key")), Index(("v.namespace", "v.group")), Index(("v.namespace", "v.tags"))),
    HAPPENINGS: (Index(("asset", "-at", "-_id")), Index(("run",))),
    EVENTS: (Index(("namespace", "-time")), Index(("run",)), Index(("job", "-time"))),
    EDGES: (Index(("namespace", "source")), Index(("namespace", "target"))),
}


def asset_id(namespace: str, key: str) -> str:
    """The document of an asset; a namespace holds no slash, so the first one parts the two."""
    return f"{namespace}/{key}"


class MongoAssetStore:
    """The collections ``assets`` and ``happenings``.

    Args:
        database: Lineage's database.
        relay: Told about each commit.
    """

    def __init__(self, database: Database, relay: Relay) -> None:
        self._database = database
        self._assets: Repository[Asset] = Repository(
            database, ASSETS, encode=_asset_document, decode=_read_asset, wake=relay.wake
        )

    async def prepare(self) -> None:
        """Make the indexes of all collections."""
        await ensure_indexes(self._database, INDEXES)

    async def load(self, namespace: str, key: str) -> Entry[Asset]:
        """The asset, or an entry without value."""
        return await self._assets.load(asset_id(namespace, key))

    async def commit(self, entry: Entry[Asset], asset: Asset | None, outbox: Sequence[Outgoing]) -> Entry[Asset]:
        """Store (``None`` deletes) and say it."""
        return await self._assets.commit(entry, asset, outbox=outbox)

    async def record(self, entry: Entry[Asset], asset: Asset, happening: Happening, outbox: Sequence[Outgoing]) -> Entry[Asset]:
        """Store what happened together with the asset that it happened to."""
        document = _happening_document(asset_id(asset.namespace, asset.key), happening)
        async with self._database.transaction() as transaction:
            await self._database.collection(HAPPENINGS).insert_one(document, session=transaction.session)
            return await self._assets.commit(entry, asset, outbox=outbox, within=transaction)

    async def known(self, happening_id: str) -> bool:
        """Whether this is recorded already."""
        with translated(HAPPENINGS):
            return await self._database.collection(HAPPENINGS).find_one({"_id": happening_id}, {"_id": 1}) is not None

    async def happenings(self, namespace: str, key: str, *, limit: int, cursor: str | None) -> Page[Happening]:
        """What happened to an asset, newest first."""
        with translated(HAPPENINGS):
            return await fetch_page(
                self._database.collection(HAPPENINGS),
                Filter().eq("asset", asset_id(namespace, key)).query(),
                sort=Sort("at", descending=True),
                limit=limit,
                cursor=cursor,
                read=_read_happening,
            )

    async def search(self, search: AssetSearch, *, limit: int, cursor: str | None) -> Page[Entry[Asset]]:
        """One page of assets, by key."""
        chosen = Filter()
        if search.namespaces is not None:
            named = Filter().one_of("namespace", sorted(search.namespaces))
            chosen = chosen.any_of(named, *(Filter().prefix("namespace", prefix) for prefix in search.prefixes))
        if search.prefix is not None:
            chosen = chosen.prefix("key", search.prefix)
        for field, value in (("group", search.group), ("tags", search.tag), ("kind", search.kind)):
            if value is not None:
                chosen = chosen.eq(field, value)
        return await self._assets.page(chosen, sort=Sort("_id"), limit=limit, cursor=cursor)


class MongoEventStore:
    """The collection ``events``.

    Args:
        database: Lineage's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self, namespace: str, event_id: str, event: LineageEvent) -> None:
        """Keep an event; one that is there already changes nothing."""
        document = {
            "_id": event_id,
            "namespace": namespace,
            "time": event.time,
            "stage": event.stage.value if event.stage else None,
            "run": event.run,
            "job": event.job,
            "parent": event.parent,
            # As text: facets are anyone's, and MongoDB would refuse some of their field names and sizes of numbers.
            "event": orjson.dumps(event.document).decode(),
        }
        try:
            with translated(EVENTS):
                await self._database.collection(EVENTS).insert_one(document)
        except AlreadyExists:
            return


class MongoEdgeStore:
    """The collection ``edges``.

    Args:
        database: Lineage's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, namespace: str, edges: Iterable[Edge]) -> None:
        """Add edges; those that are there stay."""
        operations = [
            UpdateOne(
                {"_id": derive("edge", namespace, edge.source, edge.target)},
                {"$setOnInsert": {"namespace": namespace, "source": edge.source, "target": edge.target}},
                upsert=True,
            )
            for edge in edges
        ]
        if operations:
            with translated(EDGES):
                await self._database.collection(EDGES).bulk_write(operations, ordered=False)

    async def touching(self, namespace: str, nodes: frozenset[str], direction: Direction) -> Sequence[Edge]:
        """Edges that begin (downstream) or end (upstream) at one of ``nodes``; bounded."""
        ends = {
            Direction.DOWNSTREAM: ("source",),
            Direction.UPSTREAM: ("target",),
            Direction.BOTH: ("source", "target"),
        }[direction]
        found: list[Edge] = []
        with translated(EDGES):
            for end in ends:
                query = Filter().eq("namespace", namespace).one_of(end, sorted(nodes)).query()
                cursor: Any = self._database.collection(EDGES).find(query, {"source": 1, "target": 1, "_id": 0})
                found += [Edge(d["source"], d["target"]) for d in await cursor.limit(NODES * 4).to_list(NODES * 4)]
        return found


def _asset_document(asset: Asset) -> Document:
    return {
        "namespace": asset.namespace,
        "key": asset.key,
        "kind": asset.kind,
        "group": asset.group,
        "description": asset.description,
        "owners": list(asset.owners),
        "tags": list(asset.tags),
        "declared": asset.declared,
        "facets": orjson.dumps(dict(asset.facets)).decode(),
        "materialized": asset.materialized,
        "observed": asset.observed,
        "materializations": asset.materializations,
    }


def _read_asset(document: Mapping[str, Any]) -> Asset:
    return Asset(
        namespace=document["namespace"],
        key=document["key"],
        kind=document["kind"],
        group=document["group"],
        description=document["description"],
        owners=tuple(document["owners"]),
        tags=tuple(document["tags"]),
        declared=document["declared"],
        facets=orjson.loads(document["facets"]),
        materialized=document["materialized"],
        observed=document["observed"],
        materializations=document["materializations"],
    )


def _happening_document(asset: str, happening: Happening) -> Document:
    return {
        "_id": happening.id,
        "asset": asset,
        "act": happening.act.value,
        "at": happening.at,
        "run": happening.run,
        "task": happening.task,
        "version": happening.version,
        "metadata": orjson.dumps(dict(happening.metadata)).decode(),
        "actor": happening.actor,
    }


def _read_happening(document: Mapping[str, Any]) -> Happening:
    return Happening(
        id=document["_id"],
        act=Act(document["act"]),
        at=document["at"],
        run=document["run"],
        task=document["task"],
        version=document["version"],
        metadata=orjson.loads(document["metadata"]),
        actor=document["actor"],
    )
