"""The API about triggers: permissions, validation, revisions, lists."""

from typing import Any

import pytest

from integration.trigger.harness import Service
from tocsin_kit.store import Relay
from tocsin_trigger.adapters.stores import MongoTriggers
from tocsin_trigger.ports import Snapshot

BODY = {"kind": "event", "workflow": "w", "event": {"type": "com.example.*"}}
PATH = "/api/v1/triggers/default/a"


async def test_a_trigger_is_created_shown_replaced_listed_and_deleted(service: Service) -> None:
    """The whole life, with a signal for each change and none for a change that changes nothing."""
    ask = service.ask
    status, created = await ask("POST", "/api/v1/triggers", json={"name": "a", **BODY})
    assert (status, created["status"], created["revision"]) == (201, "active", 1)
    assert (await ask("POST", "/api/v1/triggers", json={"name": "a", **BODY}))[0] == 409
    status, same = await ask("PUT", PATH, json=BODY)
    assert (status, same["revision"]) == (200, 1)
    status, changed = await ask("PUT", PATH, json={**BODY, "filter": ".data.x"})
    assert (status, changed["revision"], changed["id"]) == (200, 2, created["id"])
    _, listed = await ask("GET", "/api/v1/triggers", params={"namespace": "default", "kind": "event", "workflow": "w"})
    assert [item["name"] for item in listed["items"]] == ["a"]
    assert (await ask("DELETE", PATH))[0] == 204
    assert (await ask("GET", PATH))[0] == 404
    assert (await ask("DELETE", PATH))[0] == 404
    _, again = await ask("PUT", PATH, json=BODY)
    assert again["id"] != created["id"]
    from tocsin_kit.testing.waiting import eventually

    async def told() -> Any:
        return [(s.type.split(".")[3], s.sequence) for s in await service.said("signals.default.trigger.")] == [
            ("created", 1),
            ("updated", 2),
            ("deleted", 3),
            ("created", 4),
        ]

    await eventually(told)


async def test_a_change_of_what_has_changed_meanwhile_is_refused(service: Service) -> None:
    """If-Match with an old ETag: read again."""
    await service.ask("PUT", PATH, json=BODY)
    await service.ask("PUT", PATH, json={**BODY, "filter": ".a"})
    status, problem = await service.ask("PUT", PATH, json=BODY, headers={"If-Match": '"1"'})
    assert (status, problem["code"]) == (412, "precondition_failed")
    assert (await service.ask("PUT", PATH, json=BODY, headers={"If-Match": '"2"'}))[0] == 200


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({**BODY, "filter": ".data.["}, "/filter"),
        ({**BODY, "filter": "def f: f; f"}, "/filter"),
        ({**BODY, "input": {"a": "${ $nothing }"}}, "/input/a"),
        ({"kind": "event", "workflow": "w"}, "/event"),
        ({**BODY, "webhook": {}}, "/webhook"),
        ({"kind": "webhook", "workflow": "w", "webhook": {"scheme": "hmac"}}, "/webhook/header"),
        ({"kind": "webhook", "workflow": "w", "webhook": {"scheme": "hmac", "header": "X", "signed": "{id}"}}, "/webhook"),
        ({**BODY, "event": {"type": "com.*.x"}}, "/event/type"),
    ],
)
async def test_what_is_wrong_with_a_trigger_is_said_where(service: Service, body: Any, pointer: str) -> None:
    """422 with a pointer; nothing is stored."""
    status, problem = await service.ask("PUT", PATH, json=body)
    assert status == 422, problem
    assert any(error["pointer"].startswith(pointer) for error in problem["errors"]), problem
    assert (await service.ask("GET", PATH))[0] == 404


async def test_a_short_secret_is_refused(service: Service) -> None:
    """Nobody can weaken the proof by choosing a guessable key."""
    body = {"kind": "webhook", "workflow": "w", "webhook": {"secret": "whsec_QUFB"}}
    status, problem = await service.ask("PUT", PATH, json=body)
    assert (status, problem["code"]) == (422, "trigger_invalid")
    assert "QUFB" not in str(problem)


async def test_applying_the_same_file_with_its_secret_again_changes_nothing(service: Service) -> None:
    """`apply` is idempotent, also with a secret in it."""
    body = {"kind": "webhook", "workflow": "w", "webhook": {"secret": "whsec_" + "QUFB" * 10}}
    status, created = await service.ask("PUT", PATH, json=body)
    assert (status, created["secret"]) == (201, None)
    status, again = await service.ask("PUT", PATH, json=body)
    assert (status, again["revision"]) == (200, 1)


@pytest.mark.parametrize("who", [None, "viewer", "team"])
async def test_who_may_not_cannot(service: Service, who: str | None) -> None:
    """Every route that changes needs its permission in that namespace; viewers read."""
    await service.ask("PUT", PATH, json=BODY)
    denied = 401 if who is None else 403
    for method, path, more in (
        ("PUT", PATH, {"json": BODY}),
        ("POST", "/api/v1/triggers", {"json": {"name": "b", **BODY}}),
        ("DELETE", PATH, {}),
        ("POST", f"{PATH}/pause", {"json": {}}),
        ("POST", f"{PATH}/resume", {}),
        ("POST", f"{PATH}/keys", {"json": {}}),
        ("DELETE", f"{PATH}/keys/x", {}),
    ):
        assert (await service.ask(method, path, who, **more))[0] == denied, (method, path)
    status, _ = await service.ask("GET", PATH, who)
    assert status == (401 if who is None else 200 if who == "viewer" else 403)
    if who == "team":
        assert (await service.ask("PUT", "/api/v1/triggers/team/a", who, json=BODY))[0] == 201
        _, seen = await service.ask("GET", "/api/v1/triggers", who)
        assert [item["namespace"] for item in seen["items"]] == ["team"]


async def test_a_second_look_at_all_triggers_reads_only_what_changed(service: Service) -> None:
    """Ten thousand that are known as they are cost a list of keys; one that is another by the same name is read."""
    for name in ("a", "b", "c"):
        body = {"kind": "event", "workflow": "w", "event": {"type": "com.example.x"}}
        assert (await service.ask("PUT", f"/api/v1/triggers/default/{name}", json=body))[0] == 201
    await service.ask("DELETE", "/api/v1/triggers/default/c")
    relay = next(component for component in service.components if isinstance(component, Relay))
    store = MongoTriggers(service.database, relay)
    known = {entry.key: (entry.value.id, entry.revision) for entry in (await store.snapshot()).entries if entry.value}
    assert known.keys() == {"default/a", "default/b"}
    changes = store.follow(lambda: {**known, "default/b": ("another", 1)})
    snapshot = await anext(changes)
    await changes.aclose()
    assert isinstance(snapshot, Snapshot)
    assert ([entry.key for entry in snapshot.entries], snapshot.same) == (["default/b"], frozenset({"default/a"}))
