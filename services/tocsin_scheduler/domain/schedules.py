"""A schedule: when it fires, what it starts, and what it does about instants that nobody could fire in time.

Its cursor is :attr:`Schedule.settled`: every instant up to there has been decided, for ever. Whoever changes a schedule decides
what is due first (see :mod:`tocsin_scheduler.domain.firing`), so neither a change nor a redeploy loses or doubles an instant.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from hashlib import sha256
from typing import TypeAlias

from tocsin.errors import Conflict, Invalid, TooLarge, Violation
from tocsin.schedules import TimetableInvalid
from tocsin.schedules.zones import zone
from tocsin.signals import Cause
from tocsin_scheduler.domain.timetables import When

Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None
INPUT_LIMIT = 64 * 1024  # bytes of input kept with a schedule; it travels with every start
FORGOTTEN_AFTER = timedelta(days=7)  # a run that never told its end does not hold a schedule back for ever


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
    BUFFER_ONE = "buffer-one"  # the first such instant waits for the end of the run, later ones are skipped
    BUFFER_ALL = "buffer-all"  # each waits for its turn
    CANCEL_OTHER = "cancel-other"  # the run is cancelled, and the latest instant fires once it has really ended
    TERMINATE_OTHER = "terminate-other"  # the run is cancelled, and the instant fires without waiting for that


class Lateness(Enum):
    """What becomes of an instant whose firing is late."""

    RUN = "run"
    SKIP = "skip"
    FLAG = "flag"  # runs, and its signal says that it was late


class Outcome(Enum):
    """How a run ended."""

    COMPLETED = "completed"
    FAULTED = "faulted"
    CANCELLED = "cancelled"
    REFUSED = "refused"  # it never began: no such workflow, or an input that does not fit


class ScheduleInvalid(Invalid):
    """The schedule is not valid."""

    code = "schedule_invalid"


class NotNow(Conflict):
    """The schedule is not in a state that allows this."""

    code = "schedule_not_now"


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What a firing starts.

    Attributes:
        workflow: Name of the workflow, in the schedule's namespace.
        version: Of the workflow; ``None`` for the newest at the time.
        input: Of the run.
        labels: Of the run.
        priority: Among what waits for a slot; higher first.
    """

    workflow: str
    version: str | None = None
    input: Json = None
    labels: Mapping[str, str] = field(default_factory=dict)
    priority: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrying:
    """How a start that was refused is tried again.

    Attributes:
        attempts: Starts for one instant at most, the first included.
        delay: Before the second.
        factor: From one delay to the next.
        longest: No delay is longer.
    """

    attempts: int = 3
    delay: timedelta = timedelta(minutes=1)
    factor: float = 2.0
    longest: timedelta = timedelta(hours=1)

    def delay_before(self, attempt: int) -> timedelta:
        """How long to wait before an attempt, counted from 1."""
        return min(self.longest, self.delay * self.factor ** max(0, attempt - 2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What to do when the ideal is not possible.

    Attributes:
        catch_up: About instants that are later than ``on_time``.
        window: How far back catching up reaches.
        on_time: How late a firing may be and still count as in time; then no catch-up is needed.
        concurrency: About a run that is still going on.
        jitter: A firing is put off by less than this; by how much is a function of schedule and instant.
        max_runs: It has finished after so many firings.
        late_after: A firing is late when it is later than this behind its instant (and its jitter).
        lateness: About a firing that is late.
        failures: It is paused after so many runs in a row have failed.
        condition: CESQL over the instant; where it does not hold, nothing fires.
        retry: What to do when a start is refused.
    """

    catch_up: CatchUp = CatchUp.LATEST
    window: timedelta = timedelta(hours=24)
    on_time: timedelta = timedelta(minutes=1)
    concurrency: Concurrency = Concurrency.ALLOW
    jitter: timedelta = timedelta(0)
    max_runs: int | None = None
    late_after: timedelta | None = None
    lateness: Lateness = Lateness.RUN
    failures: int | None = None
    condition: str | None = None
    retry: Retrying | None = None

    @property
    def watches_runs(self) -> bool:
        """Whether it matters when and how the runs end."""
        return self.concurrency is not Concurrency.ALLOW or self.failures is not None or self.retry is not None


@dataclass(frozen=True, slots=True)
class Going:
    """A run that a firing started and that has not ended yet.

    Attributes:
        run: Its id.
        since: When it was started.
        at: The instant that it was started for.
        attempt: Which start for this instant it was.
    """

    run: str
    since: datetime
    at: datetime | None = None
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class Retry:
    """A start that was refused and is to be tried again.

    Attributes:
        due: When.
        at: The instant that it is for.
        attempt: Which it will be.
    """

    due: datetime
    at: datetime
    attempt: int


@dataclass(frozen=True, slots=True)
class Pending:
    """An instant that the end of another run has set.

    Attributes:
        at: The instant.
        cause: Why.
    """

    at: datetime
    cause: Cause


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
        waiting: Instants that wait for the end of a run, in order.
        retries: Starts that are to be tried again, the soonest first.
        pending: Instants that ends of other runs have set, the soonest first; only where it follows a workflow.
        heard: Ids of the last signals that set them, so that a repeat sets none.
        failures: How many runs in a row have failed.
        managed_by: What made it and will delete it, instead of a person: ``definition``.
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
    waiting: tuple[datetime, ...] = ()
    retries: tuple[Retry, ...] = ()
    pending: tuple[Pending, ...] = ()
    heard: tuple[str, ...] = ()
    failures: int = 0
    managed_by: str | None = None
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

    @property
    def watches_runs(self) -> bool:
        """Whether it matters when and how its runs end."""
        return self.policy.watches_runs or self.when.after_end

    @property
    def is_used_up(self) -> bool:
        """Whether it has fired as often as it may."""
        return self.policy.max_runs is not None and self.fired >= self.policy.max_runs

    def put_off(self, at: datetime) -> timedelta:
        """By how much the firing of an instant is put off: spread evenly, the same for whoever computes it."""
        if not self.policy.jitter:
            return timedelta(0)
        drawn = sha256(f"{self.key}/{self.generation}/{at.isoformat()}".encode()).digest()[:6]
        part = int.from_bytes(drawn, "big") / (1 << 48)
        return timedelta(milliseconds=int(self.policy.jitter / timedelta(milliseconds=1) * part))

    def wakes_at(self, at: datetime) -> datetime:
        """When an instant fires: at the instant, or a little later."""
        return at + self.put_off(at)

    def soonest(self, at: datetime | None) -> datetime | None:
        """This, or the next retry if that is sooner."""
        if not self.retries:
            return at
        due = self.retries[0].due
        return due if at is None else min(at, due)


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
    if when.follows is not None and when.follows.workflow == start.workflow:
        raise ScheduleInvalid(
            f"a schedule that follows {start.workflow} cannot start it",
            violations=[Violation("/follow/workflow", "each run would cause the next, for ever")],
        )
    member = "/timezone"
    try:
        zone(when.timezone)
        for number, expression in enumerate(when.also):
            member = f"/also/{number}"
            when.timetable_of(expression).next(now)
        member = "/cron" if when.follows is not None else f"/{when.kind}"
        upcoming = now if when.follows is not None and not when.expression else when.next(now)
    except TimetableInvalid as wrong:
        wrong.violations = (Violation(member, wrong.detail, wrong.hint, wrong.position and 1, wrong.position),)
        raise
    if upcoming is None:
        raise ScheduleInvalid(
            f"'{when.expression}' never fires any more", hint="Look at the dates, and at ends_at.", workflow=start.workflow
        )


def planned(schedule: Schedule) -> Schedule:
    """The schedule with its next instant computed from its cursor; finished when there is none."""
    if schedule.status is Status.PAUSED:
        return replace(schedule, next_at=None)
    if schedule.is_used_up:
        left = schedule.soonest(None)  # what was refused may still be tried again
        return replace(schedule, next_at=left, status=Status.FINISHED if left is None else Status.ACTIVE, waiting=())
    if schedule.when.follows is not None:
        sets = schedule.wakes_at(schedule.pending[0].at) if schedule.pending else None
        return replace(schedule, next_at=schedule.soonest(sets), status=Status.ACTIVE)
    if schedule.when.after_end and schedule.going:
        # The end of the run decides; whose end is never told holds nothing back for ever.
        return replace(schedule, next_at=schedule.when.next(schedule.going[-1].since + FORGOTTEN_AFTER), status=Status.ACTIVE)
    following = schedule.when.next(schedule.settled)
    upcoming = schedule.soonest(None if following is None else schedule.wakes_at(following))
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
        waiting=(),
        retries=(),
        pending=(),
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
        failures=0,
        settled=max(schedule.settled, now),
        edition=schedule.edition + 1,
        updated_at=now,
        actor=actor,
    )
    return planned(active)
