"""What triggers remember, watch and are asked for, in MongoDB."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson

from tocsin_kit.store import Change, Creation, Database, Document, Entry, Filter, Relay, Repository, translated
from tocsin_trigger.adapters.records import gathering_document, gathering_of, slot_document, slot_of
from tocsin_trigger.adapters.stores import GATHERINGS, GROUPS, WATCHES, WISHES, events_of
from tocsin_trigger.adapters.watch_documents import watch_document, watch_of
from tocsin_trigger.domain.events import Gathering, Received
from tocsin_trigger.domain.grouping import Slot
from tocsin_trigger.domain.watching import Watch
from tocsin_trigger.domain.wishes import Wish


class MongoGroups:
    """What triggers remember, and what came of it.

    Args:
        database: Where.
        relay: Says what commits leave.
    """

    def __init__(self, database: Database, relay: Relay) -> None:
        self._database = database
        self._events = events_of(database, relay)
        self._slots: Repository[Slot] = Repository(database, GROUPS, encode=slot_document, decode=slot_of, wake=relay.wake)
        self._gatherings: Repository[Gathering] = Repository(
            database, GATHERINGS, encode=gathering_document, decode=lambda d: gathering_of("", d), wake=relay.wake
        )

    async def load_many(self, keys: Sequence[str]) -> dict[str, Entry[Slot]]:
        """Those of these groups that there are."""
        return await self._slots.load_many(keys)

    async def due(self, until: datetime, limit: int) -> list[Entry[Slot]]:
        """Groups that time alone changes by then, the earliest first."""
        # The repository sorts by key; what is due is looked up by its index, and read whole.
        with translated(GROUPS):
            cursor = self._database.collection(GROUPS).find({"v.due": {"$lte": until}}, {"_id": 1}).sort("v.due", 1)
            keys = [document["_id"] for document in await cursor.limit(limit).to_list(limit)]
        found = await self._slots.load_many(keys)
        return [found[key] for key in keys if key in found]

    async def count(self, trigger: str, since: datetime, most: int) -> int:
        """How many groups of a trigger were touched since then; counting ends at ``most``."""
        with translated(GROUPS):
            where = {"v.trigger": trigger, "v.touched": {"$gte": since}}
            found: int = await self._database.collection(GROUPS).count_documents(where, limit=most)
        return found

    async def held_by(self, trigger: str, limit: int) -> list[Slot]:
        """What a trigger holds now, in no order."""
        found = await self._slots.find(Filter().eq("trigger", trigger).exists("held.0"), limit=limit)
        return [entry.value for entry in found if entry.value is not None]

    async def load_gathering(self, key: str) -> Entry[Gathering]:
        """What came of a group, or an entry without value."""
        entry = await self._gatherings.load(key)
        return entry if entry.value is None else replace(entry, value=replace(entry.value, key=key))

    async def mark(self, entry: Entry[Gathering], gathering: Gathering) -> None:
        """Store what became of its run."""
        await self._gatherings.commit(entry, gathering)

    async def gatherings_of(self, event: str) -> list[Gathering]:
        """What an event was a part of, for every trigger."""
        found = await self._gatherings.find(Filter().eq("events", event))
        return [replace(entry.value, key=entry.key) for entry in found if entry.value is not None]

    async def commit(
        self, records: Sequence[Creation[Received]], gatherings: Sequence[Creation[Gathering]], slots: Sequence[Change[Slot]]
    ) -> None:
        """Store all of it, or nothing."""
        if not (records or gatherings or slots):
            return
        async with self._database.transaction() as transaction:
            await self._slots.commit_all(slots, transaction)  # first, because this is where another replica is met
            await self._events.create_all(records, within=transaction)
            await self._gatherings.create_all(gatherings, within=transaction)


class MongoWatches:
    """What is known about what triggers watch.

    Args:
        database: Where.
        relay: Of the service; a watch says nothing.
    """

    def __init__(self, database: Database, relay: Relay) -> None:
        self._repository: Repository[Watch] = Repository(
            database, WATCHES, encode=watch_document, decode=watch_of, wake=relay.wake
        )

    async def load(self, key: str) -> Entry[Watch]:
        """Of this trigger, or an entry without value."""
        return await self._repository.load(key)

    async def commit(self, entry: Entry[Watch], watch: Watch) -> Entry[Watch]:
        """Store it."""
        return await self._repository.commit(entry, watch)


class MongoWishes:
    """What definitions ask for.

    Args:
        database: Where.
        relay: Of the service; a wish says nothing.
    """

    def __init__(self, database: Database, relay: Relay) -> None:
        self._repository: Repository[Wish] = Repository(
            database, WISHES, encode=_wish_document, decode=_wish_of, wake=relay.wake
        )

    async def load(self, key: str) -> Entry[Wish]:
        """Of this definition, or an entry without value."""
        return await self._repository.load(key)

    async def commit(self, entry: Entry[Wish], wish: Wish) -> Entry[Wish]:
        """Store it."""
        return await self._repository.commit(entry, wish)


def _wish_document(wish: Wish) -> Document:
    schedule = None if wish.schedule is None else orjson.dumps(wish.schedule).decode()
    return {"namespace": wish.namespace, "workflow": wish.workflow, "number": wish.number, "schedule": schedule}


def _wish_of(document: Mapping[str, Any]) -> Wish:
    schedule = None if document["schedule"] is None else orjson.loads(document["schedule"])
    return Wish(document["namespace"], document["workflow"], document["number"], schedule)
