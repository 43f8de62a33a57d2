"""The HTTP server over real sockets: answers, streams, repeats, drain."""

import asyncio

from aiohttp import ClientSession
from prometheus_client import CollectorRegistry

from integration.kit_web.shop import Shop, ask, bearer
from tocsin_kit.telemetry import Health
from tocsin_kit.testing.waiting import eventually
from tocsin_kit.web import (
    HttpServer,
    OpsServer,
    merged,
)


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


async def test_who_leaves_ends_each_connection_with_its_answer(http: ClientSession, server: HttpServer) -> None:
    """It still answers; its client opens the next connection elsewhere and meets no closed one."""
    kept = (await http.get("/things")).headers.get("Connection")
    server.leave()
    answer = await http.get("/things")
    assert (kept, answer.status, answer.headers.get("Connection")) == (None, 401, "close")


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
