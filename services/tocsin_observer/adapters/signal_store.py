"""Signals in MongoDB: one document each, inserted in bulk, never changed."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.errors import BulkWriteError

from tocsin.signals.subjects import escape
from tocsin_kit.store import Database, Document, Filter, Sort, fetch_page, translated
from tocsin_observer.domain.audit import Heard
from tocsin_observer.domain.records import SignalRecord
from tocsin_observer.ports import Found, Search

COLLECTION = "signals"
_DUPLICATE = 11000
_READ = 500
_TOKENS = ("namespace", "entity", "transition", "entity_id")
_NEWEST = Sort("position", descending=True)
INDEXES = (
    IndexModel([("position", DESCENDING)], name="position"),
    IndexModel([("namespace", ASCENDING), ("position", DESCENDING)], name="namespace"),
    IndexModel([("entity_id", ASCENDING), ("position", DESCENDING)], name="entity_id"),
    IndexModel([("correlation", ASCENDING), ("position", DESCENDING)], name="correlation", sparse=True),
    IndexModel([("type", ASCENDING), ("position", DESCENDING)], name="type"),
    IndexModel(
        [("actor", ASCENDING), ("position", DESCENDING)], name="actor", partialFilterExpression={"actor": {"$type": "string"}}
    ),
    IndexModel([("keep_until", ASCENDING)], name="keep_until"),
)


class MongoSignalStore:
    """The collection ``signals``.

    Args:
        database: The observer's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def prepare(self) -> None:
        """Make the indexes."""
        with translated(COLLECTION):
            await self._collection.create_indexes(list(INDEXES))

    async def keep(self, records: Sequence[SignalRecord]) -> None:
        """Keep them; one that is there already changes nothing."""
        if not records:
            return
        with translated(COLLECTION):
            try:
                await self._collection.insert_many([_document(record) for record in records], ordered=False)
            except BulkWriteError as error:
                failed = error.details.get("writeErrors", [])
                if error.details.get("writeConcernErrors") or any(item["code"] != _DUPLICATE for item in failed):
                    raise

    async def search(self, search: Search, *, limit: int, cursor: str | None) -> Found:
        """One page of what matches, newest first."""
        with translated(COLLECTION):
            page = await fetch_page(
                self._collection, _filter(search).query(), sort=_NEWEST, limit=limit, cursor=cursor, read=_record
            )
        return Found(page.items, page.next_cursor)

    async def between(self, first: int, last: int) -> AsyncIterator[list[Heard]]:
        """What is kept of the signals at these positions, in order, as they were heard."""
        fields = dict.fromkeys(("position", "time", "namespace", "entity", "transition", "entity_id", "event"), 1)
        query = {"position": {"$gte": first, "$lte": last}}
        batch: list[Heard] = []
        with translated(COLLECTION):
            async for one in self._collection.find(query, fields).sort("position", ASCENDING).batch_size(_READ):
                subject = ".".join(["signals", *(escape(one[name]) for name in _TOKENS)])
                batch.append(Heard(one["position"], one["time"], subject, bytes(one["event"])))
                if len(batch) == _READ:
                    yield batch
                    batch = []
        if batch:
            yield batch

    async def first(self) -> int | None:
        """Position of the first signal that is kept; ``None`` when there is none."""
        with translated(COLLECTION):
            found = await self._collection.find_one({}, {"position": 1}, sort=[("position", ASCENDING)])
        return None if found is None else int(found["position"])

    async def forget(self, before: datetime) -> int:
        """Remove what retention no longer covers; how many."""
        with translated(COLLECTION):
            result = await self._collection.delete_many({"keep_until": {"$lt": before}})
            return int(result.deleted_count)

    @property
    def _collection(self) -> Any:  # Motor ships no types
        return self._database.collection(COLLECTION)


def _filter(search: Search) -> Filter:
    chosen = Filter()
    if search.namespaces is not None:
        named = Filter().one_of("namespace", sorted(search.namespaces))
        chosen = chosen.any_of(named, *(Filter().prefix("namespace", prefix) for prefix in search.prefixes))
    for field in ("entity", "entity_id", "type", "correlation", "actor"):
        value = getattr(search, field)
        if value is not None:
            chosen = chosen.eq(field, value)
    if search.with_actor and search.actor is None:
        chosen = chosen.not_eq("actor", None)
    if search.since is not None:
        chosen = chosen.at_least("time", search.since)
    if search.until is not None:
        chosen = chosen.below("time", search.until)
    return chosen


def _document(record: SignalRecord) -> Document:
    return {
        "_id": record.id,
        "position": record.position,
        "time": record.time,
        "type": record.type,
        "namespace": record.namespace,
        "entity": record.entity,
        "transition": record.transition,
        "entity_id": record.entity_id,
        "actor": record.actor,
        "correlation": record.correlation,
        "event": record.event,
        "keep_until": record.keep_until,
    }


def _record(document: Mapping[str, Any]) -> SignalRecord:
    fields = {name: value for name, value in document.items() if name != "_id"}
    return SignalRecord(id=document["_id"], **fields)
