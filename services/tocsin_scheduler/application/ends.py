"""Hears the ends of runs, for schedules that do not start a run while an earlier one is still going on."""

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

    async def hear(self, delivery: Delivery) -> None:
        """Take one signal; safe to repeat.

        Raises:
            Conflict: The schedule changed meanwhile; deliver again.
        """
        place = parse_signal(delivery.subject)
        if place.entity != "run" or place.transition not in _ENDS:
            return
        for entry in await self._store.with_run(place.id):
            if entry.value is not None:
                await self._store.commit(entry, ended(entry.value, place.id), ())
