"""Legal holds in MongoDB, one document each with its outbox."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tocsin_kit.store import EVERYTHING, Database, Document, Entry, Outgoing, Relay, Repository
from tocsin_observer.domain.holds import Hold

HOLDS: Final = "audit_holds"
_MOST: Final = 1000


class MongoHoldStore:
    """The collection ``audit_holds``.

    Args:
        database: The observer's database.
        relay: Told about each commit.
    """

    def __init__(self, database: Database, relay: Relay) -> None:
        self._holds: Repository[Hold] = Repository(database, HOLDS, encode=_document, decode=_read, wake=relay.wake)

    async def load(self, name: str) -> Entry[Hold]:
        """The hold, or an entry without value."""
        return await self._holds.load(name)

    async def commit(self, entry: Entry[Hold], hold: Hold | None, outbox: Sequence[Outgoing]) -> Entry[Hold]:
        """Store (``None`` releases) and say it."""
        return await self._holds.commit(entry, hold, outbox=outbox)

    async def all(self) -> Sequence[Entry[Hold]]:
        """All of them, by name."""
        return await self._holds.find(EVERYTHING, limit=_MOST)


def _document(hold: Hold) -> Document:
    return {name: getattr(hold, name) for name in Hold.__slots__}


def _read(document: Mapping[str, Any]) -> Hold:
    return Hold(**document)
