"""A scheduler in a world of its own."""

from collections.abc import AsyncIterator

import pytest

from integration.scheduler.world import World
from tocsin_kit.bus import ensure_streams
from tocsin_kit.testing.components import running


@pytest.fixture
async def world(nats_url, mongo_url, mongo_prefix, clock) -> AsyncIterator[World]:
    world = World(nats_url, mongo_url, mongo_prefix, clock)
    await world.database.start()
    for store in (world.one.store, world.one.of_backfills, world.one.history):
        await store.prepare()
    async with running(world.bus):
        await ensure_streams(world.bus)
        async with running(world.relay):
            yield world
    await world.database.stop()
