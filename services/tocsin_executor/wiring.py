"""Puts the executor together: engine, API, commands, logs, and the workers of this process."""

import os
import socket
from collections.abc import Sequence
from datetime import timedelta

from tocsin.expressions.sandbox import Sandbox
from tocsin_executor.adapters.admission import MongoQueue
from tocsin_executor.adapters.admitting import AdmissionPart
from tocsin_executor.adapters.commands import Commands
from tocsin_executor.adapters.definitions import WORKFLOWS, MongoDefinitions
from tocsin_executor.adapters.engine import Engine
from tocsin_executor.adapters.pools import POOLS, MongoPools
from tocsin_executor.adapters.proposals import PROPOSALS, MongoProposals
from tocsin_executor.adapters.queue_gauges import LOOK, QueueGauges
from tocsin_executor.adapters.reading import RunReading
from tocsin_executor.adapters.refusals import BusRefusals
from tocsin_executor.adapters.retention import Retention
from tocsin_executor.adapters.runs import MongoRuns
from tocsin_executor.adapters.workers import SeenWorkers
from tocsin_executor.application.admission import Admission
from tocsin_executor.application.apart import Apart
from tocsin_executor.application.approvals import Approvals
from tocsin_executor.application.carrying import Carrying
from tocsin_executor.application.definitions import Definitions
from tocsin_executor.application.measures import MEASURE_EVERY, Measures
from tocsin_executor.application.migrations import Migrations
from tocsin_executor.application.pools import Pools
from tocsin_executor.application.programs import ProgramCache
from tocsin_executor.application.proposals import Proposals
from tocsin_executor.application.repeats import Repeats
from tocsin_executor.application.reruns import Reruns
from tocsin_executor.application.runs import Runs
from tocsin_executor.application.waiters import Waiters
from tocsin_executor.application.wire import EXPRESSIONS
from tocsin_executor.domain.compile import Offered
from tocsin_executor.http.approvals import approval_routes
from tocsin_executor.http.explanations import explanation_routes
from tocsin_executor.http.logs import log_routes
from tocsin_executor.http.migrations import migration_routes
from tocsin_executor.http.pools import pool_routes
from tocsin_executor.http.proposals import proposal_routes
from tocsin_executor.http.repairs import repair_routes
from tocsin_executor.http.runs import run_routes
from tocsin_executor.http.workers import worker_routes
from tocsin_executor.http.workflows import workflow_routes
from tocsin_executor.settings import ExecutorSettings
from tocsin_executor.worker.hands import Queue
from tocsin_executor.worker.imports import Imports
from tocsin_executor.worker.parts import Runners, WorkerPart, apart_of, leaves_in, runners_for, secrets_of
from tocsin_executor.worker.settings import WorkerSettings
from tocsin_kit.bus import Bus
from tocsin_kit.bus.consumer import Consumer
from tocsin_kit.bus.topology import consumer
from tocsin_kit.bus.values import ValueStore
from tocsin_kit.chassis import Component, ServiceContext, ServiceDefinition
from tocsin_kit.chassis.components import Part
from tocsin_kit.chassis.dead_letters import dead_letter_routes
from tocsin_kit.chassis.housekeeping import Housekeeping
from tocsin_kit.chassis.ticking import Ticking
from tocsin_kit.store import Relay
from tocsin_kit.web import HttpServer, Limits, Route
from tocsin_kit.web.outside import RemoteAuthenticator

RETENTION = "*/5 * * * *"
_EVALUATIONS = 4  # open expressions at once; each is a process of its own


def build(context: ServiceContext[ExecutorSettings]) -> Sequence[Component]:
    """The components of the executor."""
    settings, clock, chance = context.settings, context.clock, context.chance
    relay = Relay(context.database, context.bus, (WORKFLOWS, POOLS, PROPOSALS))
    stored = MongoDefinitions(context.database, relay)
    programs = ProgramCache(stored.read, Offered(metadata={"gateway": context.platform.services.gateway_url}))
    queue, refusals = MongoQueue(context.database), BusRefusals(context.bus, clock)
    reading = RunReading(context.database, stored, context.bus)
    admission = Admission(queue, reading, refusals, clock=clock, partitions=settings.partitions)
    pools = Pools(MongoPools(context.database, relay), queue, admission)
    proposals = MongoProposals(context.database, relay, stored)
    saved = MongoRuns(context.database, admission.freed)
    # Connections of their own: a block of thousands of messages must not hold up the API.
    hot, workers_bus = hot_bus(context, "engine"), hot_bus(context, "worker")
    engine = own_engine(context, hot, saved, programs)
    workers, sandbox = context.more.of(WorkerSettings), Sandbox(_EVALUATIONS)
    apart = apart_of(workers, context.bus, clock)
    runners = runners_for(clock, sandbox, workers, apart)
    imports = Imports(runners.resources, secrets_of(workers, context.bus), clock)
    definitions = Definitions(stored, programs, clock, imports, engine.accompanied)
    runs = Runs(
        engine.host, saved, definitions, programs, reading, admission=admission, clock=clock, chance=chance, apart=apart
    )
    runners.expressions.carried = Carrying(engine.host, saved, clock).find
    authenticator = RemoteAuthenticator(context.platform.services.auth_url, clock)
    listening = (
        Consumer(context.bus, consumer("executor-commands"), Commands(runs, refusals).handle, limits=context.limits),
        Consumer(context.bus, consumer("executor-logs"), handle_many=reading.keep_logs, limits=context.limits),
    )
    dead_letters = dead_letter_routes("executor", context.bus, listening)
    worker, seen = own_worker(context, workers_bus, runners, sandbox, apart), SeenWorkers(context.bus, clock)
    served = operations(runs, definitions, Repeats(runs, apart), programs=programs, reading=reading, saved=saved, seen=seen)
    proposed = proposal_routes(Proposals(proposals, definitions, stored, clock=clock, chance=chance), definitions)
    return (
        relay,
        hot,
        engine,
        AdmissionPart(admission, queue),
        proposals,
        Housekeeping("executor.retention", RETENTION, retention_of(context).sweep),
        *measuring(context, engine, seen, queue),
        Ticking("executor.measure", MEASURE_EVERY, Measures(engine.host, context.metrics).take, clock=clock),
        *listening,
        workers_bus,
        worker,
        authenticator,
        seen,
        api(context, authenticator, (*served, *proposed, *pool_routes(pools), *worker_routes(seen), *dead_letters)),
        Farewell(engine.host.waiters),
    )


class Farewell(Part):
    """Stops first: whoever waits for the end of a run gets an answer with its id, rather than a connection that breaks.

    Args:
        waiters: Who waits.
    """

    def __init__(self, waiters: Waiters) -> None:
        super().__init__("executor.farewell")
        self._waiters = waiters

    async def stop(self) -> None:
        """Let everyone go."""
        self._waiters.close()


def measuring(
    context: ServiceContext[ExecutorSettings], engine: Engine, seen: SeenWorkers, queue: MongoQueue
) -> Sequence[Component]:
    """What looks at queues, slots and leases."""
    metrics, clock = context.metrics, context.clock
    metrics.gauge("lease_age_seconds", "Time since this replica renewed what it owns; 0 without.").labels().set_function(
        engine.lease_age
    )
    gauges = QueueGauges(context.bus, seen, queue, partitions=context.settings.partitions, metrics=metrics, clock=clock)
    return [Ticking("executor.queues", LOOK, gauges.look, clock=clock)]


def retention_of(context: ServiceContext[ExecutorSettings]) -> Retention:
    """What is kept no longer goes."""
    settings, values = context.settings, ValueStore(context.bus, context.clock)
    return Retention(context.database, context.clock, runs=settings.keep_runs, logs=settings.keep_logs, values=values)


def own_engine(context: ServiceContext[ExecutorSettings], bus: Bus, saved: MongoRuns, programs: ProgramCache) -> Engine:
    """The engine of this process."""
    settings = context.settings
    return Engine(
        bus,
        saved,
        programs,
        context.clock,
        partitions=settings.partitions,
        replica=settings.replica or f"{socket.gethostname()}:{context.port}",
        instance=context.chance.token(8).hex(),
        lease=settings.lease,
        batch_from=settings.batch_from,
    )


def operations(
    runs: Runs,
    definitions: Definitions,
    repeats: Repeats,
    *,
    programs: ProgramCache,
    reading: RunReading,
    saved: MongoRuns,
    seen: SeenWorkers,
) -> Sequence[Route]:
    """What people and programs can do with workflows and runs."""
    reruns = Reruns(runs, repeats, definitions, programs, reading)
    approvals = Approvals(runs, reading)
    migrations = Migrations(runs, saved, reading, definitions, programs)
    return (
        *workflow_routes(definitions, reading, migrations),
        *migration_routes(runs, migrations),
        *run_routes(runs, reading, repeats),
        *explanation_routes(runs, reading, seen),
        *log_routes(runs, reading, reading.clock),
        *repair_routes(runs, reruns, approvals),
        *approval_routes(approvals),
    )


def api(context: ServiceContext[ExecutorSettings], authenticator: RemoteAuthenticator, served: Sequence[Route]) -> HttpServer:
    """The HTTP server of the executor."""
    return HttpServer(
        "executor",
        served,
        host=context.host,
        port=context.port,
        authenticator=authenticator,
        clock=context.clock,
        chance=context.chance,
        limits=Limits(body_bytes=context.platform.http.max_body, drain=context.platform.http.drain),
        version=context.version,
        trusted_proxies=context.platform.http.trusted_proxies,
    )


def own_worker(
    context: ServiceContext[ExecutorSettings], bus: Bus, runners: Runners, sandbox: Sandbox, apart: Apart
) -> WorkerPart:
    """The worker of this process: always for open expressions, for tasks if the settings say so."""
    workers = context.more.of(WorkerSettings)
    queues = workers.queues if context.settings.worker else ()
    return WorkerPart(
        bus,
        name=workers.name or f"{socket.gethostname()}-{os.getpid()}",
        queues=[Queue(EXPRESSIONS, _EVALUATIONS), *(Queue(name, workers.slots) for name in queues)],
        runners=runners,
        sandbox=sandbox,
        clock=context.clock,
        settings=workers,
        apart=apart,
        url=context.platform.services.gateway_url,
        metrics=context.metrics,
    )


def hot_bus(context: ServiceContext[ExecutorSettings], use: str) -> Bus:
    """A further connection with the same identity."""
    nats = context.platform.nats
    bus = Bus(
        nats.url,
        name=context.name,
        user=nats.user,
        password=nats.password.reveal() if nats.password is not None else None,
        patience=timedelta(seconds=10),
        start_timeout=nats.start_timeout,
        clock=context.clock,
        chance=context.chance,
    )
    bus.name = f"bus.{use}"
    return bus


SERVICE = ServiceDefinition(
    name="executor", settings=ExecutorSettings, more_settings=(WorkerSettings,), build=build, leaves_in=leaves_in
)
