"""Hears the ends of runs, for schedules that do not start a run while an earlier one is still going on.

Most runs were started by something else, so many ends are looked up at once: one query for a batch of signals.
"""

from collections.abc import Sequence

from tocsin.signals.subjects import parse_signal
from tocsin_kit.bus.delivery import Delivery
from tocsin_scheduler.domain.schedules import ended
from tocsin_scheduler.ports import ScheduleStore

_ENDS = frozenset({"completed", "faulted", "cancelled"})


class RunEnds:
    """Takes ended runs off the schedules that wait for them.

    Args:
        store: Where schedules are.
    """

    def __init__(self, store: ScheduleStore) -> None:
        self._store = store

    async def hear(self, deliveries: Sequence[Delivery]) -> None:
        """Take signals; safe to repeat.

        Raises:
            Conflict: A schedule changed meanwhile; deliver again.
        """
        places = (parse_signal(delivery.subject) for delivery in deliveries)
        runs = frozenset(place.id for place in places if place.entity == "run" and place.transition in _ENDS)
        if not runs:
            return
        for entry in await self._store.with_runs(runs):
            if entry.value is not None:
                await self._store.commit(entry, ended(entry.value, runs), ())
