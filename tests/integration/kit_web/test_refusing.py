"""What the HTTP server refuses, and how it says so: identity, permissions, problems, limits."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import ClientSession
from prometheus_client import CollectorRegistry

from integration.kit_web.shop import JSON, Shop, Tokens, ask
from tocsin.errors import Unavailable
from tocsin_kit.chance import SystemChance
from tocsin_kit.clock import SystemClock
from tocsin_kit.telemetry import Metrics
from tocsin_kit.web import (
    Grant,
    HttpServer,
    Route,
)


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
    _, problem = await ask(http, "POST", "/things", json={"namespace": "a", "size": -1})
    assert [error["detail"] for error in problem["errors"]] == ["nothing is smaller than nothing"]


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
