"""Services over HTTP: one pool of connections, bodies streamed both ways, redirects and cookies left alone."""

import asyncio
from collections.abc import AsyncIterator, Mapping

import aiohttp
import orjson
from yarl import URL

from tocsin.errors import TocsinError, Unavailable
from tocsin_gateway.domain.routing import forwarded
from tocsin_gateway.ports import Forwarded, Readiness, UpstreamAnswer
from tocsin_kit.telemetry.health import Health

CONNECT_SECONDS = 3.0  # a service on the same network that needs longer is as good as down
QUESTION_SECONDS = 3.0  # for readiness and documents
CONNECTIONS = 200  # to each service
LASTING = 2000  # to each service, of those that stay open: streams, exports, whoever waits for the end of a run
PATIENCE = 10.0  # seconds for a free connection; more that is asked for then is refused instead of kept waiting


class ServiceDown(Unavailable):
    """A service behind the gateway does not answer."""

    code = "service_down"


class HttpUpstream:
    """The services at their addresses.

    Args:
        addresses: Base URL of each service's API by name.
        operations: URL of each service's operations port by name.
        connections: To each service.
        lasting: Beside those, for what stays open: however many people look on, requests have their connections.
        patience: Seconds for a free connection.
    """

    name = "gateway.upstream"

    def __init__(
        self,
        addresses: Mapping[str, str],
        operations: Mapping[str, str],
        *,
        connections: int = CONNECTIONS,
        lasting: int = LASTING,
        patience: float = PATIENCE,
    ) -> None:
        self._addresses = dict(addresses)
        self._operations = dict(operations)
        self._limits = connections, lasting
        self._patience = patience
        self._session: aiohttp.ClientSession | None = None
        self._lasting: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Open the pools."""
        self._session, self._lasting = (self._opened(limit) for limit in self._limits)

    def _opened(self, limit: int) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=0, limit_per_host=limit, keepalive_timeout=60)
        # No total timeout: signal streams stay open for days; the services bound everything else.
        timeout = aiohttp.ClientTimeout(total=None, connect=self._patience, sock_connect=CONNECT_SECONDS)
        return aiohttp.ClientSession(
            connector=connector, timeout=timeout, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
        )

    async def serve(self) -> None:
        """Nothing to do in the background."""

    async def stop(self) -> None:
        """Close the pools."""
        pools, self._session, self._lasting = (self._session, self._lasting), None, None
        for pool in pools:
            if pool is not None:
                await pool.close()

    def health(self) -> Health:
        """Ready while the pool is open; a service that is down is told where it is asked for, not here."""
        return Health(ready=self._session is not None, detail="open" if self._session else "closed")

    async def forward(self, service: str, request: Forwarded) -> UpstreamAnswer:
        """Send ``request`` to ``service``.

        Raises:
            ServiceDown: It does not answer.
            TocsinError: What reading the body ended with; above all TooLarge.
        """
        url = URL(self._addresses[service] + request.target, encoded=True)
        try:
            answer = await self._pool(lasting=lasts(url)).request(
                request.method,
                url,
                headers={k: v for k, v in request.headers.items() if k.lower() != "host"},
                data=request.content,
                allow_redirects=False,
                skip_auto_headers=("User-Agent", "Content-Type", "Accept-Encoding"),
            )
        except (aiohttp.ClientConnectionError, TimeoutError) as error:
            if isinstance(error.__cause__, TocsinError):  # the sender's body ended in a refusal, which aiohttp wraps
                raise error.__cause__ from None
            raise ServiceDown(
                f"the {service} service does not answer", hint=_hint(request.method, error), service=service
            ) from error
        return UpstreamAnswer(status=answer.status, headers=forwarded(answer.headers), chunks=_chunks(answer))

    async def readiness(self, service: str) -> Readiness:
        """Ask the operations port of ``service``; components of other services in the same process do not count."""
        try:
            async with asyncio.timeout(QUESTION_SECONDS):
                async with self._pool().get(f"{self._operations[service]}/readyz") as answer:
                    report = orjson.loads(await answer.read())
        except (aiohttp.ClientError, TimeoutError, orjson.JSONDecodeError):
            return Readiness(name=service, ready=False, detail="does not answer")
        components: Mapping[str, Mapping[str, object]] = report.get("components", {})
        # In a process of several services a component's name begins with its service; in one of its own it does not.
        shared = any(name.partition(".")[0] in self._addresses for name in components)
        own = {name: part for name, part in components.items() if not shared or name.partition(".")[0] == service}
        broken = [f"{name}: {part.get('detail', '')}" for name, part in own.items() if not part.get("ready")]
        if not own:
            return Readiness(name=service, ready=False, detail="does not run")
        return Readiness(name=service, ready=not broken, detail="; ".join(broken) or "ready")

    async def openapi(self, service: str) -> Mapping[str, object] | None:
        """The OpenAPI document of ``service``, or ``None`` when it does not answer."""
        try:
            async with asyncio.timeout(QUESTION_SECONDS):
                async with self._pool().get(f"{self._addresses[service]}/openapi.json") as answer:
                    document = orjson.loads(await answer.read())
        except (aiohttp.ClientError, TimeoutError, orjson.JSONDecodeError):
            return None
        return document if isinstance(document, dict) and answer.status == 200 else None

    def _pool(self, *, lasting: bool = False) -> aiohttp.ClientSession:
        pool = self._lasting if lasting else self._session
        if pool is None:
            raise ServiceDown("the gateway is stopping")
        return pool


def _hint(method: str, error: Exception) -> str:
    """What to do: whoever gets no answer to a command that was sent cannot know what became of it."""
    # `ConnectionTimeoutError` is of the wait for a connection, too: what never had one was not sent.
    unsent = isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
    if unsent or method in {"GET", "HEAD"}:
        return "try again; `tocsin status` shows all"
    return "it may have been done all the same: look, or send it again with the same Idempotency-Key; `tocsin status` shows all"


def lasts(url: URL) -> bool:
    """Whether an answer may stay open for long, so that many of them would leave no connection for anything else."""
    return url.name in {"stream", "export"} or "wait" in url.query


async def _chunks(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """The body as it comes; a reader that stops early closes the connection, so that the service notices."""
    try:
        async for chunk in answer.content.iter_any():
            yield chunk
        answer.release()
    except aiohttp.ClientError as error:
        raise ConnectionResetError("the service ended its answer early") from error
    finally:
        answer.close()
