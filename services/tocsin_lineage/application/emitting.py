"""OpenLineage out: every run and task of ours is told to another catalogue, once it is on disk here, until it is taken.

Events wait in the database in the order of their signals; one that is not taken is tried again for a day, and holds back no
other. The receiver may see one twice, and recognises it by its run and time.
"""

from datetime import timedelta

import orjson
import structlog

from tocsin.errors import Rejected, Unavailable
from tocsin.signals import CloudEvent
from tocsin.signals.subjects import SignalSubject, parse_signal
from tocsin_kit.bus.delivery import Delivery
from tocsin_kit.clock import Clock
from tocsin_lineage.domain.emission import Emitter
from tocsin_lineage.ports import Emission, EmissionStore, Receiver

log = structlog.get_logger()

EVERY = timedelta(seconds=1)
AT_ONCE = 200
CLAIM = timedelta(minutes=1)  # an event is another replica's again when the one that took it has not settled it by then
DELAYS = (2, 10, 60, 300, 900)  # seconds before another attempt
ATTEMPTS = 100  # about a day


class Emitting:
    """Keeps what has to be sent, and sends it.

    Args:
        emitter: How our events look outside.
        store: Where they wait.
        receiver: Who is told.
        clock: Time.
    """

    def __init__(self, emitter: Emitter, store: EmissionStore, receiver: Receiver, *, clock: Clock) -> None:
        self._emitter = emitter
        self._store = store
        self._receiver = receiver
        self._clock = clock

    async def take(self, delivery: Delivery) -> None:
        """Hear one signal; safe to repeat."""
        place = parse_signal(delivery.subject)
        if self._emitter.tells(place):
            await self.hear(place, delivery.event())

    async def hear(self, place: SignalSubject, event: CloudEvent) -> None:
        """Keep what a signal means, if it means something outside."""
        document = self._emitter.event_of(place, event)
        if document is not None:
            await self._store.keep([Emission(id=event.id, body=orjson.dumps(document))], self._clock.now())

    async def send(self) -> int:
        """Send what is due; how many events were taken."""
        now, taken = self._clock.now(), 0
        for emission in await self._store.next(now, AT_ONCE):
            if not await self._store.claim(emission, now, now + CLAIM):
                continue
            try:
                await self._receiver.send(emission.body)
            except Rejected as error:
                log.warning("emission.refused", event=emission.id, code=error.code, error=error.detail)
                await self._store.sent(emission)
            except Unavailable as error:
                if emission.attempts + 1 >= ATTEMPTS:
                    log.error("emission.given_up", event=emission.id, error=error.detail)
                    await self._store.sent(emission)
                    continue
                delay = timedelta(seconds=DELAYS[min(emission.attempts, len(DELAYS) - 1)])
                await self._store.later(emission, now + delay, error.detail)
            else:
                taken += 1
                await self._store.sent(emission)
        return taken
