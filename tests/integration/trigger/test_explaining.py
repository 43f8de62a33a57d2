"""Why did this event start something, or nothing: asked of the running service."""

from integration.trigger.harness import Service
from integration.trigger.test_events import event, listen, publish, records


async def test_an_event_is_explained_for_every_trigger(service: Service) -> None:
    """Those that decided, by what was recorded; those it did not meet, by the condition that failed; by key or by id."""
    await listen(service, "gold", "com.example.*", filter={"cesql": "tier = 'gold'", "jq": ".data.n > 0"})
    await listen(service, "strict", "com.example.*", schema={"required": ["order"]})
    await listen(service, "plain", "com.example.*")
    await listen(service, "other", "org.other")
    await publish(service, event())
    (record,) = await records(service, 1)
    status, told = await service.ask("GET", f"/api/v1/events/{record['key']}/explanation")
    assert status == 200
    assert [(v["trigger"], v["outcome"]) for v in told["triggers"]] == [
        ("gold", "filtered"),
        ("plain", "started"),
        ("strict", "schema_invalid"),
        ("other", "not_met"),
    ]
    assert "the event has no attribute tier" in told["triggers"][0]["words"]
    assert told["triggers"][1]["run"] in told["summary"]
    assert "org.other" in told["triggers"][3]["words"]
    _, same = await service.ask("GET", "/api/v1/events/e1/explanation?source=/shop")
    assert same == told
    assert (await service.ask("GET", "/api/v1/events/e1/explanation"))[0] == 404
    assert (await service.ask("GET", f"/api/v1/events/{record['key']}/explanation", "team"))[0] == 404


async def test_a_trigger_shows_its_conditions_as_they_were_written(service: Service) -> None:
    """What was read can be sent back."""
    await listen(service, "both", "a", filter={"cesql": "TRUE", "jq": ".data"}, schema={"type": "object"})
    await listen(service, "plain", "a", filter=".data")
    _, both = await service.ask("GET", "/api/v1/triggers/default/both")
    assert (both["filter"], both["schema"]) == ({"cesql": "TRUE", "jq": ".data"}, {"type": "object"})
    _, plain = await service.ask("GET", "/api/v1/triggers/default/plain")
    assert plain["filter"] == ".data"
    body = {"kind": "event", "workflow": "w", "event": {"type": "a"}, "filter": {"cesql": "a ="}}
    status, problem = await service.ask("PUT", "/api/v1/triggers/default/bad", json=body)
    assert (status, problem["code"]) == (422, "trigger_invalid")
