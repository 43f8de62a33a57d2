"""The fixtures everybody's tests stand on."""

import asyncio

import nats
import pytest
from pymongo import AsyncMongoClient

from tocsin_kit.testing import ManualClock, NeverHappened, eventually


@pytest.mark.parametrize("turn", [1, 2])
async def test_each_test_finds_no_stream_of_another(nats_url: str, turn: int) -> None:
    """The second turn would find the first one's stream, were it not deleted."""
    client = await nats.connect(nats_url)
    jetstream = client.jetstream()
    assert await jetstream.streams_info() == []
    await jetstream.add_stream(name=f"T{turn}", subjects=["t.>"])
    assert (await jetstream.publish("t.x", b"1")).seq == 1
    await client.close()


@pytest.mark.parametrize("turn", [1, 2])
async def test_each_test_has_databases_of_its_own_and_transactions_work(mongo_url: str, mongo_prefix: str, turn: int) -> None:
    """A replica set, so a transaction over two collections commits as one."""
    async with AsyncMongoClient(mongo_url) as client:
        database = client[f"{mongo_prefix}_x"]
        assert await database.list_collection_names() == []
        async with client.start_session() as session, await session.start_transaction():
            await database.a.insert_one({"_id": turn}, session=session)
            await database.b.insert_one({"_id": turn}, session=session)
        assert await database.b.count_documents({}) == 1


async def test_waiting_in_vain_says_what_was_seen() -> None:
    """The message is what a person reads in CI."""
    with pytest.raises(NeverHappened, match=r"the answer did not happen within 0.05 s; the last look saw 0"):
        await eventually(lambda: 0, within=0.05, what="the answer")
    assert await eventually(lambda: 42) == 42


async def test_a_manual_clock_wakes_sleepers_in_order(clock: ManualClock) -> None:
    """Each sees its own instant, also when it sleeps again on the way."""
    seen: list[tuple[str, float]] = []

    async def sleeper(name: str, *delays: float) -> None:
        for delay in delays:
            await clock.sleep(delay)
            seen.append((name, clock.monotonic()))

    async with asyncio.TaskGroup() as group:
        group.create_task(sleeper("a", 10, 10, 10))
        group.create_task(sleeper("b", 15))
        await clock.advance(25)
        assert seen == [("a", 10), ("b", 15), ("a", 20)]
        assert clock.monotonic() == 25
        await clock.advance(5)
    assert clock.sleepers == 0
