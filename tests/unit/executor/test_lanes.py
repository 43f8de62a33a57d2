"""Lanes publish everything, in order, whatever fails in between; alarms ring once, in order."""

import asyncio
from collections.abc import Sequence

import pytest

from tocsin.errors import TooLarge, Unavailable
from tocsin_executor.application.alarms import Alarms
from tocsin_executor.application.lanes import AMPLE, Lane
from tocsin_kit.clock import SystemClock
from tocsin_kit.testing.clocks import ManualClock


class Stream:
    """Stores groups; fails as told: a group may be stored and reported as lost."""

    def __init__(self, fail: Sequence[int] = (), poison: str | None = None) -> None:
        self.stored: list[str] = []
        self.groups: list[int] = []
        self._fail, self._poison, self._calls = set(fail), poison, 0
        self.at_once = False
        self.begun: list[list[str]] = []

    def begin_group(self, messages: Sequence[tuple[str, bytes]]) -> "OnItsWay | None":
        return OnItsWay(self, messages) if self.at_once else None

    async def publish_group(self, messages: Sequence[tuple[str, bytes]]) -> None:
        self._calls += 1
        if any(subject == self._poison for subject, _ in messages):
            raise TooLarge("one is too large")
        self.stored += [subject for subject, _ in messages]
        self.groups.append(len(messages))
        await SystemClock().sleep(0)
        if self._calls in self._fail:
            raise Unavailable("done, but reported as lost")


class OnItsWay:
    """A group that was sent when it was pushed."""

    def __init__(self, stream: Stream, messages: Sequence[tuple[str, bytes]]) -> None:
        stream.begun.append([subject for subject, _ in messages])
        self._stream, self._messages = stream, messages

    async def stored(self) -> None:
        await self._stream.publish_group(self._messages)


async def published(lane: Lane, subjects: Sequence[str]) -> None:
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(lane.serve())
        for subject in subjects:
            lane.push([(subject, b"")])
            await SystemClock().sleep(0)
        async with asyncio.timeout(5):
            await lane.reach(lane.mark)
        serving.cancel()


async def test_everything_is_published_in_order_and_in_groups() -> None:
    """What waits while a group is on its way goes together."""
    stream, names = Stream(), [f"s{n}" for n in range(500)]
    await published(Lane("test", stream, SystemClock()), names)
    assert stream.stored == names
    assert len(stream.groups) < 500


async def test_a_group_that_failed_is_published_again_before_the_next() -> None:
    """So the first appearance of each message is in order."""
    stream, names = Stream(fail=[1, 2, 4]), [f"s{n}" for n in range(60)]
    await published(Lane("test", stream, SystemClock()), names)
    assert list(dict.fromkeys(stream.stored)) == names


async def test_a_message_that_can_never_be_stored_does_not_hold_up_the_others() -> None:
    """It is dropped alone, with an error in the log."""
    stream, names = Stream(poison="s7"), [f"s{n}" for n in range(20)]
    await published(Lane("test", stream, SystemClock()), names)
    assert stream.stored == [name for name in names if name != "s7"]


@pytest.mark.parametrize("fail", [[], [1], [1, 2, 5]])
async def test_what_is_pushed_at_once_is_sent_before_the_push_returns(fail: list[int]) -> None:
    """If nothing is on its way. What comes meanwhile waits behind it; a group that failed is published again in its place."""
    stream = Stream(fail)
    stream.at_once = True
    lane = Lane("test", stream, SystemClock())
    lane.push_at_once([("a", b""), ("b", b"")])
    assert stream.begun == [["a", "b"]]
    lane.push_at_once([("c", b"")])
    lane.push([("d", b"")])
    assert len(stream.begun) == 1
    await published(lane, ["e", "f"])
    assert list(dict.fromkeys(stream.stored)) == ["a", "b", "c", "d", "e", "f"]
    if not fail:
        assert stream.groups[0] == 2


async def test_what_may_wait_is_collected_until_something_urgent_comes_or_patience_ends() -> None:
    """In order, all the same; and nothing waits for ever."""
    stream, clock = Stream(), ManualClock()
    lane = Lane("test", stream, clock)
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(lane.serve())
        for name in "abc":
            lane.push([(name, b"")], patient=True)
            await SystemClock().sleep(0.001)
        assert stream.stored == []
        lane.push([("d", b"")])
        await lane.reach(4)
        assert stream.groups == [4]
        lane.push([("e", b"")], patient=True)
        await SystemClock().sleep(0.001)
        await clock.advance(1)
        await lane.reach(5)
        lane.push([(f"f{n}", b"") for n in range(AMPLE)], patient=True)
        await lane.reach(5 + AMPLE)
        serving.cancel()
    assert stream.stored[:6] == ["a", "b", "c", "d", "e", "f0"]


async def test_a_lane_puts_messages_together_and_counts_those_that_were_pushed() -> None:
    """Whoever waits for a mark need not know in how few messages it went."""
    stream = Stream()
    lane = Lane(
        "test",
        stream,
        SystemClock(),
        merge=lambda messages: list({subject: (subject, b"") for subject, _ in messages}.values()),
    )
    lane.push([("a", b""), ("a", b""), ("b", b"")])
    await published(lane, ["c"])
    assert (stream.stored, lane.mark) == (["a", "b", "c"], 4)


@pytest.mark.parametrize("order", [(3, 1, 2), (1, 2, 3), (2, 3, 1)])
def test_alarms_are_due_in_order_and_once(order: tuple[int, ...]) -> None:
    """A later setting replaces an earlier one; one that was taken back does not ring."""
    alarms = Alarms(ManualClock())
    for due in order:
        alarms.set(f"r{due}", due * 10)
    alarms.set("r2", 25)
    alarms.set("gone", 5)
    alarms.set("gone", None)
    assert alarms.next_due() == 10
    assert alarms.take_due(25) == [("r1", 10), ("r2", 25)]
    assert alarms.take_due(25) == []
    assert alarms.next_due() == 30
