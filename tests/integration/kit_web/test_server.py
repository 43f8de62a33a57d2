"""The HTTP server over real sockets: permissions, limits, problems, streams, drain."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from aiohttp import ClientSession
from prometheus_client import CollectorRegistry
from pydantic import BaseModel, Field

from tocsin.errors import Conflict, Invalid, Unauthenticated, Unavailable
from tocsin_kit.chance import SystemChance
from tocsin_kit.clock import SystemClock
from tocsin_kit.telemetry import Health, Metrics
from tocsin_kit.testing.waiting import eventually
from tocsin_kit.web import (
    ANY_METHOD,
    Call,
    EventStream,
    Grant,
    HttpServer,
    Input,
    Limits,
    OpsServer,
    Permission,
    Principal,
    Public,
    Query,
    RawBody,
    Recorded,
    Reply,
    Route,
    ServerEvent,
    Stream,
    merged,
)

JSON = {"Content-Type": "application/json"}


class ThingPath(Input):
    thing: str


class ThingQuery(Input):
    namespace: str | None = None
    label: list[str] = Field(default_factory=list)
    limit: int = 5


class NewThing(Input):
    namespace: str
    size: int


class Thing(BaseModel):
    name: str


class Tokens:
    """Knows three people."""

    grants: ClassVar[dict[str, tuple[Grant, ...]]] = {
        "admin": (Grant("*:*", "*"),),
        "reader": (Grant("thing:read", "default"),),
        "nobody": (),
    }

    async def authenticate(self, credential: str) -> Principal:
        if credential == "outage":
            raise Unavailable("the auth service is away")
        if credential not in self.grants:
            raise Unauthenticated("unknown token")
        return Principal(f"user:{credential}", credential, self.grants[credential])


class Memory:
    """Idempotency records in memory."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], tuple[bytes, Recorded | None]] = {}

    async def begin(self, principal: str, key: str, request: bytes) -> Recorded | None:
        if (principal, key) not in self.kept:
            self.kept[principal, key] = (request, None)
            return None
        first, answer = self.kept[principal, key]
        if first != request:
            raise Invalid("the Idempotency-Key was used for another request")
        if answer is None:
            raise Conflict("the first request is still being worked on")
        return answer

    async def finish(self, principal: str, key: str, answer: Recorded) -> None:
        self.kept[principal, key] = (self.kept[principal, key][0], answer)

    async def abandon(self, principal: str, key: str) -> None:
        del self.kept[principal, key]


class Shop:
    """Handlers, and what they saw."""

    def __init__(self) -> None:
        self.created = 0
        self.closed = asyncio.Event()
        self.entered = asyncio.Event()
        self.release = asyncio.Event()

    async def show(self, call: Call) -> Reply:
        call.require("thing:read", "default")
        return Reply(body=Thing(name=call.params(ThingPath).thing), revision=3)

    async def index(self, call: Call) -> Reply:
        names = sorted(call.permitted("thing:read").exact)
        return Reply(body={"items": [*names, *call.query(ThingQuery).label]})

    async def create(self, call: Call) -> Thing:
        self.created += 1
        if call.body(NewThing).size == 13:
            raise Conflict("unlucky")
        return Thing(name=str(self.created))

    async def change(self, call: Call) -> Reply:
        call.require("thing:write", "default")
        return Reply(body={"expected": call.expected_revision})

    async def forget(self, call: Call) -> Thing:
        return Thing(name="leaked")

    async def fail(self, call: Call) -> None:
        raise RuntimeError("a secret text")

    async def slow(self, call: Call) -> Thing:
        self.entered.set()
        await self.release.wait()
        return Thing(name="done")

    async def raw(self, call: Call) -> Reply:
        return Reply(body=call.raw, media_type="application/octet-stream")

    async def who(self, call: Call) -> Reply:
        return Reply(body={"client": call.client_address, "request": call.request_id})

    async def events(self, call: Call) -> EventStream:
        async def ticks() -> AsyncIterator[ServerEvent]:
            try:
                number = int(call.last_event_id or -1) + 1
                while True:
                    yield ServerEvent({"n": number}, id=str(number), event="tick")
                    number += 1
                    if number % 3 == 0:
                        await asyncio.Event().wait()
            finally:
                self.closed.set()

        return EventStream(events=ticks(), heartbeat=timedelta(milliseconds=20))

    async def echo(self, call: Call) -> Stream:
        async def chunks() -> AsyncIterator[bytes]:
            assert call.content is not None
            async for chunk in call.content:
                yield chunk

        return Stream(chunks=chunks(), status=202, headers={"X-Query": call.query_string})

    def routes(self) -> list[Route]:
        write, why = Permission("thing:write"), Public("for the test")
        json = {"response": Thing, "summary": "."}
        return [
            Route(
                method="GET",
                path="/things/{thing}",
                access=Permission("thing:read"),
                handler=self.show,
                params=ThingPath,
                **json,
            ),
            Route(method="PUT", path="/things/{thing}", access=write, handler=self.change, params=ThingPath, summary="."),
            Route(
                method="GET", path="/things", access=Permission("thing:read"), handler=self.index, query=ThingQuery, summary="."
            ),
            Route(
                method="POST",
                path="/things",
                access=write,
                handler=self.create,
                body=NewThing,
                status=201,
                idempotent=True,
                **json,
            ),
            Route(method="GET", path="/forgetful", access=Permission("thing:read"), handler=self.forget, **json),
            Route(method="GET", path="/users", access=Permission("user:read", everywhere=True), handler=self.forget, **json),
            Route(method="GET", path="/fail", access=why, handler=self.fail, summary="."),
            Route(method="GET", path="/slow", access=why, handler=self.slow, **json),
            Route(method="GET", path="/never", access=why, handler=self.slow, seconds=0.01, **json),
            Route(method="POST", path="/raw", access=why, handler=self.raw, body=RawBody(), body_limit=10, summary="."),
            Route(method="GET", path="/who", access=why, handler=self.who, summary="."),
            Route(method="GET", path="/events", access=why, handler=self.events, summary=".", media_type="text/event-stream"),
            Route(
                method=ANY_METHOD,
                path="/proxy/{thing:path}",
                access=why,
                handler=self.echo,
                params=ThingPath,
                query=Query.ANY,
                body=RawBody(media_types=("*/*",), streamed=True, required=False),
                summary=".",
            ),
        ]


@pytest.fixture
async def shop() -> Shop:
    return Shop()


@pytest.fixture
async def server(shop: Shop) -> AsyncIterator[HttpServer]:
    server = HttpServer(
        "shop",
        shop.routes(),
        host="127.0.0.1",
        port=0,
        authenticator=Tokens(),
        clock=SystemClock(),
        chance=SystemChance(),
        limits=Limits(body_bytes=1000, read=timedelta(milliseconds=200), drain=timedelta(seconds=5)),
        records=Memory(),
        metrics=Metrics("shop", CollectorRegistry()),
    )
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def http(server: HttpServer) -> AsyncIterator[ClientSession]:
    async with ClientSession(server.url) as session:
        yield session


def bearer(token: str, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", **more}


async def ask(http: ClientSession, method: str, path: str, token: str | None = "admin", **more: Any) -> tuple[int, Any]:
    headers = {**(bearer(token) if token else {}), **more.pop("headers", {})}
    async with http.request(method, path, headers=headers, **more) as response:
        body = await response.json(content_type=None)
        if response.status >= 400:
            assert response.content_type == "application/problem+json"
            assert body["status"] == response.status
            assert body["request_id"] == response.headers["X-Request-Id"]
        return response.status, body


@pytest.mark.parametrize(
    ("token", "path", "status"),
    [
        (None, "/things/a", 401),
        ("wrong", "/things/a", 401),
        ("nobody", "/things/a", 403),
        ("reader", "/things/a", 200),
        ("reader", "/things?namespace=default", 200),
        ("reader", "/things?namespace=other", 403),
        ("reader", "/users", 403),
        ("outage", "/things/a", 503),
    ],
)
async def test_identity_and_permission_come_first(http: ClientSession, token: str | None, path: str, status: int) -> None:
    """A namespace in the query is checked without the handler's help."""
    assert (await ask(http, "GET", path, token))[0] == status


async def test_an_answer_without_a_namespace_check_is_not_sent(http: ClientSession) -> None:
    """A forgotten check fails closed."""
    status, problem = await ask(http, "GET", "/forgetful", "reader")
    assert (status, problem["code"]) == (500, "defect")


async def test_a_wrong_namespace_in_the_body_is_refused_before_the_handler(http: ClientSession, shop: Shop) -> None:
    """The body names the namespace; the grant decides."""
    Tokens.grants["writer"] = (Grant("thing:write", "default"),)
    assert (await ask(http, "POST", "/things", "writer", json={"namespace": "other", "size": 1}))[0] == 403
    assert shop.created == 0
    assert (await ask(http, "POST", "/things", "writer", json={"namespace": "default", "size": 1}))[0] == 201


@pytest.mark.parametrize(
    ("method", "path", "kwargs", "status", "code"),
    [
        ("POST", "/things", {"data": b"{", "headers": JSON}, 400, "malformed"),
        ("POST", "/things", {"data": b"a=1"}, 415, "unsupported_media"),
        ("POST", "/raw", {"data": b"{}", "headers": {**JSON, "Content-Encoding": "gzip"}}, 415, "unsupported_media"),
        ("POST", "/things", {"json": {"namespace": "a", "size": "x", "colour": 1}}, 422, "invalid"),
        ("POST", "/things", {"json": {"namespace": "a" * 2000, "size": 1}}, 413, "too_large"),
        ("POST", "/raw", {"json": "0123456789"}, 413, "too_large"),
        ("GET", "/things?lim=3", {}, 422, "invalid"),
        ("GET", "/things?limit=3&limit=4", {}, 422, "invalid"),
        ("GET", "/things?limit=x", {}, 422, "invalid"),
        ("GET", "/who?x=1", {}, 422, "invalid"),
        ("DELETE", "/things/a", {}, 405, "method_not_allowed"),
        ("GET", "/nothing", {}, 404, "not_found"),
        ("GET", "/never", {}, 503, "unavailable"),
        ("POST", "/things", {"json": {"namespace": "a", "size": 13}}, 409, "conflict"),
    ],
)
async def test_every_error_is_a_problem(  # noqa: PLR0917 - the columns of the table
    http: ClientSession, method: str, path: str, kwargs: dict[str, Any], status: int, code: str
) -> None:
    """With a stable code, the status, the path and the request id."""
    answered, problem = await ask(http, method, path, **kwargs)
    assert (answered, problem["code"]) == (status, code)
    assert problem["instance"] == path.partition("?")[0]
    assert problem["type"].endswith(code)


async def test_a_validation_problem_names_each_thing_and_repeats_no_input(http: ClientSession) -> None:
    """Pointers into the body; the value, perhaps a secret, stays out."""
    _, problem = await ask(http, "POST", "/things", json={"namespace": "a", "size": "hunter2", "extra": 1})
    assert {error["pointer"] for error in problem["errors"]} == {"/size", "/extra"}
    assert "hunter2" not in str(problem)


async def test_an_unknown_parameter_is_named_with_its_neighbour(http: ClientSession) -> None:
    """A typing mistake should not cost a search."""
    _, problem = await ask(http, "GET", "/things?lmit=3")
    assert problem["hint"] == "did you mean limit?"


async def test_an_unforeseen_exception_tells_nothing(http: ClientSession) -> None:
    """The text could hold anything."""
    status, problem = await ask(http, "GET", "/fail")
    assert status == 500
    assert "secret" not in str(problem)


async def test_a_body_that_never_ends_is_refused_in_time(server: HttpServer) -> None:
    """A slow sender holds nothing for long."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(server.url.rpartition(":")[2]))
    writer.write(b"POST /raw HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n12")
    head = await asyncio.wait_for(reader.readline(), 5)
    assert b" 408 " in head
    writer.close()
    await writer.wait_closed()


async def test_what_is_no_http_is_not_logged(server: HttpServer, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever sends garbage does not choose what stands in the log."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(server.url.rpartition(":")[2]))
    writer.write(b"GARBAGE\x00CANARY\r\n\r\n")
    assert b" 400 " in await asyncio.wait_for(reader.readline(), 5)
    writer.close()
    await writer.wait_closed()
    assert "CANARY" not in caplog.text


async def test_a_chunked_body_above_the_limit_is_refused(http: ClientSession) -> None:
    """Without a Content-Length the bytes are counted as they come."""

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(50):
            yield b"x"

    status, problem = await ask(http, "POST", "/raw", data=endless(), headers={"Content-Type": "application/json"})
    assert status == 413
    assert problem["fields"]["limit"] == 10


async def test_request_ids_are_kept_when_sane_and_made_otherwise(http: ClientSession) -> None:
    """A line break in an id would be a line in a log."""
    assert (await ask(http, "GET", "/who", headers={"X-Request-Id": "abc-12345"}))[1]["request"] == "abc-12345"
    assert (await ask(http, "GET", "/who", headers={"X-Request-Id": "a b"}))[1]["request"] != "a b"


async def test_the_client_is_the_first_hop_that_is_no_proxy_of_ours(http: ClientSession) -> None:
    """An address that the client itself put in front is not believed."""
    answer = await ask(http, "GET", "/who", headers={"X-Forwarded-For": "6.6.6.6, 203.0.113.9, 127.0.0.1"})
    assert answer[1]["client"] == "203.0.113.9"


async def test_security_headers_are_on_every_answer(http: ClientSession) -> None:
    """Problems included; the server's make is not told."""
    for path in ("/who", "/nothing", "/openapi.json"):
        async with http.get(path) as response:
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert response.headers["Cache-Control"] == "no-store"
            assert response.headers["Server"] == "tocsin"


async def test_etags_come_from_revisions(http: ClientSession) -> None:
    """304 for who has it already, the number for who wants to change it, 412 for nonsense."""
    async with http.get("/things/a", headers=bearer("admin")) as response:
        assert response.headers["ETag"] == '"3"'
    async with http.get("/things/a", headers=bearer("admin", **{"If-None-Match": 'W/"3"'})) as response:
        assert response.status == 304
    assert (await ask(http, "PUT", "/things/a", headers={"If-Match": '"7"'}))[1] == {"expected": 7}
    assert (await ask(http, "PUT", "/things/a"))[1] == {"expected": None}
    assert (await ask(http, "PUT", "/things/a", headers={"If-Match": "x"}))[0] == 412


async def test_an_intent_sent_twice_is_carried_out_once(http: ClientSession, shop: Shop) -> None:
    """The kept answer comes back; another request under the same key is refused; a failure may be tried again."""
    body = {"namespace": "default", "size": 1}
    first = await ask(http, "POST", "/things", json=body, headers={"Idempotency-Key": "k"})
    assert await ask(http, "POST", "/things", json=body, headers={"Idempotency-Key": "k"}) == first
    assert shop.created == 1
    assert (await ask(http, "POST", "/things", json={**body, "size": 2}, headers={"Idempotency-Key": "k"}))[0] == 422
    for _ in range(2):
        status, _ = await ask(http, "POST", "/things", json={**body, "size": 13}, headers={"Idempotency-Key": "u"})
        assert status == 409
    assert shop.created == 3
    assert (await ask(http, "POST", "/things", json=body, headers={"Idempotency-Key": " " * 200}))[0] == 400


async def test_events_stream_resume_and_end_with_the_client(http: ClientSession, shop: Shop) -> None:
    """Ids, names, heartbeats; the iterator is closed when the client goes."""
    async with http.get("/events", headers={"Last-Event-ID": "0"}) as response:
        assert response.content_type == "text/event-stream"
        seen = b""
        while b": still here" not in seen:
            seen += await response.content.readany()
        assert b'id: 1\nevent: tick\ndata: {"n":1}\n\n' in seen
        assert b'"n":0' not in seen
    await asyncio.wait_for(shop.closed.wait(), 5)


async def test_a_drain_ends_streams_and_finishes_answers(http: ClientSession, server: HttpServer, shop: Shop) -> None:
    """No new connections, the answer in hand is sent whole."""
    stream = await http.get("/events")
    async with asyncio.TaskGroup() as group:
        slow = group.create_task(ask(http, "GET", "/slow"))
        await shop.entered.wait()
        stopping = group.create_task(server.stop())
        await eventually(lambda: not server.health().ready)
        await asyncio.wait_for(shop.closed.wait(), 5)
        shop.release.set()
        assert (await slow) == (200, {"name": "done"})
        await stopping
    stream.close()


async def test_a_proxy_route_passes_everything_through(http: ClientSession) -> None:
    """Any method, path with slashes, query unread, body as it comes."""
    async with http.put("/proxy/a/b?x=1&x=2", data=b"hello", headers={"Content-Type": "text/x"}) as response:
        assert (response.status, response.headers["X-Query"], await response.read()) == (202, "x=1&x=2", b"hello")


async def test_the_openapi_document_has_every_route(http: ClientSession, server: HttpServer) -> None:
    """With permission, security, parameters, bodies and problems; documents of services merge without clashes."""
    _, document = await ask(http, "GET", "/openapi.json", None)
    create = document["paths"]["/things"]["post"]
    assert create["x-permission"] == "thing:write"
    assert create["security"] == [{"bearer": []}]
    assert set(create["responses"]) >= {"201", "400", "401", "403", "413", "415", "422", "500", "503"}
    assert {p["name"] for p in document["paths"]["/things"]["get"]["parameters"]} == {"namespace", "label", "limit"}
    assert document["paths"]["/things/{thing}"]["get"]["parameters"][0]["in"] == "path"
    both = merged({"a": document, "b": document}, title="all", version="1")
    assert {"a.Thing", "b.Thing"} <= set(both["components"]["schemas"])
    assert both["paths"]["/things/{thing}"]["get"]["responses"]["200"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/a.Thing"
    }


async def test_a_taken_port_is_said_in_one_sentence(server: HttpServer) -> None:
    """Which port, for whom, and what to do."""
    port = int(server.url.rpartition(":")[2])
    twin = HttpServer(
        "twin",
        [],
        host="127.0.0.1",
        port=port,
        authenticator=Tokens(),
        clock=SystemClock(),
        chance=SystemChance(),
        metrics=Metrics("twin", CollectorRegistry()),
    )
    with pytest.raises(Unavailable, match=f"port {port} on 127.0.0.1, for twin, is taken"):
        await twin.start()


def test_a_route_without_access_cannot_be_built(shop: Shop) -> None:
    """There is no default permission."""
    route = shop.routes()[0]
    with pytest.raises(TypeError):
        Route(method="GET", path="/x", summary=".", handler=shop.show)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="no default"):
        replace(route, access=None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="params"):
        replace(route, params=None)


async def test_the_operations_port_tells_liveness_readiness_and_metrics() -> None:
    """Liveness does not look at dependencies; readiness names the one that is missing."""

    class Broken:
        name = "store"
        ready = False

        def health(self) -> Health:
            return Health(ready=self.ready, detail="no answer from MongoDB", facts={"since": 3})

    part = Broken()
    ops = OpsServer(host="127.0.0.1", port=0, components=lambda: [part], registry=CollectorRegistry())
    await ops.start()
    async with ClientSession(ops.url) as http:
        async with http.get("/livez") as response:
            assert response.status == 200
        async with http.get("/readyz") as response:
            assert response.status == 503
            assert (await response.json())["components"]["store"]["detail"] == "no answer from MongoDB"
        part.ready = True
        async with http.get("/readyz") as response:
            assert response.status == 200
        async with http.get("/metrics") as response:
            assert response.status == 200
    await ops.stop()
