"""The live stream of signals: an ordered reader of the stream for each person who looks."""

from collections.abc import AsyncIterator, Sequence

from tocsin_kit.bus.api import call
from tocsin_kit.bus.connection import Bus
from tocsin_kit.bus.direct import Direct
from tocsin_kit.bus.log import OrderedLog
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

    async def follow(self, subjects: Sequence[str], *, after: int | None) -> AsyncIterator[Seen]:
        """Signals in order without a gap, from behind ``after`` (``None``: from now) until the reader closes."""
        if after is None:
            answer = await call(self._bus, f"STREAM.INFO.{STREAM}")
            after = int(answer["state"]["last_seq"])
        reader = OrderedLog(self._direct, STREAM, self._bus.clock)
        try:
            await reader.open(subjects, after)
            while True:
                for entry in await reader.take(BATCH):
                    yield Seen(entry.position, entry.subject, entry.payload)
        finally:
            await reader.close()
