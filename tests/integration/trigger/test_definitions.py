"""Triggers that belong to definitions: they come and go by signal."""

from typing import Any

from integration.trigger.harness import Service
from integration.trigger.test_events import publish
from integration.trigger.test_gathering import runs
from tocsin.signals import CloudEvent, encode, root
from tocsin.signals.catalogue.executor import (
    DEFINITION_DELETED,
    DEFINITION_PUBLISHED,
    DefinitionDeleted,
    DefinitionPublished,
    DefinitionSchedule,
)
from tocsin.signals.make import make_signal, subject_of
from tocsin_kit.clock import SystemClock
from tocsin_kit.testing.waiting import eventually
from tocsin_trigger.domain.wishes import DATA

PATH = "/api/v1/triggers/default/definition.fulfil"


async def say(service: Service, number: int, on: Any, *, read: str | None = None, deleted: bool = False) -> None:
    """What the executor says about a definition."""
    schedule = None if on is None else DefinitionSchedule(on=on, read=read)
    known = {"namespace": "default", "name": "fulfil", "version": "1.0.0", "schedule": schedule}
    payload = DefinitionDeleted(**known) if deleted else DefinitionPublished(**known, digest="sha256:x")
    signal = make_signal(
        DEFINITION_DELETED if deleted else DEFINITION_PUBLISHED,
        namespace="default",
        entity_id="fulfil",
        sequence=number,
        time=SystemClock().now(),
        payload=payload,
        cause=root("c"),
        actor="user:a",
    )
    await service.bus.publish(subject_of(signal), encode(signal))


async def until(service: Service, status: int, **parts: Any) -> dict[str, Any]:
    """The trigger, when it is there (or is not) and has these parts."""

    async def there() -> Any:
        found, answer = await service.ask("GET", PATH)
        return found == status and (status != 200 or {k: answer[k] for k in parts} == parts) and (answer or True)

    answer: dict[str, Any] = await eventually(there)
    return answer


async def test_schedule_on_is_a_trigger_as_long_as_the_definition_says_so(service: Service) -> None:
    """Made, changed, not a person's to edit, taken away; an older word that comes late changes nothing."""
    one = {"one": {"with": {"type": "com.example.order", "source": "/shop", "subject": "a", "data": "${ .total > 1 }"}}}
    await say(service, 1, one)
    made = await until(service, 200, managed=True)
    assert made["when"]["of"][0]["filter"] == '(.subject == "a") and (.data | (.total > 1))'
    for method, body in (("PUT", {"kind": "manual", "workflow": "w"}), ("DELETE", None)):
        status, answer = await service.ask(method, PATH, json=body)
        assert (status, answer["code"]) == (409, "trigger_managed")

    def order(number: int, subject: str = "a", total: int = 5) -> CloudEvent:
        return CloudEvent(id=f"o{number}", source="/shop", type="com.example.order", subject=subject, data={"total": total})

    await publish(service, order(1), order(2, "b"), order(3, total=1))
    (command,) = await runs(service, 1)
    assert (command.data["workflow"], command.data["input"]) == ("fulfil", [{"total": 5}])
    both = {
        "all": [
            {"with": {"type": "com.example.order"}, "correlate": {"id": {"from": "${ .data.total }"}}},
            {"with": {"type": "com.example.paid"}, "correlate": {"id": {"from": "${ .data.total }"}}},
        ]
    }
    await say(service, 3, both, read="envelope")
    await until(service, 200, input="${ .events }")
    await say(service, 2, one)
    await publish(service, order(4, total=7), CloudEvent(id="p", source="/bank", type="com.example.paid", data={"total": 7}))
    together = (await runs(service, 2))[1]
    assert [event["id"] for event in together.data["input"]] == ["o4", "p"]
    await say(service, 4, None, deleted=True)
    await until(service, 404)
    await say(service, 3, both)
    await publish(service, order(9))
    assert (await service.ask("GET", PATH))[0] == 404


async def test_events_are_collected_until_the_definition_has_enough(service: Service) -> None:
    """By patterns and by several correlations, ended by an event, which is not in the input, or by a condition."""

    def by(a: str, b: str) -> dict[str, Any]:
        return {a: {"from": f"${{ .data.{a} }}"}, b: {"from": f".data.{b}"}, "c": {"from": ".data.c", "expect": "x"}}

    steps = {"with": {"type": "com\\.example\\.(step|jump)", "source": "/s"}, "correlate": by("a", "b")}
    done = {"with": {"type": "com.example.done"}, "correlate": by("b", "a")}
    await say(service, 1, {"any": [steps], "until": {"one": done}})
    made = await until(service, 200, input=f"${{ .events | map({DATA}) }}")
    assert (made["when"]["mode"], made["when"]["of"][0]["match"]) == ("collect", {"type": "com\\.example\\.(step|jump)"})
    sent = [
        ("step", 1, 1, "x"),
        ("jump", 1, 1, "x"),
        ("step", 1, 2, "x"),
        ("stepped", 1, 1, "x"),
        ("step", 1, 1, "y"),
        ("done", 1, 1, "x"),
    ]
    events = [
        CloudEvent(id=f"u{n}", source="/s", type=f"com.example.{kind}", data={"a": a, "b": b, "c": c, "n": n})
        for n, (kind, a, b, c) in enumerate(sent)
    ]
    await publish(service, *events)
    (collected,) = await runs(service, 1)
    assert [data["n"] for data in collected.data["input"]] == [0, 1]
    await say(service, 2, {"any": [], "until": "${ length == 2 and .[0].data.n == 7 }"}, read="envelope")
    await until(service, 200, input="${ .events }")
    await publish(service, *(CloudEvent(id=f"v{n}", source="/t", type="other", data={"n": n}) for n in (7, 8)))
    assert [event["id"] for event in (await runs(service, 2))[1].data["input"]] == ["v7", "v8"]
