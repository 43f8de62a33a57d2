"""Subjects on somebody else's NATS server: core, or a stream of theirs through a durable consumer of ours.

A connection of its own, because that server knows nothing of this platform and must not be able to hurt it: while it is away
its triggers hear nothing, and everything else goes on. Replicas share the work by queue group and consumer.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from tocsin.errors import TocsinError
from tocsin_kit.bus import Bus
from tocsin_kit.bus.api import ensure_consumer
from tocsin_kit.bus.delivery import Delivery
from tocsin_kit.bus.pull import StandingPull
from tocsin_kit.bus.subscription import Subscription
from tocsin_kit.chassis import Part
from tocsin_kit.clock import Clock
from tocsin_kit.telemetry import Health
from tocsin_trigger.application.subjects import ForeignMessage, SubjectEvents
from tocsin_trigger.domain.deciding import Ready
from tocsin_trigger.domain.sources import SubjectSource

log = structlog.get_logger()

_LOOK = 1.0  # seconds between two looks at the triggers
_RETRY = 5.0  # seconds before that server is asked again
_WAITING = 10_000  # messages of one core subject; what comes while so many wait is lost, as core NATS does
_BATCH = 100


class ForeignSubjects(Part):
    """The component.

    Args:
        bus: A connection to that server; ``None``: no such triggers here.
        wanted: Triggers that listen there.
        events: Decides.
        clock: Time.
    """

    def __init__(self, bus: Bus | None, wanted: Callable[[], Sequence[Ready]], events: SubjectEvents, clock: Clock) -> None:
        super().__init__("foreign-subjects")
        self._bus = bus
        self._wanted = wanted
        self._events = events
        self._clock = clock
        self._open: dict[tuple[str, SubjectSource], asyncio.Task[None]] = {}

    async def serve(self) -> None:
        """Listen to what triggers want, until cancelled."""
        if self._bus is None:
            return
        await self._connect(self._bus)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._bus.serve())
            while True:
                wanted = {
                    (ready.trigger.key, ready.trigger.source): ready.trigger.id
                    for ready in self._wanted()
                    if isinstance(ready.trigger.source, SubjectSource)
                }
                for place in [place for place in self._open if place not in wanted]:
                    self._open.pop(place).cancel()
                for (key, source), trigger in wanted.items():
                    if (key, source) not in self._open:
                        self._open[key, source] = group.create_task(self._listen(self._bus, key, trigger, source))
                await self._clock.sleep(_LOOK)

    async def stop(self) -> None:
        """Close the connection."""
        if self._bus is not None:
            await self._bus.stop()

    def health(self) -> Health:
        """Ready always: a foreign server must not take this service out."""
        return Health(ready=True, detail="no foreign server" if self._bus is None else self._bus.health().detail)

    async def _connect(self, bus: Bus) -> None:
        while True:
            try:
                await bus.start()
            except TocsinError as error:
                log.warning("foreign.away", error=error.detail)
                await self._clock.sleep(_RETRY)
            else:
                return

    async def _listen(self, bus: Bus, key: str, trigger: str, source: SubjectSource) -> None:
        while True:
            try:
                if source.stream is None:
                    await self._hear(bus, key, trigger, source.subject)
                else:
                    await self._pull(bus, key, trigger, source.subject, source.stream)
            except TocsinError as error:
                log.warning("foreign.not_heard", trigger=key, subject=source.subject, error=error.detail)
            await self._clock.sleep(_RETRY)

    async def _hear(self, bus: Bus, key: str, trigger: str, subject: str) -> None:
        waiting: asyncio.Queue[ForeignMessage] = asyncio.Queue(_WAITING)

        async def heard(msg: Any) -> None:  # the client library's message, known to tocsin_kit.bus
            headers = dict(msg.headers or {})
            message = ForeignMessage(headers.get("Nats-Msg-Id"), msg.subject, headers, msg.data)
            try:
                waiting.put_nowait(message)
            except asyncio.QueueFull:
                log.warning("foreign.lost", trigger=key, subject=msg.subject)

        subscription: Subscription = await bus.subscribe(subject, heard, queue=f"tocsin-{trigger}")
        try:
            while True:
                messages = [await waiting.get()]
                while len(messages) < _BATCH and not waiting.empty():
                    messages.append(waiting.get_nowait())
                await self._stored(key, messages)
        finally:
            await subscription.unsubscribe()

    async def _pull(self, bus: Bus, key: str, trigger: str, subject: str, stream: str) -> None:
        name = f"tocsin-{trigger}"
        config = {
            "name": name,
            "durable_name": name,
            "deliver_policy": "new",
            "ack_policy": "explicit",
            "ack_wait": 30_000_000_000,
            "max_ack_pending": 2 * _BATCH,
            "filter_subject": subject,
        }
        await ensure_consumer(bus, stream, config)
        waiting: asyncio.Queue[Delivery] = asyncio.Queue()
        gone = asyncio.Event()
        pull = StandingPull(bus, stream=stream, consumer=name, size=2 * _BATCH, receive=waiting.put_nowait, repair=gone.set)
        await pull.start()
        try:
            async with asyncio.TaskGroup() as group:
                serving = group.create_task(pull.serve())
                handling = group.create_task(self._handle(bus, key, pull, waiting))
                await gone.wait()  # made anew by whoever called
                serving.cancel()
                handling.cancel()
        finally:
            await pull.stop()

    async def _handle(self, bus: Bus, key: str, pull: StandingPull, waiting: asyncio.Queue[Delivery]) -> None:
        while True:
            deliveries = [await waiting.get()]
            while len(deliveries) < _BATCH and not waiting.empty():
                deliveries.append(waiting.get_nowait())
            await self._stored(
                key,
                [ForeignMessage(f"{d.stream}:{d.sequence}", d.subject, dict(d.headers), d.payload) for d in deliveries],
            )
            for delivery in deliveries:
                await bus.nats.publish(delivery.reply, b"")
            pull.release(len(deliveries))

    async def _stored(self, key: str, messages: Sequence[ForeignMessage]) -> None:
        """Store them, however long the database is away; nobody would send them again."""
        while True:
            try:
                await self._events.take(key, messages)
            except TocsinError as error:
                log.warning("foreign.not_stored", trigger=key, error=error.detail)
                await self._clock.sleep(_LOOK)
            else:
                return
