"""JSON-RPC peers that behave as real ones do, or badly: what is read, what is answered, what is given up."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from local_http import serving
from tocsin_executor.worker.tasks import VALUE_LIMIT, Failed
from unit.worker.calls_world import runners, task_of

Answering = Callable[[web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]


class Tools:
    """A tool server whose answer to the one call is given."""

    def __init__(self, answer: Answering) -> None:
        self.answer, self.heard, self.hangs = answer, list[dict[str, Any]](), False
        self.something, self.over = asyncio.Event(), asyncio.Event()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        if request.method == "DELETE":
            self.heard.append({"method": "DELETE"})
            if self.hangs:
                await self.over.wait()
            return web.Response(status=405)
        asked = await request.json()
        self.heard.append(asked)
        self.something.set()
        if asked.get("method") == "initialize":
            about = {"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {"name": "s", "version": "1"}}
            result = {"jsonrpc": "2.0", "id": asked["id"], "result": about}
            return web.json_response(result, headers={"Mcp-Session-Id": "opened"})
        if asked.get("method") != "tools/call":
            return web.Response(status=202)
        return await self.answer(request, asked)


@asynccontextmanager
async def calling(answer: Answering, **spec: Any) -> AsyncIterator[tuple[Tools, Callable[[], Awaitable[Any]]]]:
    """A server, and a function that calls its tool."""
    tools = Tools(answer)
    async with runners() as opened, serving({"/tools": tools.serve}) as url:
        transport = {"http": {"endpoint": f"{url}/tools"}}
        given = {"method": "tools/call", "parameters": {"name": "x"}, "transport": transport, **spec}

        async def call() -> Any:
            return (await opened.by_kind["mcp"].run(task_of("mcp", given))).output

        yield tools, call
        tools.over.set()


def result_of(asked: dict[str, Any], result: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": result}).encode()


async def stream(request: web.Request, *pieces: bytes) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for piece in pieces:
        await response.write(piece)
    return response


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
async def test_an_event_is_as_long_as_an_answer_may_be(end: bytes) -> None:
    """With any ends of lines, a mark of byte order before it, events without data, and messages about something else."""
    text = "x" * 1_500_000

    async def answer(request: web.Request, asked: dict[str, Any]) -> web.StreamResponse:
        other = b'{"jsonrpc": "2.0", "method": "notifications/progress"}'
        lines = [b"\xef\xbb\xbfid: 1", b"data: ", b"", b": still here", b"data:" + other, b""]
        return await stream(request, end.join([*lines, b"event: message", b"data: " + result_of(asked, text), b"", b""]))

    async with calling(answer) as (_, call):
        assert await call() == text


async def test_a_peer_that_asks_is_answered() -> None:
    """That we are there; and that we do nothing that it might want. It need not wait in vain."""
    tools: Tools

    async def answer(request: web.Request, asked: dict[str, Any]) -> web.StreamResponse:
        ping, want = b'{"jsonrpc": "2.0", "id": "p", "method": "ping"}', b'{"jsonrpc": "2.0", "id": 7, "method": "roots/list"}'
        response = await stream(request, b"data: " + ping + b"\n\n", b"data: " + want + b"\n\n")
        while not any(message.get("id") == 7 for message in tools.heard):
            tools.something.clear()
            await tools.something.wait()
        await response.write(b"data: " + result_of(asked, "heard") + b"\n\n")
        return response

    async with calling(answer) as (tools, call):
        assert await call() == "heard"
        assert [message for message in tools.heard if "method" not in message] == [
            {"jsonrpc": "2.0", "id": "p", "result": {}},
            {"jsonrpc": "2.0", "id": 7, "error": {"code": -32601, "message": "A workflow offers nothing to its peers."}},
        ]


ASKS = """
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    if asked.get("method") == "initialize":
        print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": {}}), flush=True)
    if asked.get("method") == "tools/call":
        waits = asked["id"]
        print(json.dumps({"jsonrpc": "2.0", "id": "p", "method": "ping"}), flush=True)
    if asked.get("id") == "p":
        print(json.dumps({"jsonrpc": "2.0", "id": waits, "result": asked["result"]}), flush=True)
"""


async def test_a_process_that_asks_is_answered_too() -> None:
    """On its standard input."""
    transport = {"stdio": {"command": sys.executable, "arguments": ["-c", ASKS]}}
    async with runners() as opened:
        spec = {"method": "tools/call", "parameters": {"name": "x"}, "transport": transport, "timeout": "PT60S"}
        assert (await opened.by_kind["mcp"].run(task_of("mcp", spec))).output == {}


@pytest.mark.parametrize(
    ("status", "content", "kind", "said"),
    [
        (
            404,
            {"id": None, "error": {"code": -32600, "message": "session not found"}},
            "runtime 500",
            "-32600: session not found",
        ),
        (400, {"id": "other", "error": {"code": 1, "message": "no"}}, "runtime 500", "the error 1: no"),
        (500, {"error": "boom"}, "communication 500", "answered 500"),
        (200, {"id": "other", "result": 1}, "communication 502", "did not answer"),
        (200, [1], "communication 502", "not a JSON-RPC message"),
        (200, {"id": "h:1#1", "result": "x" * VALUE_LIMIT}, "communication 413", "above the limit"),
    ],
)
async def test_an_error_of_the_protocol_is_one_whatever_its_status(status: int, content: Any, kind: str, said: str) -> None:
    """And what is no answer is not taken for one."""

    async def answer(request: web.Request, asked: dict[str, Any]) -> web.StreamResponse:
        return web.json_response(content, status=status)

    async with calling(answer) as (_, call):
        with pytest.raises(Failed) as failure:
            await call()
    problem = failure.value.problem
    assert f"{str(problem['type']).rpartition('/')[2]} {problem['status']}" == kind
    assert said in str(problem["detail"])


async def test_a_session_that_is_gone_is_begun_anew() -> None:
    """Once: the protocol asks for it, and nothing has been done in the one that is gone."""
    calls = 0

    async def answer(request: web.Request, asked: dict[str, Any]) -> web.StreamResponse:
        nonlocal calls
        calls += 1
        if calls == 1:
            return web.json_response({"id": None, "error": {"code": -32600, "message": "session not found"}}, status=404)
        return web.Response(body=result_of(asked, "here"), content_type="application/json")

    async with calling(answer) as (tools, call):
        assert await call() == "here"
        said = [message.get("method") for message in tools.heard]
        assert said == ["initialize", "notifications/initialized", "tools/call", "DELETE"] * 2


async def test_a_server_that_hangs_holds_nobody() -> None:
    """The timeout and a cancel end the call, also where the end of the session hangs; the server hears that nobody waits."""
    tools: Tools

    async def answer(request: web.Request, asked: dict[str, Any]) -> web.StreamResponse:
        await tools.over.wait()
        return web.Response()

    async with calling(answer, timeout="PT0.2S") as (tools, call):
        tools.hangs = True
        with pytest.raises(Failed) as failure:
            async with asyncio.timeout(60):  # the connection's own limit is 300 s
                await call()
        assert failure.value.problem["status"] == 408
        assert [message.get("method") for message in tools.heard[-2:]] == ["notifications/cancelled", "DELETE"]
        assert tools.heard[-2]["params"]["requestId"] == tools.heard[-3]["id"]


async def test_a_stream_without_end_has_a_limit() -> None:
    """Of its results together, not only of each."""
    one = "x" * 1_000_000

    async def agent(request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        event = b"data: " + result_of(asked, one) + b"\n\n"
        response = await stream(request)
        try:
            while True:
                await response.write(event)
        except ConnectionResetError:
            return response

    async with runners() as opened, serving({"/rpc": agent}) as url:
        spec = {"method": "message/stream", "server": f"{url}/rpc", "parameters": {"message": {}}}
        with pytest.raises(Failed, match=f"more than {VALUE_LIMIT} bytes"):
            await opened.by_kind["a2a"].run(task_of("a2a", spec))
