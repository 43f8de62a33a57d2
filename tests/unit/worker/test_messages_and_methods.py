"""AsyncAPI over NATS and HTTP, and gRPC, each with a real server of that kind."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from aiohttp import web

from local_http import serving
from tocsin_executor.worker.channels import channel_of
from tocsin_executor.worker.protos import Protos, with_imports
from tocsin_executor.worker.tasks import Failed, Task
from tocsin_kit.bus import Bus
from unit.worker.calls_world import runners, task_of

PROTO = b"""syntax = "proto3";
package demo.v1;
import "google/protobuf/timestamp.proto";
message HelloRequest { string first_name = 1; int64 count = 2; google.protobuf.Timestamp at = 3; }
message HelloReply { string message_text = 1; int64 count = 2; repeated string tags = 3; }
service Greeter {
  rpc SayHello (HelloRequest) returns (HelloReply);
  rpc SayMany (HelloRequest) returns (stream HelloReply);
}
"""


def document(nats_url: str, http_url: str) -> dict[str, Any]:
    """One operation each way over each protocol."""
    base = {"base": {"default": "v1"}}
    servers = {
        "bus": {"host": nats_url.removeprefix("nats://"), "protocol": "nats"},
        "web": {"host": http_url.removeprefix("http://"), "protocol": "http", "pathname": "/{base}", "variables": base},
    }
    who = {"who": {"default": "all"}}
    channels = {
        "greetings": {"address": "greet.{who}", "parameters": who, "servers": [{"$ref": "#/servers/bus"}]},
        "orders": {"address": "orders", "servers": [{"$ref": "#/servers/web"}]},
    }
    operations = {
        "greet": {"action": "send", "channel": {"$ref": "#/channels/greetings"}},
        "hear": {"action": "receive", "channel": {"$ref": "#/channels/greetings"}},
        "order": {"action": "send", "channel": {"$ref": "#/channels/orders"}, "bindings": {"http": {"method": "PUT"}}},
        "follow": {"action": "receive", "channel": {"$ref": "#/channels/orders"}},
    }
    return {"asyncapi": "3.0.0", "servers": servers, "channels": channels, "operations": operations}


@asynccontextmanager
async def world(tmp_path: Path, nats_url: str, http_url: str = "http://127.0.0.1:1") -> AsyncIterator[Any]:
    """Runs an AsyncAPI call."""
    (tmp_path / "api.json").write_text(json.dumps(document(nats_url, http_url)))
    async with runners(tmp_path) as opened:

        async def call(later: dict[str, str] | None = None, **spec: Any) -> Any:
            task: Task = task_of("asyncapi", {"document": {"endpoint": "api.json"}, **spec}, later=later or {})
            return (await opened.by_kind["asyncapi"].run(task)).output

        yield call


@pytest.mark.server
async def test_messages_go_out_and_come_in_over_nats(tmp_path: Path, nats_url: str) -> None:
    """Headers, correlation id, filter, transformation, and every way to have enough."""
    bus = Bus(nats_url, name="executor")
    await bus.start()
    heard: list[tuple[bytes, Any]] = []

    async def keep(message: Any) -> None:
        heard.append((message.data, message.headers))

    async with world(tmp_path, nats_url) as call:
        subscription = await bus.nats.subscribe("greet.all", cb=keep)
        await bus.nats.flush()
        message = {"payload": {"n": 1}, "headers": {"foo": "bar"}}
        assert await call(operation="greet", message=message) == message
        await bus.nats.flush()
        assert heard == [(b'{"n":1}', {"foo": "bar"})]
        await subscription.unsubscribe()

        async def speak(until: "asyncio.Task[Any]") -> None:
            number = 0
            while not until.done():
                number += 1
                await bus.nats.publish("greet.all", b'{"n":%d}' % number, headers={"correlation-id": "c"})
                await bus.nats.flush()
                await asyncio.wait([until], timeout=0.02)

        async def hear(later: dict[str, str] | None = None, **consume: Any) -> Any:
            subscription = {"consume": consume, "foreach": {"item": "message", "at": "i"}}
            async with asyncio.timeout(10):
                async with asyncio.TaskGroup() as group:
                    hearing = group.create_task(call(later, operation="hear", subscription=subscription))
                    await speak(hearing)
                return hearing.result()

        three = await hear(amount=3)
        assert [message["correlationId"] for message in three] == ["c", "c", "c"]
        assert all(message["payload"]["n"] % 2 == 0 for message in await hear({"filter": ".payload.n % 2 == 0"}, amount=2))
        assert len(await hear({"until": "length == 2"})) == 2
        assert len(await hear({"while": "length < 4"})) == 4
        assert await hear({"as": "{i: $i, n: ($message.payload.n > 0)}"}, amount=2) == [
            {"i": 0, "n": True},
            {"i": 1, "n": True},
        ]
        assert await call(operation="hear", subscription={"consume": {"amount": 9, "for": {"milliseconds": 50}}}) == []
    await bus.stop()


async def test_messages_go_out_and_come_in_over_http(tmp_path: Path) -> None:
    """A publication is one request; a subscription reads server-sent events, or asks again and again."""
    seen: list[Any] = []

    async def orders(request: web.Request) -> web.StreamResponse:
        if request.method == "PUT":
            seen.append((await request.json(), request.headers["X-A"]))
            return web.Response(status=202)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for number in range(5):
            await response.write(b'data: {"n": %d}\n\n' % number)
        return response

    async with serving({"/v1/orders": orders}) as url, world(tmp_path, "nats://127.0.0.1:1", url) as call:
        await call(operation="order", message={"payload": {"id": 1}, "headers": {"X-A": "b"}})
        assert seen == [({"id": 1}, "b")]
        found = await call(
            {"filter": ".payload.n > 1"}, operation="follow", protocol="http", subscription={"consume": {"amount": 2}}
        )
        assert found == [{"payload": {"n": 2}}, {"payload": {"n": 3}}]


def test_older_documents_name_channels() -> None:
    """AsyncAPI 2.6: the channel is the address, servers have URLs with variables."""
    older = {
        "asyncapi": "2.6.0",
        "servers": {"s": {"url": "nats://{host}:4333", "protocol": "nats", "variables": {"host": {"default": "a.example"}}}},
        "channels": {"orders.{id}": {"publish": {}, "parameters": {"id": {"schema": {"default": "7"}}}}},
    }
    spec = {"channel": "orders.{id}", "message": {}, "server": {"name": "s", "variables": {"host": "b.example"}}}
    found = channel_of(older, spec)
    assert (found.protocol, found.host, found.port, found.address) == ("nats", "b.example", 4333, "orders.7")
    for wrong in ({"channel": "x"}, {**spec, "server": {"name": "t"}}, {"channel": "orders.{id}", "protocol": "kafka"}):
        with pytest.raises(Failed):
            channel_of(older, wrong)


class Greeter(grpc.GenericRpcHandler):  # type: ignore[misc]
    """A service without generated code: bytes in, bytes out."""

    def __init__(self, method: Any) -> None:
        self.method, self.metadata = method, {}

    def service(self, details: Any) -> Any:
        self.metadata = dict(details.invocation_metadata)
        if details.method.endswith("SayMany"):
            return grpc.unary_stream_rpc_method_handler(self.many)
        return grpc.unary_unary_rpc_method_handler(self.one)

    async def one(self, request: bytes, context: Any) -> bytes:
        asked = self.method.request.FromString(request)
        if not asked.first_name:
            await context.abort(grpc.StatusCode.NOT_FOUND, "nobody")
        reply = self.method.answer(message_text=f"Hello {asked.first_name}", count=asked.count)
        encoded: bytes = reply.SerializeToString()
        return encoded

    async def many(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        for number in range(3):
            yield self.method.answer(message_text=str(number)).SerializeToString()


async def test_methods_of_a_proto_are_called(tmp_path: Path) -> None:
    """The proto is compiled when it is called; streams are lists; statuses become errors; tokens go as metadata."""
    (tmp_path / "greet.proto").write_bytes(PROTO)
    greeter = Greeter(await Protos().method(await with_imports(PROTO, _nothing), "Greeter", "SayHello"))
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((greeter,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    service = {"name": "demo.v1.Greeter", "host": "localhost", "port": port, "authentication": {"bearer": {"token": "t"}}}
    try:
        async with runners(tmp_path) as opened:

            async def call(method: str, **arguments: Any) -> Any:
                spec = {
                    "proto": {"endpoint": "file://greet.proto"},
                    "service": service,
                    "method": method,
                    "arguments": arguments,
                }
                return (await opened.by_kind["grpc"].run(task_of("grpc", spec))).output

            assert await call("SayHello", first_name="Ada", count=2) == {"messageText": "Hello Ada", "count": "2", "tags": []}
            assert greeter.metadata["authorization"] == "Bearer t"
            assert [reply["messageText"] for reply in await call("SayMany", firstName="x")] == ["0", "1", "2"]
            for method, arguments, kind, status in (
                ("SayHello", {}, "communication", 404),
                ("SayHi", {}, "configuration", 400),
                ("SayHello", {"name": 1}, "configuration", 400),
            ):
                with pytest.raises(Failed) as failure:
                    await call(method, **arguments)
                assert (str(failure.value.problem["type"]).rpartition("/")[2], failure.value.problem["status"]) == (
                    kind,
                    status,
                )
    finally:
        await server.stop(None)


async def _nothing(name: str) -> bytes:
    raise AssertionError(name)


async def test_what_a_proto_imports_is_fetched_beside_it_or_above(tmp_path: Path) -> None:
    """Imports of imports too; what leads elsewhere is refused before anything is asked for."""
    (tmp_path / "api" / "v1").mkdir(parents=True)
    service = b"""syntax = "proto3"; package demo.v1;
        // import "ghost.proto";
        import "names.proto"; import public "common/kinds.proto"; import "google/protobuf/duration.proto";
        service Greeter { rpc SayHello (demo.Name) returns (demo.Kind); }"""
    (tmp_path / "api" / "v1" / "greet.proto").write_bytes(service)
    (tmp_path / "api" / "v1" / "names.proto").write_text('syntax = "proto3"; package demo; message Name { string text = 1; }')
    (tmp_path / "common").mkdir()
    (tmp_path / "common" / "kinds.proto").write_text(
        'syntax = "proto3"; package demo; import "common/ids.proto"; message Kind { Id id = 1; }'
    )
    (tmp_path / "common" / "ids.proto").write_text('syntax = "proto3"; package demo; message Id { int32 n = 1; }')
    async with runners(tmp_path) as opened:

        async def refusal(uri: str) -> str:
            spec = {
                "proto": {"endpoint": {"uri": uri}},
                "service": {"name": "Greeter", "host": "localhost", "port": 1},
                "method": "SayHello",
                "arguments": {"text": "x"},
            }
            with pytest.raises(Failed) as failure:
                await opened.by_kind["grpc"].run(task_of("grpc", spec))
            return str(failure.value.problem["detail"])

        assert "answered UNAVAILABLE" in await refusal("file://api/v1/greet.proto")  # so it compiled
        (tmp_path / "common" / "ids.proto").unlink()
        assert "imports 'common/ids.proto', which is neither beside" in await refusal("file://api/v1/greet.proto")
        (tmp_path / "outside.proto").write_text('syntax = "proto3"; import "../secret.proto";')
        assert "is no relative path" in await refusal("file://outside.proto")


async def test_a_proto_that_does_not_compile_says_why() -> None:
    """With the compiler's own words."""
    with pytest.raises(Failed) as failure:
        await Protos().method(await with_imports(b'syntax = "proto3"; message {', _nothing), "X", "Y")
    assert "service.proto:1:" in str(failure.value.problem["detail"])
