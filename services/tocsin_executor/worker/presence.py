"""What a worker says of itself, every few seconds, to whoever listens; and what it is told: to drain, to go on.

Core NATS, stored nowhere: a worker of which nothing is heard is gone, and one that begins anew takes tasks, whatever it was
told before. No task depends on it; deliveries find the workers.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final, Literal, Protocol

import orjson
import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tocsin.errors import TocsinError
from tocsin_executor.application.workers import ORDERS, subject_name
from tocsin_executor.worker.worker import Worker
from tocsin_kit.bus import Bus
from tocsin_kit.clock import Clock

EVERY: Final = 2.0  # seconds

log = structlog.get_logger()


class Order(BaseModel):
    """What a worker is told.

    Attributes:
        order: ``drain``: take no new task. ``resume``: take them again.
        within: Seconds after which a drain hands back what is not finished; ``None``: never.
        by: Who says so.
        reason: Why.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    order: Literal["drain", "resume"]
    within: float | None = Field(None, ge=0)
    by: str = Field("", max_length=256)
    reason: str | None = Field(None, max_length=2048)

    @property
    def why(self) -> str:
        """For the runs whose tasks are handed back."""
        return f"drained by {self.by or 'an operator'}" + ("" if self.reason is None else f", {self.reason}")


class _Asked(Protocol):
    @property
    def data(self) -> bytes:
        """What is asked."""
        ...

    async def respond(self, data: bytes) -> None:
        """Answer."""
        ...


class Presence:
    """Says it.

    Args:
        bus: Its connection.
        worker: Whose presence it is.
        instance: Tells it from earlier ones of its name.
        labels: What its operator calls it.
        clock: Time.
    """

    def __init__(self, bus: Bus, worker: Worker, labels: Mapping[str, str], clock: Clock, instance: str = "") -> None:
        self._bus = bus
        self._worker = worker
        self._labels = dict(labels)
        self._clock = clock
        self._since = clock.now()
        self._instance = instance
        self._name = subject_name(worker.worker_name)

    async def start(self) -> None:
        """Listen to orders."""
        await self._bus.subscribe(f"{ORDERS}.{self._name}", self._obey)

    async def serve(self) -> None:
        """Say it until cancelled."""
        while True:
            await self.say()
            await self._clock.sleep(EVERY)

    async def say(self, state: str | None = None) -> None:
        """Say it now; that nobody can be told is no reason to do anything else."""
        try:
            await self._bus.announce(f"workers.{self._name}", orjson.dumps(self._document(state)))
        except TocsinError:
            return

    async def _obey(self, asked: _Asked) -> None:
        try:
            order = Order.model_validate_json(asked.data)
        except ValidationError as error:
            log.warning("worker.order_not_understood", errors=error.error_count())
            return
        log.info("worker.told", order=order.order, by=order.by, reason=order.reason)
        if order.order == "drain":
            within = None if order.within is None else timedelta(seconds=order.within)
            await self._worker.drain(within=within, why=order.why)
        else:
            await self._worker.resume()
        await asked.respond(orjson.dumps(self._document()))
        await self.say()

    def _document(self, state: str | None = None) -> dict[str, object]:
        worker = self._worker
        return {
            "name": worker.worker_name,
            "instance": self._instance,
            "state": state or worker.state,
            "labels": self._labels,
            "queues": {
                queue.name: {"slots": queue.slots, "busy": queue.busy}
                for queue in worker.queues
                if queue.busy or "~" not in queue.name
            },
            "completed": worker.completed,
            "since": self._since.isoformat(),
        }
