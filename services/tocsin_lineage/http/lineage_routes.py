"""Routes of OpenLineage and of the graph."""

from collections.abc import Sequence

import orjson

from tocsin.signals import root
from tocsin_kit.web import Call, Permission, Reply, Route
from tocsin_lineage.application import Graph, Intake
from tocsin_lineage.domain.graph import Direction, as_dot, as_mermaid
from tocsin_lineage.domain.openlineage import InvalidLineageEvent
from tocsin_lineage.http.schemas import Accepted, GraphQuery, NamespaceQuery, OpenLineageBody, PictureView

READ = Permission("lineage:read")
WRITE = Permission("lineage:write")
TAGS = ("lineage",)


def lineage_routes(intake: Intake, graph: Graph) -> Sequence[Route]:
    """Everything below ``/api/v1/lineage``."""

    async def take(call: Call) -> Accepted:
        event_id = await intake.take(
            orjson.loads(call.raw),
            namespace=call.query(NamespaceQuery).namespace,
            actor=call.principal.subject,
            cause=root(call.request_id, call.traceparent),
        )
        return Accepted(id=event_id)

    async def around(call: Call) -> Reply:
        query = call.query(GraphQuery)
        picture = await graph.around(query.namespace, query.asset, Direction(query.direction), query.depth)
        match query.format:
            case "dot":
                return Reply(body=as_dot(picture), media_type="text/vnd.graphviz; charset=utf-8")
            case "mermaid":
                return Reply(body=as_mermaid(picture), media_type="text/plain; charset=utf-8")
            case "json":
                return Reply(body=PictureView.of(picture))

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
            handler=take,
        ),
        Route(
            method="GET",
            path="/api/v1/lineage/graph",
            access=READ,
            summary="Where an asset comes from and what depends on it, as JSON, DOT or Mermaid",
            tags=TAGS,
            query=GraphQuery,
            response=PictureView,
            handler=around,
        ),
    )
