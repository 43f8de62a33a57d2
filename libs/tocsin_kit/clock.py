"""The one place that reads the time and that waits for it.

Everything else takes a :class:`Clock`, or better: ``now`` as an argument, read once for each decision. That is what lets a
test move a year in a millisecond.
"""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Time, as the platform sees it."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary origin; never goes back. For durations only."""
        ...

    async def sleep(self, delay: timedelta | float) -> None:
        """Wait for ``delay`` (a timedelta, or seconds); at least one turn of the loop."""
        ...


class SystemClock:
    """The real clock."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds from an arbitrary origin; never goes back."""
        return time.monotonic()

    async def sleep(self, delay: timedelta | float) -> None:
        """Wait for ``delay`` (a timedelta, or seconds); at least one turn of the loop."""
        seconds = delay.total_seconds() if isinstance(delay, timedelta) else delay
        await asyncio.sleep(max(0.0, seconds))
