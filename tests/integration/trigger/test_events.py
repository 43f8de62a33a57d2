"""Custom events against the running service: from any NATS client and over HTTP."""

import json
from typing import Any

import pytest

from integration.trigger.harness import Service, started
from tocsin.signals import DEPTH_LIMIT, CloudEvent
from tocsin_kit.bus import Message, dead_letters
from tocsin_kit.store import StoreUnavailable
from tocsin_kit.testing.waiting import eventually
from tocsin_trigger.adapters.stores import MongoEvents


def event(number: int = 1, kind: str = "com.example.order.placed", **more: Any) -> CloudEvent:
    return CloudEvent(id=f"e{number}", source="/shop", type=kind, data={"n": number}, **more)


async def listen(service: Service, name: str, kind: str, **more: Any) -> None:
    body = {"kind": "event", "workflow": name, "event": {"type": kind}, **more}
    status, answer = await service.ask("PUT", f"/api/v1/triggers/default/{name}", json=body)
    assert status == 201, answer


async def publish(service: Service, *events: CloudEvent, namespace: str = "default") -> None:
    for one in events:
        await service.bus.publish(f"events.{namespace}.{one.type}", _bytes(one))


def _bytes(one: CloudEvent) -> bytes:
    from tocsin.signals import encode

    return encode(one)


async def records(service: Service, count: int, **query: str) -> list[dict[str, Any]]:
    async def enough() -> Any:
        _, answer = await service.ask("GET", "/api/v1/events", params={"namespace": "default", **query})
        return len(answer["items"]) >= count and answer["items"]

    found: list[dict[str, Any]] = await eventually(enough)
    return found


async def test_an_event_meets_every_trigger_that_listens_to_it_and_no_other(service: Service) -> None:
    """Exact types, prefixes of whole segments, everything; by namespace; each decision recorded."""
    await listen(service, "exact", "com.example.order.placed")
    await listen(service, "below", "com.example.*")
    await listen(service, "all", "*")
    await listen(service, "other", "com.example.order")
    await listen(service, "near", "com.exam.*")
    await listen(service, "sources", "com.example.order.placed", event={"type": "com.example.order.placed", "source": "/else"})
    await publish(service, event())
    (record,) = await records(service, 1)
    assert [(d["trigger"], d["outcome"]) for d in record["decisions"]] == [
        ("all", "started"),
        ("below", "started"),
        ("exact", "started"),
    ]
    started_runs = {d["run"] for d in record["decisions"]}

    async def commands() -> bool:
        return {c.subject for c in await service.said("commands.executor.start")} == started_runs

    await eventually(commands)


async def test_an_event_that_nobody_listens_to_is_explained(service: Service) -> None:
    """Why did this start nothing: recorded as well."""
    await publish(service, event())
    (record,) = await records(service, 1)
    assert record["decisions"] == []
    assert record["explanation"] == "No trigger of namespace default listens to com.example.order.placed."


async def test_the_same_event_again_starts_nothing_again(service: Service) -> None:
    """Published twice, redelivered, taken by two replicas: one record, one firing."""
    await listen(service, "a", "com.example.*")
    for _ in range(5):
        await publish(service, event(1), event(2))
    await publish(service, event(3))
    assert len(await records(service, 3)) == 3

    async def three() -> bool:
        return len(await service.said("commands.")) == 3

    await eventually(three)


async def test_a_database_that_fails_in_the_middle_loses_and_doubles_nothing(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused before, and done but reported as a timeout: afterwards each event has fired exactly once."""
    await listen(service, "a", "com.example.*")
    real = MongoEvents.record
    calls = {"n": 0}

    async def record(self: MongoEvents, creations: Any) -> Any:
        calls["n"] += 1
        if calls["n"] == 1:
            raise StoreUnavailable
        taken = await real(self, creations)
        if calls["n"] == 2:
            raise StoreUnavailable
        return taken

    monkeypatch.setattr(MongoEvents, "record", record)
    await publish(service, *(event(n) for n in range(20)))
    await records(service, 20)

    async def all_once() -> bool:
        runs = [c.subject for c in await service.said("commands.")]
        assert len(runs) == len(set(runs))
        return len(runs) == 20

    await eventually(all_once)
    assert calls["n"] > 2


async def test_two_replicas_share_the_work_and_fire_once(environ: dict[str, str], service: Service) -> None:
    """Any number of replicas: every event is decided once."""
    async with started(environ) as other:
        await listen(service, "a", "com.example.*")

        async def known() -> bool:
            return (await other.ask("GET", "/api/v1/triggers/default/a"))[0] == 200

        await eventually(known)
        await eventually(lambda: other.named("triggers").health().facts.get("triggers") == 1, what="the other replica knows")
        messages = [Message(f"events.default.{e.type}", _bytes(e)) for e in (event(n) for n in range(500))]
        await service.bus.publish_many(messages)

        async def all_recorded() -> bool:
            return int(await service.database.collection("events").count_documents({"v.decisions.outcome": "started"})) == 500

        await eventually(all_recorded)

        async def all_once() -> bool:
            runs = [c.subject for c in await service.said("commands.")]
            assert len(runs) == len(set(runs))
            return len(runs) == 500

        await eventually(all_once)


async def test_a_chain_of_events_that_feeds_itself_is_stopped(service: Service) -> None:
    """At the limit of causation nothing is started, and a signal says so."""
    await listen(service, "a", "com.example.*")
    await publish(service, event(1, extensions={"depth": DEPTH_LIMIT}), event(2, extensions={"depth": DEPTH_LIMIT - 1}))
    found = {r["id"]: r["decisions"][0]["outcome"] for r in await records(service, 2)}
    assert found == {"e1": "chain_stopped", "e2": "started"}

    async def told() -> bool:
        return len(await service.said("signals.default.event.chain-stopped")) == 1

    await eventually(told)
    (command,) = await service.said("commands.")
    assert command.depth == DEPTH_LIMIT


async def test_what_is_no_event_is_recorded_and_not_retried_for_ever(service: Service) -> None:
    """Anyone who may publish can publish rubbish: a bounded record, no dead letters."""
    await service.bus.publish("events.default.x", b"rubbish")
    await service.bus.publish("events.default.x", json.dumps({"specversion": "1.0", "id": "1"}).encode())
    found = await records(service, 2, refused="true")
    assert {r["code"] for r in found} == {"malformed"}
    assert [x async for x in dead_letters(service.bus, "trigger")] == []


async def test_an_event_over_http_carries_who_sent_it(service: Service) -> None:
    """Structured, binary and batch mode; the sender's identity is proven, not claimed."""
    structured = {"specversion": "1.0", "id": "h1", "source": "/x", "type": "com.example.a", "data": 1, "authid": "user:root"}
    headers = {"Content-Type": "application/cloudevents+json"}
    status, answer = await service.ask("POST", "/api/v1/events", data=json.dumps(structured), headers=headers)
    assert (status, answer) == (202, {"namespace": "default", "ids": ["h1"]})
    binary = {"ce-specversion": "1.0", "ce-id": "h2", "ce-source": "/x", "ce-type": "com.example.a"}
    status, _ = await service.ask("POST", "/api/v1/events", json={"a": 1}, headers=binary)
    assert status == 202
    batch = [{**structured, "id": "h3"}, {**structured, "id": "h4"}]
    headers = {"Content-Type": "application/cloudevents-batch+json"}
    assert (await service.ask("POST", "/api/v1/events", data=json.dumps(batch), headers=headers))[0] == 202
    found = await records(service, 4)
    assert sorted(r["id"] for r in found) == ["h1", "h2", "h3", "h4"]
    key = next(r["key"] for r in found if r["id"] == "h1")
    _, whole = await service.ask("GET", f"/api/v1/events/{key}")
    assert (whole["event"]["authid"], whole["event"]["namespace"]) == ("user:admin", "default")


async def test_events_are_published_and_read_where_one_may(service: Service) -> None:
    """Publishing and reading are permitted by namespace; another namespace's event is not even there."""
    one = json.dumps({"specversion": "1.0", "id": "h1", "source": "/x", "type": "a"})
    headers = {"Content-Type": "application/cloudevents+json"}
    ask = service.ask
    assert (await ask("POST", "/api/v1/events", None, data=one, headers=headers))[0] == 401
    assert (await ask("POST", "/api/v1/events", "viewer", data=one, headers=headers))[0] == 403
    assert (await ask("POST", "/api/v1/events", "team", data=one, headers=headers))[0] == 403
    assert (await ask("POST", "/api/v1/events?namespace=team", "team", data=one, headers=headers))[0] == 202
    assert (await ask("POST", "/api/v1/events", "admin", data=one, headers=headers))[0] == 202
    found = await records(service, 1)

    async def both() -> bool:
        return len((await ask("GET", "/api/v1/events"))[1]["items"]) == 2

    await eventually(both)
    _, seen = await ask("GET", "/api/v1/events", "team")
    assert [item["namespace"] for item in seen["items"]] == ["team"]
    assert (await ask("GET", "/api/v1/events?namespace=default", "team"))[0] == 403
    assert (await ask("GET", f"/api/v1/events/{found[0]['key']}", "team"))[0] == 404
    assert (await ask("GET", f"/api/v1/events/{found[0]['key']}", "viewer"))[0] == 200


async def test_events_are_found_by_what_one_knows_about_them(service: Service) -> None:
    """By trigger, type, outcome and time; in pages."""
    await listen(service, "a", "com.example.*", filter=".data.n < 5")
    await publish(service, *(event(n) for n in range(10)), event(99, "org.other"))
    await records(service, 11)
    assert len(await records(service, 10, trigger="a")) == 10
    assert len(await records(service, 5, outcome="filtered")) == 5
    assert len(await records(service, 1, type="org.other")) == 1
    seen, cursor = [], None
    while True:
        _, page = await service.ask("GET", "/api/v1/events", params={"limit": "4", **({"cursor": cursor} if cursor else {})})
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sorted(seen) == sorted([f"e{n}" for n in range(10)] + ["e99"])
