"""Custom events in, matched against many triggers, decided about, recorded, and what follows from them said.

The trigger service is a process of its own; this one publishes and watches the database. Triggers are of mixed kinds: exact
types, prefixes, filters, sources, webhooks, signals, correlations, forms. Most of them cannot match what comes; each event
starts one run, and is turned down by one filter.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp

from bench.cluster import Issuer, Service, Sync, environment
from tocsin.signals import CloudEvent, Json, encode
from tocsin_kit.bus import Bus
from tocsin_kit.embedded import DataFolder, MongoOptions, MongoServer, NatsOptions, NatsServer, free_ports
from tocsin_kit.store import Creation, Database, Outgoing, Relay
from tocsin_trigger.adapters.stores import COLLECTIONS, EVENTS, MongoTriggers
from tocsin_trigger.domain.rules import Correlate, Gather
from tocsin_trigger.domain.sources import Clause, CorrelationSource, EventSource, ManualSource, Role, SignalSource
from tocsin_trigger.domain.triggers import Source, StandardScheme, Target, Trigger, WebhookSource

EVENTS_A_RUN = 5000
CURVE = (10, 100, 1000, 10_000)
TYPES = 20  # that come; each starts one run and meets one filter that turns it down
_BLOCK = 500  # events a publish
_UNSAID = {"_pending": {"$exists": True}}


def triggers(count: int) -> list[Trigger]:
    """So many, of mixed kinds."""
    return [_trigger(number) for number in range(count)]


def _trigger(number: int) -> Trigger:
    made = datetime.now(UTC)
    source, condition = _listens(number)
    return Trigger(
        id=f"bench-{number}",
        namespace="default",
        name=f"t{number}",
        source=source,
        target=Target("fulfil"),
        created=made,
        updated=made,
        filter=condition,
        gather=Gather(Correlate(2, timedelta(hours=1))) if isinstance(source, CorrelationSource) else None,
        input={"order": "${ .data.order }", "from": "${ .source }"} if number % 3 == 0 else None,
    )


def _listens(number: int) -> tuple[Source, str | None]:
    """Numbers below ten meet what comes; of the others none can."""
    if number < 5:
        return EventSource(f"bench.group{number}.*"), None if number % 2 else ".data.total >= 0"
    if number < 10:
        return EventSource(f"bench.group{number - 5}.*"), ".data.total > 1000000"
    match number % 8:
        case 0:
            return EventSource(f"bench.other{number}"), None
        case 1:
            return EventSource(f"bench.group0.placed{number}"), ".data.total > 3"
        case 2:
            return EventSource(f"com.example{number}.*"), None
        case 3:
            return EventSource(f"bench.other{number}.*", "/elsewhere"), ".data.order != null"
        case 4:
            return SignalSource("run", "faulted"), ".data.name == null"
        case 5:
            parts = (f"bench.first{number}", f"bench.second{number}")
            clauses = tuple(Clause(kind.replace(".", "-"), Role.PART, EventSource(kind)) for kind in parts)
            return CorrelationSource(clauses), None
        case 6:
            return ManualSource(), None
        case _:
            return WebhookSource(StandardScheme(), ()), None


class Ingest:
    """A platform of which only the trigger service runs."""

    def __init__(self, bus: Bus, database: Database) -> None:
        self._bus = bus
        self._database = database
        self._number = 0

    async def measure(self, count: int) -> tuple[float, float]:
        """Publish so many events; events a second until all are recorded, and until all that follows is on disk too."""
        collection = self._database.collection(EVENTS)
        before = await collection.estimated_document_count()
        messages = [self._message() for _ in range(count)]
        began = time.perf_counter()
        for at in range(0, count, _BLOCK):
            await self._bus.deliver(messages[at : at + _BLOCK])
        async with asyncio.timeout(120):
            while await collection.estimated_document_count() < before + count:  # noqa: ASYNC110 - another process's work
                await asyncio.sleep(0.01)
            recorded = time.perf_counter()
            while await collection.find_one(_UNSAID) is not None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return count / (recorded - began), count / (time.perf_counter() - began)

    def _message(self) -> Outgoing:
        self._number += 1
        number = self._number
        kind = f"bench.group{number % 5}.placed{number % TYPES}"
        data: Json = {
            "order": f"A-{number}",
            "total": number % 977,
            "lines": [{"sku": "a", "count": 2}, {"sku": "b", "count": 1}],
        }
        event = CloudEvent(id=f"e{number}", source="/shop", type=kind, datacontenttype="application/json", data=data)
        return Outgoing(f"events.default.{kind}", encode(event), event.id)


@asynccontextmanager
async def ingesting(sync: Sync, count: int) -> AsyncIterator[Ingest]:
    """The servers and the service, with so many triggers."""
    folder = DataFolder.temporary().open()
    nats_port, mongo_port, auth_port, api_port, ops_port = free_ports(5)
    nats = NatsServer(folder.sub("nats"), NatsOptions(port=nats_port, sync=sync))
    mongo = MongoServer(folder.sub("mongo"), MongoOptions(port=mongo_port))
    nats.spawn()
    mongo.spawn()
    issuer = Issuer(auth_port)
    await asyncio.gather(nats.ready(), mongo.ready(), issuer.start())
    database = Database(mongo.url, name="tocsin_trigger")
    bus = Bus(nats.url, name="bench")
    service = _service(nats.url, mongo.url, issuer.url, api_port, ops_port)
    try:
        await database.start()
        await bus.start()
        await _put(database, bus, triggers(count))
        service.spawn()
        async with aiohttp.ClientSession() as session:
            await service.ready(session)
        yield Ingest(bus, database)
    finally:
        service.stop()
        await bus.stop()
        await database.stop()
        await issuer.stop()
        await asyncio.gather(nats.stop(), mongo.stop(), return_exceptions=True)
        folder.close()


def _service(nats: str, mongo: str, auth: str, api_port: int, ops_port: int) -> Service:
    return Service(
        "trigger",
        [sys.executable, "-m", "tocsin_trigger"],
        environment(
            TOCSIN_NATS_URL=nats,
            TOCSIN_MONGO_URL=mongo,
            TOCSIN_SERVICES_AUTH_URL=auth,
            TOCSIN_LOG_LEVEL="warning",
            TOCSIN_LOG_FORMAT="json",
            TOCSIN_TRIGGER_KEY="k" * 40,
            TOCSIN_HTTP_PORT=str(api_port),
            TOCSIN_OPS_PORT=str(ops_port),
        ),
        f"http://127.0.0.1:{ops_port}/readyz",
        Path(tempfile.mkdtemp(prefix="tocsin-bench-")) / "trigger.log",
    )


async def _put(database: Database, bus: Bus, made: Sequence[Trigger]) -> None:
    await MongoTriggers(database, Relay(database, bus, COLLECTIONS)).create([Creation(t.key, t) for t in made])


async def ingest(sync: Sync, repeat: int) -> dict[str, object]:
    """The rate with 100 triggers, and its curve from 10 to 10,000."""
    curve: dict[str, float] = {}
    value: dict[str, object] = {}
    for count in CURVE:
        async with ingesting(sync, count) as system:
            await system.measure(EVENTS_A_RUN // 2)  # warms caches up
            times = repeat if count == 100 else 1
            rates = [await system.measure(EVENTS_A_RUN) for _ in range(times)]
        recorded = statistics.median([rate for rate, _ in rates])
        curve[str(count)] = round(recorded, 1)
        if count == 100:
            said = statistics.median([rate for _, rate in rates])
            value = {"value": round(recorded, 1), "unit": "events/s", "n": repeat, "dispatched": round(said, 1)}
    return {**value, "triggers": 100, "curve": curve}
