"""Workers over HTTP: who is there, what they serve, how busy they are; draining one, and letting it go on."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, Field, field_validator

from tocsin.errors import NotFound, Unavailable
from tocsin_executor.application.workers import Workers, WorkerView
from tocsin_executor.domain.values import Json
from tocsin_executor.http.cursors import decode_cursor, encode_cursor
from tocsin_executor.http.schemas import ControlBody
from tocsin_kit.config import Duration
from tocsin_kit.store.changes import changes
from tocsin_kit.web import Call, Input, Page, PageQuery, Permission, Reply, Route

READ = Permission("worker:read", everywhere=True)  # a worker serves all namespaces
DRAIN = Permission("worker:drain", everywhere=True)


class WorkerId(Input):
    """Path of one worker."""

    worker: Annotated[str, Field(min_length=1, max_length=128)]


class DrainBody(Input):
    """How a worker is drained, and why."""

    within: Duration | None = Field(
        None, description="What it has not finished by then is stopped and handed back, such as 10m; never if not given."
    )
    reason: Annotated[str, Field(max_length=2048)] | None = None

    @field_validator("within")
    @classmethod
    def _not_before_now(cls, value: timedelta | None) -> timedelta | None:
        if value is not None and value < timedelta(0):
            raise ValueError("a duration of 0 or more is meant")
        return value


class QueueOut(BaseModel):
    """Slots of a queue at a worker."""

    name: str
    slots: int
    busy: int


class WorkerOut(BaseModel):
    """A worker that was heard of in the last seconds."""

    name: str
    state: str = Field(description="`working`, `draining` (takes nothing new), `drained` (and has nothing left to do).")
    labels: dict[str, str]
    queues: list[QueueOut]
    completed: int = Field(description="Tasks since it began.")
    since: datetime
    seen_at: datetime

    @classmethod
    def of(cls, worker: WorkerView) -> "WorkerOut":
        """The view of a worker."""
        return cls(
            name=worker.name,
            state=worker.state,
            labels=dict(worker.labels),
            queues=[QueueOut(name=queue.name, slots=queue.slots, busy=queue.busy) for queue in worker.queues],
            completed=worker.completed,
            since=worker.since,
            seen_at=worker.seen,
        )


class _Handlers:
    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    async def list(self, call: Call) -> Page[WorkerOut]:
        query = call.query(PageQuery)
        after = decode_cursor(query.cursor, of="workers", kinds=(str,))
        found = [worker for worker in self._workers.now() if not after or worker.name > str(after[0])]
        page = found[: query.limit]
        beyond = encode_cursor([page[-1].name], of="workers") if len(found) > len(page) else None
        return Page(items=[WorkerOut.of(worker) for worker in page], next_cursor=beyond)

    async def drain(self, call: Call) -> Reply:
        body = call.body(DrainBody)
        within = None if body.within is None else body.within.total_seconds()
        return await self._told(call, {"order": "drain", "within": within, "reason": body.reason})

    async def resume(self, call: Call) -> Reply:
        return await self._told(call, {"order": "resume", "reason": call.body(ControlBody).reason})

    async def _told(self, call: Call, order: dict[str, Json]) -> Reply:
        name = call.params(WorkerId).worker
        before = next((worker.state for worker in self._workers.now() if worker.name == name), None)
        after = await self._workers.tell(name, {**order, "by": call.principal.subject})
        call.changes = changes({"state": before}, {"state": after.state, **order})
        return Reply(body=WorkerOut.of(after), status=202)


def worker_routes(workers: Workers) -> Sequence[Route]:
    """``/api/v1/workers``."""
    handlers = _Handlers(workers)
    told = (
        ("drain", "Let a worker take no new task; it finishes what it has", handlers.drain, DrainBody),
        ("resume", "Let a drained worker take tasks again", handlers.resume, ControlBody),
    )
    return (
        Route(
            method="GET",
            path="/api/v1/workers",
            access=READ,
            summary="Workers that are there, by name",
            tags=("workers",),
            handler=handlers.list,
            query=PageQuery,
            response=Page[WorkerOut],
        ),
        *(
            Route(
                method="POST",
                path=f"/api/v1/workers/{{worker}}/{verb}",
                access=DRAIN,
                summary=summary,
                description="It forgets this when it is started anew.",
                tags=("workers",),
                handler=handler,
                params=WorkerId,
                body=body,
                response=WorkerOut,
                status=202,
                problems=(NotFound, Unavailable),
            )
            for verb, summary, handler, body in told
        ),
    )
