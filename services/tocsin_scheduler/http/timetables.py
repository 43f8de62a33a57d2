"""When a schedule fires, over the wire."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, model_validator

from tocsin.schedules import Exclusions, Gap, Overlap, kind_of, read_ics
from tocsin.schedules.intervals import EPOCH
from tocsin_kit.web import Input
from tocsin_scheduler.domain.timetables import Follows, When

Workflow = Annotated[str, Field(pattern=r"^[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?$", max_length=63)]
Zone = Annotated[str, Field(min_length=1, max_length=64, description="IANA time zone.")]
Outcomes = set[Literal["completed", "faulted", "cancelled"]]


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
KINDS = ("cron", "every", "rrule", "at", "after", "follow")


class FollowBody(Input):
    """The ends of which runs set an instant: at once, or the first of `cron` from then on."""

    workflow: Workflow
    outcomes: Outcomes = Field(default={"completed"}, min_length=1, description="How the run must have ended.")
    delay: timedelta = Field(
        default=timedelta(0), ge=timedelta(0), le=timedelta(days=366), description="From the end of the run; ISO 8601 duration."
    )

    def follows(self) -> Follows:
        """As it is decided with."""
        return Follows(workflow=self.workflow, outcomes=frozenset(self.outcomes), delay=self.delay)

    @classmethod
    def of(cls, follows: Follows) -> "FollowBody":
        """What is kept."""
        return cls.model_validate({"workflow": follows.workflow, "outcomes": follows.outcomes, "delay": follows.delay})


class TimetableBody(Input):
    """When: exactly one of `cron`, `every`, `rrule`, `at`, `after`, `follow` (`cron` may stand beside it); `also` more."""

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
    follow: FollowBody | None = Field(
        default=None, description="Ends of runs set the instants; with `cron`, the first of its instants from then on."
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
        if self.follow is not None:
            if set(given) - {"follow", "cron"} or self.also or self.anchor is not None:
                raise ValueError("beside follow there may only be cron")
            return self
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
            return milliseconds(self.at).isoformat()
        return self.cron or self.every or self.rrule or self.after or ""


def when_of(body: TimetableBody, starts_at: datetime | None = None, ends_at: datetime | None = None) -> When:
    """The timetable that a request describes."""
    return When(
        expression=body.expression(),
        also=tuple(body.also),
        after_end=body.after is not None,
        follows=None if body.follow is None else body.follow.follows(),
        exclusions=body.exclude.exclusions(),
        timezone=body.timezone,
        anchor=EPOCH if body.anchor is None else milliseconds(body.anchor),
        gap=body.dst.gap,
        overlap=body.dst.overlap,
        starts_at=None if starts_at is None else milliseconds(starts_at),
        ends_at=None if ends_at is None else milliseconds(ends_at),
    )


def expression_of(when: When) -> dict[str, str | None]:
    """The member that the expression is given by."""
    return {"cron": when.expression or None} if when.follows is not None else {when.kind: when.expression}


def milliseconds(instant: datetime) -> datetime:
    """In UTC, as exact as it is stored."""
    instant = instant.astimezone(UTC)
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)
