"""The live stream of signals: an ordered reader of the stream for each person who looks."""

from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime

from tocsin.errors import NotFound
from tocsin_kit.bus.api import call
from tocsin_kit.bus.connection import Bus
from tocsin_kit.bus.direct import Direct
from tocsin_kit.bus.log import OrderedLog
from tocsin_observer.domain.audit import Heard
from tocsin_observer.ports import Seen

STREAM = "SIGNALS"
BATCH = 200  # signals handed on at once; a slow reader holds no more than that


class BusSignalStream:
    """The stream ``SIGNALS``.

    Args:
        bus: A started connection.
        direct: Its short way, started with it.
    """

    def __init__(self, bus: Bus, direct: Direct) -> None:
        self._bus = bus
        self._direct = direct

    async def follow(self, subjects: Sequence[str], *, after: int | None) -> AsyncGenerator[Seen, None]:
        """Signals in order without a gap, from behind ``after`` (``None``: from now) until the reader closes."""
        if after is None:
            after = (await self.bounds())[1]
        reader = OrderedLog(self._direct, STREAM, self._bus.clock)
        try:
            await reader.open(subjects, after)
            while True:
                for entry in await reader.take(BATCH):
                    yield Seen(entry.position, entry.subject, entry.payload)
        finally:
            await reader.close()

    async def read(self, subjects: Sequence[str], *, after: int, at_once: int = 500) -> AsyncGenerator[list[Heard], None]:
        """The same in batches of at most ``at_once``, each signal with the time at which the stream stored it."""
        reader = OrderedLog(self._direct, STREAM, self._bus.clock)
        try:
            await reader.open(subjects, after)
            while True:
                yield [
                    Heard(one.position, datetime.fromtimestamp(one.time_ms / 1000, UTC), one.subject, one.payload)
                    for one in await reader.take(at_once)
                ]
        finally:
            await reader.close()

    async def retire(self, consumer: str) -> int | None:
        """Delete a durable consumer of an earlier version; up to where it had settled everything, ``None`` if there is none."""
        try:
            floor = (await call(self._bus, f"CONSUMER.INFO.{STREAM}.{consumer}"))["ack_floor"]["stream_seq"]
            await call(self._bus, f"CONSUMER.DELETE.{STREAM}.{consumer}")
        except NotFound:
            return None
        return int(floor)

    async def bounds(self) -> tuple[int, int]:
        """Sequence of the first and of the last signal that the stream has; the last is one below the first when empty."""
        state = (await call(self._bus, f"STREAM.INFO.{STREAM}"))["state"]
        return int(state["first_seq"]), int(state["last_seq"])
