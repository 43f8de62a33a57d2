"""When which run has an alarm: a heap beside the state, which is the truth.

An alarm is part of a run's state; this only remembers whom to wake when. A wake for an alarm that is gone changes nothing.
"""

import heapq

from tocsin_executor.domain.values import Millis


class Alarms:
    """Due times of the runs of this owner."""

    def __init__(self) -> None:
        self._heap: list[tuple[Millis, str]] = []
        self._known: dict[str, Millis] = {}

    def __len__(self) -> int:
        return len(self._known)

    def set(self, run: str, due: Millis | None) -> bool:
        """The run's least due time is now ``due``.

        Returns:
            Whether the earliest alarm of all may have become earlier.
        """
        known = self._known.get(run)
        if known == due:
            return False
        if due is None:
            del self._known[run]
            return False
        self._known[run] = due
        heapq.heappush(self._heap, (due, run))
        return self._heap[0][1] == run

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
