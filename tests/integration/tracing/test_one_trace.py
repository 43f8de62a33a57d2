"""A request, the runs that come of it and the tasks of workers are one trace, and reach a collector over OTLP."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import ClientSession, web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from tocsin_kit.testing.waiting import eventually

DEFINITION = """
document: {dsl: '1.0.3', namespace: default, name: traced, version: '1.0.0'}
do:
  - ask:
      call: http
      with: {method: get, endpoint: '%s/examples/inventory/lamp'}
"""

ABOVE = """
document: {dsl: '1.0.3', namespace: default, name: above, version: '1.0.0'}
do:
  - child:
      run:
        workflow: {namespace: default, name: traced, version: '1.0.0'}
  - tell:
      emit: {event: {with: {source: /shop, type: com.example.traced}}}
  - fail:
      raise:
        error: {type: 'https://example.com/errors/sold-out', status: 500, title: 'none of four-fingered Jim is left'}
"""


TRIGGER = {
    "namespace": "default",
    "name": "traced",
    "kind": "event",
    "event": {"type": "com.example.traced"},
    "workflow": "traced",
}
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
NESTED = "0af7651916cd43dd8448eb211c80319c"
OUTSIDE = "00f067aa0ba902b7"  # the span of whoever published the event


@dataclass(frozen=True, slots=True)
class Span:
    """A span as it was exported."""

    trace: str
    id: str
    parent: str
    name: str
    kind: int
    failed: bool
    seconds: float
    attributes: dict[str, object]


class Collector:
    """Keeps spans."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        for resource in ExportTraceServiceRequest.FromString(await request.read()).resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    ids = span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()
                    attributes = {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}
                    seconds = (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9
                    failed = span.status.code == Status.STATUS_CODE_ERROR
                    self.spans.append(Span(*ids, span.name, span.kind, failed, seconds, attributes))
        return web.Response()

    def named(self, name: str, trace: str | None = None) -> list[Span]:
        """The spans of a name, of one trace or of all."""
        return [one for one in self.spans if one.name == name and trace in {None, one.trace}]

    def above(self, span: Span) -> list[str]:
        """The names from a span up to the one that has no parent here, and the id of that one's parent."""
        by_id = {one.id: one for one in self.spans if one.trace == span.trace}
        names = [span.name]
        while span.parent in by_id:
            span = by_id[span.parent]
            names.append(span.name)
        return [*names, span.parent]


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
    command = ("-m", "tocsin_kit.platform", "up", "--ephemeral", "--no-examples", "--only", "auth,executor,gateway,trigger")
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, env=environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    assert process.stdout is not None
    ready = json.loads(await asyncio.wait_for(process.stdout.readline(), 60))
    yield ready
    process.send_signal(signal.SIGTERM)
    await asyncio.wait_for(process.wait(), 30)


CALLED = "GET /examples/inventory/{sku}"


async def test_from_the_request_or_event_to_the_answer_of_another_service(
    collector: Collector, platform: dict[str, str]
) -> None:
    """Gateway, trigger, executor, worker and the service that the task calls: one trace, each span under what led to it."""
    url = platform["url"]
    admin = json.loads(await asyncio.to_thread(Path(platform["admin_file"]).read_text))
    async with ClientSession(url) as session:
        credentials = {"user": admin["user"], "password": admin["password"]}
        async with session.post("/api/v1/auth/login", json=credentials) as answer:
            headers = {"Authorization": f"Bearer {(await answer.json())['access_token']}"}
        yaml = {**headers, "Content-Type": "application/yaml"}
        for definition in (DEFINITION % url, ABOVE):
            async with session.post("/api/v1/workflows", data=definition, headers=yaml) as answer:
                assert answer.status == 201, await answer.text()
        async with session.post("/api/v1/triggers", json=TRIGGER, headers=headers) as answer:
            assert answer.status == 201, await answer.text()
        order = {"namespace": "default", "workflow": "traced", "input": {}}
        async with session.post("/api/v1/runs?wait=20s", json=order, headers=headers) as answer:
            assert (await answer.json())["status"] == "completed"
        event = {"specversion": "1.0", "id": "e1", "source": "/shop", "type": "com.example.traced", "data": {}}
        traced = {**headers, "Content-Type": "application/cloudevents+json", "traceparent": f"00-{TRACE}-{OUTSIDE}-01"}
        async with session.post("/api/v1/events", data=json.dumps(event), headers=traced) as answer:
            assert answer.status in {200, 202}, await answer.text()
        nested = {**headers, "traceparent": f"00-{NESTED}-{OUTSIDE}-01"}
        async with session.post("/api/v1/runs?wait=20s", json={**order, "workflow": "above"}, headers=nested) as answer:
            above = await answer.json()
            assert above["status"] == "faulted"

    gateway = "POST /api/v1/{rest}"
    found = await eventually(lambda: len(collector.named(CALLED)) == 4 and collector.named(CALLED), within=60)
    of_event = next(one for one in found if one.trace == TRACE)
    of_child, of_emitted = (one for one in found if one.trace == NESTED)
    of_request = next(one for one in found if one.trace not in {TRACE, NESTED})
    whole = [(of_event, OUTSIDE), (of_child, OUTSIDE), (of_emitted, OUTSIDE), (of_request, "")]
    await eventually(lambda: all(collector.above(span)[-1] == end for span, end in whole), within=60)
    call = [CALLED, "GET", "task http", "run"]
    assert collector.above(of_request) == [*call, "POST /api/v1/runs", gateway, ""]
    decided = ["consumer:executor-commands", "trigger.decide", "POST /api/v1/events", gateway]
    assert collector.above(of_event) == [*call, *decided, OUTSIDE]
    under = ["run", "POST /api/v1/runs", gateway, OUTSIDE]
    as_child = [*call, "consumer:executor-commands", *under]
    as_told = [*call, "consumer:executor-commands", "trigger.decide", *under]
    assert sorted(map(collector.above, (of_child, of_emitted))) == sorted([as_child, as_told])
    runs = {str(one.attributes.get("parent_run", one.attributes.get("trigger"))): one for one in collector.named("run", NESTED)}
    outer, inner = next(one for one in runs.values() if one.attributes["workflow"] == "above"), runs[above["id"]]
    assert outer.failed
    assert not inner.failed
    assert outer.seconds >= inner.seconds > 0
    told = {"run": above["id"], "namespace": "default", "workflow": "above", "version": "1.0.0", "status": "faulted"}
    assert told.items() <= outer.attributes.items()
    assert outer.attributes["error.type"] == "https://example.com/errors/sold-out"
    assert "Jim" not in str(collector.spans), "what errors say is no business of traces"
    assert inner.attributes["parent_run"] == above["id"]
