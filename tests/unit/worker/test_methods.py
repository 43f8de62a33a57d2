"""gRPC with a real server: every kind of stream, every kind of field, and what servers and documents do wrong."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from aiohttp import web

from local_http import serving
from tocsin_executor.worker.calling import LONGEST
from tocsin_executor.worker.protos import Protos, bundled, with_imports
from tocsin_executor.worker.tasks import VALUE_LIMIT, Failed
from tocsin_kit.clock import SystemClock
from tocsin_kit.telemetry import span
from tocsin_kit.testing import eventually
from unit.worker.calls_world import runners, task_of

PROTO = b"""syntax = "proto3";
package demo.v1;
import 'parts/other.proto'; // in the other kind of quotes
import "google/protobuf/any.proto"; import "google/protobuf/struct.proto"; import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto"; import "google/protobuf/duration.proto"; import "google/protobuf/field_mask.proto";
enum Color { UNKNOWN = 0; RED = 1; }
message Inner { string a = 1; }
message All {
  string text = 1; int64 big = 2; uint64 unsigned = 3; optional int32 maybe = 4;
  oneof which { string left = 5; Inner right = 6; }
  map<string, Inner> named = 7; map<int64, Color> numbered = 8; repeated Color colors = 9;
  google.protobuf.Timestamp at = 10; google.protobuf.Any any = 11; google.protobuf.Struct open = 12;
  google.protobuf.Int64Value wrapped = 13; google.protobuf.Duration takes = 14; google.protobuf.FieldMask mask = 15;
  bytes raw = 16; double real = 17; other.Thing thing = 18;
}
service Mirror {
  rpc One (All) returns (All); rpc Down (All) returns (stream All);
  rpc Up (stream All) returns (All); rpc Both (stream All) returns (stream All);
}
"""
OTHER = b'syntax = "proto2"; package other; message Thing { required int32 n = 1; }'
FULL: dict[str, Any] = {
    "text": "\u00e9", "big": "9007199254740993", "unsigned": "18446744073709551615", "maybe": 0, "right": {"a": "q"},
    "named": {"k": {"a": "1"}}, "numbered": {"5": "RED"}, "colors": ["RED", 7], "at": "2026-01-01T00:00:00Z",
    "any": {"@type": "type.googleapis.com/demo.v1.Inner", "a": "in it"}, "open": {"x": [1.0, None, True]}, "wrapped": "7",
    "takes": "1.500s", "mask": "a,b", "raw": "aGk=", "real": "NaN", "thing": {"n": 3},
}  # fmt: skip


class Mirror(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Gives back what it gets; does otherwise what the text of the request says."""

    def __init__(self, answer: Any) -> None:
        self.answer, self.left, self.gone = answer, 0.0, asyncio.Event()
        self.lets_in, self.heard = set[str](), dict[str, str]()

    def service(self, details: Any) -> Any:
        match details.method.rpartition("/")[2]:
            case "One":
                return grpc.unary_unary_rpc_method_handler(self.one)
            case "Down":
                return grpc.unary_stream_rpc_method_handler(self.down)
            case "Up":
                return grpc.stream_unary_rpc_method_handler(self.up)
            case _:
                return grpc.stream_stream_rpc_method_handler(self.both)

    async def one(self, request: bytes, context: Any) -> bytes:
        self.left = context.time_remaining()
        self.heard = dict(context.invocation_metadata())
        if self.lets_in and self.heard.get("authorization") not in self.lets_in:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you?")
        match self.answer.FromString(request).text:
            case "hang":
                try:
                    await asyncio.Event().wait()
                finally:
                    self.gone.set()
            case "huge":
                encoded: bytes = self.answer(text="x" * (VALUE_LIMIT + 1)).SerializeToString()
                return encoded
            case "garbage":
                return b"\xff\xff\xff"
            case "abort":
                await context.abort(grpc.StatusCode.ABORTED, "")
        return request

    async def down(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        endless = self.answer.FromString(request).text == "endless"
        sent = 0
        while endless or sent < 3:
            sent += 1
            yield b"" if endless else request
        if context.done():
            self.gone.set()

    async def up(self, requests: Any, context: Any) -> bytes:
        return b"".join([request async for request in requests])

    async def both(self, requests: Any, context: Any) -> AsyncIterator[bytes]:
        async for request in requests:
            yield request


@asynccontextmanager
async def world(tmp_path: Path) -> AsyncIterator[tuple[Mirror, Any]]:
    """A mirror, and a function that calls it."""
    (tmp_path / "mirror.proto").write_bytes(PROTO)
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "other.proto").write_bytes(OTHER)

    async def fetch(name: str) -> bytes:
        return (tmp_path / name).read_bytes()

    mirror = Mirror((await Protos().method(await with_imports(PROTO, fetch), "Mirror", "One")).answer)
    server = grpc.aio.server(options=[("grpc.max_send_message_length", -1)])
    server.add_generic_rpc_handlers((mirror,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with runners(tmp_path) as opened:

            async def call(method: str, arguments: Any, *, deadline: int | None = None, **service: Any) -> Any:
                spec = {
                    "proto": {"endpoint": "file://mirror.proto"},
                    "service": {"name": "Mirror", "host": "127.0.0.1", "port": port, **service},
                    "method": method,
                    "arguments": arguments,
                }
                task = task_of("grpc", spec)
                task.deadline = deadline
                return (await opened.by_kind["grpc"].run(task)).output

            yield mirror, call
    finally:
        await server.stop(None)


async def test_every_kind_of_field_and_stream_comes_back_as_it_went(tmp_path: Path) -> None:
    """In the JSON form of Protocol Buffers: large integers as text, presence kept, an `Any` of the proto's own types."""
    async with world(tmp_path) as (_, call):
        assert await call("One", FULL) == FULL
        empty = await call("One", {})
        assert (empty["big"], empty["named"], empty["colors"], "maybe" in empty, "left" in empty) == ("0", {}, [], False, False)
        assert [one["text"] for one in await call("Down", {"text": "a"})] == ["a"] * 3
        assert (await call("Up", {"text": "a"}))["text"] == "a"
        assert [one["text"] for one in await call("Both", {"text": "a"})] == ["a"]


WRONG: list[tuple[str, Any, Any, tuple[str, int, str]]] = [
    ("One", {"thing": {}}, {}, ("configuration", 400, "missing required fields: thing.n")),
    ("One", {"left": "a", "right": {}}, {}, ("configuration", 400, 'multiple "which" oneof')),
    ("One", {"colors": ["BLUE"]}, {}, ("configuration", 400, "BLUE")),
    ("One", {"maybe": 1 << 40}, {}, ("configuration", 400, "out of range")),
    ("One", {"any": {"@type": "x/no.Such"}}, {}, ("configuration", 400, "no.Such")),
    ("One", {}, {"port": "50051"}, ("configuration", 400, "a number from 1 to 65535")),
    ("One", {}, {"port": 70000}, ("configuration", 400, "a number from 1 to 65535")),
    ("One", {}, {"host": "a.example:50051"}, ("configuration", 400, "the port is apart")),
    ("One", {}, {"host": "http://a.example"}, ("configuration", 400, "a name or an address")),
    ("One", {}, {"host": "no.such.invalid"}, ("communication", 503, "no address for its name")),
    ("One", {}, {"host": "localhost", "port": 1}, ("communication", 503, "localhost:1: ")),
    ("One", {}, {"authentication": {"bearer": {"token": "of-a-file\n"}}}, ("configuration", 400, "line break")),
    ("One", {}, {"authentication": {"bearer": {"token": "t\u00f6ken"}}}, ("configuration", 400, "gRPC cannot send")),
    ("One", {"text": "garbage"}, {}, ("communication", 502, "not what the proto says")),
    ("One", {"text": "abort"}, {}, ("communication", 409, "answered ABORTED.")),
    ("One", {"text": "huge"}, {}, ("communication", 413, f"above the limit of {VALUE_LIMIT} bytes")),
    ("Down", {"text": "endless"}, {}, ("communication", 413, "more than 100 answers")),
]


async def test_what_goes_wrong_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As an error of its kind, which tells no address that is behind a name; and what never ends has a limit."""
    monkeypatch.setattr("tocsin_executor.worker.runners.grpc._MOST", 100)
    async with world(tmp_path) as (_, call):
        for method, arguments, service, (kind, status, says) in WRONG:
            with pytest.raises(Failed) as failure:
                await call(method, arguments, **service)
            problem = failure.value.problem
            assert (str(problem["type"]).rpartition("/")[2], problem["status"]) == (kind, status)
            assert says in str(problem["detail"])
            assert "127.0.0.1" not in str(problem["detail"])


async def test_a_server_knows_until_when_and_that_nobody_waits_any_more(tmp_path: Path) -> None:
    """The deadline is on the wire, a task's own where that is later; a cancel reaches the server."""
    async with world(tmp_path) as (mirror, call):
        await call("One", {})
        assert LONGEST - 60 < mirror.left <= LONGEST + 2
        await call("One", {}, deadline=int(SystemClock().now().timestamp() * 1000) + 3_600_000)
        assert 3_000 < mirror.left < 4_000
        async with asyncio.TaskGroup() as group:
            hanging = group.create_task(call("One", {"text": "hang"}))
            mirror.left = 0.0

            async def there() -> bool:
                return mirror.left > 0

            await eventually(there, within=60)
            hanging.cancel()
        async with asyncio.timeout(60):
            await mirror.gone.wait()


async def test_a_call_that_nobody_gave_a_timeout_ends_at_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a timeout, like any other call; and the server hears of it."""
    monkeypatch.setattr("tocsin_executor.worker.calling.LONGEST", 0.2)
    async with world(tmp_path) as (mirror, call):
        with pytest.raises(Failed, match=r"within 0\.2 s") as failure:
            await call("One", {"text": "hang"})
        assert failure.value.problem["status"] == 408
        async with asyncio.timeout(60):
            await mirror.gone.wait()


async def test_a_token_that_was_revoked_is_replaced_once(tmp_path: Path) -> None:
    """As in a call over HTTP; and the call is a part of the task's trace."""
    given = 0

    async def token(request: web.Request) -> web.Response:
        nonlocal given
        given += 1
        return web.json_response({"access_token": f"token-{given}", "expires_in": 600})

    async with world(tmp_path) as (mirror, call), serving({"/oauth2/token": token}) as url:
        grant = {"oauth2": {"authority": url, "grant": "client_credentials", "client": {"id": "us", "secret": "open sesame"}}}
        mirror.lets_in = {"Bearer token-1"}
        with span("task") as trace:
            await call("One", {}, authentication=grant)
        assert trace.traceparent.split("-")[1] == mirror.heard["traceparent"].split("-")[1]
        mirror.lets_in = {"Bearer token-2"}
        await call("One", {}, authentication=grant)
        assert (given, mirror.heard["authorization"]) == (2, "Bearer token-2")
        mirror.lets_in = {"nobody"}
        with pytest.raises(Failed) as failure:
            await call("One", {}, authentication=grant)
        assert (given, failure.value.problem["status"]) == (3, 401)


async def test_a_worker_without_the_library_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most never need it."""
    monkeypatch.setattr("tocsin_executor.worker.runners.grpc.grpc", None)
    async with runners() as opened:
        with pytest.raises(Failed, match=r"pip install 'tocsin\[grpc\]'") as failure:
            await opened.by_kind["grpc"].run(task_of("grpc", {}))
    assert failure.value.problem["status"] == 400


async def test_a_request_that_is_one_value_has_a_name_too() -> None:
    """Arguments are names with values: `value` stands for a text, a number or an instant; objects are as they are."""
    proto = b"""syntax = "proto3"; import "google/protobuf/wrappers.proto"; import "google/protobuf/struct.proto";
        import "google/protobuf/timestamp.proto";
        service S { rpc Text (google.protobuf.StringValue) returns (google.protobuf.StringValue);
                    rpc At (google.protobuf.Timestamp) returns (google.protobuf.Timestamp);
                    rpc Open (google.protobuf.Struct) returns (google.protobuf.Struct); }"""
    protos = Protos()
    for name, given, back in (
        ("Text", {"value": "a"}, "a"),
        ("At", {"value": "2026-01-01T00:00:00Z"}, "2026-01-01T00:00:00Z"),
        ("Open", {"value": 1.0}, {"value": 1.0}),
    ):
        method = await protos.method({"tocsin/service.proto": proto}, "S", name)
        assert method.decode(method.encode(given)) == back


async def test_the_options_of_googles_apis_need_not_be_brought_along(tmp_path: Path) -> None:
    """Real services are full of them; a file of the same name beside the proto comes first."""
    (tmp_path / "s.proto").write_text(
        """syntax = "proto3"; import "google/api/annotations.proto"; import "google/type/money.proto";
        service S { rpc Pay (google.type.Money) returns (google.type.Money) {
            option (google.api.http) = { post: "/v1/{name=shelves/*}:pay" body: "*" }; } }"""
    )
    spec = {
        "proto": {"endpoint": "file://s.proto"},
        "service": {"name": "S", "host": "localhost", "port": 1},
        "method": "Pay",
        "arguments": {"currencyCode": "EUR", "units": "5"},
    }
    async with runners(tmp_path) as opened:
        with pytest.raises(Failed, match="answered UNAVAILABLE"):  # so it compiled
            await opened.by_kind["grpc"].run(task_of("grpc", spec))
        (tmp_path / "google" / "api").mkdir(parents=True)
        (tmp_path / "google" / "api" / "annotations.proto").write_text("broken")
        with pytest.raises(Failed, match="does not compile"):
            await opened.by_kind["grpc"].run(task_of("grpc", spec))
    assert bundled("google/api/../rpc/status.proto") is None
    assert bundled("google/_upb/_message.abi3.so") is None


@pytest.mark.parametrize(
    ("text", "imports"),
    [
        (b"import'a.proto';import \"b.proto\" ;", ["a.proto", "b.proto"]),
        (b'option x = "/v1/{name=a/*}"; import "a.proto"; option y = "/v1/{name=b/*}";', ["a.proto"]),
        (
            b'/* import "a.proto"; */ // import "b.proto";\nimport weak "c.proto"; /* never closed import "d.proto";',
            ["c.proto"],
        ),
        (b"/* " * 1_000_000, []),
        (rb"\"" * 1_000_000, []),
        (b"'" + b"import " * 500_000, []),
    ],
)
async def test_imports_are_found_whatever_the_text(text: bytes, imports: list[str]) -> None:
    """In either quotes, not in comments, behind texts that look like comments; and hostile texts cost no more than others."""
    asked: list[str] = []

    async def fetch(name: str) -> bytes:
        asked.append(name)
        return b""

    await with_imports(text, fetch)
    assert asked == imports


async def test_a_proto_has_a_limit() -> None:
    """With all that it imports."""

    async def fetch(name: str) -> bytes:
        return b'import "%d.proto";' % int(name.removesuffix(".proto") + "1") + b" " * 1_000_000

    with pytest.raises(Failed, match="above the limit of 4194304 bytes"):
        await with_imports(b'import "1.proto";', fetch)
