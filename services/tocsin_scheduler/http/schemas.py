"""What goes over the wire."""

from datetime import datetime, timedelta
from typing import Annotated

import orjson
from pydantic import AwareDatetime, BaseModel, Field, JsonValue, model_validator

from tocsin.schedules import kind_of
from tocsin_kit.store import Entry
from tocsin_kit.web import Input, PageQuery
from tocsin_scheduler.application import Wanted
from tocsin_scheduler.application.editing import value_of
from tocsin_scheduler.domain.schedules import CatchUp, Concurrency, Lateness, Policy, Retrying, Schedule, Start, Status
from tocsin_scheduler.http.timetables import (
    DstBody,
    ExcludeBody,
    FollowBody,
    TimetableBody,
    Workflow,
    expression_of,
    when_of,
)

Namespace = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", max_length=63)]
Slug = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", max_length=128)]
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


class RetryBody(Input):
    """What to do when a start is refused: no such workflow, an input that does not fit, no room for it."""

    attempts: int = Field(default=3, ge=2, le=100, description="Starts for one instant at most, the first included.")
    delay: timedelta = Field(default=timedelta(minutes=1), ge=timedelta(seconds=1), le=timedelta(days=1))
    factor: float = Field(default=2.0, ge=1.0, le=10.0, description="From one delay to the next.")
    longest: timedelta = Field(default=timedelta(hours=1), ge=timedelta(seconds=1), le=timedelta(days=7))

    def retrying(self) -> Retrying:
        """As it is decided with."""
        return Retrying(attempts=self.attempts, delay=self.delay, factor=self.factor, longest=self.longest)

    @classmethod
    def of(cls, retry: Retrying) -> "RetryBody":
        """What is kept."""
        return cls(attempts=retry.attempts, delay=retry.delay, factor=retry.factor, longest=retry.longest)


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
    condition: str | None = Field(
        default=None,
        min_length=1,
        max_length=1024,
        description="CESQL over the instant (year, month, day, hour, minute, weekday, week, lastday, fired, ...), decided when "
        "it fires; where it does not hold, nothing is started.",
        examples=["weekday NOT IN ('SAT','SUN') AND day <= 7"],
    )
    retry: RetryBody | None = Field(default=None, description="What to do when a start is refused; nothing by default.")
    priority: int = Field(default=0, ge=-100, le=100, description="Of the runs, among what waits for a slot; higher first.")

    @model_validator(mode="after")
    def _lateness_is_measured(self) -> "ScheduleBody":
        if self.lateness is not Lateness.RUN and self.late_after is None:
            raise ValueError("lateness needs late_after")
        if self.retry is not None and self.after is not None:
            raise ValueError("after tries again by itself; it needs no retry")
        return self


class PreviewBody(TimetableBody):
    """A timetable to look at."""

    from_: AwareDatetime | None = Field(default=None, alias="from", description="Now by default.")
    count: Count = 10

    @model_validator(mode="after")
    def _by_the_clock(self) -> "PreviewBody":
        if self.follow is not None:
            raise ValueError("nobody knows yet when the runs that it follows will end")
        return self


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
    follow: FollowBody | None = None
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
    condition: str | None
    retry: RetryBody | None
    priority: int
    retrying: list[datetime] = Field(description="When starts that were refused are tried again.")
    pending: list[datetime] = Field(description="Instants that ends of other runs have set.")
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
            follow=None if when.follows is None else FollowBody.of(when.follows),
            **expression_of(when),
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
            condition=policy.condition,
            retry=None if policy.retry is None else RetryBody.of(policy.retry),
            priority=start.priority,
            retrying=[retry.due for retry in schedule.retries],
            pending=[pending.at for pending in schedule.pending],
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


def wanted_of(path: SchedulePath, body: ScheduleBody) -> Wanted:
    """The schedule that a request describes."""
    return Wanted(
        namespace=path.namespace,
        name=path.name,
        description=body.description,
        when=when_of(body, body.starts_at, body.ends_at),
        start=Start(workflow=body.workflow, version=body.version, input=body.input, labels=body.labels, priority=body.priority),
        policy=Policy(
            catch_up=body.catch_up,
            window=body.catch_up_window,
            concurrency=body.overlap,
            jitter=body.jitter,
            max_runs=body.max_runs,
            late_after=body.late_after,
            lateness=body.lateness,
            failures=body.pause_after_failures,
            condition=body.condition,
            retry=None if body.retry is None else body.retry.retrying(),
        ),
        input_bytes=len(orjson.dumps(body.input)),
    )
