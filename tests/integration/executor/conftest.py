"""The executor on real servers, in the test's process."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from tocsin.definitions import Definition
from tocsin.definitions.document import digest as digest_of
from tocsin.expressions.sandbox import Sandbox
from tocsin.signals import root
from tocsin_executor.adapters.admission import MongoQueue
from tocsin_executor.adapters.commands import Commands
from tocsin_executor.adapters.definitions import WORKFLOWS, MongoDefinitions
from tocsin_executor.adapters.engine import Engine
from tocsin_executor.adapters.pools import POOLS, MongoPools
from tocsin_executor.adapters.reading import RunReading
from tocsin_executor.adapters.refusals import BusRefusals
from tocsin_executor.adapters.runs import MongoRuns
from tocsin_executor.application.admission import Admission
from tocsin_executor.application.apart import Apart
from tocsin_executor.application.definitions import Definitions
from tocsin_executor.application.pools import Pools
from tocsin_executor.application.programs import ProgramCache
from tocsin_executor.application.runs import Runs, RunView, StartOrder
from tocsin_executor.application.wire import EXPRESSIONS
from tocsin_executor.worker.calling import Caller
from tocsin_executor.worker.hands import Queue
from tocsin_executor.worker.imports import Imports
from tocsin_executor.worker.measures import WorkerMeasures
from tocsin_executor.worker.parts import runners_for
from tocsin_executor.worker.resources import Resources
from tocsin_executor.worker.secrets import LocalSecrets
from tocsin_executor.worker.settings import WorkerSettings
from tocsin_executor.worker.tasks import VALUE_LIMIT
from tocsin_executor.worker.worker import Worker
from tocsin_kit.bus import Bus
from tocsin_kit.bus.direct import Direct
from tocsin_kit.bus.topology import TopologyLimits, ensure_streams
from tocsin_kit.bus.values import ValueStore
from tocsin_kit.chance import SystemChance
from tocsin_kit.clock import SystemClock
from tocsin_kit.config import Secret
from tocsin_kit.store import Database, Relay
from tocsin_kit.web.outgoing import OutgoingGuard

PARTITIONS = 4


@dataclass
class Replica:
    """One executor process's insides."""

    bus: Bus
    database: Database
    engine: Engine
    runs: Runs
    definitions: Definitions
    reading: RunReading
    commands: Commands
    pools: Pools
    apart: Apart


class Rig:
    """Makes replicas and workers, and uses them as a client would."""

    def __init__(self, nats_url: str, mongo_url: str, prefix: str) -> None:
        self.nats_url, self.mongo_url, self.prefix = nats_url, mongo_url, prefix
        self.main: Replica | None = None

    @asynccontextmanager
    async def replica(
        self, name: str = "one", *, lease: float = 2.0, orderly: bool = True, batch_from: int | None = None
    ) -> AsyncIterator[Replica]:
        """A replica that owns its share; ``orderly=False`` ends it as a crash would."""
        clock, chance = SystemClock(), SystemChance()
        bus = Bus(self.nats_url, name="executor")
        database = Database(self.mongo_url, name=f"{self.prefix}_executor")
        await bus.start()
        await ensure_streams(bus, TopologyLimits())
        await database.start()
        relay = Relay(database, bus, (WORKFLOWS, POOLS))
        queue, refusals = MongoQueue(database), BusRefusals(bus, clock)
        stored = MongoDefinitions(database, relay)
        reading = RunReading(database, stored, bus)
        admission = Admission(queue, reading, refusals, clock=clock, partitions=PARTITIONS)
        saved = MongoRuns(database, admission.freed)
        programs = ProgramCache(stored.read)
        engine = Engine(
            bus,
            saved,
            programs,
            clock,
            partitions=PARTITIONS,
            replica=name,
            instance=chance.token(4).hex(),
            lease=timedelta(seconds=lease),
            batch_from=batch_from,
        )
        caller = Caller(OutgoingGuard(allow_private=True, setting="x"), clock, chance)
        imports = Imports(Resources(caller, clock, None), LocalSecrets(Secret("{}"), None), clock)
        definitions = Definitions(stored, programs, clock, imports, engine.accompanied)
        apart = Apart(ValueStore(bus, clock), VALUE_LIMIT)
        runs = Runs(
            engine.host, saved, definitions, programs, reading, admission=admission, clock=clock, chance=chance, apart=apart
        )
        pools = Pools(MongoPools(database, relay), queue, admission)
        commands = Commands(runs, refusals)
        replica = Replica(bus, database, engine, runs, definitions, reading, commands, pools, apart)
        await queue.ensure_indexes()
        await engine.start()
        self.main = self.main or replica
        tasks = [asyncio.create_task(part.serve()) for part in (engine, relay, bus, admission)]  # noqa: TID251  # ended below, as a crash would
        try:
            yield replica
            if orderly:
                await engine.stop()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await caller.close()
            await bus.stop()
            await database.stop()
            if self.main is replica:
                self.main = None

    @asynccontextmanager
    async def worker(
        self,
        *queues: str,
        name: str = "w",
        drain: float = 5.0,
        secrets: dict[str, Any] | None = None,
        measures: WorkerMeasures | None = None,
    ) -> AsyncIterator[Worker]:
        """A worker of these queues and of expressions."""
        clock, bus = SystemClock(), Bus(self.nats_url, name="worker")
        await bus.start()
        await ensure_streams(bus, TopologyLimits())  # the executor does it; tests may start the worker first
        async with Sandbox(2) as sandbox:
            apart = Apart(ValueStore(bus, clock), VALUE_LIMIT)
            runners = runners_for(clock, sandbox, WorkerSettings(allow_private=True), apart)
            worker = Worker(
                Direct(bus),
                name=name,
                queues=[Queue(queue, 50) for queue in (*(queues or ("default",)), EXPRESSIONS)],
                runners=runners.by_kind,
                sandbox=sandbox,
                secrets=LocalSecrets(Secret(json.dumps(secrets or {})), None),
                clock=clock,
                drain=timedelta(seconds=drain),
                authorize=runners.caller.authorization,
                apart=apart,
                measures=measures,
            )
            await worker.start()
            serving = asyncio.create_task(worker.serve())  # noqa: TID251  # ended below
            try:
                yield worker
            finally:
                await worker.stop()
                serving.cancel()
                await asyncio.gather(serving, return_exceptions=True)
                await runners.close()
                await bus.stop()

    async def publish(
        self, tasks: list[dict[str, Any]], *, name: str = "flow", version: str = "1.0.0", limits: Any = None, **more: Any
    ) -> None:
        """Publish a workflow of these tasks; ``limits`` is what its metadata says of them."""
        assert self.main is not None
        head: dict[str, Any] = {"dsl": "1.0.3", "namespace": "default", "name": name, "version": version}
        if limits is not None:
            head["metadata"] = {"tocsin": limits}
        document = {"document": head, **more, "do": tasks}
        definition = Definition(document, digest_of(document), "test", {})
        if "use" in more:  # it may import
            definition = await self.main.definitions.check(json.dumps(document).encode())
        await self.main.definitions.publish(definition, actor="user:test", cause=root("test"))

    async def start(self, data: Any = None, *, name: str = "flow", run: str | None = None, **more: Any) -> str:
        """Start a run."""
        assert self.main is not None
        given = {} if data is None else data
        order = StartOrder(namespace="default", workflow=name, input=given, actor="user:test", **more)
        return (await self.main.runs.start(order, run=run)).id

    async def ended(self, run: str, within: float = 15.0) -> RunView:
        """The run when it has ended."""
        assert self.main is not None
        view = await self.main.runs.wait(await self.main.runs.get(run), within)
        assert view.status in {"completed", "faulted", "cancelled"}, f"{run} is {view.status}"
        return view

    async def run(self, tasks: list[dict[str, Any]], data: Any = None, **more: Any) -> RunView:
        """Publish, start, and wait for the end."""
        await self.publish(tasks, **more)
        return await self.ended(await self.start(data))


@pytest.fixture
def rig(nats_url: str, mongo_url: str, mongo_prefix: str) -> Rig:
    """Replicas and workers on this test's servers."""
    return Rig(nats_url, mongo_url, mongo_prefix)
