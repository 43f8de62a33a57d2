"""Backfills in MongoDB: one document each with its outbox, and their items apart, in documents that never change."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from pymongo import ASCENDING, IndexModel, ReplaceOne

from tocsin_kit.store import Database, Document, Entry, Filter, Outgoing, Page, Relay, Repository, Sort, translated
from tocsin_scheduler.adapters.documents import read_start, start_document
from tocsin_scheduler.adapters.store import found_by
from tocsin_scheduler.domain.backfills import Backfill, Going, Item, Order, Progress, Reprocess
from tocsin_scheduler.ports import ScheduleSearch

BACKFILLS = "backfills"
ITEMS = "backfill_items"
CHUNK = 500  # items in one document


class MongoBackfillStore:
    """The collections ``backfills`` and ``backfill_items``.

    Args:
        database: The service's database.
        relay: Told about each commit.
    """

    def __init__(self, database: Database, relay: Relay) -> None:
        self._database = database
        self._backfills: Repository[Backfill] = Repository(database, BACKFILLS, encode=_document, decode=_read, wake=relay.wake)

    async def prepare(self) -> None:
        """Make the indexes."""
        indexes = [
            IndexModel([("v.going.run", ASCENDING)], name="going", sparse=True),
            IndexModel([("v.namespace", ASCENDING), ("_id", ASCENDING)], name="namespace"),
        ]
        with translated(BACKFILLS):
            await self._database.collection(BACKFILLS).create_indexes(indexes)

    async def load(self, key: str) -> Entry[Backfill]:
        """The backfill, or an entry without value."""
        return await self._backfills.load(key)

    async def commit(self, entry: Entry[Backfill], backfill: Backfill, outbox: Sequence[Outgoing]) -> Entry[Backfill]:
        """Store and say it, in one write."""
        return await self._backfills.commit(entry, backfill, outbox=outbox)

    async def put_items(self, key: str, generation: int, items: Sequence[Item]) -> None:
        """Keep the items of a backfill that is about to be stored; safe to repeat."""
        chunks = [items[begin : begin + CHUNK] for begin in range(0, len(items), CHUNK)]
        for number, chunk in enumerate(chunks):
            name = _chunk(key, generation, number)
            operation = ReplaceOne({"_id": name}, {"items": [_item_document(item) for item in chunk]}, upsert=True)
            with translated(ITEMS):
                await self._database.collection(ITEMS).bulk_write([operation])

    async def items(self, key: str, generation: int, cursor: int, count: int) -> Sequence[Item]:
        """So many items from the cursor on."""
        if not count:
            return []
        first, last = cursor // CHUNK, (cursor + count - 1) // CHUNK
        names = [_chunk(key, generation, number) for number in range(first, last + 1)]
        with translated(ITEMS):
            chunks = await self._database.collection(ITEMS).find({"_id": {"$in": names}}).sort("_id", 1).to_list(None)
        found = [item for chunk in chunks for item in chunk["items"]]
        begin = cursor - first * CHUNK
        return [_read_item(document) for document in found[begin : begin + count]]

    async def with_runs(self, runs: frozenset[str]) -> Sequence[Entry[Backfill]]:
        """Backfills that wait for the end of one of these runs."""
        return await self._backfills.find(Filter().one_of("going.run", sorted(runs)), limit=max(1, len(runs)))

    async def search(self, search: ScheduleSearch, *, limit: int, cursor: str | None) -> Page[Entry[Backfill]]:
        """One page, by name."""
        return await self._backfills.page(found_by(search), sort=Sort("_id"), limit=limit, cursor=cursor)


def _chunk(key: str, generation: int, number: int) -> str:
    return f"{key}/{generation}/{number:04}"


def _document(backfill: Backfill) -> Document:
    return {
        "namespace": backfill.namespace,
        "name": backfill.name,
        "generation": backfill.generation,
        "schedule": backfill.schedule,
        "start": start_document(backfill.start),
        "total": backfill.total,
        "cursor": backfill.cursor,
        "concurrency": backfill.concurrency,
        "order": backfill.order.value,
        "reprocess": backfill.reprocess.value,
        "priority": backfill.priority,
        "status": backfill.status.value,
        "reason": backfill.reason,
        "going": [{"run": going.run, "key": going.key} for going in backfill.going],
        "completed": backfill.completed,
        "failed": backfill.failed,
        "cancelled": backfill.cancelled,
        "failed_keys": list(backfill.failed_keys),
        "created_at": backfill.created_at,
        "ended_at": backfill.ended_at,
        "actor": backfill.actor,
    }


def _read(document: Mapping[str, Any]) -> Backfill:
    return Backfill(
        namespace=document["namespace"],
        name=document["name"],
        generation=document["generation"],
        schedule=document["schedule"],
        start=read_start(document["start"]),
        total=document["total"],
        cursor=document["cursor"],
        concurrency=document["concurrency"],
        order=Order(document["order"]),
        reprocess=Reprocess(document["reprocess"]),
        priority=document["priority"],
        status=Progress(document["status"]),
        reason=document["reason"],
        going=tuple(Going(going["run"], going["key"]) for going in document["going"]),
        completed=document["completed"],
        failed=document["failed"],
        cancelled=document["cancelled"],
        failed_keys=tuple(document["failed_keys"]),
        created_at=document["created_at"],
        ended_at=document["ended_at"],
        actor=document["actor"],
    )


def _item_document(item: Item) -> Document:
    return {"key": item.key, "at": item.at, "previous": item.previous, "input": orjson.dumps(item.input).decode()}


def _read_item(document: Mapping[str, Any]) -> Item:
    return Item(document["key"], document["at"], document["previous"], orjson.loads(document["input"]))
