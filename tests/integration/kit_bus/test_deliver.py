"""Delivering outboxes: single, in blocks, in atomic batches, with repeats among them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from tocsin.errors import Defect, TooLarge
from tocsin_kit.bus import Bus, Message, ensure_streams
from tocsin_kit.bus.api import call


@dataclass(frozen=True)
class Item:
    subject: str
    payload: bytes
    id: str


def items(count: int, prefix: str = "signals.default.trigger.created", start: int = 0) -> list[Item]:
    return [Item(f"{prefix}.x{n}", str(n).encode(), f"{prefix}-{n}") for n in range(start, start + count)]


@pytest.fixture
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    bus = Bus(nats_url, name="test")
    await bus.start()
    await ensure_streams(bus)
    yield bus
    await bus.stop()


async def stored(bus: Bus, stream: str = "SIGNALS") -> list[str]:
    state = (await call(bus, f"STREAM.INFO.{stream}"))["state"]
    gets = [await call(bus, f"STREAM.MSG.GET.{stream}", {"seq": n}) for n in range(1, state["last_seq"] + 1)]
    return [got["message"]["subject"] for got in gets]


@pytest.mark.parametrize("count", [1, 5, 24, 700])
async def test_whatever_their_number_all_are_stored_in_order(bus: Bus, count: int) -> None:
    """Few go singly, many in atomic batches; streams are told apart."""
    signals, commands = items(count), items(count, "commands.executor.start")
    mixed = [item for pair in zip(signals, commands, strict=True) for item in pair]
    await bus.deliver(mixed)
    assert await stored(bus) == [item.subject for item in signals]
    assert await stored(bus, "COMMANDS") == [item.subject for item in commands]


async def test_a_repeat_within_a_batch_is_stored_once_and_spoils_nothing(bus: Bus) -> None:
    """What was delivered before is recognised, also in the middle of a batch."""
    await bus.deliver(items(3, start=20))
    await bus.deliver(items(60))
    found = await stored(bus)
    assert len(found) == 60
    assert set(found) == {item.subject for item in items(60)}
    await bus.deliver(items(60))
    assert len(await stored(bus)) == 60


async def test_one_that_cannot_be_carried_is_told_before_anything_is_sent(bus: Bus) -> None:
    """A subject, a header or a size that the protocol has no room for never reaches the connection."""
    good = Message("signals.default.trigger.created.x", b"")
    for bad in (
        Message("signals.a b", b""),
        Message("signals.x\r\nPUB other 0", b""),
        Message("signals.*", b""),
        Message("signals.x", b"", {"A": "1\r\nB: 2"}),
    ):
        with pytest.raises(Defect):
            await bus.publish_many([good, bad])
    with pytest.raises(TooLarge):
        await bus.publish_many([good, Message("signals.x", bytes(9 * 1024 * 1024))])
    assert await stored(bus) == []
    assert (await bus.publish("signals.default.trigger.created.y", b"")).sequence == 1
