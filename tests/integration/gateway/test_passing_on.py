"""The gateway in front of a service that tells what reached it: real sockets on both sides."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession, web

from tocsin_gateway.adapters.upstream import HttpUpstream, ServiceDown
from tocsin_gateway.ports import Forwarded
from tocsin_gateway.wiring import SERVICE
from tocsin_kit.chance import SystemChance
from tocsin_kit.chassis import assemble, read_settings
from tocsin_kit.clock import SystemClock
from tocsin_kit.embedded import free_ports
from tocsin_kit.testing import eventually
from tocsin_kit.testing.components import running
from tocsin_kit.web import HttpServer

LIMIT = 4096  # bytes that the gateway under test passes on


class Behind:
    """A service behind the gateway, which answers with what it was asked."""

    def __init__(self) -> None:
        self.left = asyncio.Event()
        self.clock = SystemClock()

    async def echo(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        told = {"method": request.method, "target": request.raw_path, "headers": headers, "body": body.decode()}
        return web.json_response(told, status=418, headers={"X-Own": "yes", "Keep-Alive": "timeout=1"})

    async def stream(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        await answer.write(b"data: first\n\n")
        try:
            while True:  # as the stream of signals does, so that it notices who has left
                await self.clock.sleep(0.02)
                await answer.write(b": still here\n\n")
        finally:
            self.left.set()
        return answer

    async def dies(self, request: web.Request) -> web.Response:
        await request.read()
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def moved(self, _: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "http://127.0.0.1:1/elsewhere"})


@pytest.fixture
async def behind() -> AsyncIterator[tuple[Behind, str]]:
    """The service and its address."""
    service = Behind()
    app = web.Application()
    app.router.add_get("/api/v1/runs/stream", service.stream)
    app.router.add_get("/api/v1/runs/moved", service.moved)
    app.router.add_route("*", "/api/v1/runs/dies", service.dies)
    app.router.add_route("*", "/{rest:.*}", service.echo)
    # Ended at once at the end of a test: a stream that nobody released must not be waited for.
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    (port,) = free_ports(1)
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield service, f"http://127.0.0.1:{port}"
    await runner.cleanup()


@pytest.fixture
async def gateway(behind: tuple[Behind, str]) -> AsyncIterator[str]:
    """A gateway whose executor is that service, and whose other services are down."""
    (closed,) = free_ports(1)
    urls = {f"TOCSIN_SERVICES_{name}_URL": f"http://127.0.0.1:{closed}" for name in ("AUTH", "TRIGGER", "OBSERVER")}
    environ = {
        **urls,
        "TOCSIN_SERVICES_EXECUTOR_URL": behind[1],
        "TOCSIN_HTTP_PORT": "0",
        "TOCSIN_GATEWAY_MAX_BODY": str(LIMIT),
        "TOCSIN_HTTP_TRUSTED_PROXIES": "[]",
    }
    chain = assemble(SERVICE, read_settings(SERVICE, environ=environ), clock=SystemClock(), chance=SystemChance())
    async with running(*chain.components):
        yield next(component for component in chain.components if isinstance(component, HttpServer)).url


@pytest.fixture
async def http() -> AsyncIterator[ClientSession]:
    async with ClientSession() as session:
        yield session


async def test_a_request_arrives_as_it_was_sent(gateway, http):
    """Method, path with its escapes, query, body and credential; the answer's status and headers come back."""
    sent = {"Authorization": "Bearer t", "If-Match": '"3"', "Content-Type": "application/yaml"}
    async with http.request("PATCH", f"{gateway}/api/v1/runs/a%2Fb?x=1&x=2", data=b"a: 1", headers=sent) as answer:
        told = await answer.json()
        assert (answer.status, answer.headers["X-Own"]) == (418, "yes")
        assert "timeout=1" not in answer.headers.get("Keep-Alive", "")
    assert (told["method"], told["target"], told["body"]) == ("PATCH", "/api/v1/runs/a%2Fb?x=1&x=2", "a: 1")
    assert sent.items() <= {name.title(): value for name, value in told["headers"].items()}.items()


async def test_nobody_says_for_himself_where_he_comes_from(gateway, http):
    """The gateway's word replaces the sender's, however it is spelled; the request has an id and a trace."""
    forged = {"x-forwarded-FOR": "8.8.8.8", "X-Forwarded-For": "9.9.9.9", "traceparent": "nonsense"}
    async with http.get(f"{gateway}/api/v1/runs", headers=forged) as answer:
        told = (await answer.json())["headers"]
    assert told["x-forwarded-for"] == "127.0.0.1"
    assert len(told["x-request-id"]) >= 16
    assert told.get("traceparent") != "nonsense"


async def test_a_stream_is_passed_on_as_it_comes(gateway, http, behind):
    """The first event is there while the answer goes on; who leaves is noticed behind."""
    async with http.get(f"{gateway}/api/v1/runs/stream") as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        assert await answer.content.readuntil(b"\n\n") == b"data: first\n\n"
        assert not behind[0].left.is_set()
    await eventually(behind[0].left.is_set, what="the end of the stream behind the gateway")


async def test_however_many_look_on_requests_have_their_connections(behind):
    """Streams that are open take none of them; one stream too many is refused and not kept waiting."""
    upstream = HttpUpstream({"executor": behind[1]}, {}, connections=1, lasting=2, patience=0.1)

    def asked(target: str) -> Forwarded:
        return Forwarded(method="GET", target=target, headers={}, content=None)

    async with running(upstream):
        streams = [await upstream.forward("executor", asked("/api/v1/runs/stream")) for _ in range(2)]
        with pytest.raises(ServiceDown):
            await upstream.forward("executor", asked("/api/v1/runs/stream"))
        with pytest.raises(ServiceDown):
            await upstream.forward("executor", asked("/api/v1/runs/x?wait=20s"))
        answer = await upstream.forward("executor", asked("/api/v1/runs"))
        assert [chunk async for chunk in answer.chunks]
        for stream in streams:
            assert (await anext(stream.chunks)).startswith(b"data: first\n\n")
            await stream.chunks.aclose()


async def test_a_redirect_is_the_callers_business(gateway, http):
    """A gateway that followed redirects could be sent anywhere."""
    async with http.get(f"{gateway}/api/v1/runs/moved", allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (302, "http://127.0.0.1:1/elsewhere")


@pytest.mark.parametrize("path", ["/api/v1/triggers", "/hooks/default/orders", "/.well-known/jwks.json"])
async def test_a_service_that_is_down_is_503(gateway, http, path):
    """With its name; the others answer."""
    async with http.get(gateway + path) as answer:
        assert (answer.status, (await answer.json())["code"]) == (503, "service_down")
    async with http.get(f"{gateway}/api/v1/runs") as answer:
        assert answer.status == 418


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/v2/runs", "/internal", "/api/v1/dead-letters/nobody"])
async def test_what_nobody_owns_is_not_found(gateway, http, path):
    """Nothing is passed on by guess."""
    async with http.get(gateway + path) as answer:
        assert (answer.status, (await answer.json())["code"]) == (404, "not_found")


@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_over_the_limit_is_413(gateway, http, announced):
    """Announced or streamed; the connection is no use afterwards, the gateway is."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(8):
            yield b"x" * 1024

    data = b"x" * (LIMIT + 1) if announced else pieces()
    async with http.post(f"{gateway}/api/v1/runs", data=data) as answer:
        assert (answer.status, (await answer.json())["code"]) == (413, "too_large")
    async with http.post(f"{gateway}/api/v1/runs", data=b"x" * LIMIT) as answer:
        assert answer.status == 418


async def test_a_document_and_a_page_need_no_service(gateway, http):
    """What describes the API and the console are there when nothing else is."""
    for path, holds in (("/openapi.json", "paths"), ("/asyncapi.json", "channels")):
        async with http.get(gateway + path) as answer:
            assert answer.status == 200
            assert holds in await answer.json()
    async with http.get(f"{gateway}/") as answer:
        assert (answer.status, answer.content_type) == (200, "text/html")


async def test_the_examples_are_off_unless_they_are_asked_for(gateway, http):
    """A production gateway has no bank of its own."""
    async with http.get(f"{gateway}/examples/inventory/lamp") as answer:
        assert answer.status == 404


async def test_who_gets_no_answer_to_a_command_is_told_that_it_may_be_done(gateway, http):
    """Sending it again could do it twice; a question, and what reached nobody, is simply asked again."""
    for method, path, words in (
        ("POST", "/api/v1/runs/dies", "done all the same"),
        ("GET", "/api/v1/runs/dies", "try again"),
        ("POST", "/api/v1/triggers", "try again"),
    ):
        async with http.request(method, gateway + path) as answer:
            problem = await answer.json()
            assert (answer.status, problem["code"]) == (503, "service_down")
            assert words in problem["hint"]
