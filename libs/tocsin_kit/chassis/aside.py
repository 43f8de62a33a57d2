"""What a service does on the bus although it works without it: the gateway answers, and says so, while NATS is down.

It connects in the background and goes on trying; the readiness of the process does not depend on it.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import structlog

from tocsin.errors import Unavailable
from tocsin_kit.chassis.components import Component, Part
from tocsin_kit.clock import Clock
from tocsin_kit.telemetry.health import Health

AGAIN: Final = timedelta(seconds=1)

log = structlog.get_logger()


class Aside(Part):
    """Components that may be missing.

    Args:
        components: In the order of their start; the first is the connection.
        clock: Time.
    """

    def __init__(self, components: Sequence[Component], clock: Clock) -> None:
        super().__init__("bus")
        self._components, self._clock = components, clock
        self._started: list[Component] = []

    async def serve(self) -> None:
        """Start each as soon as it can be started, and let it work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for component in self._components:
                await self._start(component)
                self._started.append(component)
                group.create_task(component.serve())

    async def _start(self, component: Component) -> None:
        told = False
        while True:
            try:
                await component.start()
            except Unavailable as error:
                if not told:
                    log.warning("aside.waits", component=component.name, error=error.detail)
                told = True
                await self._clock.sleep(AGAIN)
            else:
                return

    async def stop(self) -> None:
        """Stop those that have started, the last first."""
        for component in reversed(self._started):
            await component.stop()

    def health(self) -> Health:
        """Ready in any case; the detail says what is missing."""
        missing = [f"{one.name}: {one.health().detail}" for one in self._components if not one.health().ready]
        return Health(ready=True, detail="; ".join(missing) or "connected")
