"""A worker as one component: its runners, its sandbox, its life."""

from collections.abc import Mapping, Sequence

from tocsin.expressions.sandbox import Sandbox
from tocsin_executor.worker.runners.expressions import ExpressionRunner
from tocsin_executor.worker.runners.http import HttpRunner
from tocsin_executor.worker.runners.process import ProcessRunner
from tocsin_executor.worker.settings import WorkerSettings
from tocsin_executor.worker.tasks import Runner
from tocsin_executor.worker.worker import Queue, Worker
from tocsin_kit.bus import Bus
from tocsin_kit.bus.direct import Direct
from tocsin_kit.chassis import Health
from tocsin_kit.clock import Clock
from tocsin_kit.web.outgoing import OutgoingGuard


def runners_for(clock: Clock, sandbox: Sandbox, *, allow_private: bool) -> dict[str, Runner]:
    """Every kind of work that this version knows; ``allow_private``: calls may go to loopback and private networks."""
    processes = ProcessRunner(clock)
    return {
        "http": HttpRunner(OutgoingGuard(allow_private=allow_private, setting="worker.allow_private")),
        "script": processes,
        "shell": processes,
        "evaluate": ExpressionRunner(sandbox),
    }


class WorkerPart:
    """A worker.

    Args:
        bus: Its connection; started before, served by the process.
        name: Of the worker.
        queues: What it serves.
        runners: By kind.
        sandbox: For expressions.
        clock: Time.
        settings: What the operator chose.
    """

    name = "worker"

    def __init__(
        self,
        bus: Bus,
        *,
        name: str,
        queues: Sequence[Queue],
        runners: Mapping[str, Runner],
        sandbox: Sandbox,
        clock: Clock,
        settings: WorkerSettings,
    ) -> None:
        self._bus = bus
        self._runners = runners
        self._sandbox = sandbox
        self._worker = Worker(
            Direct(bus),
            name=name,
            queues=queues,
            runners=runners,
            sandbox=sandbox,
            clock=clock,
            drain=settings.drain,
            log_bytes=settings.log_bytes,
        )

    async def start(self) -> None:
        """Ask for work."""
        await self._worker.start()

    async def serve(self) -> None:
        """Work until cancelled."""
        await self._worker.serve()

    async def stop(self) -> None:
        """Finish what is in hand, then close what the runners opened."""
        await self._worker.stop()
        await self._sandbox.close()
        for runner in self._runners.values():
            if isinstance(runner, HttpRunner):
                await runner.close()

    def health(self) -> Health:
        """Ready while connected and working."""
        bus, worker = self._bus.health(), self._worker.health()
        return worker if bus.ready else bus
