"""What goes over the wire."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import orjson
from pydantic import AwareDatetime, BaseModel, Field, JsonValue, model_validator

from tocsin.schedules import Gap, Overlap
from tocsin.schedules.intervals import EPOCH
from tocsin_kit.store import Entry
from tocsin_kit.web import Input, PageQuery
from tocsin_scheduler.application import Wanted
from tocsin_scheduler.application.editing import value_of
from tocsin_scheduler.domain.schedules import CatchUp, Concurrency, Policy, Schedule, Start, Status, When

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


class NextQuery(Input):
    """How far to look."""

    count: Count = 10


class DstBody(Input):
    """What happens when the clocks of the zone jump."""

    gap: Gap = Field(default=Gap.SKIP, description="A local time that does not exist: `skip` it, or `shift` it by the jump.")
    overlap: Overlap = Field(
        default=Overlap.ONCE, description="A local time that exists twice: fire `once`, the first time, or `twice`."
    )


class TimetableBody(Input):
    """When: a cron pattern or an interval."""

    cron: str | None = Field(
        default=None,
        min_length=1,
        max_length=256,
        description="Open Cron Pattern: `[second] minute hour day-of-month month day-of-week [year]`, or a nickname.",
        examples=["0 9 * * MON-FRI"],
    )
    every: str | None = Field(
        default=None, min_length=1, max_length=64, pattern=r"^\s*P", description="ISO 8601 duration.", examples=["PT15M"]
    )
    anchor: AwareDatetime | None = Field(
        default=None, description="Where `every` counts from; 1970-01-01T00:00:00Z by default."
    )
    timezone: Zone = "UTC"
    dst: DstBody = Field(default_factory=DstBody)

    @model_validator(mode="after")
    def _one_kind(self) -> "TimetableBody":
        if (self.cron is None) == (self.every is None):
            raise ValueError("exactly one of cron and every is needed")
        if self.anchor is not None and self.every is None:
            raise ValueError("anchor belongs to every")
        if self.cron is not None and self.cron.strip().startswith("P"):
            raise ValueError("cron is not a cron pattern; a duration belongs into every")
        return self

    def expression(self) -> str:
        """The one that is given."""
        return self.cron if self.cron is not None else self.every or ""


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
        description="While a run of an earlier instant is still going on: `allow` another, or `skip`.",
    )


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
    anchor: datetime | None = None
    timezone: str
    dst: DstBody
    starts_at: datetime | None
    ends_at: datetime | None
    catch_up: CatchUp
    catch_up_window: timedelta
    overlap: Concurrency
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
            cron=None if when.is_interval else when.expression,
            every=when.expression if when.is_interval else None,
            anchor=when.anchor if when.is_interval else None,
            timezone=when.timezone,
            dst=DstBody(gap=when.gap, overlap=when.overlap),
            starts_at=when.starts_at,
            ends_at=when.ends_at,
            catch_up=policy.catch_up,
            catch_up_window=policy.window,
            overlap=policy.concurrency,
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
        policy=Policy(catch_up=body.catch_up, window=body.catch_up_window, concurrency=body.overlap),
        input_bytes=len(orjson.dumps(body.input)),
    )


def _milliseconds(instant: datetime) -> datetime:
    """In UTC, as exact as it is stored."""
    instant = instant.astimezone(UTC)
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)
