"""Looking ahead over the wire: what becomes of the next instants, and what a set of schedules will do to the platform."""

from datetime import datetime, timedelta, tzinfo
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, Field

from tocsin_kit.web import Input
from tocsin_scheduler.domain.foresight import Foreseen, Simulation
from tocsin_scheduler.http.schemas import Count, Namespace
from tocsin_scheduler.http.timetables import Workflow

Length = Annotated[timedelta, Field(ge=timedelta(0), le=timedelta(days=31))]


class NextQuery(Input):
    """How far to look."""

    count: Count = 10
    duration: Length = Field(default=timedelta(0), description="How long a run is assumed to take; for the overlap policy.")


class ForeseenView(BaseModel):
    """One coming instant."""

    at: str = Field(description="The instant, ISO 8601 with the offset of the zone.")
    decision: str = Field(description="`run` or `skip`.")
    decided_at: datetime = Field(description="When: later than the instant with jitter, or when it waits for a run.")
    why: str | None = Field(description="Why it is skipped, or why it waits.")


class ForeseenList(BaseModel):
    """The next instants, and what becomes of them."""

    next: list[str] = Field(description="The instants that fire: ISO 8601 with the offset of the zone, ascending.")
    decisions: list[ForeseenView] = Field(description="The same with those that do not fire, in the order of the decisions.")

    @classmethod
    def of(cls, found: list[Foreseen], place: tzinfo) -> "ForeseenList":
        """In the zone of the schedule."""
        views = [
            ForeseenView(at=f.at.astimezone(place).isoformat(), decision=f.decision, decided_at=f.decided_at, why=f.why)
            for f in found
        ]
        return cls(next=[view.at for view in views if view.decision == "run"], decisions=views)


class SimulationQuery(Input):
    """Which schedules."""

    namespace: Namespace | None = None


class SimulationBody(Input):
    """What is assumed."""

    days: int = Field(default=31, ge=1, le=62, description="How far to look, from now.")
    durations: dict[Workflow, Length] = Field(default_factory=dict, max_length=1000, description="Of runs, by workflow.")
    default_duration: Length = Field(default=timedelta(minutes=1), description="Of all other runs.")


class HourLoad(BaseModel):
    """Runs that start in one hour."""

    hour: AwareDatetime
    firings: int


class Crowd(BaseModel):
    """Several schedules that start runs at the same instant."""

    at: AwareDatetime
    count: int
    schedules: list[str] = Field(description="`namespace/name`; the first ten.")


class Overlapping(BaseModel):
    """A schedule whose runs take longer than it leaves between them."""

    schedule: str
    count: int = Field(description="How many of its instants come while a run of it is still going on.")


class SimulationView(BaseModel):
    """What schedules will do."""

    until: AwareDatetime
    schedules: int
    firings: int
    skipped: dict[str, int] = Field(description="Instants that do not fire, by reason.")
    at_once: int = Field(description="The most runs that go on at the same time.")
    load: list[HourLoad]
    crowds: list[Crowd]
    overlapping: list[Overlapping]
    complete: bool = Field(description="Whether all of it could be looked at; false beyond 100000 firings or 2000 schedules.")

    @classmethod
    def of(cls, found: Simulation, *, schedules: int, until: datetime, everything: bool) -> "SimulationView":
        """The view of a simulation."""
        return cls(
            until=until,
            schedules=schedules,
            firings=found.firings,
            skipped=dict(found.skipped),
            at_once=found.at_once,
            load=[HourLoad(hour=hour, firings=count) for hour, count in found.by_hour.items()],
            crowds=[Crowd(at=at, count=len(keys), schedules=list(keys[:10])) for at, keys in found.crowded],
            overlapping=[Overlapping(schedule=key, count=count) for key, count in found.overlapping],
            complete=found.is_complete and everything,
        )
