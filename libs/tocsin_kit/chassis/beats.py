"""Says how every component of a service is, every few seconds, so that one place can show all parts and replicas.

Core NATS, nothing is stored: whoever listens knows, and silence says that a replica is gone or cut off.
"""

import os
import socket
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import orjson
import structlog

from tocsin.errors import TocsinError
from tocsin.signals.codec import format_time
from tocsin_kit.bus import Bus
from tocsin_kit.chassis.components import Component, Part
from tocsin_kit.clock import Clock

log = structlog.get_logger()

EVERY: Final = timedelta(seconds=5)
SUBJECT: Final = "health"  # health.<service>


class Beat(Part):
    """Publishes the health of a service's components.

    Args:
        service: Its short name.
        bus: Its connection.
        version: Of the distribution.
        port: Of its API; tells replicas on one machine apart.
        clock: Time.
    """

    def __init__(self, service: str, bus: Bus, *, version: str, port: int, clock: Clock) -> None:
        super().__init__("beat")
        self._service = service
        self._bus = bus
        self._version = version
        self._instance = f"{socket.gethostname()}:{port or os.getpid()}"
        self._clock = clock
        self._started = format_time(clock.now())
        self.components: Sequence[Component] = ()
        """Whose health is told; set once when all are there."""

    async def serve(self) -> None:
        """Tell until cancelled."""
        while True:
            await self._say(gone=False)
            await self._clock.sleep(EVERY)

    async def stop(self) -> None:
        """Say goodbye, so that nobody waits for the next beat."""
        await self._say(gone=True)

    async def _say(self, *, gone: bool) -> None:
        said = {
            "service": self._service,
            "instance": self._instance,
            "version": self._version,
            "started": self._started,
            "gone": gone,
            "components": [_told(component) for component in self.components],
        }
        try:
            await self._bus.announce(f"{SUBJECT}.{self._service}", orjson.dumps(said, default=str))
        except TocsinError as error:
            log.debug("beat.unheard", error=error.detail)


def _told(component: Component) -> dict[str, object]:
    health = component.health()
    return {"name": component.name, "ready": health.ready, "detail": health.detail, "facts": dict(health.facts)}
