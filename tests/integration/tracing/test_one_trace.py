"""A request, the run it starts and the task of a worker are one trace, and reach a collector over OTLP."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession, web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tocsin_kit.testing.waiting import eventually

DEFINITION = """
document: {dsl: '1.0.3', namespace: default, name: traced, version: '1.0.0'}
do:
  - ask:
      call: http
      with: {method: get, endpoint: '%s/examples/inventory/lamp'}
"""


class Collector:
    """Keeps the names of spans by trace."""

    def __init__(self) -> None:
        self.names: dict[str, list[str]] = {}
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        for resource in ExportTraceServiceRequest.FromString(await request.read()).resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.names.setdefault(span.trace_id.hex(), []).append(span.name)
        return web.Response()


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    collector = Collector()
    app = web.Application()
    app.router.add_post("/v1/traces", collector.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    collector.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield collector
    await runner.cleanup()


@pytest.fixture
async def platform(collector: Collector) -> AsyncIterator[dict[str, str]]:
    environ = {**os.environ, "TOCSIN_OTLP_ENDPOINT": collector.url, "TOCSIN_GATEWAY_EXAMPLES": "true"}  # noqa: TID251
    command = ("-m", "tocsin_kit.platform", "up", "--ephemeral", "--no-examples", "--only", "auth,executor,gateway")
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, env=environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    assert process.stdout is not None
    ready = json.loads(await asyncio.wait_for(process.stdout.readline(), 60))
    yield ready
    process.send_signal(signal.SIGTERM)
    await asyncio.wait_for(process.wait(), 30)


async def test_from_the_request_to_the_answer_of_another_service(collector: Collector, platform: dict[str, str]) -> None:
    """Gateway, executor, worker and the service that the task calls: one trace."""
    url = platform["url"]
    admin = json.loads(await asyncio.to_thread(Path(platform["admin_file"]).read_text))
    async with ClientSession(url) as session:
        credentials = {"user": admin["user"], "password": admin["password"]}
        async with session.post("/api/v1/auth/login", json=credentials) as answer:
            headers = {"Authorization": f"Bearer {(await answer.json())['access_token']}"}
        yaml = {**headers, "Content-Type": "application/yaml"}
        async with session.post("/api/v1/workflows", data=DEFINITION % url, headers=yaml) as answer:
            assert answer.status == 201, await answer.text()
        order = {"namespace": "default", "workflow": "traced", "input": {}}
        async with session.post("/api/v1/runs?wait=20s", json=order, headers=headers) as answer:
            assert (await answer.json())["status"] == "completed"

    def whole() -> list[str]:
        traces = [names for names in collector.names.values() if "task http" in names]
        wanted = {"POST /api/v1/runs", "task http", "GET /examples/inventory/{sku}"}
        return traces[0] if traces and wanted <= set(traces[0]) else []

    names = await eventually(whole, within=30)
    assert "POST /api/v1/{rest}" in names  # the gateway, where it began
