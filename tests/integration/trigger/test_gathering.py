"""Triggers with a memory against the running service: every event accounted for, every deadline carried out once."""

from typing import Any

from integration.trigger.harness import Service, started
from integration.trigger.test_events import event, listen, publish, records
from tocsin.signals import Cause, CloudEvent, encode
from tocsin.signals.catalogue.executor import RUN_REFUSED, RunRefused
from tocsin.signals.make import make_signal, subject_of
from tocsin_kit.clock import SystemClock
from tocsin_kit.testing.waiting import eventually
from tocsin_trigger.application.registry import Registry


async def runs(service: Service, count: int) -> list[CloudEvent]:
    """The start commands, when there are so many."""

    async def enough() -> Any:
        found = await service.said("commands.executor.start")
        return len(found) >= count and found

    found: list[CloudEvent] = await eventually(enough)
    return found


async def outcomes(service: Service, count: int) -> list[str]:
    """Of the only trigger's decisions, oldest first."""
    return [record["decisions"][0]["outcome"] for record in reversed(await records(service, count))]


async def explained(service: Service, number: int) -> dict[str, Any]:
    _, answer = await service.ask("GET", f"/api/v1/events/e{number}/explanation", params={"source": "/shop"})
    return answer["triggers"][0]


async def test_a_batch_is_one_run_with_all_payloads(service: Service) -> None:
    """Full by number; each event tells which run it became a part of."""
    when = {"mode": "batch", "most": 3, "within": "1h", "key": ".data.n > 0"}
    status, answer = await service.ask(
        "PUT",
        "/api/v1/triggers/default/wrong",
        json={"kind": "event", "workflow": "w", "event": {"type": "a"}, "when": {**when, "most": 0}},
    )
    assert status == 422, answer
    await listen(service, "batched", "com.example.*", when={**when, "key": None})
    await publish(service, event(1), event(2))
    assert await outcomes(service, 2) == ["collected", "collected"]
    assert "waits" in (await explained(service, 1))["words"]
    await publish(service, event(3))
    (command,) = await runs(service, 1)
    assert [each["data"]["n"] for each in command.data["input"]["events"]] == [1, 2, 3]
    assert await outcomes(service, 3) == ["collected", "collected", "started"]
    told = [await explained(service, number) for number in (1, 2, 3)]
    assert {each["run"] for each in told} == {command.data["run"]}
    assert "with 2 others" in told[0]["words"]
    (fired,) = await service.said("signals.default.gathering.fired")
    assert (fired.data["events"], fired.data["run"]) == (3, command.data["run"])


async def test_groups_are_apart_and_a_deadline_is_carried_out_once_by_two_replicas(
    service: Service, environ: dict[str, str]
) -> None:
    """By key; an order without its payment starts one run, one with it none."""
    clauses = {
        name: {"name": name, "event": {"type": f"com.example.{name}"}, "key": ".data.n"} for name in ("order", "payment")
    }
    when = {"mode": "absence", "within": "1s", "after": clauses["order"], "expect": clauses["payment"]}
    body = {
        "kind": "correlation",
        "workflow": "remind",
        "when": when,
        "input": {"n": "${ .events[0].data.n }", "key": "${ .key }"},
    }
    async with started(environ) as other:
        status, answer = await other.ask("PUT", "/api/v1/triggers/default/unpaid", json=body)
        assert status == 201, answer
        assert answer["when"]["after"]["event"] == {"type": "com.example.order"}
        paid = CloudEvent(id="p1", source="/shop", type="com.example.payment", data={"n": 1})

        registry = service.named("triggers")
        assert isinstance(registry, Registry)
        await eventually(lambda: registry.known("default/unpaid") is not None)
        await publish(service, event(1, "com.example.order"), event(2, "com.example.order"), paid)
        (command,) = await runs(service, 1)
        assert command.data["input"] == {"n": 2, "key": "2"}
        assert sorted(await outcomes(service, 3)) == ["cleared", "collected", "collected"]
        lapsed = await service.said("signals.default.gathering.lapsed")
        assert [each.data["outcome"] for each in lapsed] == ["cleared"]
        assert "ended the waiting" in (await explained(service, 1))["words"]


async def test_what_came_in_time_counts_also_when_nobody_looked(environ: dict[str, str]) -> None:
    """The service is down while the deadline passes; the heartbeat that lies in the stream prevents the alarm."""
    async with started(environ) as service:
        await listen(service, "silent", "com.example.beat", when={"mode": "absence", "within": "1500ms"})
        await publish(service, event(1, "com.example.beat"))
        assert await outcomes(service, 1) == ["noted"]
        bus = service.bus
        await publish(service, event(2, "com.example.beat"))
        _ = bus
    async with started(environ) as service:
        (command,) = await runs(service, 1)
        assert [each["id"] for each in command.data["input"]["events"]] == ["e2"]
        assert len(await service.said("commands.executor.start")) == 1


async def test_a_webhook_can_be_throttled(service: Service) -> None:
    """The sender is told that it was accepted and started nothing."""
    made = await service.webhook(when={"mode": "throttle", "runs": 1, "per": "1h"})
    answers = [(await service.send(made["secret"], message=f"m{n}"))[1]["outcome"] for n in range(3)]
    assert answers == ["started", "limited", "limited"]
    assert len(await runs(service, 1)) == 1


async def test_a_signal_of_the_platform_starts_a_run(service: Service) -> None:
    """Only the signal that is asked for, from the moment the trigger is there; one that does not exist is refused."""
    body = {"kind": "signal", "workflow": "react", "signal": {"on": "run.refused"}, "filter": '.data.code == "not_found"'}
    status, _ = await service.ask("PUT", "/api/v1/triggers/default/wrong", json={**body, "signal": {"on": "run.refusd"}})
    assert status == 422
    status, answer = await service.ask("PUT", "/api/v1/triggers/default/reacting", json=body)
    assert status == 201, answer
    for number, code in enumerate(("not_found", "paused")):
        payload = RunRefused(run=f"r{number}", workflow="w", code=code, detail="x", trigger=None)
        cause = Cause("c", "flow", 3)
        signal = make_signal(
            RUN_REFUSED,
            namespace="default",
            entity_id=f"r{number}",
            sequence=1,
            time=SystemClock().now(),
            payload=payload,
            cause=cause,
            actor="service:executor",
        )
        await service.bus.publish(subject_of(signal), encode(signal))
    (command,) = await runs(service, 1)
    assert (command.depth, command.correlation_id) == (4, "flow")
    assert command.data["trigger"]["kind"] == "signal"
    assert sorted(record["decisions"][0]["outcome"] for record in await records(service, 2)) == ["filtered", "started"]
    status, _ = await service.ask("PUT", "/api/v1/triggers/default/wider", json={**body, "signal": {"on": "asset.*"}})
    assert status == 201


async def test_a_trigger_remembers_so_many_keys_and_no_more(environ: dict[str, str]) -> None:
    """The event of one more is recorded with that decision, and a signal says it; keys that are there go on."""
    async with started({**environ, "TOCSIN_TRIGGER_MOST_GROUPS": "2"}) as service:
        when = {"mode": "threshold", "count": 2, "within": "1h", "key": ".data.k"}
        body = {"kind": "event", "workflow": "w", "event": {"type": "com.example.k"}, "when": when}
        status, answer = await service.ask("PUT", "/api/v1/triggers/default/crowded", json=body)
        assert status == 201, answer

        def event(number: int, key: str) -> CloudEvent:
            return CloudEvent(id=f"k{number}", source="/s", type="com.example.k", data={"k": key})

        await publish(service, event(1, "a"), event(2, "b"), event(3, "c"))
        await publish(service, event(4, "a"))
        await runs(service, 1)
        (said,) = [signal for signal in await service.said("signals.default.gathering") if ".refused." in signal.type]
        assert (said.data["key"], said.data["outcome"], said.data["events"]) == ("c", "crowded", 1)
        found = {record["id"]: record["decisions"][0]["outcome"] for record in await records(service, 4)}
        assert found == {"k1": "collected", "k2": "collected", "k3": "crowded", "k4": "started"}
