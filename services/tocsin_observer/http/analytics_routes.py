"""Routes of questions about many runs."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Literal

from pydantic import AwareDatetime, BaseModel, Field

from tocsin.errors import Invalid, NotFound
from tocsin_kit.clock import Clock
from tocsin_kit.web import Call, Input, Page, Permission, Route
from tocsin_observer.application.analytics import Analytics
from tocsin_observer.domain.facts import RunFacts, TaskFacts
from tocsin_observer.ports.analytics import FactSearch

READ = Permission("run:read")
REBUILD = Permission("analytics:rebuild", everywhere=True)
_TAGS = ("analytics",)
_DAY = timedelta(days=1)


class PeriodQuery(Input):
    """Which runs: those that ended in a period."""

    namespace: str | None = Field(default=None, max_length=63)
    workflow: str | None = Field(default=None, max_length=128)
    since: AwareDatetime | None = Field(default=None, description="A day ago unless given.")
    until: AwareDatetime | None = Field(default=None, description="Now unless given.")


class TaskQuery(PeriodQuery):
    """Which tasks."""

    order: Literal["slowest", "flakiest"] = "slowest"
    limit: int = Field(default=20, ge=1, le=500)


class FailureQuery(PeriodQuery):
    """Which failures."""

    limit: int = Field(default=20, ge=1, le=500)


class CompareQuery(Input):
    """Which two runs."""

    one: str = Field(min_length=26, max_length=26)
    other: str = Field(min_length=26, max_length=26)


class SpreadView(BaseModel):
    """How durations are distributed, in seconds."""

    p50: float
    p90: float
    p99: float
    longest: float
    mean: float


class BucketView(BaseModel):
    """Runs that ended in a stretch of time."""

    begins: datetime
    runs: int
    failed: int
    p50: float = Field(description="Of their durations, in seconds.")


class RunStatisticsView(BaseModel):
    """Many runs together; of the newest 20,000 of the period."""

    runs: int
    by_status: dict[str, int]
    failure_rate: float
    duration: SpreadView = Field(description="From start to end.")
    work: SpreadView = Field(description="While at least one task was at work.")
    waiting: SpreadView = Field(description="While none was: in queues, listening, pausing.")
    trend: list[BucketView]
    partial: bool = Field(description="Whether there were more than those.")


class TaskStatisticsView(BaseModel):
    """One task in many runs."""

    workflow: str
    task: str
    runs: int
    retries: int
    faulted: int = Field(description="Runs in which it faulted.")
    flaky: float = Field(description="Share of the runs in which it was tried again.")
    work: SpreadView
    wait: SpreadView = Field(description="From its creation to its start, and while it listened, paused or was suspended.")


class FailureClusterView(BaseModel):
    """Failures that are the same but for numbers and names."""

    cluster: str
    count: int
    workflows: dict[str, int]
    first_at: datetime
    last_at: datetime
    example: str | None
    runs: list[str] = Field(description="The newest five.")


class TaskFactsView(BaseModel):
    """One task of a run, all its iterations together; times in seconds."""

    task: str
    count: int
    retries: int
    faulted: int
    wait: float
    work: float
    longest: float

    @classmethod
    def of(cls, facts: TaskFacts) -> "TaskFactsView":
        """The view."""
        seconds = {name: getattr(facts, name).total_seconds() for name in ("wait", "work", "longest")}
        return cls(task=facts.task, count=facts.count, retries=facts.retries, faulted=facts.faulted, **seconds)


class RunFactsView(BaseModel):
    """A run that has ended; times in seconds."""

    run: str
    namespace: str
    workflow: str
    version: str | None
    status: str
    started_at: datetime
    ended_at: datetime
    duration: float
    work: float
    waiting: float
    error: str | None
    told: str | None
    whole: bool = Field(description="Whether all its signals were there.")
    tasks: list[TaskFactsView]

    @classmethod
    def of(cls, facts: RunFacts) -> "RunFactsView":
        """The view."""
        plain = ("run", "namespace", "workflow", "version", "status", "started_at", "ended_at", "error", "told", "whole")
        return cls(
            **{name: getattr(facts, name) for name in plain},
            duration=facts.duration.total_seconds(),
            work=facts.busy.total_seconds(),
            waiting=facts.waiting.total_seconds(),
            tasks=[TaskFactsView.of(task) for task in facts.tasks],
        )


class DifferenceView(BaseModel):
    """One task in two runs."""

    task: str
    one: TaskFactsView | None
    other: TaskFactsView | None
    slower: float = Field(description="Seconds more work in the other run.")


class ComparisonView(BaseModel):
    """Two runs side by side."""

    one: RunFactsView
    other: RunFactsView
    tasks: list[DifferenceView] = Field(description="The greatest difference first.")


class RebuildBody(Input):
    """What is made anew."""

    since: AwareDatetime | None = Field(default=None, description="Runs that ended from then on; all unless given.")


class RebuildView(BaseModel):
    """What is made anew."""

    runs: int


class _AnalyticsHandlers:
    def __init__(self, analytics: Analytics, clock: Clock) -> None:
        self._analytics = analytics
        self._clock = clock

    def _search(self, call: Call, query: PeriodQuery) -> FactSearch:
        permitted, now = call.permitted(READ.name), self._clock.now()
        until = query.until or now
        since = query.since or until - _DAY
        if since >= until or since.tzinfo is None or until.tzinfo is None:
            raise Invalid("since must be before until, both with a time zone")
        one = query.namespace is not None
        return FactSearch(
            namespaces={query.namespace} if query.namespace else None if permitted.everywhere else permitted.exact,
            prefixes=() if one else permitted.prefixes,
            workflow=query.workflow,
            since=since,
            until=until,
        )

    async def runs(self, call: Call) -> RunStatisticsView:
        found = await self._analytics.runs(self._search(call, call.query(PeriodQuery)))
        return RunStatisticsView.model_validate(asdict(found))

    async def tasks(self, call: Call) -> Page[TaskStatisticsView]:
        query = call.query(TaskQuery)
        found = await self._analytics.tasks(self._search(call, query), flakiest=query.order == "flakiest")
        return Page(items=[TaskStatisticsView.model_validate(asdict(one)) for one in found[: query.limit]])

    async def failures(self, call: Call) -> Page[FailureClusterView]:
        query = call.query(FailureQuery)
        found = await self._analytics.failures(self._search(call, query))
        return Page(items=[FailureClusterView.model_validate(asdict(one)) for one in found[: query.limit]])

    async def compare(self, call: Call) -> ComparisonView:
        query = call.query(CompareQuery)
        call.permitted(READ.name)
        one, other = await self._analytics.facts(query.one), await self._analytics.facts(query.other)
        call.require(READ.name, one.namespace)
        call.require(READ.name, other.namespace)
        tasks = [
            DifferenceView(
                task=difference.task,
                one=TaskFactsView.of(difference.one) if difference.one else None,
                other=TaskFactsView.of(difference.other) if difference.other else None,
                slower=difference.slower,
            )
            for difference in self._analytics.compared(one, other)
        ]
        return ComparisonView(one=RunFactsView.of(one), other=RunFactsView.of(other), tasks=tasks)

    async def rebuild(self, call: Call) -> RebuildView:
        return RebuildView(runs=await self._analytics.rebuild(call.body(RebuildBody).since))


def analytics_routes(analytics: Analytics, clock: Clock) -> Sequence[Route]:
    """Everything below ``/api/v1/analytics``."""
    on = _AnalyticsHandlers(analytics, clock)
    return (
        Route(
            method="GET",
            path="/api/v1/analytics/runs",
            access=READ,
            summary="Durations of runs with their percentiles, work apart from waiting, and their trend",
            tags=_TAGS,
            query=PeriodQuery,
            response=RunStatisticsView,
            handler=on.runs,
        ),
        Route(
            method="GET",
            path="/api/v1/analytics/tasks",
            access=READ,
            summary="The slowest or flakiest tasks",
            tags=_TAGS,
            query=TaskQuery,
            response=Page[TaskStatisticsView],
            handler=on.tasks,
        ),
        Route(
            method="GET",
            path="/api/v1/analytics/failures",
            access=READ,
            summary="Failures that are the same, the most frequent first",
            tags=_TAGS,
            query=FailureQuery,
            response=Page[FailureClusterView],
            handler=on.failures,
        ),
        *_others(on),
    )


def _others(on: _AnalyticsHandlers) -> Sequence[Route]:
    return (
        Route(
            method="GET",
            path="/api/v1/analytics/compare",
            access=READ,
            summary="Two runs side by side, task by task",
            tags=_TAGS,
            query=CompareQuery,
            response=ComparisonView,
            problems=(NotFound,),
            handler=on.compare,
        ),
        Route(
            method="POST",
            path="/api/v1/analytics/rebuild",
            access=REBUILD,
            summary="Have all facts made anew from the signals that are kept",
            tags=_TAGS,
            body=RebuildBody,
            response=RebuildView,
            seconds=300.0,
            handler=on.rebuild,
        ),
    )
