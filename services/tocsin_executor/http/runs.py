"""Runs, their tasks, logs and signals, over HTTP."""

from collections.abc import Sequence

from pydantic import BaseModel

from tocsin.errors import Invalid, NotFound, TooLarge, Unavailable, Violation
from tocsin.signals import derive
from tocsin_executor.application.admission import LimitReached
from tocsin_executor.application.reading import Reading, RunSearch, tasks_of
from tocsin_executor.application.repeats import KeyReused, Repeats
from tocsin_executor.application.runs import RunAlreadyDone, Runs, StartOrder
from tocsin_executor.application.views import RunView
from tocsin_executor.domain.inputs import Verb
from tocsin_executor.http.asking import cause_of, noted, permitted, person_behind, scope_of
from tocsin_executor.http.cursors import decode_cursor, encode_cursor
from tocsin_executor.http.schemas import (
    ControlBody,
    LogLine,
    RunId,
    RunItem,
    RunOut,
    RunQuery,
    SignalOut,
    StartBody,
    StartQuery,
    TaskOut,
    TasksQuery,
    ValueId,
)
from tocsin_kit.web import Call, Page, PageQuery, Permission, Reply, Route
from tocsin_kit.web.routes import Handler

LONGEST_WAIT = 60.0  # seconds; a proxy in between would end a longer one
_PIECES = 50  # pieces of output a page of logs


class _RunHandlers:
    def __init__(self, runs: Runs, reading: Reading, repeats: Repeats) -> None:
        self._runs = runs
        self._repeats = repeats
        self._reading = reading

    async def start(self, call: Call) -> Reply:
        body = call.body(StartBody)
        key = intent(body.idempotency_key, call.idempotency_key)
        run = derive("run", body.namespace, call.principal.subject, key) if key is not None else None
        cause = cause_of(call)
        order = StartOrder(
            namespace=body.namespace,
            workflow=body.workflow,
            version=body.version,
            input=body.input,
            labels=body.labels,
            actor=call.principal.subject,
            cause=cause.id,
            traceparent=cause.traceparent,
            trigger={"kind": "api", "name": None, "event": call.request_id, **person_behind(call)},
            priority=body.priority,
            key=body.concurrency_key,
        )
        started = self._runs.start(order) if run is None else self._repeats.start(run, order)
        return await self._started(call, await started)

    async def _started(self, call: Call, view: RunView) -> Reply:
        wait = call.query(StartQuery).wait
        where = {"Location": f"/api/v1/runs/{view.id}"}
        if wait is not None:
            view = await self._runs.wait(view, min(wait.total_seconds(), LONGEST_WAIT))
        final = view.status in {"completed", "faulted", "cancelled"}
        return Reply(body=RunOut.of(view), status=200 if final else 202, headers=where)

    async def list(self, call: Call) -> Page[RunItem]:
        query = call.query(RunQuery)
        search = RunSearch(
            scope=scope_of(call, "run:read", query.namespace),
            workflow=query.workflow,
            version=query.version,
            status=query.status,
            labels=query.label,
            parent=query.parent,
            error=query.error,
            created_after=query.created_after,
            created_before=query.created_before,
        )
        if query.cursor is None:
            await self._runs.catch_up()
        rows, cursor = await self._reading.list_runs(search, query.limit, query.cursor)
        items = [
            RunItem(
                id=row.id,
                namespace=row.namespace,
                workflow=row.name,
                version=row.version,
                status=row.status,
                labels=row.labels,
                created_at=row.created,
                started_at=row.started,
                ended_at=row.ended,
                parent=row.parent,
                error=row.error,
            )
            for row in rows
        ]
        return Page(items=items, next_cursor=cursor)

    async def show(self, call: Call) -> RunOut:
        return RunOut.of(await permitted(self._runs, call, "run:read"))

    async def value(self, call: Call) -> Reply:
        view = await permitted(self._runs, call, "run:read")
        digest = call.params(ValueId).ref
        headers = {"Cache-Control": "private, max-age=31536000, immutable"}
        return Reply(body=await self._runs.value(view.id, digest), media_type="application/json", headers=headers)

    async def tasks(self, call: Call) -> Page[TaskOut]:
        view = await permitted(self._runs, call, "task:read")
        query = call.query(TasksQuery)
        position = decode_cursor(query.cursor, of="tasks", kinds=(str, int))
        after = (str(position[0]), int(position[1])) if position is not None else None
        found, beyond = await tasks_of(self._runs, self._reading, view.id, after, query.limit)
        cursor = encode_cursor(list(beyond), of="tasks") if beyond is not None else None
        return Page(items=[TaskOut.of(task) for task in found], next_cursor=cursor)

    async def logs(self, call: Call) -> Page[LogLine]:
        view = await permitted(self._runs, call, "task:read")
        query = call.query(PageQuery)
        position = decode_cursor(query.cursor, of="logs", kinds=(str,))
        lines, beyond = await self._reading.logs(view.id, str(position[0]) if position else "", _PIECES)
        items = [LogLine(task=x.task, reference=x.reference, attempt=x.attempt, stream=x.stream, line=x.line) for x in lines]
        return Page(items=items, next_cursor=encode_cursor([beyond], of="logs") if beyond is not None else None)

    async def signals(self, call: Call) -> Page[SignalOut]:
        view = await permitted(self._runs, call, "run:read")
        query = call.query(PageQuery)
        position = decode_cursor(query.cursor, of="run-signals", kinds=(int, int))
        after, said = (int(position[0]), int(position[1])) if position else (0, 0)
        events, beyond = await self._reading.signals(view.namespace, view.id, after, query.limit, said)
        said = max((int(str(event.get("sequence") or 0)) for event in events), default=said)
        cursor = encode_cursor([beyond, said], of="run-signals") if beyond is not None else None
        return Page(items=[SignalOut(event=event) for event in events], next_cursor=cursor)

    async def cancel(self, call: Call) -> Reply:
        return await self._control(call, Verb.CANCEL)

    async def suspend(self, call: Call) -> Reply:
        return await self._control(call, Verb.SUSPEND)

    async def resume(self, call: Call) -> Reply:
        return await self._control(call, Verb.RESUME)

    async def _control(self, call: Call, verb: Verb) -> Reply:
        view = await permitted(self._runs, call, f"run:{verb.value}")
        reason = call.body(ControlBody).reason
        after = await self._runs.control(view.id, verb, actor=call.principal.subject, reason=reason)
        return noted(call, view, after, asked=verb.value, reason=reason)


def intent(named: str | None, header: str | None) -> str | None:
    """The idempotency key of a start, which may stand in its body or in a header.

    Raises:
        Invalid: They are two.
    """
    if named is not None and header not in {None, named}:
        wrong = Violation("/idempotency_key", "the header Idempotency-Key names another one")
        raise Invalid("The start has two idempotency keys.", violations=[wrong])
    return named or header


def run_routes(runs: Runs, reading: Reading, repeats: Repeats) -> Sequence[Route]:
    """``/api/v1/runs``."""
    handlers = _RunHandlers(runs, reading, repeats)
    return (
        Route(
            method="POST",
            path="/api/v1/runs",
            access=Permission("run:start"),
            summary="Start a run",
            description="202: accepted, and nothing that dies can lose it. 200: with `wait`, it has ended.",
            tags=("runs",),
            handler=handlers.start,
            query=StartQuery,
            body=StartBody,
            response=RunOut,
            status=202,
            problems=(NotFound, TooLarge, LimitReached, KeyReused, Unavailable),
            seconds=LONGEST_WAIT + 10,
        ),
        Route(
            method="GET",
            path="/api/v1/runs",
            access=Permission("run:read"),
            summary="List runs, newest first",
            tags=("runs",),
            handler=handlers.list,
            query=RunQuery,
            response=Page[RunItem],
        ),
        _of_run("", "run:read", "A run", handlers.show, response=RunOut),
        Route(
            method="GET",
            path="/api/v1/runs/{run}/values/{ref}",
            access=Permission("run:read"),
            summary="A large value of a run, as JSON",
            description="Its input, an output or the context, where the run says that it is stored apart.",
            tags=("runs",),
            handler=handlers.value,
            params=ValueId,
            problems=(NotFound, Unavailable),
        ),
        _of_run("/tasks", "task:read", "Tasks of a run", handlers.tasks, response=Page[TaskOut], query=TasksQuery),
        _of_run(
            "/logs", "task:read", "What the tasks of a run printed", handlers.logs, response=Page[LogLine], query=PageQuery
        ),
        _of_run(
            "/signals", "run:read", "Signals of a run, in order", handlers.signals, response=Page[SignalOut], query=PageQuery
        ),
        *_control_routes(handlers),
    )


def _control_routes(handlers: _RunHandlers) -> Sequence[Route]:
    controls = (
        ("cancel", "Cancel a run: its work is told to stop, and it is cancelled when all of it has", handlers.cancel),
        ("suspend", "Suspend a run: nothing new of it begins", handlers.suspend),
        ("resume", "Let a suspended run go on", handlers.resume),
    )
    return tuple(
        Route(
            method="POST",
            path=f"/api/v1/runs/{{run}}/{verb}",
            access=Permission(f"run:{verb}"),
            summary=summary,
            tags=("runs",),
            handler=handler,
            params=RunId,
            body=ControlBody,
            response=RunOut,
            status=202,
            problems=(NotFound, RunAlreadyDone),
        )
        for verb, summary, handler in controls
    )


def _of_run(
    suffix: str,
    permission: str,
    summary: str,
    handler: Handler,
    *,
    response: type[BaseModel],
    query: type[BaseModel] | None = None,
) -> Route:
    return Route(
        method="GET",
        path="/api/v1/runs/{run}" + suffix,
        access=Permission(permission),
        summary=summary,
        tags=("runs",),
        handler=handler,
        params=RunId,
        query=query,
        response=response,
        problems=(NotFound,),
    )
