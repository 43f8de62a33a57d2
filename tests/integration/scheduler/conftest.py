"""A scheduler in a world of its own."""

from collections.abc import AsyncIterator

import pytest

from integration.scheduler.world import World, serving
from tocsin_kit.bus import ensure_streams


@pytest.fixture
async def world(nats_url, mongo_url, mongo_prefix, clock) -> AsyncIterator[World]:
    world = World(nats_url, mongo_url, mongo_prefix, clock)
    await world.database.start()
    for store in (world.one.store, world.one.of_backfills, world.one.history):
        await store.prepare()
    async with serving(world.bus):
        await ensure_streams(world.bus)
        async with serving(world.relay):
            yield world
    await world.database.stop()
