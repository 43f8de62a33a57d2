"""The bus from inside: people with keys, services with their own users, and everybody's wish to say what others say."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from e2e.machine import awaited
from security.wire import Refused, connected
from security.world import HOME, NEAR, PASSWORD, World
from tocsin.signals import derive
from tocsin_kit.bus import topology
from tocsin_kit.bus.permissions import SERVICES, permissions_of

pytestmark = pytest.mark.server


def key(world: World, *bindings: tuple[str, str], name: str) -> dict[str, Any]:
    token = world.user(name, *bindings)
    made: dict[str, Any] = world.good("POST", "/api/v1/auth/nats-credentials", {"name": "bus"}, token=token)
    return made


FORBIDDEN = (
    f"events.{NEAR}.com.x",
    "events.default.com.x",
    "events.x",
    "commands.executor.start.x",
    f"signals.{HOME}.run.completed.x",
    "executor.in.0.x",
    f"logs.{HOME}.x.x",
    f"executor.signals.{HOME}.run.completed.x",
    "executor.task.default.x",
    "executor.revoke.x",
    "dead.trigger.x",
    "$JS.API.INFO",
    "$JS.API.STREAM.LIST",
    "$JS.API.STREAM.CREATE.MINE",
    "$JS.API.STREAM.DELETE.EVENTS",
    "$JS.API.STREAM.PURGE.EXECUTOR",
    "$JS.API.STREAM.MSG.GET.SIGNALS",
    "$JS.API.DIRECT.GET.EVENTS",
    "$JS.API.CONSUMER.CREATE.EVENTS",
    "$JS.ACK.EVENTS.x.1.1.1.1.1",
    "$KV.EXECUTOR.0",
    "$SYS.REQ.SERVER.PING",
    "$SYS.REQ.USER.AUTH",
    "_INBOX.x",
    "_INBOX_auth.x",
)
NOT_HEARD = (
    ">",
    "*",
    "events.>",
    f"events.{HOME}.>",
    f"signals.{NEAR}.>",
    "signals.>",
    "signals.*.>",
    "executor.>",
    "logs.>",
    "commands.>",
    "_INBOX.>",
    "_INBOX_executor.>",
    "$SYS.>",
    "$JS.>",
    "$KV.>",
    "dead.>",
    f"signals.{HOME}*.>",
)


def test_a_person_says_events_of_their_own_namespace_and_nothing_else(world: World) -> None:
    """`event:publish` in `team-a`: no other namespace, no command, signal, engine input, stream, nor an inbox of others."""
    made = key(world, ("operator", HOME), name="bus-operator")
    with connected(world.ready["nats"], made["user"], made["password"]) as wire:
        assert wire.may_publish(f"events.{HOME}.com.x")
        for subject in FORBIDDEN:
            assert not wire.may_publish(subject), subject
        assert wire.may_subscribe(f"signals.{HOME}.>")
        for subject in NOT_HEARD:
            assert not wire.may_subscribe(subject), subject


def test_a_viewer_says_nothing(world: World) -> None:
    """Reading signals gives no right to publish, not even an event."""
    made = key(world, ("viewer", HOME), name="bus-viewer")
    with connected(world.ready["nats"], made["user"], made["password"]) as wire:
        for subject in (f"events.{HOME}.com.x", *FORBIDDEN):
            assert not wire.may_publish(subject), subject


def test_an_answer_is_not_a_way_to_say_what_one_may_not(world: World) -> None:
    """A reply subject that one could not publish to is not written to by the server on one's behalf either."""
    made = key(world, ("operator", HOME), name="bus-replier")
    service = (Path(world.ready["data"]) / "secrets" / "nats-observer").read_text().strip()
    forged = f"signals.{HOME}.run.completed.forged"
    with (
        connected(world.ready["nats"], "observer", service) as listener,
        connected(world.ready["nats"], made["user"], made["password"]) as wire,
    ):
        assert listener.may_subscribe("signals.>")
        wire.may_publish(f"events.{HOME}.com.x", reply=forged)
        wire.may_publish(f"events.{HOME}.com.x", reply="commands.executor.start.forged")
        # What the stream would acknowledge is on its way before a request of the same connection is answered.
        wire.may_publish(f"events.{HOME}.com.y", reply=f"{made['inbox_prefix']}.z")
        assert listener.errors() == []
        assert forged not in listener.heard


def test_nobody_has_an_event_of_another_namespace_taken_for_a_repeat(world: World) -> None:
    """The stream drops repeats of a message id, whoever names it: those of the platform's own messages cannot be foreseen."""
    made = key(world, ("operator", HOME), name="bus-poisoner")
    victim = world.user("bus-victim", ("operator", NEAR))
    event = {"specversion": "1.0", "id": "order-1001", "source": "/shop", "type": "com.order"}
    foreseen = derive("event", NEAR, event["source"], event["id"])
    with connected(world.ready["nats"], made["user"], made["password"]) as wire:
        for name in (foreseen, event["id"]):
            assert wire.say(f"events.{HOME}.com.x", b"{}", {"Nats-Msg-Id": name}) == []
        path = f"/api/v1/events?namespace={NEAR}"
        sent = world.ask("POST", path, event, token=victim, headers={"Content-Type": "application/cloudevents+json"})
        assert sent.status == 202
    decided = awaited(lambda: world.good("GET", path, token=victim)["items"], what="the event in the record")
    assert [one["id"] for one in decided if one["type"] == "com.order"] == [event["id"]]


def test_no_header_has_the_server_say_or_remove_what_one_may_not(world: World) -> None:
    """Traces go nowhere else than messages; and the stream that people write to takes no word about what is in it already."""
    made = key(world, ("operator", HOME), name="bus-headers")
    with connected(world.ready["nats"], made["user"], made["password"]) as wire:
        for subject in FORBIDDEN:
            for only in ({}, {"Nats-Trace-Only": "true"}):
                assert wire.say(f"events.{HOME}.com.x", b"{}", {"Nats-Trace-Dest": subject, **only}), subject
    config = topology.stream_config(topology.stream("EVENTS"), topology.TopologyLimits())
    for word in ("allow_rollup_hdrs", "allow_msg_ttl", "allow_msg_schedules", "allow_msg_counter", "republish", "sources"):
        assert not config.get(word), word


def test_unfinished_batches_of_a_person_keep_nobody_from_publishing(world: World) -> None:
    """A stream takes a few atomic batches at a time: whoever begins them all and ends none only makes others do without."""
    made = key(world, ("operator", HOME), name="bus-batcher")
    victim = world.user("bus-victim", ("operator", NEAR))
    events = [{"specversion": "1.0", "id": f"many-{n}", "source": "/shop", "type": "com.many"} for n in range(40)]
    with connected(world.ready["nats"], made["user"], made["password"]) as wire:
        for number in range(60):
            headers = {"Nats-Batch-Id": f"batch-{number}", "Nats-Batch-Sequence": "1"}
            assert wire.say(f"events.{HOME}.com.x", b"{}", headers) == []
        batch = {"Content-Type": "application/cloudevents-batch+json"}
        sent = world.ask("POST", f"/api/v1/events?namespace={NEAR}", events, token=victim, headers=batch)
        assert sent.status == 202, sent.body


def test_what_a_rule_denies_is_not_heard_through_a_wildcard(world: World) -> None:
    """`viewer` everywhere but in one namespace: the server lets the wildcard in and leaves that namespace out."""
    token = world.user("bus-denied", ("viewer", "*"))
    bindings = [{"role": "viewer", "namespace": "*"}, {"role": "viewer", "namespace": NEAR, "deny": True}]
    world.good("PATCH", "/api/v1/users/bus-denied", {"bindings": bindings})
    token = world.login("bus-denied", PASSWORD)["access_token"]
    made = world.good("POST", "/api/v1/auth/nats-credentials", {"name": "bus"}, token=token)
    with connected(world.ready["nats"], made["user"], made["password"]) as wire:
        assert wire.may_subscribe("signals.*.>")
        assert not wire.may_subscribe(f"signals.{NEAR}.>")
        for namespace in (NEAR, HOME):
            world.good("POST", "/api/v1/cases", {"namespace": namespace, "title": "heard or not"})
        awaited(
            lambda: wire.errors() or [one for one in wire.heard if one.startswith(f"signals.{HOME}.case.")], what="the signal"
        )
        assert not [subject for subject in wire.heard if subject.startswith(f"signals.{NEAR}.")]


def test_nobody_hears_answers_for_others_nor_gives_them(world: World) -> None:
    """Each principal has an inbox of its own; of another person, of another key of the same person, and of services."""
    ada, ben = key(world, ("viewer", HOME), name="bus-ada"), key(world, ("operator", HOME), name="bus-ben")
    other = world.good("POST", "/api/v1/auth/nats-credentials", {"name": "other"}, token=world.user("bus-ben"))
    with connected(world.ready["nats"], ben["user"], ben["password"]) as wire:
        assert wire.may_subscribe(f"{ben['inbox_prefix']}.>")
        for prefix in (ada["inbox_prefix"], other["inbox_prefix"], "_INBOX", "_INBOX_auth", "_R_"):
            for subject in (f"{prefix}.>", f"{prefix}.*", f"{prefix}.x", f"{prefix[:-2]}*.>"):
                assert not wire.may_subscribe(subject), subject
            assert not wire.may_publish(f"{prefix}.x"), prefix


@pytest.mark.parametrize("password", ["", "wrong", "tcn_" + "0" * 26 + "_" + "a" * 49, "eyJhbGciOiJub25lIn0.e30."])
@pytest.mark.parametrize("user", ["admin", "auth", "executor", "$SYS", ""])
def test_nobody_comes_in_without_a_credential(world: World, user: str, password: str) -> None:
    """Neither as a person nor as a service nor as the server's own account."""
    with pytest.raises(Refused), connected(world.ready["nats"], user, password):
        pass


def test_a_revoked_key_comes_in_no_more(world: World) -> None:
    """The auth service is asked at each connection."""
    made = key(world, ("viewer", HOME), name="bus-revoked")
    world.good("DELETE", f"/api/v1/api-keys/{made['key']}")
    with pytest.raises(Refused), connected(world.ready["nats"], made["user"], made["password"]):
        pass


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_speaks_for_itself_only(world: World, service: str) -> None:
    """What other services may publish and hear, as far as its own table does not name it, is refused by the server."""
    password = (Path(world.ready["data"]) / "secrets" / f"nats-{service}").read_text().strip()
    own = permissions_of(service)
    others = {subject for other in SERVICES if other != service for subject in permissions_of(other).publish}
    heard = {subject for other in SERVICES if other != service for subject in permissions_of(other).subscribe}
    foreign = [concrete(subject) for subject in sorted(others)]
    foreign += [
        "$JS.API.STREAM.DELETE.EXECUTOR",
        "$JS.API.STREAM.PURGE.SIGNALS",
        "$JS.API.STREAM.DELETE.DEAD",
        "$SYS.REQ.SERVER.PING",
    ]
    with connected(world.ready["nats"], service, password) as wire:
        for subject in foreign:
            if not any(matches(pattern, subject) for pattern in own.publish):
                assert not wire.may_publish(subject), subject
        for subject in sorted({*heard, ">", "_INBOX.>", "$SYS.>", "commands.>"} - set(own.subscribe)):
            if not any(matches(pattern, concrete(subject)) for pattern in own.subscribe):
                assert not wire.may_subscribe(subject), subject


def test_no_service_may_delete_or_purge_a_stream() -> None:
    """Nor create consumers on streams it does not read: the table itself, so that a new entry is seen."""
    for service in SERVICES:
        granted = [subject for subject in permissions_of(service).publish if subject.startswith("$JS.API.STREAM.")]
        for verb in ("DELETE", "PURGE", "SNAPSHOT", "RESTORE"):
            for stream in ("SIGNALS", "EVENTS", "COMMANDS", "DEAD"):
                assert not any(matches(subject, f"$JS.API.STREAM.{verb}.{stream}") for subject in granted), (service, verb)


def concrete(pattern: str) -> str:
    """A subject that a pattern matches."""
    return ".".join("zz" if token in {"*", ">"} else token for token in pattern.split("."))


def matches(pattern: str, subject: str) -> bool:
    """Whether NATS would say that it matches."""
    wanted, given = pattern.split("."), subject.split(".")
    for index, token in enumerate(wanted):
        if token == ">":
            return len(given) > index
        if index >= len(given) or token not in {"*", given[index]}:
            return False
    return len(wanted) == len(given)


def test_claims_of_a_key_are_in_no_answer_twice(world: World) -> None:
    """The password of a connection is shown once: neither the list nor the key itself has it."""
    made = key(world, ("viewer", HOME), name="bus-once")
    token = world.user("bus-once")
    for path in ("/api/v1/api-keys", f"/api/v1/api-keys/{made['key']}"):
        assert made["password"] not in json.dumps(world.good("GET", path, token=token))
    assert base64.b64encode(made["password"].encode()).decode() not in world.log()
