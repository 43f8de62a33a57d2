"""Lets time pass for what triggers remember: deadlines lie in the database, and any replica carries them out, once.

A deadline is not looked at before every event that was stored ahead of it has been decided: after a downtime the events of that
time come first, so that nothing counts as missing that was only waiting to be read.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime

import structlog

from tocsin.errors import Conflict, TocsinError
from tocsin_kit.clock import Clock
from tocsin_kit.store import Change, Entry
from tocsin_trigger.application.gathered import Left, conclude
from tocsin_trigger.application.intake import payloads
from tocsin_trigger.application.registry import Registry
from tocsin_trigger.domain.deciding import Ready
from tocsin_trigger.domain.grouping import Slot, pass_time
from tocsin_trigger.domain.triggers import key_of
from tocsin_trigger.ports import EventStore, GroupStore, Progress

log = structlog.get_logger()

_MOST = 200  # groups in one look
_AT_ONCE = 8  # transactions


class Timekeeping:
    """Looks for deadlines.

    Args:
        registry: The triggers.
        events: What came in.
        groups: What triggers remember.
        progress: How far the bus has been read.
        clock: Time.
    """

    def __init__(self, registry: Registry, events: EventStore, groups: GroupStore, progress: Progress, clock: Clock) -> None:
        self._registry = registry
        self._events = events
        self._groups = groups
        self._progress = progress
        self._clock = clock

    async def look(self) -> int:
        """Carry out what is due; how many groups changed.

        Raises:
            Unavailable: The database or the bus is away; look again.
        """
        done = 0
        while True:
            now = self._clock.now()
            entries = await self._groups.due(now, _MOST)
            changed = await self._carry_out(entries, now) if entries else 0
            done += changed
            if len(entries) < _MOST or not changed:
                return done

    async def _carry_out(self, entries: Sequence[Entry[Slot]], now: datetime) -> int:
        horizon = await self._progress.horizon(now) if any(not _slot(entry).direct for entry in entries) else now
        passed = []
        for entry in entries:
            slot = _slot(entry)
            until = now if slot.direct else horizon
            if until is not None and slot.due is not None and slot.due <= until:
                passed.append((entry, slot, until))
        done = 0
        for at in range(0, len(passed), _AT_ONCE):
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._pass(*each)) for each in passed[at : at + _AT_ONCE]]
            done += sum(task.result() for task in tasks)
        return done

    async def _pass(self, entry: Entry[Slot], slot: Slot, until: datetime) -> bool:
        try:
            return await self._close(entry, slot, until)
        except Conflict:
            return False  # another replica was first, or an event came; whoever it was has looked at the deadline as well
        except TocsinError as error:
            log.warning("gathering.postponed", trigger=f"{slot.namespace}/{slot.name}", code=error.code, error=error.detail)
            return False

    async def _close(self, entry: Entry[Slot], slot: Slot, until: datetime) -> bool:
        ready = self._ready(slot)
        changed, endings = pass_time(slot, ready, until)
        left = [Left(changed, ready, ending) for ending in endings]
        known = payloads(await self._events.load_many([key for each in left for key in each.keys]))
        await self._groups.commit((), [conclude(each, known) for each in left], [Change(entry, changed)])
        for each in left:
            log.info(
                "gathering.closed", trigger=f"{slot.namespace}/{slot.name}", end=each.ending.end.value, events=len(each.keys)
            )
        return True

    def _ready(self, slot: Slot) -> Ready | None:
        ready = self._registry.known(key_of(slot.namespace, slot.name))
        return ready if ready is not None and ready.trigger.id == slot.trigger else None


def _slot(entry: Entry[Slot]) -> Slot:
    assert entry.value is not None
    return entry.value
