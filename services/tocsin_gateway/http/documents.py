"""The API described: OpenAPI of all services as one document, AsyncAPI of the signals."""

from collections.abc import Sequence

from tocsin.signals import asyncapi
from tocsin_gateway.application import Gateway
from tocsin_kit.web import Call, Public, Reply, Route

_PUBLIC = Public("describes the API, holds no data")


def document_routes(gateway: Gateway) -> Sequence[Route]:
    """``GET /api/v1/openapi.json`` and ``/asyncapi.json``."""
    rendered = asyncapi.render().encode()

    async def openapi(_: Call) -> Reply:
        return Reply(body=await gateway.openapi({}))

    async def asyncapi_document(_: Call) -> Reply:
        return Reply(body=rendered, media_type="application/json")

    return (
        Route(
            method="GET",
            path="/api/v1/openapi.json",
            access=_PUBLIC,
            summary="OpenAPI of all services as one document",
            handler=openapi,
            tags=("meta",),
        ),
        Route(
            method="GET",
            path="/asyncapi.json",
            access=_PUBLIC,
            summary="AsyncAPI of all signals",
            handler=asyncapi_document,
            tags=("meta",),
        ),
    )
