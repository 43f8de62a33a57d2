"""What a worker says of itself, every few seconds, to whoever listens: that it is there, what it serves, and how busy it is.

Core NATS, stored nowhere: a worker of which nothing is heard is gone. Nothing depends on it; deliveries find the workers.
"""

import re
from collections.abc import Mapping
from typing import Final

import orjson

from tocsin.errors import TocsinError
from tocsin_executor.worker.worker import Worker
from tocsin_kit.bus import Bus
from tocsin_kit.clock import Clock

EVERY: Final = 2.0  # seconds
_UNFIT: Final = re.compile(r"[^A-Za-z0-9_-]")


class Presence:
    """Says it.

    Args:
        bus: Its connection.
        worker: Whose presence it is.
        labels: What its operator calls it.
        clock: Time.
    """

    def __init__(self, bus: Bus, worker: Worker, labels: Mapping[str, str], clock: Clock) -> None:
        self._bus = bus
        self._worker = worker
        self._labels = dict(labels)
        self._clock = clock
        self._since = clock.now()
        self._subject = f"workers.{_UNFIT.sub('-', worker.worker_name)}"

    async def serve(self) -> None:
        """Say it until cancelled."""
        while True:
            await self.say()
            await self._clock.sleep(EVERY)

    async def say(self, state: str | None = None) -> None:
        """Say it now; that nobody can be told is no reason to do anything else."""
        worker = self._worker
        document = {
            "name": worker.worker_name,
            "state": state or worker.health().detail,
            "labels": self._labels,
            "queues": {
                queue.name: {"slots": queue.slots, "busy": queue.busy}
                for queue in worker.queues
                if queue.busy or "~" not in queue.name
            },
            "completed": worker.completed,
            "since": self._since.isoformat(),
        }
        try:
            await self._bus.announce(self._subject, orjson.dumps(document))
        except TocsinError:
            return
