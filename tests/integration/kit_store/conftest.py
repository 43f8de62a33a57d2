"""A database of the test's own, and a transport that remembers."""

from collections.abc import AsyncIterator, Sequence

import pytest

from tocsin.errors import TocsinError
from tocsin_kit.store import Database, Outgoing


class Heard:
    """A transport that keeps what it is given, and fails when told to."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.failures: list[TocsinError] = []
        self.refuses: dict[str, TocsinError] = {}

    async def deliver(self, items: Sequence[Outgoing]) -> None:
        if self.failures:
            raise self.failures.pop(0)
        for item in items:
            if item.id in self.refuses:
                raise self.refuses[item.id]
        self.ids += [item.id for item in items]

    @property
    def once(self) -> list[str]:
        """What a consumer that recognises repeats has seen."""
        return list(dict.fromkeys(self.ids))


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
async def database(mongo_url: str, mongo_prefix: str) -> AsyncIterator[Database]:
    database = Database(mongo_url, name=f"{mongo_prefix}_test")
    await database.start()
    yield database
    await database.stop()
