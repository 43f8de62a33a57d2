"""Fires what is due: a heap of the next instants in memory, the database as the truth.

Any number of replicas do this at once. Each looks for schedules whose instant is near, waits for the instant, decides, and
commits with the revision it has read; of those who decide, one commits and the others see a conflict. Nothing is lost with a
replica: what it had in its heap, the others have too, or find when they look.
"""

import asyncio
import gc
import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from prometheus_client import Counter, Histogram

from tocsin.errors import Conflict, Rejected, TocsinError
from tocsin.signals import root
from tocsin.signals.catalogue import scheduler as words
from tocsin_kit.chassis import Part
from tocsin_kit.clock import Clock
from tocsin_kit.store import Change, Entry, Outgoing
from tocsin_kit.telemetry import Health, Metrics
from tocsin_scheduler.application.announcing import announce, carry_out, changed
from tocsin_scheduler.domain.firing import Decision, settle
from tocsin_scheduler.domain.schedules import Schedule, paused
from tocsin_scheduler.ports import ScheduleStore

log = structlog.get_logger()

LOOK_EVERY = timedelta(seconds=2)
HORIZON = timedelta(seconds=10)  # longer than the time between looks and that of deciding about a crowd before its instant
LOOK_LIMIT = 20_000  # schedules near their instant; what is beyond is found by the next look
FEW = 8  # up to so many are committed by themselves, which is quicker; a crowd is committed in bulk
BULK = 250  # decisions in one round trip: some 50 ms of computing, in which the loop does nothing else
CROWDS = 3  # of them on their way at once
CROWD = 500  # so many new ones near their instant are decided before it comes
FRESH = timedelta(seconds=10)  # a decision that was made before is as good as one made now; later, lateness has a say


class Firer:
    """Decides about one schedule at a time, and commits.

    Args:
        store: Where schedules are.
        clock: Time.
        metrics: Counts firings and their lateness.
    """

    def __init__(self, store: ScheduleStore, *, clock: Clock, metrics: Metrics) -> None:
        self._store = store
        self._clock = clock
        outcomes = metrics.counter("schedule_instants", "Instants of schedules by what became of them.", outcome=_OUTCOMES)
        self._counted: dict[str, Counter] = {outcome: outcomes.labels(outcome=outcome) for outcome in _OUTCOMES}
        lateness = metrics.histogram("schedule_lateness_seconds", "Time from an instant to the commit of its firing.")
        self._lateness: Histogram = lateness.labels()

    async def fire(self, entry: Entry[Schedule]) -> Entry[Schedule]:
        """Decide about everything that is due, and commit it.

        Returns:
            The entry as it is then.

        Raises:
            Conflict: Someone else was first.
        """
        while entry.value is not None:
            now = self._clock.now()
            try:
                decision = settle(entry.value, now)
            except Rejected as wrong:
                return await self._give_up(entry, entry.value, wrong, now)
            if decision is None:
                return entry
            outbox = carry_out(decision, after=entry.sequence, now=now)
            entry = await self._store.commit(entry, decision.schedule, outbox)
            self._count(decision, now)
        return entry

    def foresee(self, entry: Entry[Schedule]) -> "Foreseen | None":
        """Decide about an instant before it comes, as it will be decided then; ``None`` when that cannot be known yet.

        A crowd that shares an instant is so many decisions that they take seconds. Made before, only their commit is left,
        which refuses those whose schedule has changed in between.
        """
        schedule = entry.value
        if schedule is None or schedule.next_at is None or schedule.watches_runs:
            return None  # a run may end before the instant
        at = schedule.next_at
        try:
            decision = settle(schedule, at)
        except Rejected:
            return None  # told when it is due
        if decision is None:
            return None
        self._store.expect(decision.schedule)
        return Foreseen(at, decision, carry_out(decision, after=entry.sequence, now=at))

    async def fire_many(
        self, entries: Sequence[Entry[Schedule]], foreseen: Mapping[str, "Foreseen"]
    ) -> tuple[list[Entry[Schedule]], list[Entry[Schedule]]]:
        """Decide about many schedules at once, and commit the decisions in one round trip.

        Args:
            entries: What is due.
            foreseen: What was decided before, by key, about these very entries.

        Returns:
            Those that were committed, as they are now; and those to fire by themselves, because someone else changed them, an
            earlier signal of theirs is still unsaid, or their timetable is broken.
        """
        now = self._clock.now()
        decisions: dict[str, Decision] = {}
        changes: list[Change[Schedule]] = []
        alone: list[Entry[Schedule]] = []
        for entry in entries:
            known = foreseen.get(entry.key)
            if known is not None and now - known.at <= FRESH:
                decisions[entry.key] = known.decision
                changes.append(Change(entry, known.decision.schedule, known.outbox))
                continue
            try:
                decision = None if entry.value is None else settle(entry.value, now)
            except Rejected:
                alone.append(entry)
                continue
            if decision is not None:
                decisions[entry.key] = decision
                outbox = carry_out(decision, after=entry.sequence, now=now)
                changes.append(Change(entry, decision.schedule, outbox))
        stored = await self._store.commit_many(changes)
        for key in stored:
            self._count(decisions[key], now)
        alone += [change.entry for change in changes if change.entry.key not in stored]
        return list(stored.values()), alone

    async def _give_up(self, entry: Entry[Schedule], schedule: Schedule, wrong: Rejected, now: datetime) -> Entry[Schedule]:
        """A timetable that made sense once and does not any more (a zone was abolished): say so, once."""
        log.error("schedule.broken", schedule=schedule.key, code=wrong.code, error=wrong.detail)
        stopped = paused(
            schedule, f"its timetable cannot be computed any more: {wrong.detail}", now=now, actor="service:scheduler"
        )
        said = [changed(words.SCHEDULE_PAUSED, stopped, before=schedule)]
        cause = root(f"{schedule.key}:{entry.revision}")
        outbox = announce(said, stopped, after=entry.sequence, now=now, cause=cause, actor=None)
        return await self._store.commit(entry, stopped, outbox)

    def _count(self, decision: Decision, now: datetime) -> None:
        for firing in decision.firings:
            self._counted["caught_up" if firing.late else "fired"].inc()
            self._lateness.observe(max(0.0, (now - firing.at).total_seconds()))
        self._counted["skipped"].inc(len(decision.skipped))
        if decision.missed is not None:
            self._counted["missed"].inc(decision.missed.count)


_OUTCOMES = ("fired", "caught_up", "skipped", "missed")


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What was decided about an instant before it came.

    Attributes:
        at: When it will be true.
        decision: What is decided then.
        outbox: What leaves with it.
    """

    at: datetime
    decision: Decision
    outbox: list[Outgoing]


class Timekeeper(Part):
    """Waits for the next instants and lets them fire.

    Args:
        store: Where schedules are.
        firer: Decides and commits.
        clock: Time.
    """

    def __init__(self, store: ScheduleStore, firer: Firer, *, clock: Clock) -> None:
        super().__init__("timekeeper")
        self._store = store
        self._firer = firer
        self._clock = clock
        self._heap: list[tuple[datetime, str]] = []
        self._near: dict[str, Entry[Schedule]] = {}
        self._foreseen: dict[str, tuple[int, Foreseen]] = {}
        self._in_hand: set[str] = set()
        self._changed = asyncio.Event()
        self._failure: str | None = "has not looked yet"

    def notice(self, entry: Entry[Schedule]) -> None:
        """A schedule has just been changed in this process: its instant may be nearer than the next look."""
        if entry.value is None or entry.value.next_at is None:
            self._near.pop(entry.key, None)
        elif entry.value.next_at <= self._clock.now() + HORIZON:
            self._expect(entry, entry.value.next_at)
        else:
            self._near.pop(entry.key, None)
        self._changed.set()

    async def start(self) -> None:
        """Look for cycles among the living less often: a crowd is many objects, all freed by reference counts."""
        gc.set_threshold(50_000, 50, 100)

    async def serve(self) -> None:
        """Look, wait, fire, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._look_again())
            group.create_task(self._fire_in_time())

    def health(self) -> Health:
        """Ready while it can look."""
        facts = {"near": len(self._near)}
        if self._failure is not None:
            return Health(ready=False, detail=self._failure, facts=facts)
        return Health(ready=True, detail="keeping time", facts=facts)

    async def look(self) -> None:
        """Find the schedules whose instant is near.

        Raises:
            Unavailable: The database does not answer.
        """
        near = await self._store.due(self._clock.now() + HORIZON, limit=LOOK_LIMIT)
        self._foreseen = {key: known for key, known in self._foreseen.items() if key in self._near}
        # Most are known from the look before: reading ten thousand again takes a second, in which nothing would fire.
        news = [key for key, revision in near if key not in self._in_hand and not self._knows(key, revision)]
        for start in range(0, len(news), BULK):
            for entry in await self._store.load_many(news[start : start + BULK]):
                if entry.value is not None and entry.value.next_at is not None and entry.key not in self._in_hand:
                    self._expect(entry, entry.value.next_at)
                    if len(news) > CROWD:
                        self._foresee(entry)

    async def fire_due(self) -> int:
        """Let everything fire whose instant has come; how many schedules that were."""
        due: list[Entry[Schedule]] = []
        now = self._clock.now()
        while self._heap and self._heap[0][0] <= now:
            at, key = heapq.heappop(self._heap)
            entry = self._near.get(key)
            if entry is not None and entry.value is not None and entry.value.next_at == at:
                del self._near[key]
                due.append(entry)
        self._in_hand = {entry.key for entry in due}
        try:
            if len(due) <= FEW:
                await self._fire_together(due)
            else:
                await self._fire_crowds([due[start : start + BULK] for start in range(0, len(due), BULK)])
        finally:
            self._in_hand = set()
        return len(due)

    # -- inside -------------------------------------------------------------------------------------------------------

    def _expect(self, entry: Entry[Schedule], at: datetime) -> None:
        known = self._near.get(entry.key)
        if known is not None and known.revision >= entry.revision:
            return
        self._near[entry.key] = entry
        heapq.heappush(self._heap, (at, entry.key))
        self._changed.set()

    def _foresee(self, entry: Entry[Schedule]) -> None:
        if (found := self._firer.foresee(entry)) is not None:
            self._foreseen[entry.key] = entry.revision, found

    def _knows(self, key: str, revision: int) -> bool:
        known = self._near.get(key)
        return known is not None and known.revision >= revision

    async def _fire_crowds(self, crowds: list[list[Entry[Schedule]]]) -> None:
        """Several at once: while the database stores one, the next is decided."""

        async def fire_some() -> None:
            while crowds:
                await self._fire_crowd(crowds.pop(0))

        async with asyncio.TaskGroup() as group:
            for _ in range(CROWDS):
                group.create_task(fire_some())

    async def _fire_crowd(self, entries: Sequence[Entry[Schedule]]) -> None:
        try:
            fired, alone = await self._firer.fire_many(entries, self._recall(entries))
            for entry in fired:
                self.notice(entry)  # one with more instants that are due fires again at once
            now = self._clock.now()
            left = await self._store.load_many([entry.key for entry in alone])
        except TocsinError as error:
            self._failed(error, len(entries))
            return
        due = [e for e in left if e.value is not None and e.value.next_at is not None and e.value.next_at <= now]
        for start in range(0, len(due), FEW):
            await self._fire_together(due[start : start + FEW])

    def _recall(self, entries: Sequence[Entry[Schedule]]) -> dict[str, Foreseen]:
        """What was foreseen about these, as they are now."""
        found = ((entry, self._foreseen.pop(entry.key, None)) for entry in entries)
        return {entry.key: known[1] for entry, known in found if known is not None and known[0] == entry.revision}

    async def _fire_together(self, entries: Sequence[Entry[Schedule]]) -> None:
        async with asyncio.TaskGroup() as group:
            for entry in entries:
                group.create_task(self._fire_one(entry))

    async def _fire_one(self, entry: Entry[Schedule]) -> None:
        try:
            self.notice(await self._firer.fire(entry))
        except Conflict:
            await self._look_at(entry.key)  # another replica was first, or a person changed it
        except TocsinError as error:
            self._failed(error, 1)

    async def _look_at(self, key: str) -> None:
        try:
            for entry in await self._store.load_many([key]):
                self.notice(entry)
        except TocsinError as error:
            self._failed(error, 1)

    def _failed(self, error: TocsinError, schedules: int) -> None:
        """Not fired, or not known to be: the next look finds what is left."""
        self._failure = f"could not fire: {error.detail}"
        log.warning("schedule.not_fired_yet", schedules=schedules, code=error.code, error=error.detail)

    async def _look_again(self) -> None:
        while True:
            try:
                await self.look()
                self._failure = None
            except TocsinError as error:
                if self._failure is None:
                    log.warning("timekeeper.blind", code=error.code, error=error.detail)
                self._failure = f"cannot look for schedules: {error.detail}"
            await self._clock.sleep(LOOK_EVERY)

    async def _fire_in_time(self) -> None:
        while True:
            await self.fire_due()
            self._changed.clear()
            if not self._heap:
                await self._changed.wait()
                continue
            wait = (self._heap[0][0] - self._clock.now()).total_seconds()
            if wait > 0:
                await self._sleep_or_change(wait)

    async def _sleep_or_change(self, seconds: float) -> None:
        """Wait for the next instant, or for a nearer one."""
        async with asyncio.TaskGroup() as group:
            sleeping = group.create_task(self._clock.sleep(seconds))
            changing = group.create_task(self._changed.wait())
            await asyncio.wait((sleeping, changing), return_when=asyncio.FIRST_COMPLETED)
            sleeping.cancel()
            changing.cancel()
