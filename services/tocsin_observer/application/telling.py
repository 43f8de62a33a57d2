"""Finds out who is told of which signal, and lets it wait in their queues before the signal counts as handled.

One replica at a time reads the stream for all webhooks, which is a duty: most signals interest nobody, and reading one in order
costs a twentieth of settling one by one. Its place is stored a moment after the queues; a signal that is read again meets
the ids that it has left there the first time. What the stream dropped meanwhile is told of from the signals that are kept.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime

import structlog

from tocsin.cesql import Filter, parse
from tocsin.errors import TocsinError
from tocsin.signals import CloudEvent, decode, derive
from tocsin_kit.clock import Clock
from tocsin_observer.application.reading import Reader
from tocsin_observer.domain.audit import Heard
from tocsin_observer.domain.deliveries import Delivery
from tocsin_observer.domain.patterns import PatternIndex
from tocsin_observer.domain.webhooks import Webhook, key_of
from tocsin_observer.ports import DeliveryStore, WebhookStore

log = structlog.get_logger()

Wake = Callable[[Collection[str]], Awaitable[None]]


class Telling:
    """Matches signals with webhooks.

    Args:
        webhooks: Who is told.
        queues: Where it waits.
        reader: All signals.
        wake: Tells whoever sends that something waits.
        clock: Time.
    """

    def __init__(self, webhooks: WebhookStore, queues: DeliveryStore, reader: Reader, wake: Wake, *, clock: Clock) -> None:
        self._reader = reader
        self._webhooks = webhooks
        self._queues = queues
        self._wake = wake
        self._clock = clock
        self._index: PatternIndex[tuple[Webhook, Filter | None]] = PatternIndex()
        self._stamp: object = None

    async def work(self) -> None:
        """Read and match until cancelled.

        Raises:
            Unavailable: The bus or the database does not answer; begin again from the place that is kept.
        """
        self._stamp = None
        await self._reader.each(self.hear)

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
