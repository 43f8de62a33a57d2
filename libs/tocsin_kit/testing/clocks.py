"""A clock that moves when a test says so, so that a year passes in a millisecond and no test waits for time."""

import asyncio
import heapq
from datetime import UTC, datetime, timedelta
from itertools import count

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
_TURNS = 20  # turns of the loop in which woken code may go on before the next sleeper is woken


class ManualClock:
    """A :class:`tocsin_kit.clock.Clock` that a test moves.

    Args:
        start: The first instant, aware.
    """

    def __init__(self, start: datetime = START) -> None:
        self._now = start.astimezone(UTC)
        self._origin = self._now
        self._order = count()
        self._sleepers: list[tuple[datetime, int, asyncio.Future[None]]] = []

    @property
    def sleepers(self) -> int:
        """How many are asleep now."""
        return sum(not future.done() for _, _, future in self._sleepers)

    def now(self) -> datetime:
        """The instant the test has set."""
        return self._now

    def monotonic(self) -> float:
        """Seconds since the start."""
        return (self._now - self._origin).total_seconds()

    async def sleep(self, delay: timedelta | float) -> None:
        """Sleep until the test has moved the clock that far; no delay means one turn of the loop."""
        wait = delay if isinstance(delay, timedelta) else timedelta(seconds=delay)
        if wait <= timedelta(0):
            await _turn()
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + wait, next(self._order), future))
        await future

    async def advance(self, by: timedelta | float) -> None:
        """Move on. Sleepers wake in the order of their time, each seeing its own instant, and may sleep again in between."""
        target = self._now + (by if isinstance(by, timedelta) else timedelta(seconds=by))
        await self.advance_to(target)

    async def advance_to(self, target: datetime) -> None:
        """Move on to ``target``; see :meth:`advance`."""
        await settle()
        while self._sleepers and self._sleepers[0][0] <= target:
            due, _, future = heapq.heappop(self._sleepers)
            if future.done():  # cancelled
                continue
            self._now = max(self._now, due)
            future.set_result(None)
            await settle()
        self._now = max(self._now, target)
        await settle()

    def jump(self, by: timedelta) -> None:
        """Set the time without waking anyone, as a suspended machine does."""
        self._now += by


async def settle(turns: int = _TURNS) -> None:
    """Let code that can go on do so, for some turns of the loop (pure code only: I/O needs ``eventually``)."""
    for _ in range(turns):
        await _turn()


async def _turn() -> None:
    await asyncio.sleep(0)  # noqa: TID251 - a turn of the loop, no time
