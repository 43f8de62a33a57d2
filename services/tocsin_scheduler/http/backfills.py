"""Backfills over the wire, and what became of the instants of a schedule."""

from collections.abc import Sequence
from datetime import UTC, datetime

import orjson
from pydantic import AwareDatetime, BaseModel, Field, JsonValue, model_validator

from tocsin_kit.store import Entry
from tocsin_kit.web import Call, Input, Page, PageQuery, Permission, Reply, Route
from tocsin_scheduler.application.backfilling import Asked, Backfills, Planned, Window
from tocsin_scheduler.domain.backfills import (
    CONCURRENCY_LIMIT,
    ITEMS_LIMIT,
    PRIORITY,
    Backfill,
    Item,
    Order,
    Progress,
    Reprocess,
)
from tocsin_scheduler.domain.history import Past
from tocsin_scheduler.domain.schedules import INPUT_LIMIT, NotNow, Outcome, ScheduleInvalid, Start
from tocsin_scheduler.http.requests import cause_of, scope
from tocsin_scheduler.http.schemas import Namespace, PauseBody, SchedulePath, Slug
from tocsin_scheduler.http.timetables import Workflow
from tocsin_scheduler.ports import History

READ = Permission("backfill:read")
WRITE = Permission("backfill:write")
SCHEDULE_READ = Permission("schedule:read")
TAGS = ("backfills",)
SHOWN = 20  # items of a preview that are shown from each end


class ItemBody(Input):
    """One run."""

    key: str = Field(min_length=1, max_length=200, description="Unique in the backfill, for example a partition.")
    input: JsonValue = Field(default=None, description="Of the run; `null` for that of the backfill.")
    logical_time: AwareDatetime | None = Field(default=None, description="The time that the run is about.")


class BackfillBody(Input):
    """Instants of a `schedule` in a window (`from`, `until`), or `items` of a `workflow`."""

    schedule: Slug | None = Field(default=None, description="Whose instants are made up for.")
    from_: AwareDatetime | None = Field(default=None, alias="from", description="The first instant that may be meant.")
    until: AwareDatetime | None = Field(default=None, description="No instant from here on.")
    order: Order = Field(default=Order.OLDEST_FIRST, description="`oldest-first` or `newest-first`.")
    reprocess: Reprocess = Field(
        default=Reprocess.NONE,
        description="Instants that had a run: `none` gets another, those that `failed` do, or `all`.",
    )
    workflow: Workflow | None = Field(default=None, description="What `items` start.")
    version: str | None = Field(default=None, max_length=128, description="Of the workflow, instead of the schedule's.")
    input: JsonValue = Field(default=None, description="Of runs whose item has none.")
    items: list[ItemBody] = Field(default_factory=list, max_length=ITEMS_LIMIT)
    concurrency: int = Field(default=1, ge=1, le=CONCURRENCY_LIMIT, description="Runs that go on at the same time.")
    priority: int = Field(default=PRIORITY, ge=-100, le=100, description="Of the runs; live work has 0.")

    @model_validator(mode="after")
    def _one_of_two(self) -> "BackfillBody":
        if self.schedule is not None:
            if self.from_ is None or self.until is None or self.from_ >= self.until:
                raise ValueError("schedule needs from and until, and from must be before until")
            if self.items or self.workflow is not None or self.input is not None:
                raise ValueError(
                    "schedule already says what is started; items, workflow and input belong to a backfill without"
                )
        elif self.workflow is None or not self.items:
            raise ValueError("a schedule with from and until is needed, or a workflow with items")
        if any(len(orjson.dumps(item.input)) > INPUT_LIMIT for item in self.items):
            raise ValueError(f"the input of an item has at most {INPUT_LIMIT} bytes")
        return self

    def asked(self, path: SchedulePath) -> Asked:
        """What is asked for."""
        window, start = None, None
        if self.schedule is not None and self.from_ is not None and self.until is not None:
            window = Window(
                schedule=self.schedule,
                since=self.from_.astimezone(UTC),
                until=self.until.astimezone(UTC),
                order=self.order,
                reprocess=self.reprocess,
            )
        elif self.workflow is not None:
            start = Start(workflow=self.workflow, version=self.version, input=self.input)
        return Asked(
            namespace=path.namespace,
            name=path.name,
            window=window,
            items=tuple(Item(item.key, item.logical_time, None, item.input) for item in self.items),
            start=start,
            version=self.version,
            concurrency=self.concurrency,
            priority=self.priority,
        )


class BackfillQuery(PageQuery):
    """Filters over backfills."""

    namespace: Namespace | None = None
    status: Progress | None = None
    workflow: Workflow | None = None


class BackfillView(BaseModel):
    """A backfill."""

    namespace: str
    name: str
    status: Progress
    reason: str | None
    schedule: str | None
    workflow: str
    version: str | None
    total: int
    started: int = Field(description="Items whose run has been started.")
    completed: int
    failed: int
    cancelled: int
    going: list[str] = Field(description="Runs that have not ended.")
    failed_keys: list[str] = Field(description="Items whose run failed; the first hundred. All: runs by label.")
    order: Order
    reprocess: Reprocess
    concurrency: int
    priority: int
    created_at: datetime
    ended_at: datetime | None
    created_by: str

    @classmethod
    def of(cls, entry: Entry[Backfill]) -> "BackfillView":
        """The view of a backfill that is there."""
        it = entry.value
        assert it is not None, "the use case sees to it"
        return cls(
            namespace=it.namespace,
            name=it.name,
            status=it.status,
            reason=it.reason,
            schedule=it.schedule,
            workflow=it.start.workflow,
            version=it.start.version,
            total=it.total,
            started=it.cursor,
            completed=it.completed,
            failed=it.failed,
            cancelled=it.cancelled,
            going=[going.run for going in it.going],
            failed_keys=list(it.failed_keys),
            order=it.order,
            reprocess=it.reprocess,
            concurrency=it.concurrency,
            priority=it.priority,
            created_at=it.created_at,
            ended_at=it.ended_at,
            created_by=it.actor,
        )


class BackfillPlan(BaseModel):
    """What a backfill would do."""

    workflow: str
    version: str | None
    total: int
    had_runs: int = Field(description="Instants of the window that had a run; whether they get another says `reprocess`.")
    first: list[str] = Field(description=f"Keys of the items that come first, {SHOWN} at most.")
    last: list[str] = Field(description="Keys of those that come last, where they are not shown before.")

    @classmethod
    def of(cls, planned: Planned) -> "BackfillPlan":
        """The view of a plan."""
        keys = [item.key for item in planned.items]
        return cls(
            workflow=planned.start.workflow,
            version=planned.start.version,
            total=len(keys),
            had_runs=len(planned.had),
            first=keys[:SHOWN],
            last=keys[max(SHOWN, len(keys) - SHOWN) :],
        )


class FiringView(BaseModel):
    """An instant that had a run."""

    at: datetime
    run: str
    outcome: Outcome | None = Field(description="How the run ended; null while it goes on.")

    @classmethod
    def of(cls, past: Past) -> "FiringView":
        """The view of one."""
        return cls(at=past.at, run=past.run, outcome=past.outcome)


class _Handlers:
    def __init__(self, backfills: Backfills, history: History) -> None:
        self._backfills = backfills
        self._history = history

    async def put(self, call: Call) -> Reply:
        path = call.params(SchedulePath)
        asked = call.body(BackfillBody).asked(path)
        entry, is_new = await self._backfills.start(asked, actor=call.principal.subject, cause=cause_of(call))
        location = {"Location": f"/api/v1/backfills/{path.namespace}/{path.name}"} if is_new else {}
        return Reply(body=BackfillView.of(entry), status=201 if is_new else 200, headers=location)

    async def preview(self, call: Call) -> BackfillPlan:
        return BackfillPlan.of(await self._backfills.plan(call.body(BackfillBody).asked(call.params(SchedulePath))))

    async def show(self, call: Call) -> BackfillView:
        path = call.params(SchedulePath)
        return BackfillView.of(await self._backfills.get(path.namespace, path.name))

    async def list(self, call: Call) -> Page[BackfillView]:
        query = call.query(BackfillQuery)
        search = scope(call, READ, query.namespace, status=query.status, workflow=query.workflow)
        page = await self._backfills.search(search, limit=query.limit, cursor=query.cursor)
        return Page(items=[BackfillView.of(entry) for entry in page.items], next_cursor=page.next_cursor)

    async def cancel(self, call: Call) -> BackfillView:
        path, reason = call.params(SchedulePath), call.body(PauseBody).reason
        entry = await self._backfills.cancel(
            path.namespace, path.name, reason, actor=call.principal.subject, cause=cause_of(call)
        )
        return BackfillView.of(entry)

    async def firings(self, call: Call) -> Page[FiringView]:
        path, query = call.params(SchedulePath), call.query(PageQuery)
        page = await self._history.page(f"{path.namespace}/{path.name}", limit=query.limit, cursor=query.cursor)
        return Page(items=[FiringView.of(past) for past in page.items], next_cursor=page.next_cursor)


EVERYTHING = "/api/v1/backfills"
ONE = "/api/v1/backfills/{namespace}/{name}"


def backfill_routes(backfills: Backfills, history: History) -> Sequence[Route]:
    """What the scheduler serves about the past."""
    on = _Handlers(backfills, history)
    return (*_looks(on), *_acts(on))


def _looks(on: _Handlers) -> Sequence[Route]:
    return (
        Route(
            method="GET",
            path=EVERYTHING,
            access=READ,
            summary="Backfills, by name",
            tags=TAGS,
            query=BackfillQuery,
            response=Page[BackfillView],
            handler=on.list,
        ),
        Route(
            method="GET",
            path=ONE,
            access=READ,
            summary="A backfill and its progress",
            tags=TAGS,
            params=SchedulePath,
            response=BackfillView,
            handler=on.show,
        ),
        Route(
            method="GET",
            path="/api/v1/schedules/{namespace}/{name}/firings",
            access=SCHEDULE_READ,
            summary="Instants of a schedule that had a run, and how it ended; the latest first",
            tags=("schedules",),
            params=SchedulePath,
            query=PageQuery,
            response=Page[FiringView],
            handler=on.firings,
        ),
    )


def _acts(on: _Handlers) -> Sequence[Route]:
    return (
        Route(
            method="PUT",
            path=ONE,
            access=WRITE,
            summary="Start a backfill; asked for again, it is answered as it is",
            tags=TAGS,
            params=SchedulePath,
            body=BackfillBody,
            response=BackfillView,
            also=(201,),
            problems=(ScheduleInvalid,),
            handler=on.put,
        ),
        Route(
            method="POST",
            path=f"{ONE}/preview",
            access=READ,
            summary="What a backfill would do, without doing it",
            tags=TAGS,
            params=SchedulePath,
            body=BackfillBody,
            response=BackfillPlan,
            problems=(ScheduleInvalid,),
            handler=on.preview,
        ),
        Route(
            method="POST",
            path=f"{ONE}/cancel",
            access=WRITE,
            summary="Cancel a backfill: nothing more starts, and its runs are told to end",
            tags=TAGS,
            params=SchedulePath,
            body=PauseBody,
            response=BackfillView,
            problems=(NotNow,),
            handler=on.cancel,
        ),
    )
