"""Custom events: from any NATS client with credentials of the command line, and over HTTP; without them, refused."""

import contextlib
import itertools
import json
import os
from collections.abc import AsyncIterator

import nats
import pytest

from e2e.machine import awaited
from tocsin_kit.testing.waiting import eventually

pytestmark = pytest.mark.server

_names = itertools.count(1)


@pytest.fixture
def listening(machine):
    """The type of an event that starts ``hello``; the trigger has the same name with dashes."""
    kind = f"com.example.visit.n{os.getpid()}x{next(_names)}"
    wanted = {"kind": "event", "workflow": "hello", "event": {"type": kind}, "input": {"name": "${ .data.name }"}}
    made = machine.ask("PUT", f"/api/v1/triggers/default/{kind.replace('.', '-')}", wanted, token=machine.token)
    assert made.status == 201, made
    return kind


def greeted(machine, kind):
    """The run that an event of this type has started, once it has ended."""

    def decided():
        return [d["run"] for event in machine.events(type=kind) for d in event["decisions"] if d["run"]]

    (run,) = awaited(decided, what=f"the decision about {kind}")
    return machine.ended(run)


@contextlib.asynccontextmanager
async def client(url, **options) -> AsyncIterator[tuple[nats.NATS, list[str]]]:
    """A connection as any program makes it, and what the server said was wrong."""
    refused: list[str] = []

    async def note(error: Exception) -> None:
        refused.append(str(error).lower())

    made = nats.NATS()
    try:
        await made.connect(url, allow_reconnect=False, connect_timeout=5, error_cb=note, **options)
    except BaseException:
        if (transport := made._transport) is not None:  # which nats-py leaves open after a refusal
            transport.close()
            with contextlib.suppress(ConnectionError):  # the server has hung up already
                await transport.wait_closed()
        raise
    try:
        yield made, refused
    finally:
        await made.close()


def credentials(machine, *grants):
    """What `tocsin auth nats-credentials` gives."""
    given = machine.json("auth", "nats-credentials", *(part for grant in grants for part in ("--grant", grant)))
    return given["url"], {name: given[name] for name in ("user", "password", "inbox_prefix")}


async def test_a_nats_client_with_credentials_starts_a_workflow(machine, listening):
    """A structured CloudEvent on ``events.<namespace>.<type>``; the acknowledgement says that it is on disk."""
    url, options = credentials(machine, "event:publish@default")
    event = {"specversion": "1.0", "id": "n-1", "source": "/door", "type": listening, "data": {"name": "Grace"}}
    async with client(url, **options) as (connection, _):
        ack = await connection.jetstream().publish(f"events.default.{listening}", json.dumps(event).encode())
    assert ack.stream == "EVENTS"
    run = greeted(machine, listening)
    assert run["output"] == {"greeting": "Hello, Grace!"}


async def test_without_credentials_nobody_gets_in(platform):
    """No anonymous connection, and no guessed one."""
    for options in ({}, {"user": "admin", "password": "admin"}, {"user": "executor", "password": ""}):
        with pytest.raises(nats.errors.Error, match=r"(?i)authorization"):
            async with client(platform.ready["nats"], **options):
                pass


async def test_with_credentials_only_the_own_subjects_are_open(machine, listening):
    """Another namespace, commands, signals, the engine's log and other people's inboxes are refused; nothing starts."""
    url, options = credentials(machine, "event:publish@default")
    foreign = (
        f"events.other.{listening}",
        "commands.executor.start.x",
        "signals.default.run.started.x",
        "executor.in.0.x",
        "$JS.API.STREAM.DELETE.EVENTS",
    )
    async with client(url, **options) as (connection, refused):
        for subject in foreign:
            await connection.publish(subject, b"{}")
        await connection.flush()

        def all_refused() -> bool:  # the server says so beside the answer to the flush, in no promised order
            return all(any(subject.lower() in text for text in refused) for subject in foreign)

        await eventually(all_refused)
    async with client(url, **options) as (connection, refused):
        await connection.subscribe("signals.>")
        await connection.flush()
        await eventually(lambda: any("signals.>" in text for text in refused))
    assert machine.events(type=listening) == []


def test_an_event_over_http_starts_a_workflow(machine, listening):
    """Structured and binary; the same id again is the same event."""
    event = {"specversion": "1.0", "id": "h-1", "source": "/door", "type": listening, "data": {"name": "Linus"}}
    for _ in range(2):
        answer = machine.ask(
            "POST",
            "/api/v1/events?namespace=default",
            event,
            token=machine.token,
            headers={"Content-Type": "application/cloudevents+json"},
        )
        assert answer.status == 202, answer
    assert greeted(machine, listening)["output"] == {"greeting": "Hello, Linus!"}
    assert len(machine.events(type=listening)) == 1


def test_an_event_from_the_command_line_starts_a_workflow(machine):
    """The example trigger; and an event that nobody listens to says so."""
    machine.tocsin("event", "publish", "com.example.visitor.arrived", "--data", '{"name": "Barbara"}')
    assert greeted(machine, "com.example.visitor.arrived")["output"] == {"greeting": "Hello, Barbara!"}
    machine.tocsin("event", "publish", "com.example.nobody.listens")
    (ignored,) = awaited(lambda: machine.events(type="com.example.nobody.listens"), what="the record")
    assert "No trigger of namespace default listens" in ignored["explanation"]
