"""What the gateway does with a request: find the owner, pass it on, say where it came from; and ask all how they are."""

import asyncio
from collections.abc import Mapping

from tocsin.errors import NotFound
from tocsin_gateway.domain.routing import SERVICES, forwarded, owner
from tocsin_gateway.ports import Forwarded, Readiness, Upstream, UpstreamAnswer
from tocsin_kit.web import Call, merged


class Gateway:
    """The gateway's use cases.

    Args:
        upstream: The services.
        version: Of the platform, for the merged OpenAPI document.
    """

    def __init__(self, upstream: Upstream, *, version: str) -> None:
        self._upstream = upstream
        self._version = version

    async def forward(self, call: Call) -> UpstreamAnswer:
        """Pass a request on to the service that owns its path.

        Raises:
            NotFound: No service owns it.
            Unavailable: The service does not answer.
        """
        service = owner(call.target)
        if service is None:
            raise NotFound("there is nothing at this address", hint="see /openapi.json")
        ours = {"X-Request-Id": call.request_id, "X-Forwarded-For": call.client_address}
        if call.traceparent is not None:
            ours["traceparent"] = call.traceparent
        replaced = {name.lower() for name in ours}  # however the sender wrote them: a second spelling would be believed
        headers = {name: value for name, value in forwarded(call.headers).items() if name.lower() not in replaced} | ours
        target = f"{call.target}?{call.query_string}" if call.query_string else call.target
        return await self._upstream.forward(
            service, Forwarded(method=call.method, target=target, headers=headers, content=call.content)
        )

    async def status(self) -> list[Readiness]:
        """The readiness of every service, asked at the same time."""
        return list(await asyncio.gather(*(self._upstream.readiness(service) for service in SERVICES)))

    async def openapi(self, own: Mapping[str, object]) -> Mapping[str, object]:
        """One OpenAPI document of all services that answer, and of the gateway itself.

        Args:
            own: The gateway's own document.
        """
        answers = await asyncio.gather(*(self._upstream.openapi(service) for service in SERVICES))
        documents = {"gateway": own} | {s: d for s, d in zip(SERVICES, answers, strict=True) if d is not None}
        return merged(documents, title="Tocsin", version=self._version)  # type: ignore[arg-type]  # JSON by origin
