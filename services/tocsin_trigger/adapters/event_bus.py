"""Custom events on JetStream."""

from collections.abc import Sequence

from tocsin.signals import CloudEvent, encode, subjects
from tocsin_kit.bus import Bus
from tocsin_kit.store import Outgoing
from tocsin_trigger.domain.events import bus_key


class JetStreamEvents:
    """The stream of custom events.

    Args:
        bus: The service's connection.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    @property
    def connected(self) -> bool:
        """Whether it can take something now."""
        return self._bus.connected

    async def publish(self, namespace: str, events: Sequence[CloudEvent]) -> None:
        """Publish in order; on disk when it returns. Many go as one atomic batch: one disk sync for hundreds."""
        # Not the event's own id: two senders may use the same one, and both events count.
        await self._bus.deliver(
            [Outgoing(subjects.event(namespace, event.type), encode(event), bus_key(namespace, event)) for event in events]
        )
