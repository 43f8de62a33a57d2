"""Triggers that are started by name, runs that do not begin after all, and triggers that only fail."""

from integration.trigger.harness import Service
from integration.trigger.test_events import event, listen, publish, records
from integration.trigger.test_gathering import explained, runs
from tocsin.signals import CloudEvent, encode, follow
from tocsin.signals.catalogue.executor import RUN_REFUSED, RunRefused
from tocsin.signals.make import make_signal, subject_of
from tocsin_kit.clock import SystemClock
from tocsin_kit.testing.waiting import eventually


async def refuse(service: Service, command: CloudEvent) -> None:
    """Say what the executor says of a start that it does not carry out."""
    told = command.data
    payload = RunRefused(
        run=told["run"], workflow=told["workflow"], code="not_found", detail="There is no workflow w.", trigger=told["trigger"]
    )
    signal = make_signal(
        RUN_REFUSED,
        namespace="default",
        entity_id=told["run"],
        sequence=1,
        time=SystemClock().now(),
        payload=payload,
        cause=follow(command),
        actor="service:executor",
    )
    await service.bus.publish(subject_of(signal), encode(signal))


async def test_a_manual_trigger_is_started_by_name(service: Service) -> None:
    """What is filled in is checked, the same request again starts nothing, and only this kind is started so."""
    schema = {"type": "object", "required": ["reason"], "properties": {"reason": {"type": "string", "minLength": 3}}}
    made = {"kind": "manual", "workflow": "w", "schema": schema, "input": {"why": "${ .data.reason }", "by": "${ .authid }"}}
    status, answer = await service.ask("PUT", "/api/v1/triggers/default/by-hand", json=made)
    assert (status, answer["schema"]) == (201, schema)
    path = "/api/v1/triggers/default/by-hand/fire"
    status, first = await service.ask("POST", path, json={"data": {"reason": "drill"}, "id": "1"})
    assert (status, first["outcome"], first["duplicate"]) == (202, "started", False)
    _, again = await service.ask("POST", path, json={"data": {"reason": "drill"}, "id": "1"})
    assert (again["duplicate"], again["run"]) == (True, first["run"])
    _, wrong = await service.ask("POST", path, json={"data": {}})
    assert (wrong["outcome"], wrong["run"]) == ("schema_invalid", None)
    assert (await service.ask("POST", path, "viewer", json={"data": {}}))[0] == 403
    (command,) = await runs(service, 1)
    assert command.data["input"] == {"why": "drill", "by": "user:admin"}
    await listen(service, "other", "a")
    assert (await service.ask("POST", "/api/v1/triggers/default/other/fire", json={}))[0] == 422
    assert (await service.ask("POST", "/api/v1/triggers/default/none/fire", json={}))[0] == 404


async def test_a_start_that_is_refused_is_explained_and_too_many_pause_the_trigger(service: Service) -> None:
    """In the explanation of the event; after so many in a row the trigger pauses itself, with a signal."""
    await listen(service, "doomed", "com.example.*", pause_after=2)
    await publish(service, event(1))
    (first,) = await runs(service, 1)
    await refuse(service, first)

    async def told() -> bool:
        return "There is no workflow w." in (await explained(service, 1))["words"]

    await eventually(told)
    assert (await service.ask("GET", "/api/v1/triggers/default/doomed"))[1]["status"] == "active"
    await publish(service, event(2))
    await refuse(service, (await runs(service, 2))[-1])

    async def paused() -> bool:
        answer = (await service.ask("GET", "/api/v1/triggers/default/doomed"))[1]
        return answer["status"] == "paused" and "2 attempts in a row" in answer["reason"]

    await eventually(paused)
    (signal,) = await eventually(lambda: service.said("signals.default.trigger.auto-paused"))
    assert signal.data["name"] == "doomed"


async def test_a_mapping_that_only_fails_pauses_the_trigger(service: Service) -> None:
    """Failures on the event itself count as well; one that goes well in between begins the count anew."""
    await listen(service, "broken", "com.example.*", input={"n": "${ 1 / .data.n }"}, pause_after=2)
    for count, number in enumerate((0, 1, 0, 0), 1):
        made = CloudEvent(id=f"n{count}", source="/shop", type="com.example.x", data={"n": number})
        await publish(service, made)
        await records(service, count)

    async def paused() -> bool:
        return (await service.ask("GET", "/api/v1/triggers/default/broken"))[1]["status"] == "paused"

    await eventually(paused)
    assert len(await service.said("commands.executor.start")) == 1
