"""Time that the tests move: what a dead process left is old at once."""

from collections.abc import AsyncIterator

import pytest

from tocsin_kit.store import Database
from tocsin_kit.testing.clocks import ManualClock


@pytest.fixture
async def database(mongo_url: str, mongo_prefix: str, service: str, clock: ManualClock) -> AsyncIterator[Database]:
    """The service's database, at the test's time."""
    database = Database(mongo_url, name=f"{mongo_prefix}_{service}", clock=clock)
    await database.start()
    yield database
    await database.stop()
