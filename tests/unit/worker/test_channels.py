"""Channels of AsyncAPI: what a document leaves open, and what comes over a channel that is no message."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from local_http import Handler, serving
from tocsin.errors import Unavailable
from tocsin_executor.worker.channels import channel_of
from tocsin_executor.worker.tasks import VALUE_LIMIT, Failed
from tocsin_kit.bus import Bus
from tocsin_kit.bus.foreign import Foreign, ForeignMessage, foreign_server
from tocsin_kit.testing import eventually
from unit.worker.calls_world import runners, task_of


def document(server: dict[str, Any], **channel: Any) -> dict[str, Any]:
    """A document with one channel, to send to and to receive from."""
    reference = {"$ref": "#/channels/c"}
    operations = {"send": {"action": "send", "channel": reference}, "receive": {"action": "receive", "channel": reference}}
    return {
        "asyncapi": "3.0.0",
        "servers": {"s": server},
        "channels": {"c": {"address": "feed", **channel}},
        "operations": operations,
    }


@pytest.mark.parametrize(
    ("server", "channel", "variables", "says"),
    [
        ({"host": "h", "protocol": "nats"}, {"address": "a.{id}", "parameters": {"id": {}}}, {}, "channel .* needs 'id'"),
        ({"host": "h", "protocol": "nats"}, {"address": "a.{id}", "parameters": {"id": {}}}, {"id": [1]}, "a simple value"),
        ({"host": "{h}", "protocol": "nats", "variables": {"h": {}}}, {}, {}, "server .* needs 'h'"),
        ({"$ref": "servers.yaml#/s"}, {}, {}, "another document, which is not offered"),
    ],
)
def test_what_a_document_leaves_open_has_to_be_said(server: Any, channel: Any, variables: Any, says: str) -> None:
    """Instead of being left out, which would be another channel."""
    with pytest.raises(Failed, match=says):
        channel_of(document(server, **channel), {"operation": "send", "server": {"name": "s", "variables": variables}})


def test_a_variable_that_is_said_is_used() -> None:
    """Zero as well."""
    found = channel_of(
        document({"host": "h", "protocol": "nats"}, address="a.{id}", parameters={"id": {}}),
        {"operation": "send", "server": {"name": "s", "variables": {"id": 0}}},
    )
    assert found.address == "a.0"


@pytest.mark.parametrize(
    ("protocol", "value", "found"),
    [
        ("nats", "eu.west", "a.eu.west.{other}"),
        ("nats", "{other}", "a.{other}.{other}"),
        ("nats", True, "a.true.{other}"),
        ("nats", ">", None),
        ("nats", "*", None),
        ("nats", "a b", None),
        ("nats", ".x", None),
        ("http", "x/../y?z", "a.x%2F..%2Fy%3Fz.{other}"),
        ("http", "..", None),
    ],
)
def test_a_value_leads_to_no_other_channel(protocol: str, value: Any, found: str | None) -> None:
    """Nor is it looked into for variables again."""
    described = document({"host": "h", "protocol": protocol}, address="a.{id}.{other}", parameters={"id": {}})
    spec = {"operation": "send", "server": {"name": "s", "variables": {"id": value, "other": "never"}}}
    if found is not None:
        assert channel_of(described, spec).address == found
        return
    with pytest.raises(Failed, match="other channels"):
        channel_of(described, spec)


@asynccontextmanager
async def hearing(tmp_path: Path, handler: Handler) -> AsyncIterator[Any]:
    """A function that calls an operation over HTTP."""
    async with runners(tmp_path) as opened, serving({"/feed": handler}) as url:
        server = {"host": url.removeprefix("http://"), "protocol": "http"}
        (tmp_path / "api.json").write_text(json.dumps(document(server)))

        async def call(**spec: Any) -> Any:
            task = task_of("asyncapi", {"document": {"endpoint": "api.json"}, **spec})
            return (await opened.by_kind["asyncapi"].run(task)).output

        yield call


@pytest.mark.parametrize(
    ("content", "media", "says", "status"),
    [
        (b"<html>", "text/html", "not JSON", 502),
        (b"[" + b"1," * (VALUE_LIMIT // 2) + b"1]", "application/json", "above the limit", 413),
        (b"x" * (VALUE_LIMIT + 1), "application/x-ndjson", "above", 413),
        (b'"%b"\n' % (b"x" * 1_000_000) * 20, "application/x-ndjson", "The messages are above the limit", 413),
    ],
)
async def test_what_is_no_message_is_an_error(tmp_path: Path, content: bytes, media: str, says: str, status: int) -> None:
    """Of the channel, not of its URL; and many messages are too large together."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=content, content_type=media)

    async with hearing(tmp_path, answer) as call:
        with pytest.raises(Failed, match=says) as failure:
            await call(operation="receive", subscription={"consume": {"amount": 100}})
    assert failure.value.problem["status"] == status


async def test_a_line_is_as_long_as_a_value_may_be_and_many_cost_no_more_each(tmp_path: Path) -> None:
    """Ten thousand messages behind a long one."""

    async def answer(request: web.Request) -> web.Response:
        lines = [json.dumps({"n": "x" * 1_000_000}), *(json.dumps({"n": n}) for n in range(10_000))]
        return web.Response(text="\n".join(lines), content_type="application/x-ndjson")

    async with hearing(tmp_path, answer) as call:
        found = await call(operation="receive", subscription={"consume": {"amount": 10_001}})
    assert len(found[0]["payload"]["n"]) == 1_000_000
    assert [message["payload"]["n"] for message in found[1:]] == list(range(10_000))


@pytest.mark.parametrize("amount", [0, -1, "3", 2.5, True])
async def test_an_amount_is_a_number_of_messages(tmp_path: Path, amount: Any) -> None:
    """Anything else would never be reached."""

    async def answer(request: web.Request) -> web.Response:
        return web.json_response([1])

    async with hearing(tmp_path, answer) as call:
        with pytest.raises(Failed, match="one or more"):
            await call(operation="receive", subscription={"consume": {"amount": amount}})


async def test_a_message_without_a_payload_has_none(tmp_path: Path) -> None:
    """Which is not the same as null."""
    seen: list[tuple[bytes, str | None]] = []

    async def take(request: web.Request) -> web.Response:
        seen.append((await request.read(), request.headers.get("Content-Type")))
        return web.Response(status=202)

    async with hearing(tmp_path, take) as call:
        for message in ({"headers": {"X-A": "b"}}, {"payload": None}, {"payload": {}, "headers": {"content-type": "a/b"}}):
            assert await call(operation="send", message=message) == message
    assert [seen[0][0], *seen[1:]] == [b"", (b"null", "application/json"), (b"{}", "a/b")]


@pytest.mark.server
async def test_messages_that_come_faster_than_they_are_taken_are_not_lost_in_silence(nats_url: str) -> None:
    """A buffer has a limit; beyond it the call fails rather than leave a gap that nobody sees."""
    bus = Bus(nats_url, name="executor")
    await bus.start()
    async with listening(nats_url) as server, aclosing(server.messages("feed")) as messages:
        async with asyncio.TaskGroup() as group:
            hearing = group.create_task(_next(messages))
            while not hearing.done():
                await bus.nats.publish("feed", b"first")
                await bus.nats.flush()
                await asyncio.wait([hearing], timeout=0.02)
        for n in range(2_000):
            await bus.nats.publish("feed", b"%d" % n)
        await bus.nats.flush()
        await server._client.flush()  # so all of it is here
        with pytest.raises(Unavailable, match="faster than they are taken"):
            await anext(messages)
    await bus.stop()


@pytest.mark.server
async def test_a_broker_that_goes_away_ends_no_subscription_in_silence(nats_url: str) -> None:
    """What it took would look like all there was."""

    async def heard(server: Foreign) -> None:
        async with aclosing(server.messages("feed")) as messages, asyncio.timeout(60), asyncio.TaskGroup() as group:
            group.create_task(_next(messages))

            async def subscribed() -> bool:
                return bool(server._client._subs)

            await eventually(subscribed, within=60)
            server._client._transport.close()

    async with listening(nats_url) as server:
        with pytest.raises(ExceptionGroup) as failures:
            await heard(server)
    assert failures.group_contains(Unavailable)


async def _next(messages: AsyncIterator[ForeignMessage]) -> ForeignMessage:
    return await anext(messages)


def listening(nats_url: str) -> AbstractAsyncContextManager[Foreign]:
    """A connection as a subscription has it."""
    host, _, port = nats_url.removeprefix("nats://").partition(":")
    return foreign_server(host, int(port), host=host, tls=False)
