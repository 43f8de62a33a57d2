"""Records in memory, with revisions as the store keeps them."""

from collections.abc import Sequence
from typing import Any

from tocsin_kit.store import Entry, Filter, Outgoing, Page, RevisionConflict, Sort


class MemoryRecords:
    """What `ports.Records` promises, as far as the tests here need it."""

    def __init__(self) -> None:
        self.held: dict[str, Entry[Any]] = {}
        self.said: list[Outgoing] = []

    async def load(self, key: str) -> Entry[Any]:
        return self.held.get(key) or Entry(key, None, revision=0, sequence=0)

    async def load_many(self, keys: Sequence[str]) -> dict[str, Entry[Any]]:
        return {key: self.held[key] for key in keys if key in self.held and self.held[key].value is not None}

    async def find(self, where: Filter, *, limit: int = 1000) -> list[Entry[Any]]:
        fits = {"$eq": lambda is_, wanted: is_ == wanted, "$gte": lambda is_, wanted: is_ is not None and is_ >= wanted}
        found = [
            entry
            for entry in self.held.values()
            if entry.value is not None
            and all(
                any(fits[operator](value, wanted) for value in _values(entry.value, field))
                for field, operator, wanted in where.conditions
            )
        ]
        return found[:limit]

    async def page(self, where: Filter, *, sort: Sort, limit: int, cursor: str | None) -> Page[Entry[Any]]:
        return Page(await self.find(where, limit=limit), None)

    async def commit(self, entry: Entry[Any], value: Any, *, outbox: Sequence[Outgoing] = ()) -> Entry[Any]:
        if (await self.load(entry.key)).revision != entry.revision:
            raise RevisionConflict("somebody else was first")
        stored = Entry(entry.key, value, revision=entry.revision + 1, sequence=entry.sequence + len(outbox))
        self.held[entry.key] = stored
        self.said += outbox
        return stored


def _values(entity: Any, path: str) -> list[Any]:
    """What is under a path; of lists, what is under it in each of their items."""
    found = [entity]
    for field in path.split("."):
        found = [getattr(item, field) for one in found for item in (one if isinstance(one, tuple) else (one,))]
    return found
