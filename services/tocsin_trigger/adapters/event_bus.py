"""Custom events on JetStream, and how far they have been decided."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tocsin.signals import CloudEvent, encode, subjects
from tocsin_kit.bus import Bus
from tocsin_kit.bus.api import call
from tocsin_kit.bus.topology import ConsumerSpec
from tocsin_kit.chance import Chance
from tocsin_kit.store import Outgoing
from tocsin_trigger.domain.events import bus_key


class JetStreamEvents:
    """The stream of custom events.

    Args:
        bus: The service's connection.
        chance: Makes the key that message ids are made with.
    """

    def __init__(self, bus: Bus, chance: Chance) -> None:
        self._bus = bus
        self._key = chance.token(32)

    @property
    def connected(self) -> bool:
        """Whether it can take something now."""
        return self._bus.connected

    async def publish(self, namespace: str, events: Sequence[CloudEvent]) -> None:
        """Publish in order; on disk when it returns. Many go as one atomic batch: one disk sync for hundreds."""
        await self._bus.deliver(
            [Outgoing(subjects.event(namespace, event.type), encode(event), self._id(namespace, event)) for event in events]
        )

    def _id(self, namespace: str, event: CloudEvent) -> str:
        """The message id, by which the stream drops repeats whoever sends them.

        Not the event's own id: two senders may use the same one, and both events count. And nothing that can be computed
        elsewhere: whoever may publish in some namespace with a NATS client names message ids freely, and could have events of
        another namespace taken for repeats. A repeat that another replica stores is recognised when it is decided.
        """
        return hashlib.blake2b(bus_key(namespace, event).encode(), key=self._key, digest_size=16).hexdigest()


@dataclass(slots=True)
class _Mark:
    """Where a stream ended at some moment."""

    at: datetime
    sequence: int


class ConsumerProgress:
    """How far durable consumers are: a moment counts as decided when what a stream held then has been acknowledged.

    Args:
        bus: The service's connection.
        specs: The consumers.
    """

    def __init__(self, bus: Bus, *specs: ConsumerSpec) -> None:
        self._bus = bus
        self._specs = specs
        self._marks: dict[str, _Mark] = {}
        self._known: dict[str, datetime] = {}

    async def horizon(self, now: datetime) -> datetime | None:
        """Every event that was stored before this has been decided; ``None`` while that is not known of any time."""
        known = [await self._of(spec, now) for spec in self._specs]
        return None if None in known else min(at for at in known if at is not None)

    async def _of(self, spec: ConsumerSpec, now: datetime) -> datetime | None:
        info = await call(self._bus, f"CONSUMER.INFO.{spec.stream}.{spec.name}")
        if info["num_pending"] == 0 and info["num_ack_pending"] == 0:
            self._marks.pop(spec.name, None)
            self._known[spec.name] = now
            return now
        mark = self._marks.get(spec.name)
        if mark is not None and _acknowledged(info) >= mark.sequence:
            self._known[spec.name] = mark.at
            mark = None
        if mark is None:
            stream = await call(self._bus, f"STREAM.INFO.{spec.stream}")
            self._marks[spec.name] = _Mark(now, int(stream["state"]["last_seq"]))
        return self._known.get(spec.name)


def _acknowledged(info: dict[str, Any]) -> int:
    return int(info["ack_floor"]["stream_seq"])
