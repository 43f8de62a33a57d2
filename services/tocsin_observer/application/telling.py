"""Finds out who is told of which signal, and lets it wait in their queues before the signal counts as handled.

Every replica takes part; a signal that is delivered again meets the ids that it has left there the first time.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime

import structlog

from tocsin.cesql import Filter, parse
from tocsin.signals import CloudEvent, derive
from tocsin_kit.bus.delivery import Delivery as Message
from tocsin_kit.clock import Clock
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
        wake: Tells whoever sends that something waits.
        clock: Time.
    """

    def __init__(self, webhooks: WebhookStore, queues: DeliveryStore, wake: Wake, *, clock: Clock) -> None:
        self._webhooks = webhooks
        self._queues = queues
        self._wake = wake
        self._clock = clock
        self._index: PatternIndex[tuple[Webhook, Filter | None]] = PatternIndex()
        self._stamp: object = None

    async def hear(self, messages: Sequence[Message]) -> None:
        """Take signals; safe to repeat."""
        await self._refresh()  # each time: whoever made a webhook is told of all that comes after the answer
        if not self._index:
            return
        now = self._clock.now()
        waiting: list[Delivery] = []
        for message in messages:
            matching = self._index.matching(message.subject)
            if matching:
                event = message.event()
                waiting += [
                    waiting_for(webhook, message.subject, message.sequence, event, message.payload, now=now)
                    for webhook, condition in matching
                    if wants(webhook, condition, message.subject, event)
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
