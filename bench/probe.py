"""A worker process that says when a task's body begins: this process."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.cluster import Cluster
from tocsin.expressions.sandbox import Sandbox
from tocsin_executor.worker.hands import Queue
from tocsin_executor.worker.secrets import LocalSecrets
from tocsin_executor.worker.tasks import read_task
from tocsin_executor.worker.worker import Worker
from tocsin_kit.bus import Bus
from tocsin_kit.bus.direct import Direct
from tocsin_kit.bus.feed import Delivery
from tocsin_kit.clock import SystemClock
from tocsin_kit.config import Secret


class _ProbeWorker(Worker):
    """The real worker; it notes when a no-op has been carried out, which is where it is taken."""

    began: dict[str, "asyncio.Future[float]"]

    def _receive(self, queue: Queue, delivery: Delivery) -> None:
        super()._receive(queue, delivery)
        now = time.perf_counter()
        future = self.began.setdefault(read_task(delivery.payload).run, asyncio.get_running_loop().create_future())
        if not future.done():
            future.set_result(now)


class Probe:
    """Serves the default queue and notes when bodies begin."""

    def __init__(self, cluster: Cluster) -> None:
        self._bus = Bus(cluster.nats.url, name="worker")
        self._worker = _ProbeWorker(
            Direct(self._bus),
            name="probe",
            queues=[Queue("default", 100)],
            runners={},
            sandbox=Sandbox(),
            secrets=LocalSecrets(Secret("{}"), None),
            clock=SystemClock(),
        )
        self._worker.began = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve while inside."""
        await self._bus.start()
        await self._worker.start()
        serving = asyncio.create_task(self._worker.serve())
        try:
            yield
        finally:
            await self._worker.stop()
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
            await self._bus.stop()

    async def began(self, run: str) -> float:
        """When the first body of this run began (``perf_counter``)."""
        return await self._worker.began.setdefault(run, asyncio.get_running_loop().create_future())
