"""What is passed on. The service behind checks the permission of each of its routes; a path that no service owns is 404."""

from collections.abc import Sequence

from pydantic import BaseModel

from tocsin_gateway.application import Gateway
from tocsin_kit.web import ANY_METHOD, Call, Public, Query, RawBody, Route, Stream

_REASON = "passed on to the service that owns the path, which checks the permission of its own route"


class Rest(BaseModel):
    """Whatever follows; the path is passed on as it came."""

    rest: str


def proxy_routes(gateway: Gateway, *, body_limit: int) -> Sequence[Route]:
    """Everything below ``/api/v1`` and ``/hooks``, and the public keys."""

    async def forward(call: Call) -> Stream:
        answer = await gateway.forward(call)
        return Stream(chunks=answer.chunks, status=answer.status, headers=answer.headers, media_type=None)

    def passed_on(path: str, summary: str, *, rest: bool) -> Route:
        return Route(
            method=ANY_METHOD,
            path=path,
            access=Public(_REASON),
            summary=summary,
            handler=forward,
            tags=("proxy",),
            params=Rest if rest else None,
            query=Query.ANY,
            body=RawBody(media_types=("*/*",), streamed=True, required=False),
            media_type="*/*",
            body_limit=body_limit,
            seconds=None,
        )

    return (
        passed_on("/api/v1/{rest:path}", "The services' API", rest=True),
        passed_on("/hooks/{rest:path}", "Webhooks", rest=True),
        passed_on("/.well-known/jwks.json", "The public keys that tokens are signed with", rest=False),
    )
