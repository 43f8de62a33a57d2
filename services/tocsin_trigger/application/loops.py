"""Notices work that feeds itself by how often it comes round, long before the depth of its chain tells.

A chain that doubles at each turn has started thousands of runs when it reaches the limit of depth. So what one trigger may
start within one flow (one correlation id) and one minute is limited, too. Counted by each replica in memory: a guard, not an
account.
"""

from collections import OrderedDict

from tocsin_kit.clock import Clock

_PERIOD = 60.0  # seconds
_FLOWS = 10_000  # remembered; the least lately seen is forgotten


class LoopGuard:
    """Counts what triggers start within flows that the platform itself continues.

    Args:
        clock: Time.
        most: Starts of one trigger in one flow and minute.
    """

    def __init__(self, clock: Clock, most: int) -> None:
        self._clock = clock
        self._most = most
        self._seen: OrderedDict[tuple[str, str], tuple[float, int]] = OrderedDict()

    def too_many(self, trigger: str, flow: str, depth: int) -> str | None:
        """Count one more; why it is too much, or ``None``.

        Args:
            trigger: Its id.
            flow: Correlation id.
            depth: Of the event; what comes from outside (0) is never a loop.
        """
        if depth == 0:
            return None
        now = self._clock.monotonic()
        since, count = self._seen.get((trigger, flow), (now, 0))
        if now - since >= _PERIOD:
            since, count = now, 0
        self._seen[trigger, flow] = (since, count + 1)
        self._seen.move_to_end((trigger, flow))
        if len(self._seen) > _FLOWS:
            self._seen.popitem(last=False)
        if count < self._most:
            return None
        return f"More than {self._most} events of one flow met this trigger within a minute; it probably feeds itself."
