"""Agents and tool servers: real ones, over HTTP and with a process of their own."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web

from local_http import serving
from tocsin_executor.worker.tasks import Failed
from tocsin_kit.testing import eventually
from unit.worker.calls_world import free_port, runners, task_of

SERVER = Path(__file__).parent / "tool_server.py"
REFUSES = """
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    answer = {"result": {}} if asked["method"] == "initialize" else {"error": {"code": -32601, "message": "no such method"}}
    if "id" in asked:
        print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], **answer}), flush=True)
"""


def mcp(transport: dict[str, Any], method: str = "tools/call", **more: Any) -> dict[str, Any]:
    parameters = {"parameters": {"name": "add", "arguments": {"a": 2, "b": 3}}} if method == "tools/call" else {}
    return {"method": method, "transport": transport, **parameters, **more}


async def test_tools_are_called_over_http() -> None:
    """A session is opened, used and ended; the result is the JSON-RPC result."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(SERVER), str(port)), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with runners() as opened, ClientSession() as session:

            async def up() -> bool:
                try:
                    async with session.get(f"http://127.0.0.1:{port}/mcp"):
                        return True
                except OSError:
                    return False

            await eventually(up, within=60)
            transport = {"http": {"endpoint": f"http://127.0.0.1:{port}/mcp", "headers": {"X-A": "b"}}}
            runner = opened.by_kind["mcp"]
            listed: Any = (await runner.run(task_of("mcp", mcp(transport, "tools/list")))).output
            assert {tool["name"] for tool in listed["tools"]} == {"add", "fail"}
            called: Any = (await runner.run(task_of("mcp", mcp(transport)))).output
            assert called["content"] == [{"type": "text", "text": "5"}]
    finally:
        process.terminate()
        await process.wait()


async def test_tools_are_called_through_a_process() -> None:
    """It is started, asked and ended; what it says on the side is the task's log; an unknown method is its error."""
    transport = {"stdio": {"command": sys.executable, "arguments": [str(SERVER), "stdio"]}}
    lines: list[str] = []
    async with runners() as opened:
        runner = opened.by_kind["mcp"]
        task = task_of("mcp", mcp(transport), say=lambda _, line: lines.append(line))
        called: Any = (await runner.run(task)).output
        assert called["content"] == [{"type": "text", "text": "5"}]
        assert any("adding" in line for line in lines)


@pytest.mark.parametrize(
    ("code", "kind", "status"),
    [
        (REFUSES, "runtime", 500),
        ("import time; time.sleep(60)", "timeout", 408),
        ("print('no')", "communication", 502),
    ],
)
async def test_what_a_tool_server_does_wrong_is_an_error_of_its_kind(code: str, kind: str, status: int) -> None:
    """An error of the protocol, silence, and an early end."""
    transport = {"stdio": {"command": sys.executable, "arguments": ["-c", code]}}
    async with runners() as opened:
        with pytest.raises(Failed) as failure:
            await opened.by_kind["mcp"].run(
                task_of("mcp", mcp(transport, timeout={"milliseconds": 400 if kind == "timeout" else 20_000}))
            )
    assert (str(failure.value.problem["type"]).rpartition("/")[2], failure.value.problem["status"]) == (kind, status)


async def test_agents_are_asked_by_their_card() -> None:
    """Defaults of a message, streams as a list, errors as runtime errors; the card's secret stays with the card's host."""
    asked: list[dict[str, Any]] = []

    async def card(request: web.Request) -> web.Response:
        return web.json_response({"name": "agent", "url": "/rpc", "preferredTransport": "JSONRPC"})

    async def rpc(request: web.Request) -> web.StreamResponse:
        message = await request.json()
        asked.append({**message, "authorization": request.headers.get("Authorization")})
        if message["method"] == "tasks/get":
            return web.json_response(
                {"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32001, "message": "no such task"}}
            )
        if message["method"] == "message/send":
            return web.json_response({"jsonrpc": "2.0", "id": message["id"], "result": {"kind": "task", "id": "1"}})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for number in range(3):
            result = {"jsonrpc": "2.0", "id": message["id"], "result": {"n": number}}
            await response.write(b": comment\ndata: " + json.dumps(result).encode() + b"\n\n")
        return response

    async with runners() as opened, serving({"/.well-known/agent-card.json": card, "/rpc": rpc}) as url:
        runner = opened.by_kind["a2a"]
        endpoint = {"uri": f"{url}/.well-known/agent-card.json", "authentication": {"bearer": {"token": "secret-token"}}}
        by_card = {"agentCard": {"endpoint": endpoint}}
        message = {"message": {"parts": [{"kind": "text", "text": "hello"}]}}
        sent = task_of("a2a", {"method": "message/send", **by_card, "parameters": message})
        assert (await runner.run(sent)).output == {"kind": "task", "id": "1"}
        assert asked[0]["params"]["message"]["role"] == "user"
        assert asked[0]["params"]["message"]["messageId"]
        assert asked[0]["authorization"] == "Bearer secret-token"
        streamed = task_of("a2a", {"method": "message/stream", "server": f"{url}/rpc", "parameters": message})
        assert (await runner.run(streamed)).output == [{"n": 0}, {"n": 1}, {"n": 2}]
        with pytest.raises(Failed) as failure:
            await runner.run(task_of("a2a", {"method": "tasks/get", "server": f"{url}/rpc", "parameters": {"id": "9"}}))
        assert (str(failure.value.problem["type"]).rpartition("/")[2], failure.value.problem["status"]) == ("runtime", 500)
        assert "no such task" in str(failure.value.problem["detail"])
