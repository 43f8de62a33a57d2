"""A service's own periodic work: retention, reconcilers. aiocron tells the time; a job that fails is logged and tried again.

For work that may be missed and caught up, not for what users schedule: that is the scheduler's. Every replica runs it, so a job
must bear company.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC

import aiocron
import structlog

from tocsin.errors import TocsinError
from tocsin_kit.chassis.components import Part

log = structlog.get_logger()

Job = Callable[[], Awaitable[object]]


class Housekeeping(Part):
    """Runs one job at the instants of a cron expression.

    Args:
        name: Its name; ``<service>.<job>`` reads well.
        cron: Five or six fields, in UTC.
        job: What to do; must be safe to repeat.
    """

    def __init__(self, name: str, cron: str, job: Job) -> None:
        super().__init__(name)
        self._spec = cron
        self._job = job

    async def serve(self) -> None:
        """Wait and work until cancelled."""
        instants = aiocron.crontab(self._spec, start=False, loop=asyncio.get_running_loop(), tz=UTC)
        try:
            while True:
                await instants.next()
                await self._once()
        finally:
            instants.stop()

    async def _once(self) -> None:
        try:
            await self._job()
        except TocsinError as error:
            log.warning("housekeeping.postponed", job=self.name, code=error.code, error=error.detail)
