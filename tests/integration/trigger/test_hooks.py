"""Webhooks of senders who do things their own way: methods, content, tokens, addresses, handshakes, and those who wait."""

from collections.abc import AsyncIterator

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from integration.trigger.harness import Service, signed, started
from integration.trigger.test_gathering import runs


async def made(service: Service, webhook: dict, **more) -> dict:
    return await service.webhook(webhook=webhook, **more)


async def test_each_line_is_an_event_of_its_own(service: Service) -> None:
    """One request, one answer for each; the same request again is known, line by line."""
    hook = await made(service, {})
    body = b'{"n":1}\n{"n":2}\n'
    headers = {**signed(hook["secret"], body), "Content-Type": "application/x-ndjson"}
    for duplicate in (False, True):
        status, answer = await service.ask("POST", "/hooks/default/orders", None, data=body, headers=headers)
        assert (status, [event["duplicate"] for event in answer["events"]]) == (202, [duplicate] * 2)
    assert [command.data["input"] for command in await runs(service, 2)] == [{"n": 1}, {"n": 2}]
    assert len(await service.said("commands.executor.start")) == 2


async def test_cloud_events_keep_who_they_are(service: Service) -> None:
    """Id, source and type are the sender's; a batch is several events; the same id and source again is the same event."""
    await made(service, {"scheme": "bearer", "handshake": "cloudevents"}, input={"t": "${ .type }", "by": "${ .authid }"})
    event = {"specversion": "1.0", "id": "1", "source": "/s", "type": "com.partner.x", "authid": "user:root", "data": 1}
    for kind, body in (("cloudevents+json", event), ("cloudevents-batch+json", [event, {**event, "id": "2"}])):
        headers = {"Content-Type": f"application/{kind}"}
        status, _ = await service.ask("POST", "/hooks/default/orders", "admin", data=orjson.dumps(body), headers=headers)
        assert status == 202
    assert [command.data["input"] for command in await runs(service, 2)] == [{"t": "com.partner.x", "by": "user:admin"}] * 2
    headers = {"WebHook-Request-Origin": "sender.example", "WebHook-Request-Rate": "120"}
    async with service.http.options(f"{service.url}/hooks/default/orders", headers=headers) as answer:
        assert (answer.status, answer.headers["WebHook-Allowed-Origin"]) == (204, "sender.example")
        assert answer.headers["WebHook-Allowed-Rate"] == "120"


async def test_a_token_of_the_platform_is_enough_where_that_is_said(service: Service) -> None:
    """With the permission, in the namespace; nobody without, and no signature is asked."""
    await made(service, {"scheme": "bearer", "methods": ["POST", "PUT", "GET"], "digest_id": True})
    for who, wanted in (("admin", 202), ("viewer", 403), ("nobody", 401), (None, 401)):
        assert (await service.ask("POST", "/hooks/default/orders", who, json={"a": who}))[0] == wanted
    assert (await service.ask("PUT", "/hooks/default/orders", json={"a": 1}))[0] == 202
    assert (await service.ask("PUT", "/hooks/default/orders", json={"a": 1}))[1]["duplicate"] is True
    assert (await service.ask("GET", "/hooks/default/orders?a=2"))[0] == 202
    status, answer = await service.ask("DELETE", "/hooks/default/orders")
    assert (status, answer["code"]) == (405, "method_not_allowed")


async def test_an_address_that_nobody_can_guess(service: Service) -> None:
    """The plain one leads nowhere then; rotated, the one of before works for a while; told once."""
    hook = await made(service, {"scheme": "bearer"})
    assert hook["webhook"]["private"] is False
    status, first = await service.ask("POST", "/api/v1/triggers/default/orders/address", json={})
    assert status == 200
    _, second = await service.ask("POST", "/api/v1/triggers/default/orders/address", json={"grace": "1h"})
    for path in (first["path"], second["path"]):
        assert (await service.ask("POST", path, json={}))[0] == 202
    _, third = await service.ask("POST", "/api/v1/triggers/default/orders/address", json={"grace": "0s"})
    for path, wanted in (
        (third["path"], 202),
        (second["path"], 404),
        (first["path"], 404),
        ("/hooks/default/orders", 404),
        (third["path"][:-1], 404),
        ("/hooks/default/none/x", 404),
    ):
        assert (await service.ask("POST", path, json={}))[0] == wanted, path
    again = (await service.ask("GET", "/api/v1/triggers/default/orders"))[1]
    assert again["webhook"]["private"] is True
    assert third["path"].rpartition("/")[2] not in str(again)
    _, back = await service.ask("DELETE", "/api/v1/triggers/default/orders/address")
    assert (await service.ask("POST", back["path"], json={}))[0] == 202


async def test_a_header_may_name_the_message(service: Service) -> None:
    """For senders whose scheme signs no id."""
    await made(service, {"scheme": "bearer", "message_header": "Idempotency-Key"})
    answers = [
        (await service.ask("POST", "/hooks/default/orders", json={"n": n}, headers={"Idempotency-Key": key}))[1]["duplicate"]
        for n, key in enumerate(("a", "a", "b"))
    ]
    assert answers == [False, True, False]


@pytest.fixture
async def executor() -> AsyncIterator[tuple[dict, str]]:
    """Auth and executor, as far as somebody who waits sees them."""
    known: dict[str, dict] = {}

    async def token(request: web.Request) -> web.Response:
        assert (await request.json())["service"] == "trigger"
        return web.json_response({"access_token": "t"})

    async def run(request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer t"
        known.setdefault("asked", {})[request.match_info["run"]] = True
        end = known.get("end")
        return web.json_response(end or {"code": "not_found"}, status=200 if end else 404)

    app = web.Application()
    app.router.add_post("/api/v1/auth/service-token", token)
    app.router.add_get("/api/v1/runs/{run}", run)
    async with TestServer(app) as server:
        yield known, f"http://127.0.0.1:{server.port}"


async def test_a_sender_may_wait_for_the_output(environ: dict[str, str], executor: tuple[dict, str]) -> None:
    """Where the trigger says so, and no longer than it says; whoever does not ask is answered at once."""
    known, url = executor
    places = {"TOCSIN_SERVICES_AUTH_URL": url, "TOCSIN_SERVICES_EXECUTOR_URL": url, "TOCSIN_TRIGGER_SERVICE_SECRET": "s" * 40}
    async with started({**environ, **places}) as service:
        await made(service, {"scheme": "bearer", "answer_within": "300ms"})
        status, answer = await service.ask("POST", "/hooks/default/orders?wait=30s", json={})
        assert (status, answer["status"], answer["run"] is not None) == (202, None, True)
        known["end"] = {"status": "completed", "output": {"sum": 3}}
        status, answer = await service.ask("POST", "/hooks/default/orders?wait=300ms", json={})
        assert (status, answer["status"], answer["output"]) == (200, "completed", {"sum": 3})
        status, answer = await service.ask("POST", "/hooks/default/orders", json={})
        assert (status, answer["status"]) == (202, None)
        assert (await service.ask("POST", "/hooks/default/orders?wait=x", json={}))[0] == 422
