"""Says what commits left in their documents: in order for each entity, at least once, without delay.

A commit wakes the relay of its own process directly, so nothing is polled; a slow sweep finds what a killed process left
behind. Several relays may take the same document: ids are derived, so a signal said twice is one signal. An entry leaves its
document only after JetStream has acknowledged it.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import structlog
from pymongo import ASCENDING, UpdateMany, UpdateOne

from tocsin.errors import Conflict, TocsinError, Unavailable
from tocsin_kit.store.database import Database
from tocsin_kit.store.errors import translated
from tocsin_kit.store.outbox import OUTBOX, PENDING, Outgoing, Transport
from tocsin_kit.telemetry.health import Health

log = structlog.get_logger()

BATCH = 500  # entities published and marked at once
MARKS = 2  # batches that are said and being marked; beyond that the database would fall behind the bus
SWEEP_EVERY = timedelta(seconds=5)
STUCK_TOO = 6  # with every so many-th sweep what could not be published at all is tried again
ORPHAN_AFTER = timedelta(seconds=3)  # older than any commit that its own process still works on
BACKOFF = (0.05, 0.2, 0.5, 1.0, 2.0)  # seconds between attempts while the bus is away

_Key = tuple[str, str]


class Relay:
    """Publishes outboxes.

    Args:
        database: The service's database.
        transport: The bus.
        collections: Which collections have outboxes, for the sweep.
    """

    name = "relay"

    def __init__(self, database: Database, transport: Transport, collections: Sequence[str]) -> None:
        self._database = database
        self._transport = transport
        self._collections = tuple(collections)
        self._waiting: dict[_Key, list[Outgoing]] = {}
        self._woken = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._stuck: dict[_Key, str] = {}
        self._said = 0
        self._oldest: dict[str, datetime] = {}  # by collection: since when something is unsaid, as the last sweep saw it
        self._in_hand = 0  # batches that are being said or marked
        self._flying: set[tuple[_Key, str]] = set()  # what is in them: it still lies in the documents
        self._may_mark = asyncio.Semaphore(MARKS)

    def wake(self, collection: str, key: str, pending: Sequence[Outgoing]) -> None:
        """A commit has just left ``pending`` (all that is unsaid, in order) in this document."""
        place = (collection, key)
        waiting = self._waiting.get(place, [])
        known = {item.id for item in waiting}
        news = [item for item in pending if item.id not in known and (place, item.id) not in self._flying]
        if not news:
            return
        self._waiting[place] = [*waiting, *news]
        self._idle.clear()
        self._woken.set()

    async def start(self) -> None:
        """Make the indexes that the sweep needs."""
        with translated("outbox"):
            for name in self._collections:
                await self._database.collection(name).create_index(
                    [(PENDING, ASCENDING)], name="outbox", partialFilterExpression={PENDING: {"$exists": True}}
                )

    async def serve(self) -> None:
        """Relay until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._relay())
            group.create_task(self._sweep())

    async def stop(self) -> None:
        """Say what waits, if the bus takes it; the sweep of the next process finds the rest."""
        try:
            while self._waiting:
                await self._round()
        except TocsinError as error:
            log.info("relay.left_for_later", entities=len(self._waiting), error=error.detail)

    @property
    def waiting(self) -> int:
        """Entities whose signals this process has still to publish."""
        return len(self._waiting)

    @property
    def stuck(self) -> int:
        """Entities whose signals cannot be published at all."""
        return len(self._stuck)

    def oldest(self) -> float:
        """Seconds for which the oldest signal of all replicas is unsaid; 0 while none is older than a commit takes."""
        first = min(self._oldest.values(), default=None)
        return 0.0 if first is None else max((self._database.clock.now() - first).total_seconds(), 0.0)

    def health(self) -> Health:
        """Ready unless some document's signals cannot be published at all."""
        facts = {"waiting": self.waiting, "stuck": self.stuck, "said": self._said, "oldest_s": round(self.oldest(), 1)}
        if self._stuck:
            (collection, key), reason = next(iter(self._stuck.items()))
            return Health(
                ready=True, detail=f"{len(self._stuck)} outboxes are stuck, e.g. {collection}/{key}: {reason}", facts=facts
            )
        return Health(ready=True, detail="relaying", facts=facts)

    async def drained(self) -> None:
        """Return when nothing that this process committed is unsaid; for tests and orderly ends."""
        await self._idle.wait()

    # -- inside -------------------------------------------------------------------------------------------------------

    async def _relay(self) -> None:
        failures = 0
        async with asyncio.TaskGroup() as group:
            while True:
                await self._woken.wait()
                self._woken.clear()
                while self._waiting:
                    self._in_hand += 1
                    try:
                        said = await self._say_next()
                    except Unavailable as error:
                        self._in_hand -= 1
                        if failures == 0:
                            log.warning("relay.waits", error=error.detail, entities=len(self._waiting))
                        await self._database.clock.sleep(BACKOFF[min(failures, len(BACKOFF) - 1)])
                        failures += 1
                        continue
                    failures = 0
                    await self._may_mark.acquire()
                    group.create_task(self._mark_behind(said))
                self._rest()

    async def _round(self) -> None:
        """Say and mark one batch."""
        said = await self._say_next()
        try:
            await self._mark(said)
        except BaseException:
            self._put_back(said)
            raise
        self._landed(said)
        self._said += len(said)

    async def _say_next(self) -> dict[_Key, list[Outgoing]]:
        batch = dict(list(self._waiting.items())[:BATCH])
        for key in batch:
            del self._waiting[key]
        self._flying |= {(key, item.id) for key, items in batch.items() for item in items}
        try:
            said = await self._say(batch)
        except BaseException:
            self._put_back(batch)
            raise
        self._landed({key: items for key, items in batch.items() if key not in said})
        return said

    async def _mark_behind(self, said: dict[_Key, list[Outgoing]]) -> None:
        """While the next batch is on its way to the bus, the database takes note of the last."""
        try:
            await self._mark(said)
            self._landed(said)
            self._said += len(said)
        except (Unavailable, Conflict) as error:
            log.warning("relay.not_marked", error=error.detail, entities=len(said))
            self._put_back(said)  # said again when the database is there: whoever hears it knows the ids
            await self._database.clock.sleep(BACKOFF[-1])
            self._woken.set()
        except BaseException:
            self._put_back(said)
            raise
        finally:
            self._in_hand -= 1
            self._may_mark.release()
            self._rest()

    def _put_back(self, batch: dict[_Key, list[Outgoing]]) -> None:
        """Not known to be said, or not marked: in front of whatever was committed meanwhile."""
        self._landed(batch)
        for key, items in batch.items():
            later = self._waiting.pop(key, [])
            known = {item.id for item in items}
            self._waiting[key] = [*items, *(item for item in later if item.id not in known)]

    def _landed(self, batch: dict[_Key, list[Outgoing]]) -> None:
        self._flying -= {(key, item.id) for key, items in batch.items() for item in items}

    def _rest(self) -> None:
        if not self._waiting and not self._in_hand:
            self._idle.set()

    async def _say(self, batch: dict[_Key, list[Outgoing]]) -> dict[_Key, list[Outgoing]]:
        try:
            await self._transport.deliver([item for items in batch.values() for item in items])
        except Unavailable:
            raise
        except TocsinError:
            return await self._say_singly(batch)
        for key in batch:
            self._stuck.pop(key, None)
        return batch

    async def _say_singly(self, batch: dict[_Key, list[Outgoing]]) -> dict[_Key, list[Outgoing]]:
        """One of them cannot be published: find it, leave it, and let the others pass."""
        said = {}
        for key, items in batch.items():
            try:
                await self._transport.deliver(items)
            except Unavailable:
                raise
            except TocsinError as error:
                if key not in self._stuck:
                    log.error("relay.stuck", collection=key[0], key=key[1], code=error.code, error=error.detail)
                self._stuck[key] = error.code
            else:
                said[key] = items
                self._stuck.pop(key, None)
        return said

    async def _mark(self, said: dict[_Key, list[Outgoing]]) -> None:
        by_collection: dict[str, dict[str, list[Outgoing]]] = {}
        for (collection, key), items in said.items():
            by_collection.setdefault(collection, {})[key] = items
        with translated("outbox"):
            for name, documents in by_collection.items():
                # Mostly what was said is all there is: then one plain statement takes it out of all of them.
                plain = [UpdateMany(where, _EMPTY) for where in _holding(documents)]
                result = await self._database.collection(name).bulk_write(plain, ordered=False)
                if result.matched_count < len(documents):
                    careful = [UpdateOne({"_id": k}, _without([i.id for i in items])) for k, items in documents.items()]
                    await self._database.collection(name).bulk_write(careful, ordered=False)

    async def _sweep(self) -> None:
        for turn in count():
            try:
                unsaid = await self._unsaid()
                for name in self._collections:
                    if name in unsaid:
                        await self._collect(name, all_of_it=turn % STUCK_TOO == 0)
                    else:
                        self._oldest.pop(name, None)
            except Unavailable as error:
                log.info("relay.sweep_skipped", error=error.detail)
            # What the process before this one left is old enough with the second sweep at the latest.
            await self._database.clock.sleep(ORPHAN_AFTER if turn == 0 else SWEEP_EVERY)

    async def _unsaid(self) -> set[str]:
        """Collections in which something lies that a living process would have said: one question for all of them."""
        if not self._collections:
            return set()
        before = self._database.clock.now() - ORPHAN_AFTER
        first, *others = ((name, _any_of(name, before)) for name in self._collections)
        pipeline = [*first[1], *({"$unionWith": {"coll": name, "pipeline": steps}} for name, steps in others)]
        with translated("outbox"):
            found = await self._database.collection(first[0]).aggregate(pipeline).to_list(None)
        return {document["in"] for document in found}

    async def _collect(self, name: str, *, all_of_it: bool) -> None:
        where: dict[str, Any] = {PENDING: {"$lt": self._database.clock.now() - ORPHAN_AFTER}}
        stuck = [key for place, key in self._stuck if place == name]
        if stuck and not all_of_it:  # they are the oldest, and would hide what can be said
            where["_id"] = {"$nin": stuck}
        with translated("outbox"):
            found = self._database.collection(name).find(where, {OUTBOX: 1, PENDING: 1}).sort(PENDING, 1).limit(BATCH)
            documents = await found.to_list(BATCH)
        if documents and (name not in self._oldest or "_id" not in where):
            self._oldest[name] = documents[0][PENDING]
        elif not documents and "_id" not in where:
            self._oldest.pop(name, None)
        for document in documents:
            if (name, document["_id"]) not in self._waiting:
                self.wake(name, document["_id"], [Outgoing.from_document(item) for item in document.get(OUTBOX, [])])


def _any_of(name: str, before: datetime) -> list[dict[str, Any]]:
    """The steps that find out whether a collection holds anything that is unsaid since then."""
    return [{"$match": {PENDING: {"$lt": before}}}, {"$limit": 1}, {"$project": {"_id": 0, "in": {"$literal": name}}}]


_EMPTY = {"$unset": {OUTBOX: "", PENDING: ""}}


def _holding(documents: Mapping[str, list[Outgoing]]) -> Iterator[dict[str, Any]]:
    """Those of the documents whose outbox ends with what was said and holds no more than that, by its length.

    An id is in one document only, so that any of the last ids is the right one.
    """
    by_length: dict[int, list[tuple[str, str]]] = {}
    for key, items in documents.items():
        by_length.setdefault(len(items), []).append((key, items[-1].id))
    for length, ends in by_length.items():
        keys, last = [key for key, _ in ends], [item for _, item in ends]
        yield {"_id": {"$in": keys}, OUTBOX: {"$size": length}, f"{OUTBOX}.{length - 1}.i": {"$in": last}}


def _without(ids: list[str]) -> list[dict[str, Any]]:
    """The update that takes these entries out, and both fields when nothing is left."""
    rest = {"$filter": {"input": {"$ifNull": [f"${OUTBOX}", []]}, "cond": {"$not": [{"$in": ["$$this.i", ids]}]}}}
    return [
        {"$set": {OUTBOX: rest}},
        {
            "$set": {
                OUTBOX: {"$cond": [{"$eq": [f"${OUTBOX}", []]}, "$$REMOVE", f"${OUTBOX}"]},
                PENDING: {"$cond": [{"$eq": [f"${OUTBOX}", []]}, "$$REMOVE", f"${PENDING}"]},
            }
        },
    ]
