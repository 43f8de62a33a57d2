"""A schedule: when it fires, what it starts, and what it does about instants that nobody could fire in time.

Its cursor is :attr:`Schedule.settled`: every instant up to there has been decided, for ever. Whoever changes a schedule decides
what is due first (see :mod:`tocsin_scheduler.domain.firing`), so neither a change nor a redeploy loses or doubles an instant.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from functools import lru_cache
from typing import TypeAlias

from tocsin.errors import Conflict, Invalid, TooLarge, Violation
from tocsin.schedules import Gap, Overlap, Timetable, TimetableInvalid, parse_timetable
from tocsin.schedules.zones import zone

Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None
INPUT_LIMIT = 64 * 1024  # bytes of input kept with a schedule; it travels with every start


class Status(Enum):
    """Whether a schedule fires."""

    ACTIVE = "active"
    PAUSED = "paused"
    FINISHED = "finished"  # no instant is left


class CatchUp(Enum):
    """What becomes of instants that went by while nobody could fire."""

    NONE = "none"
    LATEST = "latest"
    ALL = "all"


class Concurrency(Enum):
    """What becomes of an instant while a run of an earlier one is still going on."""

    ALLOW = "allow"
    SKIP = "skip"


class ScheduleInvalid(Invalid):
    """The schedule is not valid."""

    code = "schedule_invalid"


class NotNow(Conflict):
    """The schedule is not in a state that allows this."""

    code = "schedule_not_now"


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """The timetable in words, as it is stored.

    Attributes:
        expression: Cron pattern or ISO 8601 duration.
        timezone: IANA name.
        anchor: Where an interval counts from.
        gap: Local times that do not exist.
        overlap: Local times that exist twice.
        starts_at: No instant before.
        ends_at: No instant after.
    """

    expression: str
    timezone: str = "UTC"
    anchor: datetime
    gap: Gap = Gap.SKIP
    overlap: Overlap = Overlap.ONCE
    starts_at: datetime | None = None
    ends_at: datetime | None = None

    @property
    def is_interval(self) -> bool:
        """Whether it is an interval and not a cron pattern."""
        return self.expression.strip().startswith("P")

    @property
    def timetable(self) -> Timetable:
        """The timetable itself.

        Raises:
            TimetableInvalid: The words do not make sense; never for what was stored, unless a zone has been abolished.
        """
        return _timetable(self.expression, self.timezone, self.anchor, self.gap, self.overlap)

    def next(self, after: datetime) -> datetime | None:
        """The first instant after another, within start and end."""
        if self.starts_at is not None and after < self.starts_at:
            after = self.starts_at - timedelta(microseconds=1)
        instant = self.timetable.next(after)
        return None if instant is None or (self.ends_at is not None and instant > self.ends_at) else instant


@lru_cache(maxsize=16_384)
def _timetable(expression: str, timezone: str, anchor: datetime, gap: Gap, overlap: Overlap) -> Timetable:
    return parse_timetable(expression, timezone, anchor=anchor, gap=gap, overlap=overlap)


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What a firing starts.

    Attributes:
        workflow: Name of the workflow, in the schedule's namespace.
        version: Of the workflow; ``None`` for the newest at the time.
        input: Of the run.
        labels: Of the run.
    """

    workflow: str
    version: str | None = None
    input: Json = None
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What to do when the ideal is not possible.

    Attributes:
        catch_up: About instants that are later than ``on_time``.
        window: How far back catching up reaches.
        on_time: How late a firing may be and still count as in time; then no catch-up is needed.
        concurrency: About a run that is still going on.
    """

    catch_up: CatchUp = CatchUp.LATEST
    window: timedelta = timedelta(hours=24)
    on_time: timedelta = timedelta(minutes=1)
    concurrency: Concurrency = Concurrency.ALLOW


@dataclass(frozen=True, slots=True)
class Going:
    """A run that a firing started and that has not ended yet.

    Attributes:
        run: Its id.
        since: When it was started.
    """

    run: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A schedule.

    Attributes:
        namespace: Where it lives, and what it starts too.
        name: Unique there.
        generation: Differs between a schedule and one of the same name that was deleted before; part of the ids of its runs.
        edition: Counts the changes that people make; what ``If-Match`` compares.
        description: For people.
        when: Its timetable.
        start: What it starts.
        policy: What to do when the ideal is not possible.
        status: Whether it fires.
        reason: Why it is paused.
        settled: Every instant up to here has been decided.
        next_at: The next instant; ``None`` while it does not fire.
        going: Runs that have not ended; kept only where the policy asks.
        fired: How often it has fired.
        last_at: The instant of the last firing.
        last_run: The run that it started.
        created_at: When it was made.
        updated_at: When a person changed it.
        actor: Who changed it last.
    """

    namespace: str
    name: str
    generation: int
    edition: int = 1
    description: str = ""
    when: When
    start: Start
    policy: Policy = Policy()
    status: Status = Status.ACTIVE
    reason: str | None = None
    settled: datetime
    next_at: datetime | None = None
    going: tuple[Going, ...] = ()
    fired: int = 0
    last_at: datetime | None = None
    last_run: str | None = None
    created_at: datetime
    updated_at: datetime
    actor: str

    @property
    def key(self) -> str:
        """Its key in the store."""
        return f"{self.namespace}/{self.name}"


def check(when: When, start: Start, input_bytes: int, now: datetime) -> None:
    """Refuse a schedule that cannot work.

    Raises:
        TimetableInvalid: With the position in the expression.
        ScheduleInvalid: It ends before it starts, or never fires at all.
        TooLarge: Its input is above the limit.
    """
    if input_bytes > INPUT_LIMIT:
        raise TooLarge(
            f"the input of a schedule has {input_bytes} bytes, the limit is {INPUT_LIMIT}",
            hint="Let the workflow read large data itself.",
            size=input_bytes,
            limit=INPUT_LIMIT,
        )
    if when.starts_at is not None and when.ends_at is not None and when.ends_at <= when.starts_at:
        raise ScheduleInvalid(
            "the schedule ends before it starts", violations=[Violation("/ends_at", "must be after starts_at")]
        )
    member = "/timezone"
    try:
        zone(when.timezone)
        member = "/every" if when.is_interval else "/cron"
        upcoming = when.next(now)
    except TimetableInvalid as wrong:
        wrong.violations = (Violation(member, wrong.detail, wrong.hint, 1, wrong.position),)
        raise
    if upcoming is None:
        raise ScheduleInvalid(
            f"'{when.expression}' never fires any more", hint="Look at the dates, and at ends_at.", workflow=start.workflow
        )


def planned(schedule: Schedule) -> Schedule:
    """The schedule with its next instant computed from its cursor; finished when there is none."""
    if schedule.status is Status.PAUSED:
        return replace(schedule, next_at=None)
    upcoming = schedule.when.next(schedule.settled)
    return replace(schedule, next_at=upcoming, status=Status.FINISHED if upcoming is None else Status.ACTIVE)


def paused(schedule: Schedule, reason: str | None, *, now: datetime, actor: str) -> Schedule:
    """The schedule, not firing; what was due has been decided before.

    Raises:
        NotNow: It has finished, there is nothing to pause.
    """
    if schedule.status is Status.FINISHED:
        raise NotNow(f"schedule {schedule.key} has no instant left", schedule=schedule.key)
    return replace(
        schedule,
        status=Status.PAUSED,
        reason=reason,
        next_at=None,
        edition=schedule.edition + 1,
        updated_at=now,
        actor=actor,
    )


def resumed(schedule: Schedule, *, now: datetime, actor: str) -> Schedule:
    """The schedule, firing again from now on: instants that went by while it was paused were not wanted."""
    active = replace(
        schedule,
        status=Status.ACTIVE,
        reason=None,
        settled=max(schedule.settled, now),
        edition=schedule.edition + 1,
        updated_at=now,
        actor=actor,
    )
    return planned(active)


def ended(schedule: Schedule, runs: frozenset[str]) -> Schedule:
    """The schedule without the runs that have ended."""
    return replace(schedule, going=tuple(going for going in schedule.going if going.run not in runs))
