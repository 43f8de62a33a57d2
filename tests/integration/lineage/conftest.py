"""Lineage on a real database, without its HTTP."""

from collections.abc import AsyncIterator

import pytest

from integration.lineage.world import World


@pytest.fixture
async def world(mongo_url, mongo_prefix, clock) -> AsyncIterator[World]:
    """A replica of lineage on a database of its own, with a clock that the test moves."""
    world = World(mongo_url, mongo_prefix, clock)
    await world.start()
    yield world
    await world.stop()
