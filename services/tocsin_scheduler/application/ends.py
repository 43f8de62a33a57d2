"""Hears the ends of runs, for schedules and backfills that go on with them, and for the history of instants.

Most runs were started by something else, so many ends are looked up at once: one query for a batch of signals.
"""

from collections.abc import Sequence
from datetime import datetime

import structlog

from tocsin.signals import CausationTooDeep, CloudEvent, follow
from tocsin.signals.catalogue.scheduler import ScheduleFired
from tocsin.signals.subjects import parse_signal
from tocsin_kit.bus.delivery import Delivery
from tocsin_kit.clock import Clock
from tocsin_scheduler.application.announcing import carry_out
from tocsin_scheduler.application.backfilling import Backfills
from tocsin_scheduler.application.timekeeping import Timekeeper
from tocsin_scheduler.domain.firing import ended
from tocsin_scheduler.domain.following import happened, workflow_of
from tocsin_scheduler.domain.schedules import Outcome
from tocsin_scheduler.ports import History, ScheduleStore

log = structlog.get_logger()

_ENDS = {outcome.value: outcome for outcome in Outcome}


class RunEnds:
    """Takes ended runs off the schedules that wait for them, and carries out what follows.

    Args:
        store: Where schedules are.
        timekeeper: Is told about changes, so that they take effect at once.
        backfills: Go on with their next items.
        history: Keeps how runs ended.
        clock: Time.
    """

    def __init__(
        self, store: ScheduleStore, timekeeper: Timekeeper, backfills: Backfills, history: History, *, clock: Clock
    ) -> None:
        self._store = store
        self._timekeeper = timekeeper
        self._backfills = backfills
        self._history = history
        self._clock = clock

    async def hear(self, deliveries: Sequence[Delivery]) -> None:
        """Take signals of runs and of firings; safe to repeat.

        Raises:
            Conflict: A schedule or a backfill changed meanwhile; deliver again.
        """
        places = [(parse_signal(delivery.subject), delivery) for delivery in deliveries]
        await self._keep_firings([delivery for place, delivery in places if place.entity == "schedule"])
        runs = {place.id: _ENDS[place.transition] for place, _ in places if place.entity == "run" and place.transition in _ENDS}
        if not runs:
            return
        await self._history.ended(runs)
        await self._backfills.hear_ends(runs)
        for entry in await self._store.with_runs(frozenset(runs)):
            now = self._clock.now()
            decision = None if entry.value is None else ended(entry.value, runs, now)
            if decision is not None:
                outbox = carry_out(decision, after=entry.sequence, now=now)
                self._timekeeper.notice(await self._store.commit(entry, decision.schedule, outbox))
        await self._set_instants([delivery for place, delivery in places if place.id in runs and place.entity == "run"])

    async def _set_instants(self, deliveries: Sequence[Delivery]) -> None:
        """Ends of runs set instants of the schedules that follow their workflows."""
        ends: dict[tuple[str, str], list[tuple[Outcome, CloudEvent]]] = {}
        for delivery in deliveries:
            place, event = parse_signal(delivery.subject), delivery.event()
            name = event.data.get("name") if isinstance(event.data, dict) else None
            workflow = workflow_of(str(name), place.id, place.namespace)
            if workflow is not None and place.transition in _ENDS:
                ends.setdefault((place.namespace, workflow), []).append((_ENDS[place.transition], event))
        for entry in await self._store.following(frozenset(ends)):
            schedule = entry.value
            if schedule is None or schedule.when.follows is None:
                continue
            for outcome, event in ends[schedule.namespace, schedule.when.follows.workflow]:
                try:
                    schedule = happened(schedule, outcome, event.time or self._clock.now(), follow(event)) or schedule
                except CausationTooDeep as error:
                    log.warning("schedule.chain_too_deep", schedule=entry.key, event=event.id, error=error.detail)
            if schedule is not entry.value:
                self._timekeeper.notice(await self._store.commit(entry, schedule, ()))

    async def _keep_firings(self, deliveries: Sequence[Delivery]) -> None:
        """Before the ends: a firing is said before its run can end, and comes before it or with it."""
        started: dict[str, dict[str, datetime]] = {}
        for delivery in deliveries:
            fired = ScheduleFired.model_validate(delivery.event().data)
            key = f"{parse_signal(delivery.subject).namespace}/{fired.name}"
            started.setdefault(key, {})[fired.run] = fired.due_at
        for schedule, runs in started.items():
            await self._history.started(schedule, runs)
