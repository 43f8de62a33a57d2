"""A bus that only remembers, and the next process on what a killed one has left."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

from tocsin.errors import Conflict
from tocsin.signals import CloudEvent, decode
from tocsin_kit.clock import SystemClock
from tocsin_kit.store import Database, Outgoing, Relay
from tocsin_kit.store.orphans import end_orphans
from tocsin_kit.testing.clocks import ManualClock
from tocsin_kit.testing.waiting import eventually


class Remembered:
    """What was said, in order; a process may die before it is stored and before it hears that it is."""

    def __init__(self) -> None:
        self.said: list[tuple[str, CloudEvent]] = []
        self._clock = SystemClock()

    async def deliver(self, items: Sequence[Outgoing]) -> None:
        await self._clock.sleep(0)
        self.said += [(item.subject, decode(item.payload)) for item in items]
        await self._clock.sleep(0)

    def once(self, under: str) -> dict[str, CloudEvent]:
        """By id; the same id always says the same."""
        found: dict[str, CloudEvent] = {}
        for subject, event in self.said:
            if subject.startswith(under):
                assert found.setdefault(event.id, event) == event
        return found

    def whole(self) -> bool:
        """Whether the numbers of each entity's signals have no gap and no number says two things."""
        ids: dict[str | None, dict[int | None, str]] = {}
        for subject, event in self.said:
            if subject.startswith("signals."):
                of = ids.setdefault(f"{subject.split('.')[2]}/{event.subject}", {})
                assert of.setdefault(event.sequence, event.id) == event.id, f"two signals have number {event.sequence}"
        return all(sorted(of, key=str) == sorted(range(1, len(of) + 1), key=str) for of in ids.values())


async def freed(database: Database) -> None:
    """What the next process does by itself: the locks of the dead are gone (see ``tocsin_kit.store.orphans``)."""
    await end_orphans(database.raw.client, f"tocsin-{database.database_name}", idle=timedelta(0))


async def swept(database: Database, relay: Relay, clock: ManualClock, *collections: str) -> None:
    """The same: what the dead left unsaid is said."""
    clock.jump(timedelta(seconds=5))

    async def nothing_unsaid() -> bool:
        left = [await database.collection(name).count_documents({"_pending": {"$exists": True}}) for name in collections]
        return not any(left)

    async with asyncio.TaskGroup() as group:
        serving = group.create_task(relay.serve())
        await eventually(nothing_unsaid, within=60)
        serving.cancel()


Again = Callable[[], Awaitable[Any]]


async def as_delivered_again(again: Again) -> None:
    """Until it is done, as a consumer does: what conflicts with a transaction that is just being ended is tried again."""

    async def done() -> bool:
        try:
            await again()
        except Conflict:
            return False
        return True

    await eventually(done, within=60)
