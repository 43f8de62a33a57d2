"""Finds out who is told of which signal, and lets it wait in their queues before the signal counts as handled.

One replica at a time reads the stream for all webhooks, which is a duty: most signals interest nobody, and reading one in order
costs a twentieth of settling one by one. Its place is stored a moment after the queues; a signal that is read again meets
the ids that it has left there the first time.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog

from tocsin.cesql import Filter, parse
from tocsin.errors import TocsinError
from tocsin.signals import CloudEvent, decode, derive
from tocsin_kit.clock import Clock
from tocsin_kit.telemetry import Metrics
from tocsin_observer.domain.audit import Heard
from tocsin_observer.domain.deliveries import Delivery
from tocsin_observer.domain.patterns import PatternIndex
from tocsin_observer.domain.webhooks import Webhook, key_of
from tocsin_observer.ports import DeliveryStore, SignalStream, WebhookStore

log = structlog.get_logger()

Wake = Callable[[Collection[str]], Awaitable[None]]

BEFORE: Final = "observer-webhooks"  # the durable consumer that did this once; its place is gone on from
KEEP_PLACE: Final = timedelta(seconds=1)  # between two notes of the place, and two looks how far behind it is


class Telling:
    """Matches signals with webhooks.

    Args:
        webhooks: Who is told.
        queues: Where it waits.
        stream: All signals.
        wake: Tells whoever sends that something waits.
        clock: Time.
        metrics: Where it says how far behind it is.
    """

    def __init__(
        self,
        webhooks: WebhookStore,
        queues: DeliveryStore,
        stream: SignalStream,
        wake: Wake,
        *,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._stream = stream
        self._read = 0
        self._kept = 0
        self._lag = metrics.gauge("webhook_lag_signals", "Signals that have not been matched with webhooks yet.").labels()
        self._webhooks = webhooks
        self._queues = queues
        self._wake = wake
        self._clock = clock
        self._index: PatternIndex[tuple[Webhook, Filter | None]] = PatternIndex()
        self._stamp: object = None

    async def prepare(self) -> None:
        """Whoever makes a webhook from now on is told of all that comes after, also before anybody has begun to read."""
        if await self._webhooks.place() is None:
            before = await self._stream.retire(BEFORE)
            await self._webhooks.keep_place((await self._stream.bounds())[1] if before is None else before)

    async def work(self) -> None:
        """Read and match until cancelled.

        Raises:
            Unavailable: The bus or the database does not answer; begin again from the place that is stored.
        """
        self._stamp = None
        self._read = self._kept = await self._begin()
        try:
            async with asyncio.TaskGroup() as group:
                aside = group.create_task(self._keep_place())
                async for batch in self._stream.read(("signals.>",), after=self._read):
                    await self.hear(batch)
                    self._read = batch[-1].position
                aside.cancel()
        finally:
            self._lag.set(0)  # whoever reads next says how far behind it is

    async def _begin(self) -> int:
        """The place to go on from; the beginning of a stream that began anew."""
        await self.prepare()
        place = await self._webhooks.place() or 0
        first, last = await self._stream.bounds()
        if place <= last:
            return place
        await self._webhooks.keep_place(max(first - 1, 0))
        return max(first - 1, 0)

    async def _keep_place(self) -> None:
        while True:
            await self._clock.sleep(KEEP_PLACE)
            self._lag.set(max((await self._stream.bounds())[1] - self._read, 0))
            if self._read != self._kept:
                read = self._read
                await self._webhooks.keep_place(read)
                self._kept = read

    async def hear(self, signals: Sequence[Heard]) -> None:
        """Take signals; safe to repeat."""
        await self._refresh()  # each time: whoever made a webhook is told of all that comes after the answer
        if not self._index:
            return
        now = self._clock.now()
        waiting: list[Delivery] = []
        for heard in signals:
            matching = self._index.matching(heard.subject)
            if matching:
                try:
                    event = decode(heard.payload)
                except TocsinError as error:  # the audit trail has it as it is; nobody can be told of it
                    log.info("webhooks.unreadable", position=heard.position, error=error.detail)
                    continue
                waiting += [
                    waiting_for(webhook, heard.subject, heard.position, event, heard.payload, now=now)
                    for webhook, condition in matching
                    if wants(webhook, condition, heard.subject, event)
                ]
        if waiting:
            await self._queues.add(waiting)
            await self._wake({one.endpoint for one in waiting})

    async def _refresh(self) -> None:
        stamp = await self._webhooks.stamp()
        if stamp == self._stamp:
            return
        active = await self._webhooks.active()
        self._index = PatternIndex(
            (webhook.spec.subject, (webhook, parse(webhook.spec.filter) if webhook.spec.filter else None)) for webhook in active
        )
        self._stamp = stamp
        log.debug("webhooks.loaded", active=len(active))


def wants(webhook: Webhook, condition: Filter | None, subject: str, event: CloudEvent) -> bool:
    """Whether a webhook is told of a signal that its pattern fits. Never of itself: that could feed itself."""
    tokens = subject.split(".")
    if tokens[2] == "webhook" and tokens[1] == webhook.namespace and event.subject == webhook.name:
        return False
    return condition is None or condition.evaluate(event).holds


def waiting_for(
    webhook: Webhook, subject: str, position: int, event: CloudEvent, payload: bytes, *, now: datetime, again: str = ""
) -> Delivery:
    """What waits for a webhook because of a signal; ``again`` names a redelivery, which keeps the message's id."""
    return Delivery(
        id=derive("delivery", webhook.endpoint, event.id, again),
        endpoint=webhook.endpoint,
        message=derive("message", webhook.endpoint, event.id),
        order=position,
        key=key_of(webhook.spec, event),
        subject=subject,
        type=event.type,
        event=payload,
        created_at=now,
        due=now,
    )
