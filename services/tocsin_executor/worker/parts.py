"""A worker as one component: its runners, its sandbox, its life."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from tocsin.expressions.sandbox import Sandbox
from tocsin_executor.application.apart import Apart
from tocsin_executor.application.wire import EXPRESSIONS
from tocsin_executor.domain.placing import queues_for
from tocsin_executor.domain.values import Json
from tocsin_executor.worker.attempts import Identity
from tocsin_executor.worker.calling import Caller
from tocsin_executor.worker.containers import Allowance
from tocsin_executor.worker.hands import Queue
from tocsin_executor.worker.leftovers import EVERY, Leftovers, Owner, platform_of
from tocsin_executor.worker.measures import WorkerMeasures
from tocsin_executor.worker.neighbours import Neighbours
from tocsin_executor.worker.presence import Presence
from tocsin_executor.worker.resources import Resources
from tocsin_executor.worker.rpc import Rpc
from tocsin_executor.worker.runners.a2a import AgentRunner
from tocsin_executor.worker.runners.asyncapi import MessageRunner
from tocsin_executor.worker.runners.container import ContainerRunner
from tocsin_executor.worker.runners.expressions import ExpressionRunner, NoopRunner
from tocsin_executor.worker.runners.grpc import GrpcRunner
from tocsin_executor.worker.runners.http import HttpRunner
from tocsin_executor.worker.runners.mcp import ToolRunner
from tocsin_executor.worker.runners.openapi import OpenApiRunner
from tocsin_executor.worker.runners.process import ProcessRunner
from tocsin_executor.worker.secrets import LocalSecrets, SecretSource
from tocsin_executor.worker.settings import WorkerSettings
from tocsin_executor.worker.tasks import Runner, Task
from tocsin_executor.worker.warden import Warden
from tocsin_executor.worker.worker import LAST, Worker
from tocsin_kit.bus import Bus
from tocsin_kit.bus.direct import Direct
from tocsin_kit.bus.run_tokens import LONGEST, RunTokens
from tocsin_kit.bus.secrets import SecretsClient
from tocsin_kit.bus.values import ValueStore
from tocsin_kit.chance import SystemChance
from tocsin_kit.chassis import Health
from tocsin_kit.clock import Clock
from tocsin_kit.config import Settings
from tocsin_kit.telemetry import Metrics
from tocsin_kit.web.outgoing import OutgoingGuard

_CLOSING: Final = timedelta(seconds=3)  # for what else a process closes when its worker has stopped
_MARGIN: Final = timedelta(seconds=30)  # a token outlives its task by this, for what the code says last


@dataclass(frozen=True, slots=True)
class Runners:
    """Every kind of work that this version knows, and what has to be closed behind it."""

    by_kind: Mapping[str, Runner]
    caller: Caller
    resources: Resources
    containers: ContainerRunner
    warden: Warden
    expressions: ExpressionRunner

    async def close(self) -> None:
        """Close what the runners opened."""
        await self.caller.close()
        await self.containers.close()
        self.warden.close()


def apart_of(settings: WorkerSettings, bus: Bus, clock: Clock) -> Apart:
    """Where a worker's large values are."""
    return Apart(ValueStore(bus, clock), settings.value_bytes)


def runners_for(clock: Clock, sandbox: Sandbox, settings: WorkerSettings, apart: Apart | None = None) -> Runners:
    """The runners of a worker."""
    guard = OutgoingGuard(allow_private=settings.allow_private, setting="worker.allow_private")
    caller = Caller(guard, clock, SystemChance())
    resources, rpc, warden = Resources(caller, clock, settings.resources), Rpc(caller), Warden()
    processes = ProcessRunner(clock, resources, warden)
    allowance = Allowance(
        settings.container_memory, settings.container_cpus, settings.container_network, settings.container_folders
    )
    containers = ContainerRunner(settings.docker, allowance, clock)
    expressions = ExpressionRunner(sandbox, apart or Apart(None, settings.value_bytes))
    runners: dict[str, Runner] = {
        "http": HttpRunner(caller),
        "openapi": OpenApiRunner(caller, resources),
        "asyncapi": MessageRunner(caller, resources, sandbox, clock),
        "grpc": GrpcRunner(caller, resources),
        "a2a": AgentRunner(rpc, resources),
        "mcp": ToolRunner(rpc, clock, warden),
        "script": processes,
        "shell": processes,
        "container": containers,
        "evaluate": expressions,
        "noop": NoopRunner(),
    }
    return Runners(runners, caller, resources, containers, warden, expressions)


def secrets_of(settings: WorkerSettings, bus: Bus) -> SecretSource:
    """The platform's secrets, behind those that the operator gave this worker."""
    platform = SecretsClient(bus)
    return platform if settings.secrets is None else LocalSecrets(settings.secrets, platform)


def identity_of(tokens: RunTokens, url: str, clock: Clock) -> Identity:
    """What the code of a task needs to call the platform: its address, and a token of the run that ends with the task."""

    @asynccontextmanager
    async def identity(task: Task) -> AsyncIterator[dict[str, Json]]:
        left = LONGEST
        if task.deadline is not None:
            left = timedelta(milliseconds=task.deadline - int(clock.now().timestamp() * 1000)) + _MARGIN
        token = await tokens.issue(task.namespace, task.run, lifetime=left)
        task.redaction.hide(token.reveal())
        try:
            yield {"TOCSIN_URL": url, "TOCSIN_TOKEN": token.reveal()}
        finally:
            await tokens.end(token)

    return identity


def _placed(queues: Sequence[Queue], labels: Mapping[str, str]) -> list[Queue]:
    """The queues, and beside each those of tasks that ask for some of the labels."""
    return [
        queue if name == queue.name else Queue(name, queue.slots)
        for queue in queues
        for name in ([queue.name] if queue.name == EXPRESSIONS else queues_for(queue.name, labels))
    ]


def leaves_in(settings: Settings) -> timedelta:
    """How long the stop of a process with a worker may take: its drain, and the end of what is handed back then."""
    return settings.of(WorkerSettings).drain + LAST + _CLOSING


class WorkerPart:
    """A worker.

    Args:
        bus: Its connection; started before, served by the process.
        name: Of the worker.
        queues: What it serves.
        runners: What it can do.
        sandbox: For expressions.
        clock: Time.
        settings: What the operator chose.
        apart: Where large values are.
        url: Of the platform, for the code of tasks.
        metrics: Where it counts.
    """

    name = "worker"

    def __init__(
        self,
        bus: Bus,
        *,
        name: str,
        queues: Sequence[Queue],
        runners: Runners,
        sandbox: Sandbox,
        clock: Clock,
        settings: WorkerSettings,
        apart: Apart,
        url: str,
        metrics: Metrics,
    ) -> None:
        self._bus = bus
        self._runners = runners
        self._sandbox = sandbox
        labels = dict(label.split("=", 1) for label in settings.labels)
        self._worker = Worker(
            Direct(bus),
            name=name,
            queues=_placed(queues, labels),
            runners=runners.by_kind,
            sandbox=sandbox,
            secrets=secrets_of(settings, bus),
            clock=clock,
            drain=settings.drain,
            log_bytes=settings.log_bytes,
            authorize=runners.caller.authorization,
            identity=identity_of(RunTokens(bus), url, clock),
            apart=apart,
            measures=WorkerMeasures(metrics),
        )
        instance = SystemChance().token(8).hex()
        self._clock = clock
        self._presence = Presence(bus, self._worker, labels, clock, instance)
        self._neighbours = Neighbours(bus, instance, clock)
        self._owner: Owner | None = None
        containers = runners.containers
        containers.owner, containers.neighbours = self._owning, self._neighbours
        self._leftovers = Leftovers(self._owning, self._neighbours, lambda: containers.held, clock)

    async def start(self) -> None:
        """Ask for work."""
        await self._neighbours.start()
        await self._worker.start()
        await self._presence.start()

    async def serve(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._worker.serve())
            group.create_task(self._presence.serve())
            group.create_task(self._tidy())

    async def _tidy(self) -> None:
        while True:
            await self._clock.sleep(EVERY)
            await self._runners.containers.look(self._leftovers)

    async def _owning(self) -> Owner:
        if self._owner is None:
            self._owner = Owner(await platform_of(self._bus), self._worker.worker_name, self._neighbours.instance)
        return self._owner

    async def stop(self) -> None:
        """Finish what is in hand, then close what the runners opened."""
        await self._presence.say("draining")
        await self._worker.stop()
        await self._presence.say("gone")
        await self._sandbox.close()
        await self._runners.close()

    def health(self) -> Health:
        """Ready while connected and working."""
        bus, worker = self._bus.health(), self._worker.health()
        return worker if bus.ready else bus
