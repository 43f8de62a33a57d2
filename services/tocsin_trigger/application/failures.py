"""Runs that a trigger asked for and did not get, and what becomes of a trigger that only fails.

A start that the executor refuses is written into the decision that asked for it, where explanations find it. A trigger whose
last so many attempts all failed pauses itself, with a signal: an alarm instead of a heap of dead letters.
"""

from collections import deque
from dataclasses import replace
from datetime import datetime

import structlog

from tocsin.errors import Conflict, NotFound
from tocsin.signals import Cause, root
from tocsin.signals.catalogue.executor import RUN_REFUSED, RunRefused
from tocsin_kit.bus import Delivery
from tocsin_kit.clock import Clock
from tocsin_trigger.application.registry import Registry
from tocsin_trigger.application.saying import cause_of
from tocsin_trigger.application.triggers import Request, Triggers
from tocsin_trigger.application.voice import ACTOR
from tocsin_trigger.domain.events import Decision, Outcome, Received
from tocsin_trigger.domain.triggers import Trigger, key_of
from tocsin_trigger.ports import EventStore, GroupStore

log = structlog.get_logger()


class Failures:
    """Hears of refusals, and pauses.

    Args:
        registry: The triggers.
        events: What came in.
        groups: What triggers remember.
        triggers: Use cases of triggers.
        failed: Records in which a trigger failed.
        clock: Time.
    """

    def __init__(
        self,
        registry: Registry,
        events: EventStore,
        groups: GroupStore,
        triggers: Triggers,
        *,
        failed: deque[Received],
        clock: Clock,
    ) -> None:
        self._failed = failed
        self._registry = registry
        self._events = events
        self._groups = groups
        self._triggers = triggers
        self._clock = clock

    async def hear(self, delivery: Delivery) -> None:
        """Take the signal of a refused run; safe to repeat.

        Raises:
            Conflict: Someone else writes to the same record; deliver again.
            Unavailable: The database is away; deliver again.
        """
        event = delivery.event()
        if event.type != RUN_REFUSED.type:
            return
        told = RunRefused.model_validate(event.data)
        asked = told.trigger or {}
        key, name = asked.get("event"), asked.get("name")
        if not isinstance(key, str) or not isinstance(name, str):
            return
        namespace = delivery.subject.split(".", 2)[1]
        await self._mark(key, told.run, f"{told.detail} ({told.code})"[:500])
        ready = self._registry.known(key_of(namespace, name))
        if ready is not None and told.run:
            await self.weigh(ready.trigger, self._clock.now(), cause_of(event, key)[0])

    async def look(self) -> None:
        """Weigh the triggers that failed on an event since the last look."""
        failed: dict[str, Received] = {}
        while self._failed:
            record = self._failed.popleft()
            failed |= {key_of(record.namespace, d.name): record for d in record.decisions if d.outcome is Outcome.FAILED}
        for key, record in failed.items():
            ready = self._registry.known(key)
            if ready is None:
                continue
            try:
                await self.weigh(ready.trigger, self._clock.now(), root(record.key))
            except Conflict:
                self._failed.append(record)  # somebody changed it at this moment: the next look weighs it again

    async def weigh(self, trigger: Trigger, until: datetime, cause: Cause) -> None:
        """Pause a trigger whose last attempts all failed.

        Raises:
            Conflict: Somebody changes it at this moment; weigh it again.
        """
        most = trigger.pause_after
        if most is None or trigger.status != "active":
            return
        attempts = await self._events.attempts(trigger.name, trigger.id, until, most)
        if len(attempts) < most or not all(_failed(attempt) for attempt in attempts):
            return
        last = attempts[0].refused or attempts[0].reason or ""
        reason = f"{most} attempts in a row failed; the last: {last}"[:1000]
        try:
            await self._triggers.pause(
                trigger.namespace, trigger.name, reason, Request(ACTOR, self._clock.now(), cause), by_itself=True
            )
        except NotFound:
            return  # somebody deleted it at this moment
        log.warning("trigger.paused_itself", trigger=trigger.key, failures=most)

    async def _mark(self, key: str, run: str, why: str) -> None:
        entry = await self._events.load(key)
        if entry.value is not None and any(
            decision.run == run and decision.refused is None for decision in entry.value.decisions
        ):
            decisions = tuple(replace(d, refused=why) if d.run == run else d for d in entry.value.decisions)
            await self._events.mark(entry, replace(entry.value, decisions=decisions))
        for gathering in await self._groups.gatherings_of(key):
            if gathering.run == run and gathering.refused is None:
                held = await self._groups.load_gathering(gathering.key)
                if held.value is not None:
                    await self._groups.mark(held, replace(held.value, refused=why))


def _failed(attempt: Decision) -> bool:
    return attempt.refused is not None or attempt.outcome is Outcome.FAILED
