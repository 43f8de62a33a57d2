"""Workflows over HTTP: definitions, their versions, and what is published."""

from collections.abc import Sequence
from dataclasses import asdict

from tocsin.definitions import Definition, DefinitionInvalid
from tocsin.errors import Forbidden, NotFound
from tocsin_executor.application.definitions import Definitions, VersionTaken
from tocsin_executor.application.migrations import Migrations
from tocsin_executor.application.reading import Reading
from tocsin_executor.http.asking import cause_of, scope_of
from tocsin_executor.http.schemas import (
    DefinitionView,
    DeleteQuery,
    PublishedView,
    SlipView,
    VersionQuery,
    VersionView,
    WorkflowId,
    WorkflowQuery,
    WorkflowView,
)
from tocsin_kit.web import Call, Page, Permission, RawBody, Reply, Route

DOCUMENT = RawBody(
    media_types=("application/yaml", "application/x-yaml", "text/yaml", "application/json", "text/plain"),
    description="An Open Workflow document, YAML or JSON.",
)
WRITE = "workflow:write"
DOCUMENT_LIMIT = 1024 * 1024  # bytes; tocsin.definitions refuses more as well


class _WorkflowHandlers:
    def __init__(self, definitions: Definitions, reading: Reading, migrations: Migrations) -> None:
        self._definitions = definitions
        self._migrations = migrations
        self._reading = reading

    async def publish(self, call: Call) -> Reply:
        definition = await self._definitions.check(call.raw, permit=lambda found: permit_definition(call, found, WRITE))
        for namespace in sorted(self._definitions.called_namespaces(definition) - {definition.namespace}):
            call.require("run:start", namespace)  # or a namespace could be used through a workflow of another one
        version, new = await self._definitions.publish(definition, actor=call.principal.subject, cause=cause_of(call))
        view = PublishedView(
            namespace=definition.namespace,
            name=definition.name,
            version=version.version,
            digest=version.digest,
            staying=await self._migrations.staying(definition.namespace, definition.name, version.version) if new else {},
            warnings=[SlipView(**asdict(slip)) for slip in definition.slips],
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


def permit_definition(call: Call, definition: Definition, permission: str) -> None:
    """Whether it may be published, or (``workflow:propose``) proposed, by whoever asks.

    Raises:
        Forbidden: Not by them; or by nobody alone, and then the hint says what to do.
    """
    place = (definition.namespace, definition.name)
    if permission == WRITE and not call.may(WRITE, *place) and call.may("workflow:propose", *place):
        raise Forbidden(
            f"{call.principal.name} does not hold {WRITE} in namespace {definition.namespace}",
            hint="propose it (tocsin proposal create FILE): whoever may review there publishes it",
            permission=WRITE,
            namespace=definition.namespace,
        )
    call.require(permission, *place)
    use = definition.document.get("use")
    secrets = use.get("secrets") if isinstance(use, dict) else None
    for name in secrets if isinstance(secrets, list) else ():
        call.require("secret:use", definition.namespace, str(name))
    if "schedule" in definition.document:
        call.require("schedule:write", definition.namespace)  # the scheduler makes a schedule of it


def workflow_routes(definitions: Definitions, reading: Reading, migrations: Migrations) -> Sequence[Route]:
    """``/api/v1/workflows``."""
    handlers = _WorkflowHandlers(definitions, reading, migrations)
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
