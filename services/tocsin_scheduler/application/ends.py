"""Hears the ends of runs, for schedules whose next firing depends on them, or on how they ended.

Most runs were started by something else, so many ends are looked up at once: one query for a batch of signals.
"""

from collections.abc import Sequence

from tocsin.signals.subjects import parse_signal
from tocsin_kit.bus.delivery import Delivery
from tocsin_kit.clock import Clock
from tocsin_scheduler.application.announcing import carry_out
from tocsin_scheduler.application.timekeeping import Timekeeper
from tocsin_scheduler.domain.firing import ended
from tocsin_scheduler.domain.schedules import Outcome
from tocsin_scheduler.ports import ScheduleStore

_ENDS = {outcome.value: outcome for outcome in Outcome}


class RunEnds:
    """Takes ended runs off the schedules that wait for them, and carries out what follows.

    Args:
        store: Where schedules are.
        timekeeper: Is told about changes, so that they take effect at once.
        clock: Time.
    """

    def __init__(self, store: ScheduleStore, timekeeper: Timekeeper, *, clock: Clock) -> None:
        self._store = store
        self._timekeeper = timekeeper
        self._clock = clock

    async def hear(self, deliveries: Sequence[Delivery]) -> None:
        """Take signals; safe to repeat.

        Raises:
            Conflict: A schedule changed meanwhile; deliver again.
        """
        places = (parse_signal(delivery.subject) for delivery in deliveries)
        runs = {place.id: _ENDS[place.transition] for place in places if place.entity == "run" and place.transition in _ENDS}
        if not runs:
            return
        for entry in await self._store.with_runs(frozenset(runs)):
            now = self._clock.now()
            decision = None if entry.value is None else ended(entry.value, runs, now)
            if decision is not None:
                outbox = carry_out(decision, after=entry.sequence, now=now)
                self._timekeeper.notice(await self._store.commit(entry, decision.schedule, outbox))
