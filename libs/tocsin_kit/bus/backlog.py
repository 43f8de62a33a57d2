"""What a durable consumer has before it: how many messages wait, how many are in hand, how old the oldest is.

What comes with deliveries says it while they come. A consumer that gets none says nothing, so the server is asked now and then
as well: a number that stands still because nobody looks would hide exactly the outage it is there for.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import structlog

from tocsin.errors import TocsinError
from tocsin_kit.bus.api import call
from tocsin_kit.bus.connection import Bus
from tocsin_kit.bus.delivery import Delivery
from tocsin_kit.bus.topology import ConsumerSpec
from tocsin_kit.telemetry import Metrics

log = structlog.get_logger()

LOOK: Final = timedelta(seconds=10)
_MOST: Final = 50_000  # remembered; a consumer has fewer in hand, and what was put back is forgotten when the floor passes it


class Backlog:
    """The backlog of one consumer, and its gauges.

    Args:
        bus: Asked, and whose clock counts.
        spec: The durable consumer.
        held: What this process has in hand, by position.
        metrics: Where it is told.
    """

    def __init__(self, bus: Bus, spec: ConsumerSpec, held: Mapping[int, Delivery], metrics: Metrics) -> None:
        self._bus = bus
        self._spec = spec
        self._open: dict[int, datetime] = {}
        self.lag = 0
        """Messages that wait for the consumer, as far as is known."""
        self._lag = metrics.gauge("bus_lag_messages", "Messages that wait for a consumer.", consumer=64).labels(
            consumer=spec.name
        )
        in_hand = metrics.gauge("bus_in_hand_messages", "Messages a consumer is handling in this process.", consumer=64)
        in_hand.labels(consumer=spec.name).set_function(lambda: len(held))
        oldest = metrics.gauge(
            "bus_oldest_seconds", "Age of the oldest message that came to a consumer and is not settled.", consumer=64
        )
        oldest.labels(consumer=spec.name).set_function(self.oldest)

    def received(self, delivery: Delivery) -> None:
        """A message came."""
        if len(self._open) < _MOST:
            self._open[delivery.sequence] = delivery.published
        self._waits(delivery.waiting)

    def settled(self, sequence: int) -> None:
        """A message is handled, or put aside."""
        self._open.pop(sequence, None)

    def oldest(self) -> float:
        """Seconds since the oldest message that is not settled was stored; 0 when there is none."""
        first = min(self._open.values(), default=None)
        return 0.0 if first is None else max((self._bus.clock.now() - first).total_seconds(), 0.0)

    async def watch(self) -> None:
        """Ask the server until cancelled."""
        while True:
            await self._bus.clock.sleep(LOOK)
            try:
                await self._ask()
            except TocsinError as error:
                log.debug("backlog.unknown", consumer=self._spec.name, error=error.detail)

    async def _ask(self) -> None:
        known = list(self._open)
        info = await call(self._bus, f"CONSUMER.INFO.{self._spec.stream}.{self._spec.name}")
        self._waits(int(info["num_pending"]))
        floor = int(info["ack_floor"]["stream_seq"])
        for sequence in known:
            if sequence <= floor:  # put back here, settled by another replica
                self._open.pop(sequence, None)

    def _waits(self, count: int) -> None:
        if count != self.lag:
            self.lag = count
            self._lag.set(count)
