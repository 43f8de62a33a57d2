"""Workers over HTTP: who is there, what they serve, how busy they are."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, Field

from tocsin_executor.application.workers import Workers, WorkerView
from tocsin_executor.http.cursors import decode_cursor, encode_cursor
from tocsin_kit.web import Call, Page, PageQuery, Permission, Route

READ = Permission("worker:read", everywhere=True)  # a worker serves all namespaces


class QueueOut(BaseModel):
    """Slots of a queue at a worker."""

    name: str
    slots: int
    busy: int


class WorkerOut(BaseModel):
    """A worker that was heard of in the last seconds."""

    name: str
    state: str = Field(description="`working` or `draining`.")
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


def worker_routes(workers: Workers) -> Sequence[Route]:
    """``/api/v1/workers``."""
    handlers = _Handlers(workers)
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
    )
