"""Foreign events and the edges of the graph in MongoDB."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson
from pymongo import InsertOne, UpdateOne
from pymongo.errors import BulkWriteError

from tocsin.signals import derive
from tocsin_kit.store import Database, Filter, Page, Sort, fetch_page, translated
from tocsin_kit.store.indexes import Index, ensure_indexes
from tocsin_kit.store.repository import DUPLICATE
from tocsin_lineage.domain.columns import ColumnEdge
from tocsin_lineage.domain.graph import ASSET, NODES, Direction, Edge
from tocsin_lineage.domain.openlineage import LineageEvent, read_event
from tocsin_lineage.ports import EventSearch, KeptEvent

EVENTS = "events"
EDGES = "edges"
COLUMN_EDGES = "column_edges"
INDEXES: Mapping[str, Sequence[Index]] = {
    EVENTS: (Index(("namespace", "-time")), Index(("run",)), Index(("job", "-time")), Index(("time",))),
    EDGES: (
        Index(("namespace", "source", "target")),
        Index(("namespace", "target", "source")),
        Index(("namespace", "declared"), only={"declared": {"$exists": True}}),
    ),
    COLUMN_EDGES: (Index(("namespace", "source")), Index(("namespace", "target"))),
}
_ENDS = {
    Direction.DOWNSTREAM: ("source",),
    Direction.UPSTREAM: ("target",),
    Direction.BOTH: ("source", "target"),
}
_SEEN_AGAIN = timedelta(minutes=10)  # an edge that is used all the time is marked as seen no more often than this
_REMEMBERED = 200_000


class MongoEventStore:
    """The collection ``events``.

    Args:
        database: Lineage's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def forget(self, before: datetime) -> int:
        """Forget events of before an instant; how many these were."""
        with translated(EVENTS):
            answer = await self._database.collection(EVENTS).delete_many({"time": {"$lt": before}})
            return int(answer.deleted_count)

    async def page(self, search: EventSearch, *, limit: int, cursor: str | None) -> Page[KeptEvent]:
        """Events as they came, newest first."""
        where = Filter().eq("namespace", search.namespace)
        for field, value in (("job", search.job), ("run", search.run)):
            if value is not None:
                where = where.eq(field, value)
        if search.until is not None:
            where = where.at_most("time", search.until)
        if search.since is not None:
            where = where.at_least("time", search.since)
        with translated(EVENTS):
            return await fetch_page(
                self._database.collection(EVENTS),
                where.query(),
                sort=Sort("time", descending=True),
                limit=limit,
                cursor=cursor,
                read=lambda row: KeptEvent(row["_id"], read_event(orjson.loads(row["event"]))),
            )

    async def keep_many(self, events: Sequence[tuple[str, str, LineageEvent]]) -> None:
        """Keep events; one that is there already changes nothing."""
        rows = [InsertOne(_event_document(*event)) for event in events]
        if not rows:
            return
        with translated(EVENTS):
            try:
                await self._database.collection(EVENTS).bulk_write(rows, ordered=False)
            except BulkWriteError as error:
                failed = error.details.get("writeErrors", [])
                if error.details.get("writeConcernErrors") or any(one["code"] != DUPLICATE for one in failed):
                    raise


def _event_document(namespace: str, event_id: str, event: LineageEvent) -> dict[str, Any]:
    return {
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


class MongoGraphStore:
    """The collections ``edges`` and ``column_edges``.

    Args:
        database: Lineage's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        # Most edges are there already, from the run before: what this process has just written is not written again.
        self._recent: OrderedDict[tuple[str, ...], datetime] = OrderedDict()

    async def prepare(self) -> None:
        """Make the indexes of this module."""
        await ensure_indexes(self._database, INDEXES)

    async def add(self, namespace: str, edges: Iterable[tuple[Edge, datetime]]) -> None:
        """Add edges, each with the instant it was seen."""
        wanted: dict[tuple[str, ...], datetime] = {}
        for edge, at in edges:
            ends = (namespace, edge.source, edge.target)
            if (ends not in wanted or wanted[ends] < at) and self._is_news(ends, at):
                wanted[ends] = at
        rows = [
            {"_id": derive("edge", *ends), "namespace": ends[0], "source": ends[1], "target": ends[2], "first": at, "last": at}
            for ends, at in wanted.items()
        ]
        await self._add(EDGES, rows, {})
        self._remember(wanted.items())

    async def declare(self, namespace: str, target: str, edges: Sequence[Edge], at: datetime) -> None:
        """What a person says asset ``target`` is made of; replaces what was declared for it before, unless that is newer."""
        about = {"namespace": {"$eq": namespace}, "declared": {"$eq": target}}
        names = {derive("edge", namespace, edge.source, edge.target): edge for edge in edges}
        rows = [
            UpdateOne(
                {"_id": name},
                {
                    "$setOnInsert": {"namespace": namespace, "source": edge.source, "target": edge.target, "first": at},
                    "$set": {"declared": target},
                    "$max": {"last": at},
                },
                upsert=True,
            )
            for name, edge in names.items()
        ]
        with translated(EDGES):
            collection = self._database.collection(EDGES)
            if await collection.find_one({**about, "last": {"$gt": at}}, {"_id": 1}) is not None:
                return  # what is known is newer: this came again
            if rows:
                await collection.bulk_write(rows, ordered=False)
            await collection.delete_many({**about, "_id": {"$nin": list(names)}, "last": {"$lte": at}})

    async def touching(
        self, namespace: str, nodes: frozenset[str], direction: Direction, since: datetime | None, until: datetime | None
    ) -> Sequence[Edge]:
        """Edges that begin (downstream) or end (upstream) at one of ``nodes``, seen in that span; bounded."""
        found: list[Edge] = []
        with translated(EDGES):
            for end in _ENDS[direction]:
                where = Filter().eq("namespace", namespace).one_of(end, sorted(nodes))
                if since is not None:
                    where = where.at_least("last", since)
                if until is not None:
                    where = where.at_most("first", until)
                shown = {"source": 1, "target": 1, "_id": 0}
                cursor: Any = self._database.collection(EDGES).find(where.query(), shown, batch_size=NODES * 4)
                found += [Edge(d["source"], d["target"]) for d in await cursor.limit(NODES * 4).to_list(NODES * 4)]
        return found

    async def add_columns(self, namespace: str, edges: Iterable[tuple[ColumnEdge, datetime]]) -> None:
        """The same for columns."""
        wanted: dict[tuple[str, ...], datetime] = {}
        rows: dict[str, dict[str, Any]] = {}
        latest: dict[str, dict[str, Any]] = {}
        for edge, at in edges:
            ends = (namespace, edge.source, edge.target, edge.type, edge.subtype or "")
            if not self._is_news(ends, at) or (ends in wanted and wanted[ends] >= at):
                continue
            wanted[ends], name = at, derive("column", *ends)
            latest[name] = {"description": edge.description, "masking": edge.masking}
            rows[name] = {
                "_id": name,
                "namespace": namespace,
                "source": edge.source,
                "target": edge.target,
                "type": edge.type,
                "subtype": edge.subtype,
                **latest[name],
                "first": at,
                "last": at,
            }
        await self._add(COLUMN_EDGES, list(rows.values()), latest)
        self._remember(wanted.items())

    async def _add(self, name: str, rows: Sequence[dict[str, Any]], latest: Mapping[str, dict[str, Any]]) -> None:
        """Insert what is new; of the rest, and of what others insert at this moment, mark when it was seen.

        Args:
            name: Of the collection.
            rows: Each edge once, seen at its ``first`` instant, which is its ``last`` one.
            latest: What the newest report changes of those that are there, by id.
        """
        if not rows:
            return
        with translated(name):
            collection = self._database.collection(name)
            found = await collection.find({"_id": {"$in": [row["_id"] for row in rows]}}, {"_id": 1}).to_list(None)
            known = {row["_id"] for row in found}
            try:
                # An insert costs a fraction of an upsert, and most of what this process has not seen is new.
                if len(known) < len(rows):
                    await collection.insert_many([row for row in rows if row["_id"] not in known], ordered=False)
            except BulkWriteError as error:
                failed = error.details.get("writeErrors", [])
                if error.details.get("writeConcernErrors") or any(one["code"] != DUPLICATE for one in failed):
                    raise
                known |= {one["op"]["_id"] for one in failed}
            seen = [
                UpdateOne(
                    {"_id": row["_id"]},
                    {"$min": {"first": row["first"]}, "$max": {"last": row["last"]}, **_set(latest.get(row["_id"]))},
                )
                for row in rows
                if row["_id"] in known
            ]
            if seen:
                await collection.bulk_write(seen, ordered=False)

    async def touching_columns(self, namespace: str, nodes: frozenset[str], direction: Direction) -> Sequence[ColumnEdge]:
        """The same for columns."""
        found: list[ColumnEdge] = []
        with translated(COLUMN_EDGES):
            for end in _ENDS[direction]:
                query = Filter().eq("namespace", namespace).one_of(end, sorted(nodes)).query()
                rows = await self._database.collection(COLUMN_EDGES).find(query).limit(NODES * 4).to_list(NODES * 4)
                found += [
                    ColumnEdge(d["source"], d["target"], d["type"], d["subtype"], d["description"], d["masking"]) for d in rows
                ]
        return found

    async def writers(self, namespace: str, key: str) -> Sequence[str]:
        """The jobs that write an asset."""
        edges = await self.touching(namespace, frozenset({ASSET + key}), Direction.UPSTREAM, None, None)
        return sorted({edge.source for edge in edges})

    def _is_news(self, ends: tuple[str, ...], at: datetime) -> bool:
        known = self._recent.get(ends)
        return known is None or at - known > _SEEN_AGAIN or at < known - _SEEN_AGAIN

    def _remember(self, seen: Iterable[tuple[tuple[str, ...], datetime]]) -> None:
        for ends, at in seen:
            self._recent[ends] = at
            self._recent.move_to_end(ends)
        while len(self._recent) > _REMEMBERED:
            self._recent.popitem(last=False)


def _set(fields: Mapping[str, Any] | None) -> dict[str, Any]:
    return {"$set": fields} if fields else {}
