"""Workflows, runs, their tasks, logs and signals, over HTTP."""

from collections.abc import Sequence

from pydantic import BaseModel

from tocsin.definitions import DefinitionInvalid
from tocsin.errors import NotFound, TooLarge, Unavailable
from tocsin.signals import Cause, derive, root
from tocsin_executor.application.admission import LimitReached
from tocsin_executor.application.definitions import Definitions, VersionTaken
from tocsin_executor.application.reading import Reading, RunSearch, Scope
from tocsin_executor.application.runs import RunAlreadyDone, Runs, StartOrder
from tocsin_executor.application.views import RunView
from tocsin_executor.domain.inputs import Verb
from tocsin_executor.http.cursors import decode_cursor, encode_cursor
from tocsin_executor.http.schemas import (
    ControlBody,
    DefinitionView,
    DeleteQuery,
    LogLine,
    PublishedView,
    RunId,
    RunItem,
    RunOut,
    RunQuery,
    SignalOut,
    StartBody,
    StartQuery,
    TaskOut,
    TasksQuery,
    VersionQuery,
    VersionView,
    WorkflowId,
    WorkflowQuery,
    WorkflowView,
)
from tocsin_kit.web import Call, Page, PageQuery, Permission, RawBody, Reply, Route
from tocsin_kit.web.routes import Handler

DOCUMENT = RawBody(
    media_types=("application/yaml", "application/x-yaml", "text/yaml", "application/json", "text/plain"),
    description="An Open Workflow document, YAML or JSON.",
)
DOCUMENT_LIMIT = 1024 * 1024  # bytes; tocsin.definitions refuses more as well
LONGEST_WAIT = 60.0  # seconds; a proxy in between would end a longer one
_PIECES = 50  # pieces of output a page of logs


class _WorkflowHandlers:
    def __init__(self, definitions: Definitions, reading: Reading) -> None:
        self._definitions = definitions
        self._reading = reading

    async def publish(self, call: Call) -> Reply:
        definition = await self._definitions.check(call.raw)
        call.require("workflow:write", definition.namespace)
        for namespace in sorted(self._definitions.called_namespaces(definition) - {definition.namespace}):
            call.require("run:start", namespace)  # or a namespace could be used through a workflow of another one
        if "schedule" in definition.document:
            call.require("schedule:write", definition.namespace)  # the scheduler makes a schedule of it
        version, new = await self._definitions.publish(definition, actor=call.principal.subject, cause=cause_of(call))
        view = PublishedView(
            namespace=definition.namespace, name=definition.name, version=version.version, digest=version.digest
        )
        where = f"/api/v1/workflows/{definition.namespace}/{definition.name}?version={version.version}"
        return Reply(body=view, status=201 if new else 200, headers={"Location": where})

    async def list(self, call: Call) -> Page[WorkflowView]:
        query = call.query(WorkflowQuery)
        items, cursor = await self._reading.list_workflows(
            scope_of(call, "workflow:read", query.namespace), query.limit, query.cursor
        )
        return Page(items=[WorkflowView.of(item) for item in items if item.versions], next_cursor=cursor)

    async def show(self, call: Call) -> DefinitionView:
        params = call.params(WorkflowId)
        version, workflow, document = await self._definitions.show(
            params.namespace, params.name, call.query(VersionQuery).version
        )
        return DefinitionView(
            namespace=params.namespace,
            name=params.name,
            version=version.version,
            digest=version.digest,
            published_at=version.published_at,
            published_by=version.published_by,
            versions=[VersionView.of(held) for held in workflow.versions],
            document=document,
        )

    async def delete(self, call: Call) -> Reply:
        params = call.params(WorkflowId)
        await self._definitions.delete(
            params.namespace,
            params.name,
            call.query(DeleteQuery).version,
            actor=call.principal.subject,
            cause=cause_of(call),
        )
        return Reply(status=204)


class _RunHandlers:
    def __init__(self, runs: Runs, reading: Reading) -> None:
        self._runs = runs
        self._reading = reading

    async def start(self, call: Call) -> Reply:
        body = call.body(StartBody)
        key = body.idempotency_key or call.idempotency_key
        run = derive("run", body.namespace, call.principal.subject, key) if key is not None else None
        if run is not None:
            known = await self._known(run)
            if known is not None:
                return await self._started(call, known)
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
            trigger={"kind": "api", "name": None, "event": call.request_id},
            priority=body.priority,
            key=body.concurrency_key,
        )
        return await self._started(call, await self._runs.start(order, run=run))

    async def _known(self, run: str) -> RunView | None:
        try:
            return await self._runs.get(run)
        except NotFound:
            return None

    async def _started(self, call: Call, view: RunView) -> Reply:
        wait = call.query(StartQuery).wait
        where = {"Location": f"/api/v1/runs/{view.id}"}
        if wait is not None:
            view = await self._runs.wait(view.id, min(wait.total_seconds(), LONGEST_WAIT))
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
        return RunOut.of(await self._permitted(call, "run:read"))

    async def tasks(self, call: Call) -> Page[TaskOut]:
        view = await self._permitted(call, "task:read")
        query = call.query(TasksQuery)
        position = decode_cursor(query.cursor, of="tasks", kinds=(str, int))
        after = (str(position[0]), int(position[1])) if position is not None else None
        finished, beyond = await self._reading.finished_tasks(view.id, after, query.limit)
        if beyond is None:
            seen = {task.activation for task in finished}
            finished += [task for task in await self._runs.live_tasks(view.id) if task.activation not in seen]
        cursor = encode_cursor(list(beyond), of="tasks") if beyond is not None else None
        return Page(items=[TaskOut.of(task) for task in finished], next_cursor=cursor)

    async def logs(self, call: Call) -> Page[LogLine]:
        view = await self._permitted(call, "task:read")
        query = call.query(PageQuery)
        position = decode_cursor(query.cursor, of="logs", kinds=(str,))
        lines, beyond = await self._reading.logs(view.id, str(position[0]) if position else "", _PIECES)
        items = [LogLine(task=x.task, reference=x.reference, attempt=x.attempt, stream=x.stream, line=x.line) for x in lines]
        return Page(items=items, next_cursor=encode_cursor([beyond], of="logs") if beyond is not None else None)

    async def signals(self, call: Call) -> Page[SignalOut]:
        view = await self._permitted(call, "run:read")
        query = call.query(PageQuery)
        position = decode_cursor(query.cursor, of="run-signals", kinds=(int,))
        after = int(position[0]) if position else 0
        events, beyond = await self._reading.signals(view.namespace, view.id, after, query.limit)
        cursor = encode_cursor([beyond], of="run-signals") if beyond is not None else None
        return Page(items=[SignalOut(event=event) for event in events], next_cursor=cursor)

    async def cancel(self, call: Call) -> Reply:
        return await self._control(call, Verb.CANCEL)

    async def suspend(self, call: Call) -> Reply:
        return await self._control(call, Verb.SUSPEND)

    async def resume(self, call: Call) -> Reply:
        return await self._control(call, Verb.RESUME)

    async def _control(self, call: Call, verb: Verb) -> Reply:
        view = await self._permitted(call, f"run:{verb.value}")
        reason = call.body(ControlBody).reason
        view = await self._runs.control(view.id, verb, actor=call.principal.subject, reason=reason)
        return Reply(body=RunOut.of(view), status=202)

    async def _permitted(self, call: Call, permission: str) -> RunView:
        run = call.params(RunId).run
        view = await self._runs.get(run)
        if not call.may("run:read", view.namespace):  # the same answer as if there were none, and no word of where it is
            raise NotFound(f"There is no run {run}.", run=run)
        call.require(permission, view.namespace)
        return view


def cause_of(call: Call) -> Cause:
    """The request is the cause."""
    return root(call.request_id, call.traceparent)


def scope_of(call: Call, permission: str, namespace: str | None) -> Scope:
    """Namespaces that a list may show to the caller."""
    if namespace is not None:
        call.require(permission, namespace)
        return Scope(frozenset({namespace}))
    permitted = call.permitted(permission)
    return Scope() if permitted.everywhere else Scope(permitted.exact, permitted.prefixes)


def routes(definitions: Definitions, runs: Runs, reading: Reading) -> Sequence[Route]:
    """All routes of the executor."""
    return (*_workflow_routes(_WorkflowHandlers(definitions, reading)), *_run_routes(_RunHandlers(runs, reading)))


def _workflow_routes(handlers: _WorkflowHandlers) -> Sequence[Route]:
    return (
        Route(
            method="POST",
            path="/api/v1/workflows",
            access=Permission("workflow:write"),
            summary="Publish a version of a workflow: named in the document, and never to change",
            tags=("workflows",),
            handler=handlers.publish,
            body=DOCUMENT,
            response=PublishedView,
            status=201,
            also=(200,),
            problems=(DefinitionInvalid, VersionTaken),
            body_limit=DOCUMENT_LIMIT,
        ),
        Route(
            method="GET",
            path="/api/v1/workflows",
            access=Permission("workflow:read"),
            summary="List workflows",
            tags=("workflows",),
            handler=handlers.list,
            query=WorkflowQuery,
            response=Page[WorkflowView],
        ),
        *_one_workflow_routes(handlers),
    )


def _one_workflow_routes(handlers: _WorkflowHandlers) -> Sequence[Route]:
    path = "/api/v1/workflows/{namespace}/{name}"
    return (
        Route(
            method="GET",
            path=path,
            access=Permission("workflow:read"),
            summary="A workflow: one version with its document, and what versions there are",
            tags=("workflows",),
            handler=handlers.show,
            params=WorkflowId,
            query=VersionQuery,
            response=DefinitionView,
            problems=(NotFound,),
        ),
        Route(
            method="DELETE",
            path=path,
            access=Permission("workflow:delete"),
            summary="Delete a version of a workflow, or all; runs that began go on",
            tags=("workflows",),
            handler=handlers.delete,
            params=WorkflowId,
            query=DeleteQuery,
            status=204,
            problems=(NotFound,),
        ),
    )


def _run_routes(handlers: _RunHandlers) -> Sequence[Route]:
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
            problems=(NotFound, TooLarge, LimitReached, Unavailable),
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
