"""Looks at what triggers watch: one replica at a time, from where the last look ended, nothing lost and nothing twice.

The claim, the cursor and the next time are one document with a revision. Events are stored before the cursor moves on, and
their ids are derived from what was found; so a replica that dies in between is followed by one that finds the same again and
starts nothing again.
"""

import asyncio
from datetime import datetime, timedelta

import structlog

from tocsin.errors import Conflict, Rejected, TocsinError
from tocsin_kit.chassis import Part
from tocsin_kit.clock import Clock
from tocsin_kit.store import Entry
from tocsin_trigger.application.bringing import bring
from tocsin_trigger.application.intake import Arrived, Intake
from tocsin_trigger.application.registry import Registry
from tocsin_trigger.domain.deciding import Ready
from tocsin_trigger.domain.events import Channel
from tocsin_trigger.domain.sources import (
    WATCHED,
    BucketSource,
    FileSource,
    FunctionSource,
    OnceSource,
    PollSource,
    WatchedSource,
)
from tocsin_trigger.domain.watching import Item, Look, Watch, begin, claim, fingerprint, went_well, went_wrong
from tocsin_trigger.ports import Sensors, WatchStore

log = structlog.get_logger()

_EVERY = timedelta(seconds=0.5)  # between two looks at the clock
_AT_ONCE = 8  # sources that one replica looks at
_BATCH = 100  # events stored together
_PATIENCE = timedelta(seconds=90)  # for one look; less than the lease
_TYPES = {
    OnceSource: "io.tocsin.trigger.instant.v1",
    FileSource: "io.tocsin.file.found.v1",
    PollSource: "io.tocsin.poll.found.v1",
    FunctionSource: "io.tocsin.poll.found.v1",
    BucketSource: "io.tocsin.object.found.v1",
}


class Watching(Part):
    """The component.

    Args:
        registry: The triggers.
        watches: What is known about them.
        sensors: Look.
        intake: Decides and stores.
        replica: Names this process.
        clock: Time.
    """

    def __init__(
        self, registry: Registry, watches: WatchStore, sensors: Sensors, intake: Intake, *, replica: str, clock: Clock
    ) -> None:
        super().__init__("watching")
        self._registry = registry
        self._watches = watches
        self._sensors = sensors
        self._intake = intake
        self._replica = replica
        self._clock = clock
        self._next: dict[str, datetime] = {}
        self._busy: set[str] = set()

    async def serve(self) -> None:
        """Look until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                now = self._clock.now()
                for ready in self._registry.watched():
                    key = ready.trigger.id
                    if len(self._busy) < _AT_ONCE and key not in self._busy and self._is_due(ready, now):
                        self._busy.add(key)
                        group.create_task(self._one(ready))
                await self._clock.sleep(_EVERY)

    def _is_due(self, ready: Ready, now: datetime) -> bool:
        if ready.trigger.status != "active":
            return False  # what is there stays there, and is found when it works again
        known = self._next.get(f"{ready.trigger.id}/{ready.revision}")
        return known is None or known <= now

    async def _one(self, ready: Ready) -> None:
        try:
            due = await self._visit(ready)
        except TocsinError as error:
            log.info("watch.postponed", trigger=ready.trigger.key, code=error.code, error=error.detail)
            due = self._clock.now() + timedelta(seconds=2)
        finally:
            self._busy.discard(ready.trigger.id)
        if len(self._next) > 10_000:
            self._next.clear()  # only a hint that spares questions to the database
        self._next[f"{ready.trigger.id}/{ready.revision}"] = due

    async def _visit(self, ready: Ready) -> datetime:
        """Look, if it is time and nobody else does; when to ask again."""
        source = ready.trigger.source
        assert isinstance(source, WATCHED)
        now = self._clock.now()
        entry = await self._watches.load(ready.trigger.id)
        watch = entry.value
        if watch is None or watch.of != fingerprint(source):
            watch = begin(ready.trigger, source, now)
        claimed = claim(watch, self._replica, now)
        later = now + timedelta(seconds=30)
        if claimed is None:
            return min(watch.due or later, later) if watch.until is None or watch.until <= now else now + timedelta(seconds=2)
        try:
            entry = await self._watches.commit(entry, claimed)
        except Conflict:
            return now + timedelta(seconds=2)
        after = await self._look(ready, source, entry, claimed)
        await self._watches.commit(entry, after)
        return after.due or later

    async def _look(self, ready: Ready, source: WatchedSource, entry: Entry[Watch], watch: Watch) -> Watch:
        try:
            async with asyncio.timeout(_PATIENCE.total_seconds()):
                found = await self._sensors.look(ready.trigger, source, watch.cursor, self._clock.now())
                await self._take(ready, source, found)
                await self._sensors.accepted(source, found.items)
        except TimeoutError:
            return went_wrong(watch, source, f"It took longer than {_PATIENCE.total_seconds():g} s.", self._clock.now())
        except TocsinError as error:
            log.info(
                "watch.failed", trigger=ready.trigger.key, code=error.code, error=error.detail, failures=watch.failures + 1
            )
            return went_wrong(watch, source, error.detail, self._clock.now())
        return went_well(watch, source, found, self._clock.now())

    async def _take(self, ready: Ready, source: WatchedSource, found: Look) -> None:
        for at in range(0, len(found.items), _BATCH):
            arrivals = {}
            for item in found.items[at : at + _BATCH]:
                arrived = self._arrived(ready, source, item)
                if arrived is not None:
                    arrivals[arrived.received.key] = arrived
            if arrivals:
                await self._intake.take(list(arrivals.values()))

    def _arrived(self, ready: Ready, source: WatchedSource, item: Item) -> Arrived | None:
        try:
            return bring(ready, Channel.WATCH, item.id, _TYPES[type(source)], item.data, now=self._clock.now())
        except Rejected as error:
            log.warning("watch.refused", trigger=ready.trigger.key, item=item.id, code=error.code, error=error.detail)
            return None
