"""Records what was refused, but not so much of it that a stranger could fill the disk.

Each source of refusals (a webhook, a namespace of the bus) may have a burst recorded and then one a second; what is above
that is counted, and the count is in the next record.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace

from prometheus_client import Counter

from tocsin_kit.clock import Clock
from tocsin_kit.store import Creation
from tocsin_kit.telemetry.metrics import Family
from tocsin_trigger.application.saying import refused
from tocsin_trigger.domain.events import Received
from tocsin_trigger.ports import EventStore

BURST = 30
PER_SECOND = 1.0
SOURCES = 10_000  # remembered; the least lately seen is forgotten


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float
    suppressed: int = 0


class Refusals:
    """The bounded record.

    Args:
        events: Where.
        clock: Time.
        counted: Counts every refusal by code, recorded or not.
    """

    def __init__(self, events: EventStore, clock: Clock, counted: Family[Counter]) -> None:
        self._events = events
        self._clock = clock
        self._counted = counted
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    async def record(self, source: str, received: Received, traceparent: str | None = None) -> None:
        """Record a refusal, if its source has not had too many."""
        creation = self.creation(source, received, traceparent)
        if creation is not None:
            await self._events.record([creation])

    def creation(self, source: str, received: Received, traceparent: str | None = None) -> Creation[Received] | None:
        """The same for a batch: what to store, or nothing."""
        self._counted.labels(code=received.refused or "refused").inc()
        suppressed = self._take(source)
        if suppressed is None:
            return None
        record = replace(received, suppressed=suppressed)
        return Creation(record.key, record, refused(record, traceparent))

    def _take(self, source: str) -> int | None:
        now = self._clock.monotonic()
        bucket = self._buckets.get(source)
        if bucket is None:
            bucket = self._buckets[source] = _Bucket(BURST, now)
            if len(self._buckets) > SOURCES:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(source)
        bucket.left = min(BURST, bucket.left + (now - bucket.at) * PER_SECOND)
        bucket.at = now
        if bucket.left < 1:
            bucket.suppressed += 1
            return None
        bucket.left -= 1
        suppressed, bucket.suppressed = bucket.suppressed, 0
        return suppressed
