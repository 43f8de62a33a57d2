"""Webhooks against the running service: the genuine start one run, all else is refused, and everything is recorded."""

import hashlib
import hmac
from typing import Any

import pytest

from integration.trigger.harness import Service, started
from tocsin_kit.testing.waiting import eventually


async def outcomes(service: Service, **query: str) -> list[str]:
    """Outcomes and refusals, oldest first."""
    status, answer = await service.ask("GET", "/api/v1/events", params={"namespace": "default", **query})
    assert status == 200, answer
    told = [item["code"] or item["decisions"][0]["outcome"] for item in answer["items"]]
    return told[::-1]


async def test_a_genuine_webhook_is_answered_when_it_is_on_disk_and_starts_one_run(service: Service) -> None:
    """202, a record with its decision, one command, and signals for all of it."""
    secret = (await service.webhook(labels={"team": "shop"}))["secret"]
    status, answer = await service.send(secret, b'{"sku":"a","n":2}', message="msg_a")
    assert status == 202, answer
    assert (answer["outcome"], answer["duplicate"]) == ("started", False)

    async def command() -> Any:
        return await service.said("commands.executor.start")

    (start,) = await eventually(command)
    assert start.type == "io.tocsin.command.run.start.v1"
    data = start.payload
    assert data["run"] == answer["run"] == start.subject
    assert (data["workflow"], data["input"], data["labels"]) == ("fulfil", {"sku": "a", "n": 2}, {"team": "shop"})
    assert data["trigger"] == {"kind": "webhook", "name": "orders", "event": answer["event"]}
    assert start.correlation_id == "msg_a"
    _, record = await service.ask("GET", f"/api/v1/events/{answer['event']}")
    assert record["event"]["data"] == {"sku": "a", "n": 2}
    assert record["explanation"] == f"orders started run {answer['run']} of fulfil."

    async def signals() -> Any:
        found = [s.type for s in await service.said("signals.default.")]
        own = [kind for kind in found if not kind.startswith("io.tocsin.request.")]  # what was asked of the API is said, too
        return len(own) >= 3 and own

    kinds = await eventually(signals)
    assert kinds == ["io.tocsin.trigger.created.v1", "io.tocsin.event.accepted.v1", "io.tocsin.decision.made.v1"]


async def test_what_is_not_genuine_is_refused_recorded_and_starts_nothing(service: Service) -> None:
    """Each refusal has its own code and status; none of them starts anything."""
    secret = (await service.webhook(webhook={"max_body": 100}))["secret"]
    other = "whsec_" + "QUFB" * 10
    refusals = [
        (401, "signature_invalid", await service.send(other)),
        (401, "signature_invalid", await service.ask("POST", "/hooks/default/orders", None, data=b"{}")),
        (400, "timestamp_too_old", await service.send(secret, ahead=-301)),
        (400, "timestamp_in_future", await service.send(secret, ahead=310)),
        (413, "too_large", await service.send(secret, b'{"a":"' + b"x" * 200 + b'"}')),
        (400, "malformed", await service.send(secret, b'{"a":')),
        (400, "malformed", await service.send(secret, message="msg.with.dots")),
    ]
    for status, code, (given, problem) in refusals:
        assert (given, problem["code"]) == (status, code), problem
    assert sorted(await outcomes(service)) == sorted(code for _, code, _ in refusals)
    assert await service.said("commands.") == []

    async def told() -> bool:
        return len(await service.said("signals.default.event.refused")) == len(refusals)

    await eventually(told)


async def test_a_repeated_message_is_a_duplicate_and_starts_nothing(service: Service) -> None:
    """Same id, newly signed: answered as a duplicate with what was decided then, and recorded."""
    secret = (await service.webhook())["secret"]
    first = await service.send(secret, message="msg_a")
    again = await service.send(secret, message="msg_a", ahead=5)
    assert (first[0], again[0]) == (202, 200)
    assert again[1] == {**first[1], "duplicate": True}
    assert await outcomes(service) == ["started", "replayed"]
    _, record = await service.ask("GET", f"/api/v1/events/{first[1]['event']}")
    assert record["repeats"] == 1

    async def one() -> bool:
        return len(await service.said("commands.")) == 1

    await eventually(one)


async def test_a_body_signed_for_another_timestamp_or_id_is_not_genuine(service: Service) -> None:
    """Nothing of what is signed can be exchanged."""
    from integration.trigger.harness import signed

    secret = (await service.webhook())["secret"]
    headers = {"Content-Type": "application/json", **signed(secret, b"{}")}
    for name, value in (("webhook-id", "msg_2"), ("webhook-timestamp", str(int(headers["webhook-timestamp"]) - 1))):
        status, _ = await service.ask("POST", "/hooks/default/orders", None, data=b"{}", headers={**headers, name: value})
        assert status == 401
    status, _ = await service.ask("POST", "/hooks/default/orders", None, data=b"{ }", headers=headers)
    assert status == 401


async def test_several_keys_count_at_once_and_a_removed_one_does_not(service: Service) -> None:
    """Rotation: add a key, let the partner change over, remove the old one. Secrets are shown once and never again."""
    old = (await service.webhook())["secret"]
    status, added = await service.ask("POST", "/api/v1/triggers/default/orders/keys", json={})
    assert status == 201
    new = added["secret"]
    assert (await service.send(old, message="a"))[0] == 202
    assert (await service.send(new, message="b"))[0] == 202
    _, shown = await service.ask("GET", "/api/v1/triggers/default/orders")
    assert shown["secret"] is None
    assert old not in str(shown)
    first, second = [key["id"] for key in shown["webhook"]["keys"]]
    assert (await service.ask("DELETE", f"/api/v1/triggers/default/orders/keys/{first}"))[0] == 204
    assert (await service.send(old, message="c"))[0] == 401
    assert (await service.send(new, message="d"))[0] == 202
    status, problem = await service.ask("DELETE", f"/api/v1/triggers/default/orders/keys/{second}")
    assert (status, problem["code"]) == (409, "conflict")


async def test_secrets_are_encrypted_at_rest(service: Service) -> None:
    """The database holds no secret's text."""
    secret = (await service.webhook())["secret"]
    document = await service.database.collection("triggers").find_one({})
    assert secret not in str(document)
    assert secret.removeprefix("whsec_") not in str(document)


async def test_a_partner_may_sign_in_a_header_of_its_own(service: Service) -> None:
    """GitHub's way: X-Hub-Signature-256, a prefix, hex over the body, and an id in another header."""
    scheme = {
        "scheme": "hmac",
        "header": "X-Hub-Signature-256",
        "prefix": "sha256=",
        "id_header": "X-GitHub-Delivery",
        "secret": "It's a Secret to Everybody",
    }
    await service.webhook("github", webhook=scheme)
    body = b'{"action":"opened"}'
    mac = hmac.new(b"It's a Secret to Everybody", body, hashlib.sha256).hexdigest()
    headers = {"X-Hub-Signature-256": f"sha256={mac}", "X-GitHub-Delivery": "d-1", "Content-Type": "application/json"}
    send = {"data": body, "headers": headers}
    assert (await service.ask("POST", "/hooks/default/github", None, **send))[0] == 202
    assert (await service.ask("POST", "/hooks/default/github", None, **send))[0] == 200
    headers["X-Hub-Signature-256"] = f"sha256={mac[:-1]}0"
    assert (await service.ask("POST", "/hooks/default/github", None, **send))[0] == 401


async def test_a_filter_and_a_mapping_decide_what_starts_and_with_what(service: Service) -> None:
    """The filter's no is a recorded decision; the mapping makes the input."""
    more = {"filter": ".data.total > 100", "input": {"order": "${ .data.id }", "by": "${ $trigger.name }"}}
    secret = (await service.webhook(**more))["secret"]
    small = await service.send(secret, b'{"id":1,"total":5}', message="a")
    large = await service.send(secret, b'{"id":2,"total":500}', message="b")
    assert (small[0], small[1]["outcome"], small[1]["run"]) == (202, "filtered", None)
    assert large[1]["outcome"] == "started"

    async def command() -> Any:
        return await service.said("commands.")

    (start,) = await eventually(command)
    assert start.payload["input"] == {"order": 2, "by": "orders"}
    _, record = await service.ask("GET", f"/api/v1/events/{small[1]['event']}")
    assert "orders started nothing (filtered: The filter said no: .data.total > 100)" in record["explanation"]


async def test_a_paused_webhook_records_and_starts_nothing_until_it_is_resumed(service: Service) -> None:
    """Paused with a reason and an actor; what arrives is accepted and explained."""
    secret = (await service.webhook())["secret"]
    status, paused = await service.ask("POST", "/api/v1/triggers/default/orders/pause", json={"reason": "migration"})
    assert (status, paused["status"], paused["reason"], paused["paused_by"]) == (200, "paused", "migration", "user:admin")
    assert (await service.send(secret, message="a"))[1]["outcome"] == "paused"
    assert (await service.ask("POST", "/api/v1/triggers/default/orders/resume"))[1]["status"] == "active"
    assert (await service.send(secret, message="b"))[1]["outcome"] == "started"

    async def said() -> bool:
        kinds = [s.type.split(".")[3] for s in await service.said("signals.default.trigger.")]
        return kinds == ["created", "paused", "resumed"]

    await eventually(said)


async def test_a_flood_of_garbage_is_counted_and_not_all_recorded(service: Service) -> None:
    """An attacker cannot fill the disk: a burst is recorded, the rest is a number in the next record."""
    await service.webhook()
    for _ in range(60):
        assert (await service.ask("POST", "/hooks/default/orders", None, data=b"x"))[0] == 401
    recorded = await service.database.collection("events").count_documents({})
    assert 30 <= recorded < 45


async def test_what_was_accepted_before_a_kill_is_dispatched_by_the_next_process(
    environ: dict[str, str], service: Service
) -> None:
    """The answer means: on disk. A process that dies before it relays anything loses nothing."""
    from tocsin_kit.store import Relay

    secret = (await service.webhook())["secret"]
    relay = next(c for c in service.components if isinstance(c, Relay))

    async def deaf(items: object) -> None:
        from tocsin.errors import Unavailable

        raise Unavailable("this process is about to die")

    transport = relay._transport
    relay._transport = type("Deaf", (), {"deliver": staticmethod(deaf)})()
    status, answer = await service.send(secret)
    assert status == 202
    assert await service.said("commands.") == []
    async with started(environ) as other:

        async def dispatched() -> Any:
            return await other.said("commands.")

        (start,) = await eventually(dispatched, within=15)
        assert start.subject == answer["run"]
        relay._transport = transport


async def test_nothing_is_accepted_while_the_bus_is_away(service: Service) -> None:
    """503, so that the sender tries again; nothing is recorded as accepted that cannot be dispatched."""
    secret = (await service.webhook())["secret"]
    service.bus._connected.clear()
    status, problem = await service.send(secret)
    service.bus._connected.set()
    assert (status, problem["code"]) == (503, "unavailable")


@pytest.mark.parametrize("path", ["/hooks/default/nobody", "/hooks/other/orders"])
async def test_an_unknown_webhook_is_not_found(service: Service, path: str) -> None:
    """404 and nothing recorded."""
    await service.webhook()
    assert (await service.ask("POST", path, None, data=b"{}"))[0] == 404
    assert await service.database.collection("events").count_documents({}) == 0


async def test_another_replica_knows_a_new_trigger_at_once(environ: dict[str, str], service: Service) -> None:
    """A change made by one replica counts for the others within moments, deletions included."""
    async with started(environ) as other:
        secret = (await service.webhook())["secret"]

        async def known() -> bool:
            return (await other.send(secret, message="x"))[0] in {200, 202}

        await eventually(known)
        assert (await service.ask("DELETE", "/api/v1/triggers/default/orders"))[0] == 204

        async def gone() -> bool:
            return (await other.send(secret, message="y"))[0] == 404

        await eventually(gone)
