"""Triggers and events in MongoDB."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from tocsin_kit.store import (
    Creation,
    Database,
    Entry,
    Filter,
    Index,
    Outgoing,
    Page,
    Relay,
    Repository,
    Sort,
    ensure_indexes,
    translated,
)
from tocsin_kit.store.repository import REVISION, VALUE
from tocsin_kit.telemetry import Health
from tocsin_trigger.adapters.documents import trigger_document, trigger_of
from tocsin_trigger.adapters.records import (
    received_document,
    received_of,
)
from tocsin_trigger.domain.events import Decision, Outcome, Received
from tocsin_trigger.domain.triggers import Trigger
from tocsin_trigger.ports import EventSearch, Known, Snapshot, TriggerSearch

TRIGGERS: Final = "triggers"
EVENTS: Final = "events"
GROUPS: Final = "groups"
WISHES: Final = "wishes"
WATCHES: Final = "watches"
GATHERINGS: Final = "gatherings"
COLLECTIONS: Final = (TRIGGERS, EVENTS, GATHERINGS)
_MANY: Final = 1000  # triggers read at once
MOST_TRIGGERS: Final = 100_000  # held in memory by each replica; about 3 KiB each


class Indexes:
    """Makes the indexes at the start.

    Args:
        database: The service's database.
        keep_events: Events and refusals go after this.
    """

    name = "indexes"

    def __init__(self, database: Database, keep_events: timedelta) -> None:
        self._database = database
        self._keep = keep_events

    async def start(self) -> None:
        """Make them."""
        await ensure_indexes(
            self._database,
            {
                TRIGGERS: [Index(("v.namespace", "_id"))],
                EVENTS: [
                    Index(("v.received",), expires=self._keep),
                    Index(("v.namespace", "-v.received", "-_id")),
                    Index(("v.decisions.name", "-v.received")),
                    Index(("v.trigger", "-v.received"), only={"v.trigger": {"$exists": True}}),
                ],
                GROUPS: [
                    Index(("v.touched",), expires=self._keep),
                    Index(("v.due",), only={"v.due": {"$type": "date"}}),
                    Index(("v.trigger", "v.touched")),
                ],
                GATHERINGS: [
                    Index(("v.closed",), expires=self._keep),
                    Index(("v.events",)),
                    Index(("v.namespace", "v.name", "-v.closed", "-_id")),
                ],
            },
        )

    async def serve(self) -> None:
        """Nothing to do."""

    async def stop(self) -> None:
        """Nothing to do."""

    def health(self) -> Health:
        """Ready."""
        return Health(ready=True, detail="made")


class MongoTriggers:
    """The triggers of the service.

    Args:
        database: Where.
        relay: Says what commits leave.
    """

    def __init__(self, database: Database, relay: Relay) -> None:
        self._database = database
        self._repository: Repository[Trigger] = Repository(
            database, TRIGGERS, encode=trigger_document, decode=trigger_of, wake=relay.wake
        )

    async def load(self, key: str) -> Entry[Trigger]:
        """The trigger, or an entry without value."""
        return await self._repository.load(key)

    async def create(self, creations: Sequence[Creation[Trigger]]) -> set[str]:
        """Store many new ones in one round trip; the keys of those that were there before and were left alone."""
        return await self._repository.create_many(creations)

    async def commit(self, entry: Entry[Trigger], trigger: Trigger | None, outbox: Sequence[Outgoing]) -> Entry[Trigger]:
        """Store and say it."""
        return await self._repository.commit(entry, trigger, outbox=outbox)

    async def page(self, search: TriggerSearch, *, limit: int, cursor: str | None) -> Page[Entry[Trigger]]:
        """A page, by namespace and name (the key is both)."""
        where = _within(search.namespaces, search.prefixes)
        if search.kind is not None:
            where = where.eq("kind", search.kind)
        if search.workflow is not None:
            where = where.eq("workflow", search.workflow)
        return await self._repository.page(where, sort=Sort(), limit=limit, cursor=cursor)

    async def snapshot(self) -> Snapshot:
        """All of them."""
        return Snapshot(await self._repository.find(Filter(), limit=MOST_TRIGGERS))

    async def _since(self, known: Known) -> Snapshot:
        """All of them, and of those that are known as they are only the keys: reading ten thousand takes a second."""
        with translated(TRIGGERS):
            found = self._database.collection(TRIGGERS).find({VALUE: {"$exists": True}}, {REVISION: 1, "v.id": 1})
            there = {d["_id"]: (d[VALUE]["id"], d[REVISION]) for d in await found.limit(MOST_TRIGGERS).to_list(None)}
        news = [key for key, state in there.items() if known.get(key) != state]
        entries = [
            e for at in range(0, len(news), _MANY) for e in (await self._repository.load_many(news[at : at + _MANY])).values()
        ]
        return Snapshot(entries, frozenset(there.keys() - set(news)))

    async def follow(self, known: Callable[[], Known]) -> AsyncIterator[Snapshot | Entry[Trigger]]:
        """A snapshot, then each change; the stream is open before the snapshot is read, so nothing falls between."""
        with translated(TRIGGERS):
            async with self._database.collection(TRIGGERS).watch(
                [{"$project": {"documentKey": 1, "operationType": 1}}], max_await_time_ms=5000
            ) as stream:
                yield await self._since(known())
                async for change in stream:
                    if "documentKey" not in change:  # the collection was dropped or renamed
                        return
                    yield await self._repository.load(change["documentKey"]["_id"])


class MongoEvents:
    """What came in.

    Args:
        database: Where.
        relay: Says what commits leave.
    """

    def __init__(self, database: Database, relay: Relay) -> None:
        self._database = database
        self._repository = events_of(database, relay)

    async def record(self, creations: Sequence[Creation[Received]]) -> set[str]:
        """Store many with what is to be said."""
        return await self._repository.create_many(creations)

    async def repeated(self, key: str, at: datetime) -> None:
        """Count that it was sent again."""
        with translated(EVENTS):
            await self._database.collection(EVENTS).update_one(
                {"_id": key}, {"$inc": {"v.repeats": 1}, "$set": {"v.repeated": at}}
            )

    async def load(self, key: str) -> Entry[Received]:
        """The event, or an entry without value."""
        return _keyed(await self._repository.load(key))

    async def mark(self, entry: Entry[Received], received: Received) -> None:
        """Store what became of its runs."""
        await self._repository.commit(entry, received)

    async def attempts(self, name: str, trigger: str, until: datetime, limit: int) -> list[Decision]:
        """What a trigger started, or failed to, up to then: the newest first."""
        tried = {"trigger": trigger, "outcome": {"$in": [Outcome.STARTED.value, Outcome.FAILED.value]}}
        query = {"v.decisions.name": name, "v.received": {"$lte": until}, "v.decisions": {"$elemMatch": tried}}
        with translated(EVENTS):
            cursor = self._database.collection(EVENTS).find(query, {"v": 1}).sort("v.received", -1).limit(limit)
            found = [received_of(document["_id"], document["v"]) for document in await cursor.to_list(limit)]
        return [decision for record in found for decision in record.decisions if decision.trigger == trigger]

    async def load_many(self, keys: Sequence[str]) -> dict[str, Received]:
        """Those of these events that there are."""
        found = await self._repository.load_many(keys)
        return {key: replace(entry.value, key=key) for key, entry in found.items() if entry.value is not None}

    async def page(self, search: EventSearch, *, limit: int, cursor: str | None) -> Page[Entry[Received]]:
        """A page, newest first."""
        where = _within(search.namespaces, search.prefixes)
        if search.type is not None:
            where = where.eq("type", search.type)
        if search.trigger is not None:
            where = where.any_of(Filter().eq("decisions.name", search.trigger), Filter().eq("trigger", search.trigger))
        if search.outcome is not None:
            where = where.any_of(Filter().eq("decisions.outcome", search.outcome), Filter().eq("refused", search.outcome))
        if search.refused is not None:
            where = where.exists("refused", present=search.refused)
        if search.since is not None:
            where = where.at_least("received", search.since)
        if search.until is not None:
            where = where.below("received", search.until)
        page = await self._repository.page(where, sort=Sort("received", descending=True), limit=limit, cursor=cursor)
        return Page([_keyed(entry) for entry in page.items], page.next_cursor)


def events_of(database: Database, relay: Relay) -> Repository[Received]:
    """The records of events."""
    return Repository(database, EVENTS, encode=received_document, decode=lambda d: received_of("", d), wake=relay.wake)


def _keyed(entry: Entry[Received]) -> Entry[Received]:
    return entry if entry.value is None else replace(entry, value=replace(entry.value, key=entry.key))


def _within(namespaces: frozenset[str] | None, prefixes: tuple[str, ...]) -> Filter:
    if namespaces is None:
        return Filter()
    exact = Filter().one_of("namespace", sorted(namespaces))
    return Filter().any_of(exact, *(Filter().prefix("namespace", prefix) for prefix in prefixes))
