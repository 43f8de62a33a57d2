"""The consumer loop against a real JetStream."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta

import pytest

from tocsin.errors import Conflict, Defect, Invalid, NotFound, Unavailable
from tocsin_kit.bus import (
    Bus,
    Consumer,
    ConsumerSpec,
    Delivery,
    Message,
    Redriven,
    dead_letter,
    dead_letters,
    ensure_streams,
    forget,
)
from tocsin_kit.bus.api import call
from tocsin_kit.bus.delivery import REDRIVEN
from tocsin_kit.testing.components import running
from tocsin_kit.testing.waiting import eventually

SPEC = ConsumerSpec("trigger", "test-events", "EVENTS", ("events.>",), ack_wait=timedelta(seconds=2), max_deliver=2)


@pytest.fixture
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    bus = Bus(nats_url, name="trigger")
    await bus.start()
    await ensure_streams(bus)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(bus.serve())
        yield bus
        task.cancel()
    await bus.stop()


async def settled(bus: Bus) -> bool:
    """Everything the stream has is acknowledged."""
    last = (await call(bus, "STREAM.INFO.EVENTS"))["state"]["last_seq"]
    return bool((await call(bus, f"CONSUMER.INFO.EVENTS.{SPEC.name}"))["ack_floor"]["stream_seq"] == last)


async def test_everything_published_is_handled_once_and_acknowledged(bus: Bus) -> None:
    """A thousand events, one handling each when nothing fails, and nothing left unsettled."""
    seen: list[str] = []

    async def handle(delivery: Delivery) -> None:
        seen.append(delivery.subject)

    async with running(Consumer(bus, SPEC, handle)):
        await bus.publish_many([Message(f"events.default.n.{n}", b"{}") for n in range(1000)])
        await eventually(lambda: len(seen) >= 1000)
        await eventually(lambda: settled(bus))
    assert sorted(seen) == sorted(f"events.default.n.{n}" for n in range(1000))


async def test_a_batch_handler_gets_many_and_a_bad_one_does_not_spoil_the_others(bus: Bus) -> None:
    """When a batch fails, each is tried alone; the poisonous one becomes a dead letter, the others are handled."""
    handled: set[int] = set()

    async def handle_many(deliveries: Sequence[Delivery]) -> None:
        if any(d.payload == b"13" for d in deliveries):
            raise Invalid("thirteen")
        handled.update(int(d.payload) for d in deliveries)

    async with running(Consumer(bus, SPEC, handle_many=handle_many)):
        await bus.publish_many([Message("events.default.n", str(n).encode()) for n in range(100)])
        await eventually(lambda: len(handled) == 99)
        await eventually(lambda: settled(bus))
    letters = [letter async for letter in dead_letters(bus, "trigger")]
    assert [(x.payload, x.code, x.reason, x.subject) for x in letters] == [(b"13", "invalid", "thirteen", "events.default.n")]


async def test_what_is_unavailable_comes_again_until_it_works(bus: Bus) -> None:
    """Unavailable is not counted against the message: it comes again more often than max_deliver allows for failures."""
    attempts: list[int] = []

    async def handle(delivery: Delivery) -> None:
        attempts.append(delivery.attempt)
        if len(attempts) < 4:
            error = Unavailable("not yet")
            error.retry_after = timedelta(milliseconds=20)
            raise error

    async with running(Consumer(bus, SPEC, handle)):
        await bus.publish("events.default.n", b"")
        await eventually(lambda: settled(bus))
    assert attempts == [1, 2, 3, 4]


async def test_a_conflict_is_decided_again_at_once(bus: Bus) -> None:
    """A conflict is tried again without another delivery."""
    attempts: list[int] = []

    async def handle(delivery: Delivery) -> None:
        attempts.append(delivery.attempt)
        if len(attempts) < 3:
            raise Conflict

    async with running(Consumer(bus, SPEC, handle)):
        await bus.publish("events.default.n", b"")
        await eventually(lambda: settled(bus))
    assert attempts == [1, 1, 1]


async def test_a_failing_handler_is_bounded_and_its_message_can_be_redriven(bus: Bus) -> None:
    """After max_deliver attempts the message waits as a dead letter with headers and reason; redrive hands it over again."""
    broken = True
    seen: list[Delivery] = []

    async def handle(delivery: Delivery) -> None:
        seen.append(delivery)
        if broken:
            raise Defect("we are broken")

    consumer = Consumer(bus, SPEC, handle)
    async with running(consumer):
        await bus.publish("events.default.n", b"payload", headers={"traceparent": "00-1-2-01"})
        await eventually(lambda: settled(bus), within=15)
        assert len(seen) == 2
        assert (await consumer.redrive()).failed == 1
        broken = False
        assert (await consumer.redrive()).handled == 1
        assert (await consumer.redrive()).handled == 0
    last = seen[-1]
    assert (last.subject, last.payload, last.traceparent) == ("events.default.n", b"payload", "00-1-2-01")
    assert [letter async for letter in dead_letters(bus, "trigger")] == []


async def test_one_dead_letter_is_tried_again_or_put_away_and_the_others_stay(bus: Bus) -> None:
    """By its number; a number of another service, or of nobody, is said to be none."""
    handled: list[bytes] = []

    async def handle(delivery: Delivery) -> None:
        if REDRIVEN not in delivery.headers:
            raise Invalid("not the first time")
        handled.append(delivery.payload)

    consumer = Consumer(bus, SPEC, handle)
    async with running(consumer):
        await bus.publish_many([Message("events.default.n", str(n).encode()) for n in range(3)])
        await eventually(lambda: settled(bus))
        letters = sorted([one async for one in dead_letters(bus, "trigger")], key=lambda one: one.payload)
        assert (await consumer.redrive(only=letters[1].sequence)).handled == 1
        assert (await consumer.redrive(only=letters[1].sequence)) == Redriven(0, 0)
        assert handled == [b"1"]
        await forget(bus, await dead_letter(bus, "trigger", letters[0].sequence))
    assert [one.payload async for one in dead_letters(bus, "trigger")] == [b"2"]
    for service, sequence in (("trigger", letters[0].sequence), ("case", letters[2].sequence), ("trigger", 10**9)):
        with pytest.raises(NotFound):
            await dead_letter(bus, service, sequence)


async def test_deliveries_of_one_key_keep_their_order_while_one_fails(bus: Bus) -> None:
    """A failing delivery holds back its key and nothing else."""
    order: list[str] = []
    failures = {"a0": 1}
    gate = asyncio.Event()

    async def handle(delivery: Delivery) -> None:
        name = delivery.payload.decode()
        if failures.get(name, 0):
            await gate.wait()
            failures[name] -= 1
            raise Defect("once")
        order.append(name)
        if name == "b2":
            gate.set()

    consumer = Consumer(bus, SPEC, handle, key=lambda d: {"a": "1", "b": "2"}[d.payload.decode()[0]], concurrency=1000)
    async with running(consumer):
        await bus.publish_many([Message("events.default.n", f"{k}{n}".encode()) for n in range(3) for k in "ab"])
        await eventually(lambda: len(order) == 6)
    assert [x for x in order if x[0] == "a"] == ["a0", "a1", "a2"]
    assert [x for x in order if x[0] == "b"] == ["b0", "b1", "b2"]


async def test_a_long_handler_keeps_its_message(bus: Bus) -> None:
    """A handler may take longer than ack_wait: it is reported as being worked on and delivered to nobody else."""
    release = asyncio.Event()
    calls = 0

    async def handle(delivery: Delivery) -> None:
        nonlocal calls
        calls += 1
        await release.wait()

    spec = ConsumerSpec("trigger", SPEC.name, "EVENTS", SPEC.filters, ack_wait=timedelta(milliseconds=300))
    async with running(Consumer(bus, spec, handle)):
        await bus.publish("events.default.n", b"")
        await eventually(lambda: calls == 1)
        start = bus.clock.monotonic()
        await eventually(lambda: bus.clock.monotonic() > start + 1)  # three times ack_wait
        release.set()
        await eventually(lambda: settled(bus))
    assert calls == 1


async def test_a_consumer_that_someone_deleted_is_made_again(bus: Bus) -> None:
    """Nobody has to restart a service because its durable consumer vanished."""
    seen: list[bytes] = []

    async def handle(delivery: Delivery) -> None:
        seen.append(delivery.payload)

    async with running(Consumer(bus, SPEC, handle)):
        await bus.publish("events.default.n", b"1")
        await eventually(lambda: seen == [b"1"])
        await call(bus, f"CONSUMER.DELETE.EVENTS.{SPEC.name}")
        await bus.publish("events.default.n", b"2")
        await eventually(lambda: b"2" in seen)


async def test_what_was_not_begun_at_a_stop_goes_to_the_next_process(bus: Bus) -> None:
    """Stopping finishes what is in hand and gives back the rest at once."""
    began = asyncio.Event()
    release = asyncio.Event()
    first: list[bytes] = []
    second: list[bytes] = []

    def handler(into: list[bytes], gate: asyncio.Event) -> Callable[[Delivery], Awaitable[None]]:
        async def handle(delivery: Delivery) -> None:
            began.set()
            await gate.wait()
            into.append(delivery.payload)

        return handle

    consumer = Consumer(bus, SPEC, handler(first, release), concurrency=1)
    await consumer.start()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(consumer.serve())
        await bus.publish_many([Message("events.default.n", str(n).encode()) for n in range(3)])
        await began.wait()
        stopping = group.create_task(consumer.stop())
        release.set()
        await stopping
        task.cancel()
    assert first == [b"0"]
    opened = asyncio.Event()
    opened.set()
    async with running(Consumer(bus, SPEC, handler(second, opened))):
        await eventually(lambda: sorted(second) == [b"1", b"2"])
