"""Each service's NATS user against a real server: what it needs is allowed, what it does not is refused."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from tocsin.errors import TocsinError
from tocsin_kit.bus import Bus, BusForbidden, BusUnavailable, Consumer, Delivery, dead_letters, ensure_streams
from tocsin_kit.bus.api import call
from tocsin_kit.bus.permissions import SERVICES, permissions_of
from tocsin_kit.bus.topology import CONSUMERS, STREAMS, streams_of
from tocsin_kit.embedded import NatsOptions, NatsServer, NatsUser, free_ports
from tocsin_kit.testing.waiting import eventually


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    """A server with exactly the users of the table."""
    users = tuple(
        NatsUser(name, f"pw-{name}", publish=permissions_of(name).publish, subscribe=permissions_of(name).subscribe)
        for name in SERVICES
    )
    server = NatsServer(tmp_path, NatsOptions(port=free_ports(1)[0], users=users))
    await server.start()
    yield server.url
    await server.stop()


@pytest.fixture
async def buses(url: str) -> AsyncIterator[dict[str, Bus]]:
    """One connection a service."""
    async with AsyncExitStack() as stack:
        found = {}
        for name in SERVICES:
            bus = Bus(url, name=name, user=name, password=f"pw-{name}", patience=timedelta(seconds=2))
            await bus.start()
            stack.push_async_callback(bus.stop)
            found[name] = bus
        yield found


async def refused(bus: Bus, subject: str) -> bool:
    try:
        await bus.publish(subject, b"{}")
    except BusForbidden:
        return True
    return False


async def test_every_service_makes_its_streams_and_consumers_in_any_order(buses: dict[str, Bus]) -> None:
    """Services start in any order: each makes sure of what it uses with its own user, and finds what others made."""
    for name in reversed(SERVICES):
        await ensure_streams(buses[name], None, *(streams_of(name) or ["none"]))
    for name in SERVICES:
        await ensure_streams(buses[name], None, *(streams_of(name) or ["none"]))

    async def handle(delivery: Delivery) -> None:
        raise AssertionError

    for spec in CONSUMERS:
        if spec.service == "executor" or spec.filters == ("signals.>",):
            await Consumer(buses[spec.service], spec, handle).start()
    made = {s.name for s in STREAMS}
    for name in made:
        await call(buses["executor"], f"STREAM.INFO.{name}")
    await buses["executor"].publish("signals.default.run.started.1", b"{}")
    assert (await call(buses["observer"], "STREAM.INFO.SIGNALS"))["state"]["messages"] == 1


async def test_a_service_reads_settles_and_buries_with_its_own_user(buses: dict[str, Bus]) -> None:
    """The whole consumer loop needs nothing that the table does not give."""
    bus = buses["trigger"]
    await ensure_streams(bus, None, *streams_of("trigger"))
    letter = {"count": 0}
    spec = next(s for s in CONSUMERS if s.name == "trigger-events")

    async def handle(delivery: Delivery) -> None:
        letter["count"] += 1
        delivery.event()  # not an event: rejected

    consumer = Consumer(bus, spec, handle)
    await consumer.start()
    async with AsyncExitStack() as stack:
        import asyncio

        group = await stack.enter_async_context(asyncio.TaskGroup())
        task = group.create_task(consumer.serve())
        await bus.publish("events.default.x", b"not json")

        async def buried() -> bool:
            return len([x async for x in dead_letters(bus, "trigger")]) == 1

        await eventually(buried)
        assert (await consumer.redrive()).failed == 1
        await consumer.stop()
        task.cancel()


async def test_services_may_not_speak_for_each_other(buses: dict[str, Bus]) -> None:
    """A service publishes its own signals and the commands it may give; the rest is refused at once, not by a timeout."""
    await ensure_streams(buses["executor"])
    assert not await refused(buses["trigger"], "signals.default.trigger.created.x")
    assert not await refused(buses["trigger"], "commands.executor.start.abc")
    assert await refused(buses["trigger"], "signals.default.run.started.x")
    assert await refused(buses["trigger"], "executor.in.0.run")
    assert await refused(buses["scheduler"], "events.default.x")
    assert await refused(buses["auth"], "commands.executor.start.abc")
    assert await refused(buses["worker"], "signals.default.run.started.x")
    assert await refused(buses["gateway"], "events.default.x")


async def test_nobody_deletes_streams_or_reads_another_service_inbox(buses: dict[str, Bus]) -> None:
    """What the table does not name does not work: deleting a stream, purging it, listening to someone's answers."""
    await ensure_streams(buses["executor"])
    for verb in ("STREAM.DELETE.EVENTS", "STREAM.PURGE.EVENTS", "CONSUMER.CREATE.EVENTS.spy.events.>"):
        with pytest.raises(TocsinError):
            await buses["trigger"].request(f"$JS.API.{verb}", b"", within=timedelta(milliseconds=300))
    heard: list[object] = []

    async def hear(message: object) -> None:
        heard.append(message)

    await buses["gateway"].subscribe("_INBOX_auth.>", hear)
    await buses["auth"].publish("signals.system.user.created.x", b"{}")
    assert heard == []


async def test_a_wrong_password_is_one_clear_sentence(url: str) -> None:
    """The start fails with what is wrong, not with a stack of tries."""
    bus = Bus(url, name="auth", user="auth", password="wrong", start_timeout=timedelta(seconds=1))
    with pytest.raises(BusUnavailable, match="Authorization"):
        await bus.start()
