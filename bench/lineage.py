"""Lineage: how long a deep question takes in a large graph, and how many OpenLineage events a second are taken.

The graph has 100,000 assets and 400,000 edges, a job between every two assets. The question goes ten assets away and finds up
to 5,000 nodes. Events come from several clients at once, each with one input and one output; an event counts when it is kept,
its edges are in the graph, its assets are recorded and their signals are in the stream.
"""

import asyncio
import statistics
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from random import Random

from pymongo import InsertOne

from tocsin.signals import Json, derive, root
from tocsin_kit.bus import Bus, ensure_streams
from tocsin_kit.clock import SystemClock
from tocsin_kit.store import Database, Relay
from tocsin_kit.testing.servers import embedded_mongo, embedded_nats
from tocsin_lineage.adapters.assets import ASSETS, SLOTS, MongoAssetStore
from tocsin_lineage.adapters.graph import EDGES, MongoEventStore, MongoGraphStore
from tocsin_lineage.application import Graph, Intake, Recorder
from tocsin_lineage.application.graph import View
from tocsin_lineage.domain.graph import ASSET, JOB, Direction

SIZES = (1_000, 10_000, 50_000, 100_000)
EDGES_PER_ASSET = 4
DEPTH = 10
QUESTIONS = 15
EVENTS = 4_000
CLIENTS = (256, 1_000)  # who send at once, each its next event when the last one is answered
SEED = 7
AT = datetime(2026, 1, 1, tzinfo=UTC)


class System:
    """The parts that are measured.

    Args:
        nats_url: Of the broker.
        mongo_url: Of the database.
        name: Of the database.
    """

    def __init__(self, nats_url: str, mongo_url: str, name: str) -> None:
        self.clock = SystemClock()
        self.bus, self.database = Bus(nats_url, name="lineage"), Database(mongo_url, name=name)
        self.relay = Relay(self.database, self.bus, (ASSETS, SLOTS))
        self.store, self.edges = MongoAssetStore(self.database, self.relay), MongoGraphStore(self.database)
        self.graph = Graph(self.edges, self.store)
        self.intake = Intake(MongoEventStore(self.database), self.edges, Recorder(self.store, clock=self.clock))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Connected, with indexes and streams, and the relay at work."""
        async with asyncio.TaskGroup() as group:
            await self.database.start()
            await self.bus.start()
            await ensure_streams(self.bus, None, "SIGNALS")
            await self.store.prepare()
            await self.edges.prepare()
            await self.relay.start()
            tasks = [group.create_task(part.serve()) for part in (self.database, self.bus, self.relay)]
            yield
            for task in tasks:
                task.cancel()
        await self.relay.stop()
        await self.bus.stop()
        await self.database.stop()


async def grow(system: System, assets: int) -> None:
    """A graph in which each asset is made of one or two others of the two thousand before it."""
    random, namespace = Random(SEED), f"n{assets}"
    rows: list[InsertOne[dict[str, object]]] = []
    for number in range(assets):
        job, made = f"{JOB}job{number}", f"{ASSET}asset{number}"
        ends = {(job, made)}
        while number and len(ends) < min(EDGES_PER_ASSET, number + 1):
            ends.add((f"{ASSET}asset{max(0, number - random.randint(1, 2_000))}", job))
        for source, target in ends:
            document = {"namespace": namespace, "source": source, "target": target, "first": AT, "last": AT}
            rows.append(InsertOne({"_id": derive("edge", namespace, source, target), **document}))
        if len(rows) >= 5_000 or number == assets - 1:
            await system.database.collection(EDGES).bulk_write(rows, ordered=False)
            rows = []


async def ask(system: System, assets: int) -> dict[str, object]:
    """Ask from assets spread over the graph; milliseconds and the nodes found."""
    random = Random(SEED)
    times: list[float] = []
    nodes: list[int] = []
    for _ in range(QUESTIONS + 2):
        key = f"asset{random.randint(assets // 2, assets - 1)}"
        view = View(namespace=f"n{assets}", key=key, direction=Direction.UPSTREAM, depth=DEPTH)
        begin = system.clock.monotonic()
        picture = await system.graph.around(view)
        times.append((system.clock.monotonic() - begin) * 1000)
        nodes.append(len(picture.nodes))
    times, nodes = times[2:], nodes[2:]
    return {
        "assets": assets,
        "edges": assets * EDGES_PER_ASSET,
        "depth": DEPTH,
        "nodes": round(statistics.median(nodes)),
        "p50_ms": round(statistics.median(times), 1),
        "max_ms": round(max(times), 1),
    }


async def take(
    system: System, events: int, jobs: int, *, name: str, new: str = "", clients: int = CLIENTS[0]
) -> dict[str, object]:
    """Take events from several clients at once; events a second until the last signal is in the stream.

    Args:
        system: What is measured.
        events: How many, each of a run of its own.
        jobs: Of how many jobs, each with an input and an output of its own.
        name: Of this measurement, so that its runs are others.
        new: What the names of jobs and datasets begin with.
        clients: How many send at once.
    """
    numbers = iter(range(events))
    cause = root("bench")

    async def client() -> None:
        for number in numbers:
            await system.intake.take(
                _event(number % jobs, f"{name}-{number}", new), namespace="default", actor="key:bench", cause=cause
            )

    begin = system.clock.monotonic()
    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(client())
    taken = system.clock.monotonic() - begin
    await system.relay.drained()
    said = system.clock.monotonic() - begin
    facts: dict[str, object] = {"events": events, "jobs": jobs, "clients": clients}
    return facts | {"taken_per_s": round(events / taken), "said_per_s": round(events / said)}


def _event(job: int, run: str, new: str) -> dict[str, Json]:
    number = int(run.rpartition("-")[2])
    return {
        "eventType": "COMPLETE",
        "eventTime": f"2026-03-01T12:{number // 60 % 60:02d}:{number % 60:02d}Z",
        "producer": "https://example.com/bench",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": run},
        "job": {"namespace": "bench", "name": f"{new}job{job}"},
        "inputs": [{"namespace": "bench", "name": f"{new}in{job}"}],
        "outputs": [
            {
                "namespace": "bench",
                "name": f"{new}out{job}",
                "facets": {"schema": {"fields": [{"name": f"c{n}", "type": "text"} for n in range(8)]}},
                "outputFacets": {"outputStatistics": {"rowCount": number, "size": 1000}},
            }
        ],
    }


async def lineage(sizes: Sequence[int] = SIZES) -> AsyncIterator[dict[str, object]]:
    """The curve over sizes of the graph, then the intake."""
    with embedded_nats() as nats_url, embedded_mongo() as mongo_url:
        system = System(nats_url, mongo_url, "bench_lineage")
        async with system.running():
            for size in sizes:
                await grow(system, size)
                yield await ask(system, size)
            await take(system, EVENTS // 4, 1_000, name="warm")
            for clients in CLIENTS:
                for jobs in (100, 1_000):
                    name = f"known{jobs}-{clients}"
                    yield {"jobs_are": "known", **await take(system, EVENTS, jobs, name=name, clients=clients)}
                name = f"new{clients}"  # each event has a job and two datasets that nobody has heard of
                yield {"jobs_are": "new", **await take(system, EVENTS, EVENTS, name=name, new=name, clients=clients)}
