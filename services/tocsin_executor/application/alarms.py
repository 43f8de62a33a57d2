"""When which run has an alarm: a heap beside the state, which is the truth.

An alarm is part of a run's state; this only remembers whom to wake when. A wake for an alarm that is gone changes nothing.
"""

import asyncio
import heapq
from collections.abc import Callable

from tocsin_executor.domain.values import Millis
from tocsin_kit.clock import Clock

_LOOK = 30.0  # seconds after which the clock is looked at though nothing is due: it may have been set


class Alarms:
    """Due times of the runs of this owner.

    Args:
        clock: Time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._earlier = asyncio.Event()
        self._heap: list[tuple[Millis, str]] = []
        self._known: dict[str, Millis] = {}

    def __len__(self) -> int:
        return len(self._known)

    def set(self, run: str, due: Millis | None) -> None:
        """The run's least due time is now ``due``."""
        if self._known.get(run) == due:
            return
        if due is None:
            del self._known[run]
            return
        self._known[run] = due
        heapq.heappush(self._heap, (due, run))
        if self._heap[0][1] == run:
            self._earlier.set()

    async def serve(self, wake: Callable[[list[tuple[str, Millis]]], None]) -> None:
        """Call ``wake`` with runs and due times when they are due, until cancelled."""
        while True:
            now = int(self._clock.now().timestamp() * 1000)
            due = self.take_due(now)
            if due:
                wake(due)
            upcoming = self.next_due()
            self._earlier.clear()
            delay = _LOOK if upcoming is None else min(_LOOK, max(0.001, (upcoming - now) / 1000))
            try:
                async with asyncio.timeout(delay):
                    await self._earlier.wait()
            except TimeoutError:
                continue

    def next_due(self) -> Millis | None:
        """The earliest due time."""
        while self._heap:
            due, run = self._heap[0]
            if self._known.get(run) == due:
                return due
            heapq.heappop(self._heap)
        return None

    def take_due(self, now: Millis) -> list[tuple[str, Millis]]:
        """Runs whose alarm is due, once each; they are forgotten until :meth:`set` again."""
        due_now: list[tuple[str, Millis]] = []
        while self._heap and self._heap[0][0] <= now:
            due, run = heapq.heappop(self._heap)
            if self._known.get(run) == due:
                del self._known[run]
                due_now.append((run, due))
        return due_now

    def forget(self, run: str) -> None:
        """The run is no longer this owner's."""
        self._known.pop(run, None)
