"""What a worker holds: its queues with their slots, and the attempts in hand. How a queue's durable consumer looks."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import structlog

from tocsin.errors import NotFound, Unavailable
from tocsin_executor.application.apart import Apart
from tocsin_executor.application.wire import EXPRESSIONS
from tocsin_executor.worker.outputs import LogLines
from tocsin_executor.worker.streams import Push, Sender
from tocsin_executor.worker.tasks import Task
from tocsin_kit.bus import Bus
from tocsin_kit.bus.api import ensure_consumer
from tocsin_kit.bus.feed import Delivery, PullFeed
from tocsin_kit.clock import Clock

log = structlog.get_logger()

ORDERS: Final = "EXECUTOR"
"""The stream in which workers are told what is to stop; expressions to be evaluated are there, too."""
ACK_WAIT: Final = timedelta(seconds=10)  # a worker that is silent for so long is dead, and its tasks go to others
_STREAM_TRIES: Final = 300  # times 0.2 s: a worker may be started before the executor has made the stream


@dataclass(slots=True)
class Hand:
    """One attempt in hand.

    Attributes:
        task: What is to be done.
        delivery: To be settled; the last one, if it came more than once.
        feed: Where it came from.
        since: When it came, by the monotonic clock.
        work: What does it, once it has begun.
        lines: What it prints.
        revoked: It was told to stop, and its end is a confirmation.
        returned: Why it is handed back before its end, or ``None``.
        claimed: Its run knows who works on it.
        sender: Its messages, if it sends some.
    """

    task: Task
    delivery: Delivery
    feed: PullFeed
    since: float
    work: asyncio.Task[None] | None = None
    lines: LogLines | None = None
    revoked: bool = False
    returned: str | None = None
    claimed: bool = False
    sender: Sender | None = None

    def give_back(self, why: str) -> None:
        """Stop it, unless it was told to stop before; it is handed back when it has really ended."""
        if self.returned is None and not self.revoked:
            self.returned = why
            if self.work is not None:
                self.work.cancel()

    def sends(self, session: str, push: Push, apart: Apart) -> None:
        """The attempt begins: it may send messages, in a session of its own."""
        self.sender = Sender(self.task.attempt, session, self.task.reply, push, apart, self.task.redaction)
        self.task.send = self.sender.send


@dataclass(slots=True)
class Queue:
    """One queue this worker serves.

    Attributes:
        name: Its name.
        slots: Tasks of it at once.
    """

    name: str
    slots: int
    feed: PullFeed | None = field(default=None, repr=False)
    busy: int = 0


class Recent:
    """The last so many of some names."""

    def __init__(self, limit: int) -> None:
        self._names: OrderedDict[str, None] = OrderedDict()
        self._limit = limit

    def add(self, name: str) -> None:
        """One more; the oldest is forgotten when there are too many."""
        self._names[name] = None
        if len(self._names) > self._limit:
            self._names.popitem(last=False)

    def __contains__(self, name: str) -> bool:
        """Whether it is among them."""
        return name in self._names


def stream_of(queue: str) -> str:
    """The stream with the tasks of a queue."""
    return ORDERS if queue == EXPRESSIONS else "TASKS"


async def ensure_queue(bus: Bus, queue: str, clock: Clock) -> None:
    """Make the durable consumer of a queue, which all its workers share.

    Raises:
        Unavailable: There is no stream of tasks, and nobody made one meanwhile.
    """
    config = {
        "name": f"worker-{queue}",
        "durable_name": f"worker-{queue}",
        "description": f"Tasks of the queue {queue}, for all its workers.",
        "deliver_policy": "all",
        "ack_policy": "explicit",
        "ack_wait": int(ACK_WAIT.total_seconds() * 1e9),
        "max_ack_pending": 20_000,
        "max_deliver": -1,
        "replay_policy": "instant",
        "filter_subject": "executor.evaluate.>" if queue == EXPRESSIONS else f"executor.task.{queue}.>",
    }
    for attempt in range(_STREAM_TRIES):
        try:
            await ensure_consumer(bus, stream_of(queue), config)
        except NotFound:
            if attempt == 0:
                log.info("worker.waits_for_stream", stream=stream_of(queue))
            await clock.sleep(0.2)
        else:
            return
    raise Unavailable(f"There is no stream {stream_of(queue)}.", hint="Start the executor: it makes the stream.")
