"""Backfills: asked for, kept going by the ends of their own runs, cancelled.

Each commit holds the backfill with its cursor and the commands that start the next few items, so replicas may hear the same
ends, die in between or hear them twice, and every item gets one run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from tocsin.errors import NotFound
from tocsin.signals import Cause, derive, root
from tocsin.signals.catalogue import scheduler as words
from tocsin.signals.changes import FieldChange
from tocsin.signals.kinds import SignalType
from tocsin.signals.make import make_signal, source_of, subject_of
from tocsin_kit.clock import Clock
from tocsin_kit.store import Entry, Outgoing, Page, RevisionConflict, undisputed
from tocsin_kit.store.changes import changes
from tocsin_scheduler.application.announcing import ACTOR, cancel_run, start_run
from tocsin_scheduler.domain.backfills import (
    PRIORITY,
    Backfill,
    Item,
    Order,
    Progress,
    Reprocess,
    closed,
    ended,
    launched,
    plan,
    run_of,
    stopped,
    unique,
)
from tocsin_scheduler.domain.schedules import Json, Outcome, Schedule, Start
from tocsin_scheduler.ports import BackfillStore, History, ScheduleSearch, ScheduleStore

_OF_END: Mapping[Progress, SignalType[words.BackfillChanged]] = {
    Progress.COMPLETED: words.BACKFILL_COMPLETED,
    Progress.CANCELLED: words.BACKFILL_CANCELLED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Which instants of a schedule.

    Attributes:
        schedule: Its name.
        since: The first that may be meant.
        until: None from here on.
        order: Which comes first.
        reprocess: What to do about instants that had a run.
    """

    schedule: str
    since: datetime
    until: datetime
    order: Order = Order.OLDEST_FIRST
    reprocess: Reprocess = Reprocess.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked for.

    Attributes:
        namespace: Where.
        name: Its name.
        window: Instants of a schedule; or ``None``, with ``items`` and ``start``.
        items: Items of one's own.
        start: What they start.
        version: Of the workflow, instead of the schedule's.
        concurrency: How many runs at the same time.
        priority: Of the runs.
    """

    namespace: str
    name: str
    window: Window | None = None
    items: tuple[Item, ...] = ()
    start: Start | None = None
    version: str | None = None
    concurrency: int = 1
    priority: int = PRIORITY

    @property
    def key(self) -> str:
        """Its key in the store."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Planned:
    """What a backfill would do.

    Attributes:
        start: What each item starts.
        items: In order.
        had: How many instants of the window had a run.
    """

    start: Start
    items: list[Item]
    had: Mapping[datetime, Outcome | None] = field(default_factory=dict)


class Backfills:
    """The use cases of backfills.

    Args:
        store: Where they are.
        schedules: Where schedules are.
        history: What became of instants.
        clock: Time.
    """

    def __init__(self, store: BackfillStore, schedules: ScheduleStore, history: History, *, clock: Clock) -> None:
        self._store = store
        self._schedules = schedules
        self._history = history
        self._clock = clock

    async def plan(self, asked: Asked) -> Planned:
        """What would be done, without doing it.

        Raises:
            NotFound: There is no such schedule.
            ScheduleInvalid: Its instants cannot be known, or two items have the same key.
            TooLarge: Too many items.
        """
        if asked.window is None:
            assert asked.start is not None, "the door sees to it"
            return Planned(asked.start, unique(asked.items))
        window = asked.window
        entry = await self._schedules.load(f"{asked.namespace}/{window.schedule}")
        if entry.value is None:
            raise NotFound(f"there is no schedule {entry.key}", schedule=entry.key)
        schedule: Schedule = entry.value
        had = await self._history.outcomes(schedule.key, window.since, window.until)
        items = plan(schedule.when, window.since, window.until, order=window.order, reprocess=window.reprocess, had=had)
        return Planned(replace(schedule.start, version=asked.version or schedule.start.version), items, had)

    async def start(self, asked: Asked, *, actor: str, cause: Cause) -> tuple[Entry[Backfill], bool]:
        """Begin; asking again for the same name gives what is there.

        Returns:
            The backfill, and whether it is new.

        Raises:
            NotFound: There is no such schedule.
            ScheduleInvalid: Its instants cannot be known, or two items have the same key.
            TooLarge: Too many items.
        """
        entry = await self._store.load(asked.key)
        if entry.value is not None:
            return entry, False
        planned = await self.plan(asked)
        window = asked.window
        backfill = Backfill(
            namespace=asked.namespace,
            name=asked.name,
            generation=entry.revision + 1,
            schedule=None if window is None else window.schedule,
            start=planned.start,
            total=len(planned.items),
            concurrency=asked.concurrency,
            priority=asked.priority,
            order=Order.OLDEST_FIRST if window is None else window.order,
            reprocess=Reprocess.ALL if window is None else window.reprocess,
            created_at=self._clock.now(),
            actor=actor,
        )
        await self._store.put_items(backfill.key, backfill.generation, planned.items)
        said = [words.BACKFILL_STARTED]
        try:
            entry = await self._advance(entry, backfill, said, actor=actor, cause=cause)
        except RevisionConflict:
            return await self._store.load(asked.key), False  # asked for twice at the same moment
        return await self._fill(entry), True

    async def get(self, namespace: str, name: str) -> Entry[Backfill]:
        """A backfill.

        Raises:
            NotFound: There is none.
        """
        entry = await self._store.load(f"{namespace}/{name}")
        _value(entry)
        return entry

    async def search(self, search: ScheduleSearch, *, limit: int, cursor: str | None) -> Page[Entry[Backfill]]:
        """One page, by name."""
        return await self._store.search(search, limit=limit, cursor=cursor)

    @undisputed
    async def cancel(self, namespace: str, name: str, reason: str | None, *, actor: str, cause: Cause) -> Entry[Backfill]:
        """Start nothing more, and cancel the runs that go on.

        Raises:
            NotFound: There is none.
            NotNow: It is over.
        """
        entry = await self.get(namespace, name)
        backfill = _value(entry)
        if backfill.status is Progress.CANCELLING:
            return entry
        told = stopped(backfill, reason)
        now = self._clock.now()
        cancels = [
            cancel_run(
                going.run,
                namespace=namespace,
                source=source_of(namespace, "backfills", name),
                key=backfill.key,
                reason=reason or f"backfill {backfill.key} was cancelled",
                now=now,
                actor=actor,
            )
            for going in backfill.going
        ]
        said = [words.BACKFILL_CANCEL_REQUESTED]
        return await self._advance(entry, told, said, actor=actor, cause=cause, more=cancels)

    async def hear_ends(self, runs: Mapping[str, Outcome]) -> None:
        """Runs ended: some may be of backfills, which go on with their next items.

        Raises:
            Conflict: A backfill changed meanwhile; deliver again.
        """
        for entry in await self._store.with_runs(frozenset(runs)):
            counted = None if entry.value is None else ended(entry.value, runs)
            if counted is not None:
                cause = root(derive("ends", counted.key, entry.revision))
                await self._fill(await self._advance(entry, counted, [], actor=ACTOR, cause=cause))

    # -- inside -------------------------------------------------------------------------------------------------------

    async def _fill(self, entry: Entry[Backfill]) -> Entry[Backfill]:
        """Start until as many go on as may."""
        while entry.value is not None and entry.value.wants:
            cause = root(derive("items", entry.key, entry.revision))
            entry = await self._advance(entry, entry.value, [], actor=ACTOR, cause=cause)
        return entry

    async def _advance(
        self,
        entry: Entry[Backfill],
        backfill: Backfill,
        said: Sequence[SignalType[words.BackfillChanged]],
        *,
        actor: str,
        cause: Cause,
        more: Sequence[Outgoing] = (),
    ) -> Entry[Backfill]:
        """Commit a backfill together with the start of its next items."""
        now = self._clock.now()
        items = await self._store.items(backfill.key, backfill.generation, backfill.cursor, backfill.wants)
        after = closed(launched(backfill, items), now)
        kinds = [*said, *([_OF_END[after.status]] if after.is_over else [])]
        signals = [
            make_signal(
                kind,
                namespace=after.namespace,
                entity_id=after.name,
                sequence=entry.sequence + number,
                time=now,
                payload=_payload(after, changes(_told(entry.value), _told(after))),
                cause=cause,
                actor=actor,
            )
            for number, kind in enumerate(kinds, start=1)
        ]
        if backfill.schedule is not None:
            of = f"{backfill.namespace}/{backfill.schedule}"
            await self._history.started(of, {run_of(backfill, item): item.at for item in items if item.at is not None})
        starts = [_start(backfill, item, cause, now) for item in items]
        outbox = [*(Outgoing.of(subject_of(signal), signal) for signal in signals), *starts, *more]
        return await self._store.commit(entry, after, outbox)


def _start(backfill: Backfill, item: Item, cause: Cause, now: datetime) -> Outgoing:
    labels = {**backfill.start.labels, "tocsin.backfill": backfill.name, "tocsin.partition": item.key}
    trigger: dict[str, Json] = {"kind": "backfill", "name": backfill.name, "item": item.key}
    if item.at is not None:
        trigger |= {"at": item.at.isoformat(), "previous": None if item.previous is None else item.previous.isoformat()}
    given = backfill.start.input if item.input is None else item.input
    return start_run(
        run_of(backfill, item),
        namespace=backfill.namespace,
        source=source_of(backfill.namespace, "backfills", backfill.name),
        start=replace(backfill.start, input=given, labels=labels, priority=backfill.priority),
        trigger=trigger,
        cause=replace(cause, depth=cause.depth + 1),
        now=now,
    )


def _told(backfill: Backfill | None) -> dict[str, object] | None:
    """What people say about it; how far it is, its counts say."""
    if backfill is None:
        return None
    said = ("schedule", "start", "concurrency", "priority", "order", "reprocess", "status", "reason")
    return {name: getattr(backfill, name) for name in said}


def _payload(backfill: Backfill, found: list[FieldChange]) -> words.BackfillChanged:
    return words.BackfillChanged(
        name=backfill.name,
        workflow=backfill.start.workflow,
        schedule=backfill.schedule,
        total=backfill.total,
        completed=backfill.completed,
        failed=backfill.failed,
        cancelled=backfill.cancelled,
        reason=backfill.reason,
        changes=found,
    )


def _value(entry: Entry[Backfill]) -> Backfill:
    if entry.value is None:
        raise NotFound(f"there is no backfill {entry.key}", backfill=entry.key)
    return entry.value
