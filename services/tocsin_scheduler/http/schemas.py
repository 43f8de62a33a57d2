"""What goes over the wire."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated

import orjson
from pydantic import AwareDatetime, BaseModel, Field, JsonValue, model_validator

from tocsin.schedules import Exclusions, Gap, Overlap, kind_of, read_ics
from tocsin.schedules.intervals import EPOCH
from tocsin_kit.store import Entry
from tocsin_kit.web import Input, PageQuery
from tocsin_scheduler.application import Wanted
from tocsin_scheduler.application.editing import value_of
from tocsin_scheduler.domain.schedules import CatchUp, Concurrency, Lateness, Policy, Schedule, Start, Status
from tocsin_scheduler.domain.timetables import When

Namespace = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", max_length=63)]
Slug = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", max_length=128)]
Workflow = Annotated[str, Field(pattern=r"^[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?$", max_length=63)]
Zone = Annotated[str, Field(min_length=1, max_length=64, description="IANA time zone.")]
Count = Annotated[int, Field(ge=1, le=1000, description="How many instants.")]


class SchedulePath(BaseModel):
    """Path of a schedule."""

    namespace: Namespace
    name: Slug


class ScheduleQuery(PageQuery):
    """Filters over schedules; all of them must hold."""

    namespace: Namespace | None = None
    status: Status | None = None
    workflow: Workflow | None = None


class DstBody(Input):
    """What happens when the clocks of the zone jump."""

    gap: Gap = Field(default=Gap.SKIP, description="A local time that does not exist: `skip` it, or `shift` it by the jump.")
    overlap: Overlap = Field(
        default=Overlap.ONCE, description="A local time that exists twice: fire `once`, the first time, or `twice`."
    )


class ExcludeBody(Input):
    """Days on which nothing fires, in the zone of the timetable."""

    weekdays: list[Annotated[int, Field(ge=1, le=7)]] = Field(
        default_factory=list, max_length=7, description="ISO: 1 is Monday. `[6, 7]` leaves business days."
    )
    dates: list[date] = Field(default_factory=list, max_length=1000)
    yearly: list[Annotated[str, Field(pattern=r"^\d{2}-\d{2}$")]] = Field(
        default_factory=list, max_length=366, description="Month and day of what comes back every year.", examples=[["12-25"]]
    )
    ics: str | None = Field(
        default=None, max_length=256 * 1024, description="Holidays as an iCalendar file; read once, its days are kept."
    )

    def exclusions(self) -> Exclusions:
        """As plain days.

        Raises:
            CalendarInvalid: The iCalendar file is none.
        """
        yearly = ((int(text[:2]), int(text[3:])) for text in self.yearly)
        days = Exclusions(frozenset(self.dates), frozenset(yearly), frozenset(day - 1 for day in self.weekdays))
        return days if self.ics is None else days | read_ics(self.ics)

    @classmethod
    def of(cls, exclusions: Exclusions) -> "ExcludeBody":
        """What is kept."""
        return cls(
            weekdays=sorted(day + 1 for day in exclusions.weekdays),
            dates=sorted(exclusions.dates),
            yearly=[f"{month:02}-{day:02}" for month, day in sorted(exclusions.yearly)],
        )


Expression = Annotated[str, Field(min_length=1, max_length=256)]
KINDS = ("cron", "every", "rrule", "at", "after")


class TimetableBody(Input):
    """When: exactly one of `cron`, `every`, `rrule`, `at` and `after`, and `also` further expressions."""

    cron: Expression | None = Field(
        default=None,
        description="Open Cron Pattern: `[second] minute hour day-of-month month day-of-week [year]`, or a nickname.",
        examples=["0 9 * * MON-FRI"],
    )
    every: str | None = Field(
        default=None, min_length=1, max_length=64, pattern=r"^\s*P", description="ISO 8601 duration.", examples=["PT15M"]
    )
    rrule: Expression | None = Field(
        default=None,
        description="RFC 5545 recurrence rule, daily or rarer; needs `anchor`, its DTSTART.",
        examples=["FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1"],
    )
    at: AwareDatetime | None = Field(default=None, description="A single instant; more of them in `also`.")
    after: str | None = Field(
        default=None,
        min_length=1,
        max_length=64,
        pattern=r"^\s*P",
        description="ISO 8601 duration from the end of the previous run; the first run starts so long after it was made.",
    )
    also: list[Expression] = Field(
        default_factory=list,
        max_length=100,
        description="Further cron patterns, durations, recurrence rules or instants: it fires at those of all of them.",
    )
    anchor: AwareDatetime | None = Field(
        default=None, description="Where `every` (from 1970-01-01T00:00:00Z by default) and `rrule` count from."
    )
    timezone: Zone = "UTC"
    dst: DstBody = Field(default_factory=DstBody)
    exclude: ExcludeBody = Field(default_factory=ExcludeBody)

    @model_validator(mode="after")
    def _one_kind(self) -> "TimetableBody":
        given = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError(f"exactly one of {', '.join(KINDS)} is needed")
        kinds = {kind_of(text) for text in (*self.also, *([] if self.after else [self.expression()]))}
        if self.anchor is not None and not kinds & {"every", "rrule"}:
            raise ValueError("anchor belongs to every and rrule")
        if "rrule" in kinds and self.anchor is None:
            raise ValueError("rrule needs an anchor, its DTSTART")
        if self.after is not None and self.also:
            raise ValueError("after, which counts from the end of runs, stands alone")
        if self.cron is not None and kind_of(self.cron) != "cron":
            raise ValueError("cron is not a cron pattern; write it under every, rrule or at")
        return self

    def expression(self) -> str:
        """The one that is given."""
        if self.at is not None:
            return _milliseconds(self.at).isoformat()
        return self.cron or self.every or self.rrule or self.after or ""


class ScheduleBody(TimetableBody):
    """A schedule."""

    workflow: Workflow = Field(description="What it starts, in its own namespace.")
    version: str | None = Field(default=None, max_length=128, description="Of the workflow; the newest at the time by default.")
    input: JsonValue = Field(default=None, description="Of the run; at most 64 KiB.")
    labels: dict[Annotated[str, Field(min_length=1, max_length=63)], Annotated[str, Field(max_length=256)]] = Field(
        default_factory=dict, max_length=32
    )
    description: str = Field(default="", max_length=4000)
    starts_at: AwareDatetime | None = Field(default=None, description="No instant before.")
    ends_at: AwareDatetime | None = Field(default=None, description="No instant after.")
    catch_up: CatchUp = Field(
        default=CatchUp.LATEST, description="What becomes of instants that went by while nobody could fire."
    )
    catch_up_window: timedelta = Field(
        default=timedelta(hours=24),
        ge=timedelta(0),
        le=timedelta(days=366),
        description="How far back catching up reaches; ISO 8601 duration.",
    )
    overlap: Concurrency = Field(
        default=Concurrency.ALLOW,
        description="While a run of an earlier instant is still going on: `allow` another, `skip` the instant, let it wait "
        "(`buffer-one`, `buffer-all`), cancel the run and wait for its end (`cancel-other`) or not (`terminate-other`).",
    )
    jitter: timedelta = Field(
        default=timedelta(0),
        ge=timedelta(0),
        le=timedelta(days=1),
        description="Firings are put off by less than this, by the same for an instant whoever computes it.",
    )
    max_runs: int | None = Field(default=None, ge=1, description="It has finished after so many firings.")
    late_after: timedelta | None = Field(
        default=None, ge=timedelta(seconds=1), le=timedelta(days=366), description="Later than this is late."
    )
    lateness: Lateness = Field(
        default=Lateness.RUN, description="What becomes of a late firing: `run`, `skip`, or `flag` it in its signal."
    )
    pause_after_failures: int | None = Field(
        default=None, ge=1, le=1000, description="It pauses itself after so many runs in a row have failed."
    )

    @model_validator(mode="after")
    def _lateness_is_measured(self) -> "ScheduleBody":
        if self.lateness is not Lateness.RUN and self.late_after is None:
            raise ValueError("lateness needs late_after")
        return self


class PreviewBody(TimetableBody):
    """A timetable to look at."""

    from_: AwareDatetime | None = Field(default=None, alias="from", description="Now by default.")
    count: Count = 10


class PauseBody(Input):
    """Why."""

    reason: str | None = Field(default=None, max_length=2000, description="Shown to whoever wonders.")


class Upcoming(BaseModel):
    """The next instants."""

    next: list[str] = Field(description="ISO 8601 with the offset of the zone, ascending.")


class ScheduleView(BaseModel):
    """A schedule."""

    namespace: str
    name: str
    status: Status
    reason: str | None
    description: str
    workflow: str
    version: str | None
    input: JsonValue
    labels: dict[str, str]
    cron: str | None = None
    every: str | None = None
    rrule: str | None = None
    at: str | None = None
    after: str | None = None
    also: list[str]
    anchor: datetime | None = None
    timezone: str
    dst: DstBody
    exclude: ExcludeBody
    starts_at: datetime | None
    ends_at: datetime | None
    catch_up: CatchUp
    catch_up_window: timedelta
    overlap: Concurrency
    jitter: timedelta
    max_runs: int | None
    late_after: timedelta | None
    lateness: Lateness
    pause_after_failures: int | None
    waiting: list[datetime] = Field(description="Instants that wait for the end of a run.")
    failures: int = Field(description="How many runs in a row have failed; counted only where that pauses it.")
    managed_by: str | None = Field(description="`definition`: it belongs to a workflow's `schedule` and cannot be edited.")
    next_at: datetime | None
    last_at: datetime | None
    last_run: str | None
    fired: int = Field(description="How often it has fired.")
    created_at: datetime
    updated_at: datetime
    updated_by: str

    @classmethod
    def of(cls, entry: Entry[Schedule]) -> "ScheduleView":
        """The view of a schedule."""
        schedule = value_of(entry)
        when, start, policy = schedule.when, schedule.start, schedule.policy
        return cls(
            namespace=schedule.namespace,
            name=schedule.name,
            status=schedule.status,
            reason=schedule.reason,
            description=schedule.description,
            workflow=start.workflow,
            version=start.version,
            input=start.input,
            labels=dict(start.labels),
            **{when.kind: when.expression},
            also=list(when.also),
            anchor=when.anchor if {"every", "rrule"} & {when.kind, *map(kind_of, when.also)} else None,
            timezone=when.timezone,
            dst=DstBody(gap=when.gap, overlap=when.overlap),
            exclude=ExcludeBody.of(when.exclusions),
            starts_at=when.starts_at,
            ends_at=when.ends_at,
            catch_up=policy.catch_up,
            catch_up_window=policy.window,
            overlap=policy.concurrency,
            jitter=policy.jitter,
            max_runs=policy.max_runs,
            late_after=policy.late_after,
            lateness=policy.lateness,
            pause_after_failures=policy.failures,
            waiting=list(schedule.waiting),
            failures=schedule.failures,
            managed_by=schedule.managed_by,
            next_at=schedule.next_at,
            last_at=schedule.last_at,
            last_run=schedule.last_run,
            fired=schedule.fired,
            created_at=schedule.created_at,
            updated_at=schedule.updated_at,
            updated_by=schedule.actor,
        )


def when_of(body: TimetableBody, starts_at: datetime | None = None, ends_at: datetime | None = None) -> When:
    """The timetable that a request describes."""
    return When(
        expression=body.expression(),
        also=tuple(body.also),
        after_end=body.after is not None,
        exclusions=body.exclude.exclusions(),
        timezone=body.timezone,
        anchor=EPOCH if body.anchor is None else _milliseconds(body.anchor),
        gap=body.dst.gap,
        overlap=body.dst.overlap,
        starts_at=None if starts_at is None else _milliseconds(starts_at),
        ends_at=None if ends_at is None else _milliseconds(ends_at),
    )


def wanted_of(path: SchedulePath, body: ScheduleBody) -> Wanted:
    """The schedule that a request describes."""
    return Wanted(
        namespace=path.namespace,
        name=path.name,
        description=body.description,
        when=when_of(body, body.starts_at, body.ends_at),
        start=Start(workflow=body.workflow, version=body.version, input=body.input, labels=body.labels),
        policy=Policy(
            catch_up=body.catch_up,
            window=body.catch_up_window,
            concurrency=body.overlap,
            jitter=body.jitter,
            max_runs=body.max_runs,
            late_after=body.late_after,
            lateness=body.lateness,
            failures=body.pause_after_failures,
        ),
        input_bytes=len(orjson.dumps(body.input)),
    )


def _milliseconds(instant: datetime) -> datetime:
    """In UTC, as exact as it is stored."""
    instant = instant.astimezone(UTC)
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)
