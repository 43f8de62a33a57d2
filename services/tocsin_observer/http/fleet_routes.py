"""Routes of the whole platform in one place: how every replica is, and what signals there are."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, Field

from tocsin.signals.catalogue import CATALOGUE
from tocsin_kit.clock import Clock
from tocsin_kit.web import Call, Page, Permission, Route
from tocsin_observer.domain.fleet import Fact, Replica, ReplicaState, absent, measures
from tocsin_observer.domain.patterns import PatternIndex
from tocsin_observer.ports.fleet import Fleet, Listener, SignalCounts

STATUS = Permission("status:read")
SIGNALS = Permission("signal:read")


class ComponentView(BaseModel):
    """One part of a replica."""

    name: str
    ready: bool
    detail: str
    facts: dict[str, Fact]


class ReplicaView(BaseModel):
    """A replica of a service."""

    service: str
    instance: str
    version: str
    started: str
    heard: datetime = Field(description="When it was heard last; it speaks every five seconds.")
    state: ReplicaState
    modes: list[str] = Field(description="The ways in which it is degraded, or how long it has been silent.")
    components: list[ComponentView]

    @classmethod
    def of(cls, replica: Replica, now: datetime) -> "ReplicaView":
        """The view."""
        return cls(
            service=replica.service,
            instance=replica.instance,
            version=replica.version,
            started=replica.started,
            heard=replica.heard,
            state=replica.state(now),
            modes=list(replica.told(now)),
            components=[
                ComponentView(name=part.name, ready=part.ready, detail=part.detail, facts=dict(part.facts))
                for part in replica.components
            ],
        )


class HealthView(BaseModel):
    """All parts and replicas."""

    ready: bool = Field(description="Whether every service is there and nothing is degraded.")
    absent: list[str] = Field(description="Services of which nobody is heard.")
    deaf: str | None = Field(description="Why those who are not heard may be well all the same.")
    replicas: list[ReplicaView]
    measures: dict[str, float] = Field(description="Numbers that rules of kind `measure` can watch; the worst replica of each.")


class KindView(BaseModel):
    """A kind of signal."""

    type: str
    owner: str = Field(description="Who says it; `any` for every service.")
    subject: str
    summary: str
    severity: str
    listeners: list[str] = Field(description="Services that read it.")
    last_hour: int = Field(description="How many came within the last hour; approximate.")
    last_seen: datetime | None


def fleet_routes(fleet: Fleet, counts: SignalCounts, listeners: Sequence[Listener], clock: Clock) -> Sequence[Route]:
    """``/api/v1/health`` and ``/api/v1/signals/catalogue``."""
    index = PatternIndex((pattern, one.service) for one in listeners for pattern in one.filters)

    async def health(call: Call) -> HealthView:
        call.permitted(STATUS.name)
        now, replicas = clock.now(), fleet.replicas()
        views = [ReplicaView.of(one, now) for _, one in sorted(replicas.items())]
        missing = list(absent(replicas, now))
        ready = not missing and all(view.state is ReplicaState.READY for view in views)
        return HealthView(ready=ready, absent=missing, deaf=fleet.deaf(), replicas=views, measures=measures(replicas, now))

    async def catalogue(call: Call) -> Page[KindView]:
        call.permitted(SIGNALS.name)
        hour, last = await counts.seen(clock.now())
        kinds = [
            KindView(
                type=kind.type,
                owner=kind.owner,
                subject=f"signals.<namespace>.{kind.entity}.{kind.transition}.<id>",
                summary=kind.summary,
                severity=kind.severity.name,
                listeners=sorted(set(index.matching(f"signals.x.{kind.entity}.{kind.transition}.x"))),
                last_hour=hour.get(kind.type, 0),
                last_seen=last.get(kind.type),
            )
            for kind in CATALOGUE.values()
        ]
        return Page(items=kinds)

    return (
        Route(
            method="GET",
            path="/api/v1/health",
            access=STATUS,
            summary="How every part and replica is, with degraded modes named",
            tags=("status",),
            response=HealthView,
            handler=health,
        ),
        Route(
            method="GET",
            path="/api/v1/signals/catalogue",
            access=SIGNALS,
            summary="All kinds of signals: who says them, who listens, how often, when last",
            tags=("signals",),
            response=Page[KindView],
            handler=catalogue,
        ),
    )
