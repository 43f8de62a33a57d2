"""The connection against a real server that is killed and comes back."""

import asyncio
import gc
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from tocsin.errors import Defect, TooLarge
from tocsin.signals import CloudEvent, decode
from tocsin_kit.bus import Bus, BusUnavailable, Consumer, ConsumerSpec, Delivery, Message, WrongSequence, ensure_streams
from tocsin_kit.bus.messages import EXPECTED_LAST_SUBJECT_SEQUENCE
from tocsin_kit.embedded import NatsOptions, NatsServer, NatsUser, free_ports
from tocsin_kit.testing.waiting import eventually


@pytest.fixture
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    bus = Bus(nats_url, name="test", patience=timedelta(seconds=2))
    await bus.start()
    await ensure_streams(bus)
    yield bus
    await bus.stop()


async def test_a_publish_says_where_it_is_stored_and_recognises_a_repeat(bus: Bus) -> None:
    """The acknowledgement names stream and place; the same message id again is a duplicate of that place."""
    first = await bus.publish("events.default.x", b"1", msg_id="a")
    again = await bus.publish("events.default.x", b"1", msg_id="a")
    assert (first.stream, first.sequence, first.duplicate) == ("EVENTS", 1, False)
    assert (again.sequence, again.duplicate) == (1, True)


async def test_pipelined_messages_are_stored_in_order(bus: Bus) -> None:
    """Order of publishing is order in the stream."""
    acks = await bus.publish_many([Message("events.default.x", str(n).encode()) for n in range(2000)])
    assert [ack.sequence for ack in acks] == list(range(1, 2001))


async def test_an_expectation_that_does_not_hold_is_a_conflict(bus: Bus) -> None:
    """Optimistic writers on the bus decide again."""
    await bus.publish("events.default.x", b"1")
    with pytest.raises(WrongSequence):
        await bus.publish("events.default.x", b"2", headers={EXPECTED_LAST_SUBJECT_SEQUENCE: "0"})


async def test_each_thing_that_cannot_be_published_says_what_happens_next(bus: Bus) -> None:
    """No stream: later may work. Too large: never. Not a subject: our mistake."""
    with pytest.raises(BusUnavailable):
        await bus.publish("nobody.listens", b"")
    with pytest.raises(TooLarge):
        await bus.publish("events.default.x", bytes(9 * 1024 * 1024))
    with pytest.raises(Defect):
        await bus.publish("events default", b"")


async def test_an_event_arrives_as_it_was_published(bus: Bus) -> None:
    """Structured mode, with the event's id as the message id."""
    event = CloudEvent(id="1", source="/test", type="com.example.x", data={"a": 1})
    assert (await bus.publish_event("events.default.com.example.x", event)).sequence == 1
    assert (await bus.publish_event("events.default.com.example.x", event)).duplicate
    seen: list[bytes] = []

    async def handle(delivery: Delivery) -> None:
        seen.append(delivery.payload)

    consumer = Consumer(bus, ConsumerSpec("test", "t", "EVENTS", ("events.>",)), handle)
    await consumer.start()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(consumer.serve())
        await eventually(lambda: seen)
        await consumer.stop()
        task.cancel()
    assert decode(seen[0]) == event


async def test_a_killed_server_turns_health_off_and_its_return_needs_nobody(tmp_path: Path) -> None:
    """While the server is away publishing fails in bounded time; afterwards the same bus and consumer go on by themselves."""
    server = NatsServer(tmp_path, NatsOptions(port=free_ports(1)[0], sync="always"))
    await server.start()
    bus = Bus(server.url, name="test", patience=timedelta(seconds=1))
    await bus.start()
    await ensure_streams(bus)
    seen: list[bytes] = []

    async def handle(delivery: Delivery) -> None:
        seen.append(delivery.payload)

    consumer = Consumer(bus, ConsumerSpec("test", "t", "EVENTS", ("events.>",)), handle)
    await consumer.start()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(bus.serve()), group.create_task(consumer.serve())]
        for n in range(2):
            await bus.publish("events.default.x", b"before %d" % n)
            await eventually(lambda n=n: b"before %d" % n in seen)
            assert bus.health().ready
            server.child.kill()
            await eventually(lambda: not bus.health().ready)
            with pytest.raises(BusUnavailable):
                await bus.publish("events.default.x", b"lost")
            await server.start()
            await eventually(lambda: bus.health().ready)
            await bus.publish("events.default.x", b"after %d" % n)
            await eventually(lambda n=n: b"after %d" % n in seen)
        for task in tasks:
            task.cancel()
    await bus.stop()
    await server.stop()
    assert b"lost" not in seen


# The client library drops the socket of a refused login unclosed; nobody else can close it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
async def test_a_refused_login_and_a_connection_closed_for_good_need_nobody(tmp_path: Path) -> None:
    """When the server takes the login again the bus is back; a connection that the library gave up is replaced."""
    port = free_ports(1)[0]
    mine = (NatsUser("test", "pw"),)

    def server(users: tuple[NatsUser, ...]) -> NatsServer:
        return NatsServer(tmp_path, NatsOptions(port=port, users=users))

    running = server(mine)
    await running.start()
    bus = Bus(running.url, name="test", user="test", password="pw", patience=timedelta(seconds=1))
    await bus.start()
    await ensure_streams(bus)
    seen: list[bytes] = []

    async def handle(delivery: Delivery) -> None:
        seen.append(delivery.payload)

    consumer = Consumer(bus, ConsumerSpec("test", "t", "EVENTS", ("events.>",)), handle)
    await consumer.start()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(bus.serve()), group.create_task(consumer.serve())]
        running.child.kill()
        await eventually(lambda: not bus.health().ready)
        running = server((NatsUser("test", "another"),))
        await running.start()
        await eventually(lambda: "uthorization" in bus.health().detail)
        running.child.kill()
        running = server(mine)
        await running.start()
        await eventually(lambda: bus.health().ready, within=20)
        await bus.publish("events.default.x", b"back")
        await eventually(lambda: seen == [b"back"])
        given_up = bus.nats
        await given_up.close()  # what the library does on an error that it takes for final
        await eventually(lambda: bus.health().ready and bus.nats is not given_up)
        await bus.publish("events.default.x", b"replaced")
        await eventually(lambda: seen == [b"back", b"replaced"])
        for task in tasks:
            task.cancel()
    await bus.stop()
    await running.stop()
    gc.collect()  # here, where it is expected
