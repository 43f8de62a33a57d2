"""The API described: OpenAPI of all services as one document, AsyncAPI of the signals."""

from collections.abc import Sequence
from functools import cache

from tocsin.signals import asyncapi
from tocsin_gateway.application import Gateway
from tocsin_kit.web import Call, Public, Reply, Route, document

_PUBLIC = Public("describes the API, holds no data")


def document_routes(gateway: Gateway, own: Sequence[Route]) -> Sequence[Route]:
    """``GET /openapi.json`` and ``/asyncapi.json``.

    Args:
        gateway: Asks the services for theirs.
        own: The gateway's own routes; what it passes on is described by its owners.
    """

    @cache  # when it is first asked for, here and below: a start would wait for what few read
    def described() -> dict[str, object]:
        return document(own, title="Tocsin gateway", version="1")

    @cache
    def signals() -> bytes:
        return asyncapi.render().encode()

    async def openapi(_: Call) -> Reply:
        return Reply(body=await gateway.openapi(described()))

    async def asyncapi_document(_: Call) -> Reply:
        return Reply(body=signals(), media_type="application/json")

    return (
        Route(
            method="GET",
            path="/openapi.json",
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
