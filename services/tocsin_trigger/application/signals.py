"""Decides about signals of the platform, many at a time: those that some trigger listens to, and no others.

Unlike a custom event a signal is recorded only where it meets a trigger; the stream of signals itself has the others.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from tocsin.signals import encode
from tocsin.signals.catalogue import CATALOGUE
from tocsin_kit.bus import Delivery
from tocsin_kit.clock import Clock
from tocsin_trigger.application.intake import Arrived, Intake
from tocsin_trigger.application.registry import Registry
from tocsin_trigger.domain.events import Channel, Received, signal_key
from tocsin_trigger.domain.matching import Met


class SignalEvents:
    """Handles what comes on ``signals.>``.

    Args:
        registry: The triggers.
        intake: Decides and stores.
        hear: Those to be told of what the service itself wants to know.
        clock: Time.
    """

    def __init__(
        self, registry: Registry, intake: Intake, hear: Sequence[Callable[[Delivery], Awaitable[None]]], clock: Clock
    ) -> None:
        self._hear = hear
        self._registry = registry
        self._intake = intake
        self._clock = clock

    async def handle_many(self, deliveries: Sequence[Delivery]) -> None:
        """Decide about these and store it.

        Raises:
            Unavailable: The database is away; deliver them again.
        """
        now = self._clock.now()
        arrivals: dict[str, Arrived] = {}
        for delivery in deliveries:
            for arrived in self._read(delivery, now):
                arrivals.setdefault(arrived.received.key, arrived)
        if arrivals:
            await self._intake.take(list(arrivals.values()))
        for delivery in deliveries:
            if delivery.subject.split(".", 3)[2] in {"run", "definition"}:
                for hear in self._hear:
                    await hear(delivery)

    def _read(self, delivery: Delivery, now: datetime) -> list[Arrived]:
        """One for each namespace whose triggers it meets; mostly none or one."""
        _, namespace, entity, transition, *_ = delivery.subject.split(".")
        by_namespace: dict[str, list[Met]] = {}
        for met in self._registry.matching_signal(namespace, entity, transition):
            trigger = met.ready.trigger
            if trigger.created <= delivery.published:  # a consumer whose filter grew is given what came before, too
                by_namespace.setdefault(trigger.namespace, []).append(met)
        if not by_namespace:
            return []
        event = delivery.event()
        payload = encode(event)
        found = []
        for where, mets in by_namespace.items():
            record = Received(
                key=signal_key(where, event),
                namespace=where,
                channel=Channel.SIGNAL,
                received=now,
                id=event.id,
                source=event.source,
                type=event.type,
                size=len(payload),
                event=payload,
            )
            found.append(Arrived(record, event, mets, delivery.published))
        return found


def met_by(registry: Registry, received: Received) -> list[Met]:
    """The triggers of its namespace that a recorded event of the bus meets now."""
    if received.channel is not Channel.SIGNAL:
        return registry.matching(received.namespace, received.type or "", received.source or "")
    kind = CATALOGUE.get(received.type or "")
    told = (received.source or "").split("/")
    if kind is None or len(told) < 3:
        return []
    met = registry.matching_signal(told[2], kind.entity, kind.transition)
    return [each for each in met if each.ready.trigger.namespace == received.namespace]
