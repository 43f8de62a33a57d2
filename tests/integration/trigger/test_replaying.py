"""Stored events, looked at again: replay and backtest against the running service."""

from typing import Any

from integration.trigger.harness import Service
from integration.trigger.test_events import event, listen, publish, records
from tocsin_kit.testing.waiting import eventually

WINDOW = {"since": "2020-01-01T00:00:00Z", "until": "2100-01-01T00:00:00Z"}


async def replay(service: Service, who: str = "admin", **body: Any) -> tuple[int, Any]:
    return await service.ask("POST", "/api/v1/events/replay", who, json=body)


async def test_an_event_is_replayed_once_for_each_replay(service: Service) -> None:
    """Today's triggers decide; the record names what it repeats; the same replay again starts nothing."""
    await publish(service, event(1))
    (record,) = await records(service, 1)
    assert record["decisions"] == []
    await listen(service, "late", "com.example.*")
    status, first = await replay(service, events=[record["key"]], id="fix-1")
    assert status == 200
    (again,) = first["events"]
    assert (again["original"], again["duplicate"], again["decisions"][0]["outcome"]) == (record["key"], False, "started")
    _, second = await replay(service, events=[record["key"]], id="fix-1")
    assert second["events"] == [{**again, "duplicate": True}]
    _, other = await replay(service, events=[record["key"]], id="fix-2")
    assert other["events"][0]["decisions"][0]["run"] != again["decisions"][0]["run"]
    _, shown = await service.ask("GET", f"/api/v1/events/{again['event']}")
    assert shown["replay_of"] == record["key"]

    async def two_runs() -> bool:
        return len({c.subject for c in await service.said("commands.executor.start")}) == 2

    await eventually(two_runs)


async def test_a_window_is_replayed_without_the_replays_in_it(service: Service) -> None:
    """Only by the triggers that are named; a replay is not replayed again."""
    await listen(service, "a", "com.example.*")
    await listen(service, "b", "com.example.*")
    secret = (await service.webhook())["secret"]
    await service.send(secret)
    await publish(service, *(event(n) for n in range(5)))
    await records(service, 6)
    for number in range(2):
        _, answer = await replay(
            service, window={**WINDOW, "type": "com.example.order.placed"}, id=f"w{number}", triggers=["a"]
        )
        assert [[d["trigger"] for d in each["decisions"]] for each in answer["events"]] == [["a"]] * 5
    _, webhook = await replay(service, window={**WINDOW, "trigger": "orders"})
    assert [d["trigger"] for each in webhook["events"] for d in each["decisions"]] == ["orders"]


async def test_what_cannot_be_replayed_is_refused(service: Service) -> None:
    """Unknown, of another namespace, refused when it came, or not permitted."""
    await publish(service, event(1))
    (record,) = await records(service, 1)
    assert (await replay(service, events=["nothing"]))[0] == 404
    assert (await replay(service, events=[record["key"]], namespace="team"))[0] == 404
    assert (await replay(service))[0] == 422
    assert (await replay(service, "viewer", events=[record["key"]]))[0] == 403
    assert (await replay(service, "team", events=[record["key"]]))[0] == 403
    await service.webhook()
    await service.ask("POST", "/hooks/default/orders", None, data=b"{}", headers={"Content-Type": "application/json"})
    (refused,) = await records(service, 1, refused="true")
    assert (await replay(service, events=[refused["key"]]))[0] == 422


async def test_a_draft_is_tried_on_what_came_and_writes_nothing(service: Service) -> None:
    """What would have fired, beside what did."""
    await listen(service, "live", "com.example.*", filter=".data.n < 2")
    await publish(service, *(event(n) for n in range(4)), event(9, "org.other"))
    await records(service, 5)
    draft = {"name": "draft", "kind": "event", "workflow": "w", "event": {"type": "com.example.*"}, "filter": ".data.n >= 1"}
    path = "/api/v1/triggers/backtest"
    status, told = await service.ask("POST", path, json={"trigger": draft, "window": WINDOW})
    assert status == 200, told
    assert (told["counts"], told["started_then"], told["more"]) == ({"started": 3, "filtered": 1, "not_met": 1}, 2, False)
    assert {(d["trigger"], d["outcome"]) for each in told["events"] for d in each["decided"]} == {
        ("live", "started"),
        ("live", "filtered"),
    }
    _, part = await service.ask("POST", path, json={"trigger": draft, "window": WINDOW, "limit": 2})
    assert (len(part["events"]), part["more"]) == (2, True)
    assert (await service.ask("GET", "/api/v1/triggers/default/draft"))[0] == 404
    assert (await service.ask("POST", path, "viewer", json={"trigger": draft, "window": WINDOW}))[0] == 403
    assert (await service.ask("POST", path, "team", json={"trigger": draft, "window": WINDOW}))[0] == 403
    status, problem = await service.ask("POST", path, json={"trigger": {**draft, "filter": ".["}, "window": WINDOW})
    assert (status, problem["code"]) == (422, "trigger_invalid")
