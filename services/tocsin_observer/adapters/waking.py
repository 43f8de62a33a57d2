"""Tells all replicas that something waits for an endpoint; who holds its queue sends it. A lost word costs two seconds."""

from collections.abc import Callable, Collection, Iterable
from typing import Final, Protocol

import orjson
import structlog

from tocsin.errors import TocsinError
from tocsin_kit.bus import Bus
from tocsin_kit.chassis import Part

log = structlog.get_logger()

SUBJECT: Final = "observer.wake"  # core NATS: nothing is stored


class _Word(Protocol):
    """What the bus hands to a listener."""

    data: bytes


class BusWaker(Part):
    """The word, both ways.

    Args:
        bus: A started connection.
        listen: Called with the names of endpoints, also those that this replica woke itself.
    """

    def __init__(self, bus: Bus, listen: Callable[[Iterable[str]], None]) -> None:
        super().__init__("waking")
        self._bus = bus
        self._listen = listen

    async def start(self) -> None:
        """Listen."""
        await self._bus.subscribe(SUBJECT, self._heard)

    async def wake(self, endpoints: Collection[str]) -> None:
        """Something waits for these endpoints."""
        try:
            await self._bus.announce(SUBJECT, orjson.dumps(list(endpoints)))
        except TocsinError as error:
            log.debug("observer.not_woken", error=error.detail)

    async def _heard(self, message: _Word) -> None:
        try:
            names = orjson.loads(message.data)
        except orjson.JSONDecodeError:
            return
        if isinstance(names, list):
            self._listen(name for name in names if isinstance(name, str))
