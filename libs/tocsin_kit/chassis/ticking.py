"""Something that has to look again every so often, at the clock of the process: timers that live in the database.

Unlike housekeeping it moves with the clock it is given, so that a test can let a year go by.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog

from tocsin.errors import TocsinError
from tocsin_kit.chassis.components import Part
from tocsin_kit.clock import Clock

log = structlog.get_logger()


class Ticking(Part):
    """Calls ``look`` again and again.

    Args:
        name: Its name.
        every: Pause between two looks.
        look: What to do; its answer is not used. A failure is logged, and the next look tries again.
        clock: Time.
    """

    def __init__(self, name: str, every: timedelta, look: Callable[[], Awaitable[object]], *, clock: Clock) -> None:
        super().__init__(name)
        self._every = every
        self._look = look
        self._clock = clock

    async def serve(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                await self._look()
            except TocsinError as error:
                log.warning("ticking.postponed", name=self.name, code=error.code, error=error.detail)
            await self._clock.sleep(self._every)
