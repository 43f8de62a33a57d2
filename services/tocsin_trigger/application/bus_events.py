"""Decides about custom events from the bus, many at a time.

An event, the decisions of all triggers it met and what is to be said about them (commands included) are one document in one
write; acknowledged after that. A redelivery finds the document and decides nothing again, so each trigger fires once for each
event.
"""

from collections.abc import Sequence
from datetime import datetime

import structlog

from tocsin.errors import Rejected, TooLarge
from tocsin.signals import derive, encode
from tocsin_kit.bus import Delivery
from tocsin_kit.clock import Clock
from tocsin_kit.store import Creation
from tocsin_trigger.application.intake import Arrived, Intake
from tocsin_trigger.application.refusals import Refusals
from tocsin_trigger.application.registry import Registry
from tocsin_trigger.domain.events import Channel, Received, bus_key
from tocsin_trigger.domain.triggers import BODY_LIMIT

log = structlog.get_logger()


class BusEvents:
    """Handles what comes on ``events.>``.

    Args:
        registry: The triggers.
        intake: Decides and stores.
        refusals: Where refusals are recorded.
        clock: Time.
    """

    def __init__(self, registry: Registry, intake: Intake, refusals: Refusals, clock: Clock) -> None:
        self._registry = registry
        self._intake = intake
        self._refusals = refusals
        self._clock = clock

    async def handle_many(self, deliveries: Sequence[Delivery]) -> None:
        """Decide about these and store it, all or nothing.

        Raises:
            Unavailable: The database is away; deliver them again.
        """
        now = self._clock.now()
        arrivals: dict[str, Arrived] = {}
        refused: dict[str, Creation[Received]] = {}
        for delivery in deliveries:
            namespace = delivery.subject.split(".", 2)[1]
            try:
                arrived = self._read(delivery, namespace, now)
            except Rejected as error:
                self._refuse(delivery, namespace, error, now, refused)
            else:
                arrivals.setdefault(arrived.received.key, arrived)
        await self._intake.take(list(arrivals.values()), list(refused.values()))

    def _read(self, delivery: Delivery, namespace: str, now: datetime) -> Arrived:
        event = delivery.event()
        if len(delivery.payload) > BODY_LIMIT:
            raise TooLarge(f"An event of {len(delivery.payload)} bytes is above the limit of {BODY_LIMIT}.", limit=BODY_LIMIT)
        key = bus_key(namespace, event)
        received = Received(
            key=key,
            namespace=namespace,
            channel=Channel.BUS,
            received=now,
            id=event.id,
            source=event.source,
            type=event.type,
            size=len(delivery.payload),
            event=delivery.payload if delivery.payload[:1] == b"{" and "ce-id" not in delivery.headers else encode(event),
        )
        return Arrived(received, event, self._registry.matching(namespace, event.type, event.source), delivery.published)

    def _refuse(
        self, delivery: Delivery, namespace: str, error: Rejected, now: datetime, into: dict[str, Creation[Received]]
    ) -> None:
        """Not an event, or too large. Derived from its place in the stream, so that a redelivery records nothing new."""
        received = Received(
            key=derive("refused", delivery.stream, delivery.sequence),
            namespace=namespace,
            channel=Channel.BUS,
            received=now,
            id=None,
            source=None,
            type=None,
            size=len(delivery.payload),
            refused="too_large" if isinstance(error, TooLarge) else "malformed",
            reason=error.detail[:500],
        )
        creation = self._refusals.creation(f"bus:{namespace}", received, delivery.traceparent)
        if creation is not None:
            into[creation.key] = creation
