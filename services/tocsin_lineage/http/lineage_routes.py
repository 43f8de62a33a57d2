"""Routes of OpenLineage and of the graph."""

from collections.abc import Sequence

from tocsin.errors import Invalid
from tocsin.signals import root
from tocsin_kit.web import Call, Page, Permission, Reply, Route
from tocsin_lineage.application import Graph, Intake
from tocsin_lineage.application.graph import View
from tocsin_lineage.domain.columns import MARK
from tocsin_lineage.domain.graph import Direction, as_dot, as_mermaid
from tocsin_lineage.domain.openlineage import InvalidLineageEvent
from tocsin_lineage.http.graph_schemas import (
    Accepted,
    BatchTaken,
    ColumnPathsView,
    ColumnQuery,
    EventQuery,
    EventView,
    GraphQuery,
    ImpactView,
    OpenLineageBatch,
    OpenLineageBody,
    PictureView,
)
from tocsin_lineage.http.schemas import NamespaceQuery
from tocsin_lineage.ports import EventSearch

READ = Permission("lineage:read")
WRITE = Permission("lineage:write")
TAGS = ("lineage",)
BATCH_LIMIT = 2000  # events of one request


def _view(query: GraphQuery, direction: Direction) -> View:
    return View(
        namespace=query.namespace,
        key=query.asset,
        direction=direction,
        depth=query.depth,
        kinds=frozenset(kind.strip() for kind in (query.kind or "").split(",") if kind.strip()),
        since=query.since,
        until=query.until,
    )


class _Handlers:
    def __init__(self, intake: Intake, graph: Graph) -> None:
        self._intake = intake
        self._graph = graph

    async def take(self, call: Call) -> Accepted:
        event_id = await self._intake.take(
            call.body(OpenLineageBody).model_extra,  # all of it; it is read once
            namespace=call.query(NamespaceQuery).namespace,
            actor=call.principal.subject,
            cause=root(call.request_id, call.traceparent),
        )
        return Accepted(id=event_id)

    async def take_batch(self, call: Call) -> BatchTaken:
        documents = call.body(OpenLineageBatch).documents
        if len(documents) > BATCH_LIMIT:
            raise Invalid(f"A batch is a JSON array of at most {BATCH_LIMIT} events.", hint="Send several batches.")
        refused = await self._intake.take_batch(
            documents,
            namespace=call.query(NamespaceQuery).namespace,
            actor=call.principal.subject,
            cause=root(call.request_id, call.traceparent),
        )
        return BatchTaken.of(len(documents), refused)

    async def events(self, call: Call) -> Page[EventView]:
        query = call.query(EventQuery)
        search = EventSearch(namespace=query.namespace, job=query.job, run=query.run, since=query.since, until=query.until)
        page = await self._intake.events(search, limit=query.limit, cursor=query.cursor)
        return Page(items=[EventView.of(one) for one in page.items], next_cursor=page.next_cursor)

    async def around(self, call: Call) -> Reply:
        query = call.query(GraphQuery)
        picture = await self._graph.around(_view(query, Direction(query.direction)))
        match query.format:
            case "dot":
                return Reply(body=as_dot(picture), media_type="text/vnd.graphviz; charset=utf-8")
            case "mermaid":
                return Reply(body=as_mermaid(picture), media_type="text/plain; charset=utf-8")
            case "json":
                details = await self._graph.about(query.namespace, picture) if query.details else None
                return Reply(body=PictureView.of(picture, details))

    async def impact(self, call: Call) -> ImpactView:
        return ImpactView.of(await self._graph.around(_view(call.query(GraphQuery), Direction.DOWNSTREAM)))

    async def columns(self, call: Call) -> ColumnPathsView:
        query = call.query(ColumnQuery)
        start = f"{query.asset}{MARK}{query.column}"
        found = await self._graph.column_paths(query.namespace, start, Direction(query.direction), query.depth)
        return ColumnPathsView.of(start, *found)


def lineage_routes(intake: Intake, graph: Graph) -> Sequence[Route]:
    """Everything below ``/api/v1/lineage``."""
    on = _Handlers(intake, graph)
    return (*_of_events(on), *_of_the_graph(on))


def _of_events(on: _Handlers) -> Sequence[Route]:
    return (
        Route(
            method="POST",
            path="/api/v1/lineage",
            access=WRITE,
            summary="OpenLineage events, from any client",
            tags=TAGS,
            query=NamespaceQuery,
            body=OpenLineageBody,
            response=Accepted,
            status=201,
            problems=(InvalidLineageEvent,),
            gzip=True,
            handler=on.take,
        ),
        Route(
            method="POST",
            path="/api/v1/lineage/batch",
            access=WRITE,
            summary="Many OpenLineage events at once; those that are none are named, the others taken",
            tags=TAGS,
            query=NamespaceQuery,
            body=OpenLineageBatch,
            response=BatchTaken,
            gzip=True,
            handler=on.take_batch,
        ),
        Route(
            method="GET",
            path="/api/v1/lineage/events",
            access=READ,
            summary="OpenLineage events as they came, with all facets, newest first",
            tags=TAGS,
            query=EventQuery,
            response=Page[EventView],
            handler=on.events,
        ),
    )


def _of_the_graph(on: _Handlers) -> Sequence[Route]:
    return (
        Route(
            method="GET",
            path="/api/v1/lineage/graph",
            access=READ,
            summary="Where an asset comes from and what depends on it, as JSON, DOT or Mermaid",
            tags=TAGS,
            query=GraphQuery,
            response=PictureView,
            handler=on.around,
        ),
        Route(
            method="GET",
            path="/api/v1/lineage/impact",
            access=READ,
            summary="What a change of an asset would touch, the nearest first",
            tags=TAGS,
            query=GraphQuery,
            response=ImpactView,
            handler=on.impact,
        ),
        Route(
            method="GET",
            path="/api/v1/lineage/columns",
            access=READ,
            summary="Where a column comes from or goes to, and by which transformations",
            tags=TAGS,
            query=ColumnQuery,
            response=ColumnPathsView,
            handler=on.columns,
        ),
    )
