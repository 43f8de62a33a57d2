"""Looks over all schedules now and then: the next instant of each is computed again from its timetable.

Time zones change their rules with a few weeks' notice, and a release brings their new data; what was computed with the old
would fire an hour off.
"""

import structlog

from tocsin.errors import Conflict, Rejected
from tocsin_scheduler.domain.schedules import planned
from tocsin_scheduler.ports import ScheduleStore

log = structlog.get_logger()

BATCH = 500


class Reconciler:
    """Corrects next instants.

    Args:
        store: Where schedules are.
    """

    def __init__(self, store: ScheduleStore) -> None:
        self._store = store

    async def check(self) -> int:
        """Go over all schedules that fire; how many were corrected."""
        corrected, after = 0, ""
        while entries := await self._store.active_after(after, limit=BATCH):
            for entry in entries:
                if entry.value is None:
                    continue
                try:
                    right = planned(entry.value)
                    if right.next_at != entry.value.next_at:
                        log.warning("schedule.corrected", schedule=entry.key, was=entry.value.next_at, next_at=right.next_at)
                        await self._store.commit(entry, right, ())
                        corrected += 1
                except Conflict:
                    continue  # it just moved on by itself
                except Rejected as wrong:
                    log.error("schedule.broken", schedule=entry.key, code=wrong.code, error=wrong.detail)
            after = entries[-1].key
        return corrected
