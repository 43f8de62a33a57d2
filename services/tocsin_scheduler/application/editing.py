"""What people do with schedules. Whatever is due is decided before anything is changed, so a change never costs an instant.

A busy schedule changes its revision with every firing; nobody who changes it should see that, so they decide again.
"""

from dataclasses import dataclass, replace

from tocsin.errors import NotFound, PreconditionFailed
from tocsin.signals import Cause
from tocsin.signals.catalogue import scheduler as words
from tocsin_kit.clock import Clock
from tocsin_kit.store import Entry, Page, undisputed
from tocsin_scheduler.application.announcing import announce, changed, changes_of, skipped
from tocsin_scheduler.application.timekeeping import Firer, Timekeeper
from tocsin_scheduler.domain.conditions import check_condition
from tocsin_scheduler.domain.firing import Skip
from tocsin_scheduler.domain.schedules import (
    NotNow,
    Policy,
    Schedule,
    Start,
    Status,
    check,
    paused,
    planned,
    resumed,
)
from tocsin_scheduler.domain.timetables import When
from tocsin_scheduler.domain.wishes import RESERVED
from tocsin_scheduler.ports import ScheduleSearch, ScheduleStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a person says about a schedule.

    Attributes:
        namespace: Where.
        name: Its name.
        description: For people.
        when: Its timetable.
        start: What it starts.
        policy: What to do when the ideal is not possible.
        input_bytes: Size of the input as JSON.
        managed_by: ``definition`` when no person says it, but the definition that the schedule belongs to.
    """

    namespace: str
    name: str
    description: str
    when: When
    start: Start
    policy: Policy
    input_bytes: int
    managed_by: str | None = None

    @property
    def key(self) -> str:
        """Its key in the store."""
        return f"{self.namespace}/{self.name}"


class Schedules:
    """The use cases of people.

    Args:
        store: Where schedules are.
        firer: Decides about what is due.
        timekeeper: Is told about changes, so that they take effect at once.
        clock: Time.
    """

    def __init__(self, store: ScheduleStore, firer: Firer, timekeeper: Timekeeper, *, clock: Clock) -> None:
        self._store = store
        self._firer = firer
        self._timekeeper = timekeeper
        self._clock = clock

    @undisputed
    async def put(self, wanted: Wanted, *, expect: int | None, actor: str, cause: Cause) -> tuple[Entry[Schedule], bool]:
        """Make or change a schedule; a paused one stays paused.

        Returns:
            The schedule, and whether it is new.

        Raises:
            PreconditionFailed: It has changed since the person saw it.
            TimetableInvalid: With the position in the expression.
            ScheduleInvalid: It never fires, or its condition asks for what there is not.
            CesqlInvalid: Its condition makes no sense; with the position.
            NotNow: The name belongs to a definition.
        """
        check(wanted.when, wanted.start, wanted.input_bytes, self._clock.now())
        entry = await self._store.load(wanted.key)
        _expected(entry, expect)
        _permitted(wanted.name, managing=wanted.managed_by is not None)
        return await self._put(await self._firer.fire(entry), wanted, actor=actor, cause=cause)

    async def _put(self, entry: Entry[Schedule], wanted: Wanted, *, actor: str, cause: Cause) -> tuple[Entry[Schedule], bool]:
        now, before = self._clock.now(), entry.value
        if before is None:
            schedule = Schedule(
                namespace=wanted.namespace,
                name=wanted.name,
                generation=entry.revision + 1,
                description=wanted.description,
                when=wanted.when,
                start=wanted.start,
                policy=wanted.policy,
                settled=now,
                created_at=now,
                updated_at=now,
                actor=actor,
                managed_by=wanted.managed_by,
            )
        elif _as_wanted(before, wanted):
            return entry, False  # a change that changes nothing is none: nothing is said
        else:
            same_times = before.when == wanted.when
            schedule = replace(
                before,
                description=wanted.description,
                when=wanted.when,
                start=wanted.start,
                policy=wanted.policy,
                status=Status.PAUSED if before.status is Status.PAUSED else Status.ACTIVE,
                edition=before.edition + 1,
                settled=before.settled if same_times else max(before.settled, now),
                updated_at=now,
                actor=actor,
            )
        schedule = planned(schedule)
        check_condition(schedule, schedule.next_at or now)
        kind = words.SCHEDULE_CREATED if before is None else words.SCHEDULE_UPDATED
        outbox = announce(
            [changed(kind, schedule, before=before)], schedule, after=entry.sequence, now=now, cause=cause, actor=actor
        )
        entry = await self._store.commit(entry, schedule, outbox)
        self._timekeeper.notice(entry)
        return entry, before is None

    async def get(self, namespace: str, name: str) -> Entry[Schedule]:
        """A schedule.

        Raises:
            NotFound: There is none.
        """
        entry = await self._store.load(f"{namespace}/{name}")
        value_of(entry)
        return entry

    async def search(self, search: ScheduleSearch, *, limit: int, cursor: str | None) -> Page[Entry[Schedule]]:
        """One page of schedules, by name."""
        return await self._store.search(search, limit=limit, cursor=cursor)

    @undisputed
    async def pause(self, namespace: str, name: str, reason: str | None, *, actor: str, cause: Cause) -> Entry[Schedule]:
        """Stop a schedule from firing; what is due now still fires.

        Raises:
            NotFound: There is none.
            NotNow: It has no instant left.
        """
        entry = await self._firer.fire(await self.get(namespace, name))
        now = self._clock.now()
        schedule = value_of(entry)
        stopped = paused(schedule, reason, now=now, actor=actor)
        said = [skipped(schedule, at, Skip.PAUSED) for at in schedule.waiting]
        said.append(changed(words.SCHEDULE_PAUSED, stopped, before=schedule))
        outbox = announce(said, stopped, after=entry.sequence, now=now, cause=cause, actor=actor)
        entry = await self._store.commit(entry, stopped, outbox)
        self._timekeeper.notice(entry)
        return entry

    @undisputed
    async def resume(self, namespace: str, name: str, *, actor: str, cause: Cause) -> Entry[Schedule]:
        """Let a paused schedule fire again, from now on; one that is not paused is left alone.

        Raises:
            NotFound: There is none.
        """
        entry = await self.get(namespace, name)
        schedule = value_of(entry)
        if schedule.status is not Status.PAUSED:
            return entry
        now = self._clock.now()
        active = resumed(schedule, now=now, actor=actor)
        said = [changed(words.SCHEDULE_RESUMED, active, before=schedule)]
        outbox = announce(said, active, after=entry.sequence, now=now, cause=cause, actor=actor)
        entry = await self._store.commit(entry, active, outbox)
        self._timekeeper.notice(entry)
        return entry

    @undisputed
    async def delete(
        self, namespace: str, name: str, *, expect: int | None, actor: str, cause: Cause, managing: bool = False
    ) -> None:
        """Delete a schedule; what is due now still fires, and runs that it started go on.

        Raises:
            NotFound: There is none.
            PreconditionFailed: It has changed since the person saw it.
            NotNow: It belongs to a definition, and goes with it (``managing``).
        """
        _permitted(name, managing=managing)
        entry = await self.get(namespace, name)
        _expected(entry, expect)
        entry = await self._firer.fire(entry)
        schedule = value_of(entry)
        said = [(words.SCHEDULE_DELETED, words.ScheduleDeleted(name=name, changes=changes_of(schedule, None)))]
        outbox = announce(said, schedule, after=entry.sequence, now=self._clock.now(), cause=cause, actor=actor)
        self._timekeeper.notice(await self._store.commit(entry, None, outbox))


def value_of(entry: Entry[Schedule]) -> Schedule:
    """The schedule of an entry.

    Raises:
        NotFound: It has none.
    """
    if entry.value is None:
        raise NotFound(f"there is no schedule {entry.key}", schedule=entry.key)
    return entry.value


def _permitted(name: str, *, managing: bool) -> None:
    """What belongs to a definition is changed by publishing it; a person may pause it."""
    if name.startswith(RESERVED) and not managing:
        raise NotNow(
            f"schedule {name} belongs to a workflow definition",
            hint="Publish the workflow with another `schedule`; or pause this one.",
        )


def _as_wanted(schedule: Schedule, wanted: Wanted) -> bool:
    if schedule.status is Status.FINISHED or repr(schedule.start.input) != repr(wanted.start.input):  # 1 is not true here
        return False
    have = (schedule.description, schedule.when, schedule.start, schedule.policy)
    return have == (wanted.description, wanted.when, wanted.start, wanted.policy)


def _expected(entry: Entry[Schedule], expect: int | None) -> None:
    if expect is not None and (entry.value is None or entry.value.edition != expect):
        raise PreconditionFailed(f"schedule {entry.key} has changed since you read it", hint="read it again and decide again")
