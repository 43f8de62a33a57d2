"""Deliveries in MongoDB: one document each; those that wait have a partition, by which whoever sends them finds them."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from zlib import crc32

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.errors import BulkWriteError

from tocsin_kit.store import Database, Document, Filter, Page, Sort, fetch_page, translated
from tocsin_observer.domain.deliveries import Answer, Attempt, Delivery, DeliveryState
from tocsin_observer.ports.deliveries import DeliverySearch

COLLECTION: Final = "deliveries"
PARTITIONS: Final = 8  # the queues are shared out among replicas in so many parts
_DUPLICATE: Final = 11000
_WAITS: Final = {"w": {"$exists": True}}

INDEXES = (
    # `w` is there while a delivery waits. Distinct endpoints of a partition and the head of a queue both come from the index.
    IndexModel(
        [("w", ASCENDING), ("endpoint", ASCENDING), ("order", ASCENDING)], name="waiting", partialFilterExpression=_WAITS
    ),
    IndexModel([("w", ASCENDING), ("endpoint", ASCENDING), ("due", ASCENDING)], name="due", partialFilterExpression=_WAITS),
    IndexModel([("endpoint", ASCENDING), ("created_at", DESCENDING), ("_id", DESCENDING)], name="log"),
    IndexModel([("created_at", ASCENDING)], name="created"),
)


def partition_of(endpoint: str) -> int:
    """Which part of the queues an endpoint is in."""
    return crc32(endpoint.encode()) % PARTITIONS


class MongoDeliveryStore:
    """The collection ``deliveries``.

    Args:
        database: The observer's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def prepare(self) -> None:
        """Make the indexes."""
        with translated(COLLECTION):
            await self._collection.create_indexes(list(INDEXES))

    async def add(self, deliveries: Sequence[Delivery]) -> None:
        """Let them wait; one that is there already changes nothing."""
        if not deliveries:
            return
        with translated(COLLECTION):
            try:
                await self._collection.insert_many([_document(one) for one in deliveries], ordered=False)
            except BulkWriteError as error:
                failed = error.details.get("writeErrors", [])
                if error.details.get("writeConcernErrors") or any(item["code"] != _DUPLICATE for item in failed):
                    raise

    async def endpoints(self, partitions: Collection[int]) -> Mapping[int, Sequence[str]]:
        """Endpoints of these partitions for which something waits."""
        found: dict[int, list[str]] = {}
        with translated(COLLECTION):
            for endpoint in await self._collection.distinct("endpoint", {"w": {"$in": list(partitions)}}):
                found.setdefault(partition_of(endpoint), []).append(endpoint)
        return found

    async def waiting(
        self, endpoint: str, *, but_keys: Collection[str], now: datetime | None, limit: int
    ) -> Sequence[Delivery]:
        """What waits for an endpoint, in order."""
        query: dict[str, Any] = {"w": partition_of(endpoint), "endpoint": endpoint}
        query |= {"key": {"$nin": list(but_keys)}} if but_keys else {}
        query |= {"due": {"$lte": now}} if now is not None else {}
        with translated(COLLECTION):
            found = self._collection.find(query).sort("order", ASCENDING).limit(limit)
            return [_read(document) for document in await found.to_list(limit)]

    async def next_due(self, endpoint: str) -> datetime | None:
        """When the first of those that wait is due; ``None`` when nothing waits."""
        query = {"w": partition_of(endpoint), "endpoint": endpoint}
        with translated(COLLECTION):
            found = await self._collection.find_one(query, {"due": 1}, sort=[("due", ASCENDING)])
        return None if found is None else found["due"]

    async def settle(self, delivery: Delivery) -> None:
        """Store what became of an attempt."""
        fields = {name: value for name, value in _document(delivery).items() if name not in {"_id", "event", "w"}}
        change: Document = {"$set": fields}
        if delivery.state is not DeliveryState.WAITING:
            change["$unset"] = {"w": ""}
        with translated(COLLECTION):
            # Only while it waits: what was discarded meanwhile stays discarded.
            await self._collection.update_one({"_id": delivery.id, **_WAITS}, change)

    async def discard(self, endpoint: str, reason: str) -> int:
        """Let nothing wait for an endpoint any more; how much that was."""
        query = {"w": partition_of(endpoint), "endpoint": endpoint}
        change = {"$set": {"state": DeliveryState.DISCARDED.value, "reason": reason}, "$unset": {"w": ""}}
        with translated(COLLECTION):
            result = await self._collection.update_many(query, change)
            return int(result.modified_count)

    async def count_waiting(self, endpoint: str, *, limit: int) -> int:
        """How many wait, counted up to ``limit``."""
        with translated(COLLECTION):
            query = {"w": partition_of(endpoint), "endpoint": endpoint}
            return int(await self._collection.count_documents(query, limit=limit))

    async def load(self, delivery: str) -> Delivery | None:
        """A delivery by its id."""
        with translated(COLLECTION):
            found = await self._collection.find_one({"_id": delivery})
        return None if found is None else _read(found)

    async def search(self, search: DeliverySearch, *, limit: int, cursor: str | None) -> Page[Delivery]:
        """One page of deliveries, newest first."""
        chosen = Filter().eq("endpoint", search.endpoint)
        for field in ("state", "type", "message"):
            if (value := getattr(search, field)) is not None:
                chosen = chosen.eq(field, value)
        with translated(COLLECTION):
            return await fetch_page(
                self._collection,
                chosen.query(),
                sort=Sort("created_at", descending=True),
                limit=limit,
                cursor=cursor,
                read=_read,
            )

    async def forget(self, before: datetime) -> int:
        """Remove settled deliveries that were made before an instant."""
        with translated(COLLECTION):
            result = await self._collection.delete_many({"created_at": {"$lt": before}, "w": {"$exists": False}})
            return int(result.deleted_count)

    @property
    def _collection(self) -> Any:  # Motor ships no types
        return self._database.collection(COLLECTION)


def _document(delivery: Delivery) -> Document:
    waits = {"w": partition_of(delivery.endpoint)} if delivery.state is DeliveryState.WAITING else {}
    return {
        "_id": delivery.id,
        **waits,
        "endpoint": delivery.endpoint,
        "message": delivery.message,
        "order": delivery.order,
        "key": delivery.key,
        "subject": delivery.subject,
        "type": delivery.type,
        "event": delivery.event,
        "created_at": delivery.created_at,
        "due": delivery.due,
        "state": delivery.state.value,
        "attempts": delivery.attempts,
        "first_at": delivery.first_at,
        "reason": delivery.reason,
        "log": [_attempt(attempt) for attempt in delivery.log],
    }


def _attempt(attempt: Attempt) -> Document:
    answer = attempt.answer
    return {
        "at": attempt.at,
        "status": answer.status,
        "seconds": answer.seconds,
        "error": answer.error,
        "retry_after_s": answer.retry_after.total_seconds() if answer.retry_after else None,
        "headers": [list(pair) for pair in answer.headers],
        "request": answer.request,
        "answer": answer.answer,
    }


def _read_attempt(document: Mapping[str, Any]) -> Attempt:
    after = document["retry_after_s"]
    answer = Answer(
        status=document["status"],
        seconds=document["seconds"],
        error=document["error"],
        retry_after=timedelta(seconds=after) if after is not None else None,
        headers=tuple((name, value) for name, value in document["headers"]),
        request=document["request"],
        answer=document["answer"],
    )
    return Attempt(document["at"], answer)


def _read(document: Mapping[str, Any]) -> Delivery:
    return Delivery(
        id=document["_id"],
        endpoint=document["endpoint"],
        message=document["message"],
        order=document["order"],
        key=document["key"],
        subject=document["subject"],
        type=document["type"],
        event=bytes(document["event"]),
        created_at=document["created_at"],
        due=document["due"],
        state=DeliveryState(document["state"]),
        attempts=document["attempts"],
        first_at=document["first_at"],
        log=tuple(_read_attempt(one) for one in document["log"]),
        reason=document["reason"],
    )
