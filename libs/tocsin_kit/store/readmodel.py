"""Read models made from signals: each signal changes a document once, however often it is delivered.

Each document remembers the position of the last signal that changed it and ignores what is not beyond it, in the same atomic
write. The consumer must therefore deliver the signals of one document in order (``Consumer(key=...)``); between documents no
order is needed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pymongo import UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError

from tocsin_kit.store.database import Database
from tocsin_kit.store.errors import translated

POSITION = "_at"
_DUPLICATE = 11000


@dataclass(frozen=True, slots=True)
class Projected:
    """What one signal does to one document.

    Attributes:
        key: The document.
        position: Grows with each signal of the document: the signal's ``sequence``, or its place in the stream.
        change: MongoDB update operators, made by the adapter: ``{"$set": {...}, "$inc": {...}}``.
        source: Positions of different sources are compared apart, for a document that several entities feed.
    """

    key: str
    position: int
    change: Mapping[str, Mapping[str, Any]]
    source: str = "one"


class ReadModel:
    """A collection that is made from signals only.

    Args:
        database: Where.
        collection: Its name.
    """

    def __init__(self, database: Database, collection: str) -> None:
        self.name = collection
        self._database = database

    async def apply(self, projected: Projected) -> bool:
        """Change the document, unless this signal or a later one already has.

        Returns:
            Whether it was changed now.
        """
        guard, update = _guarded(projected)
        with translated(self.name):
            try:
                result = await self._database.collection(self.name).update_one(guard, update, upsert=True)
            except DuplicateKeyError:
                return False  # the guard did not hold, so the upsert tried to insert a second document
        return bool(result.modified_count or result.upserted_id is not None)

    async def apply_many(self, projections: Sequence[Projected]) -> None:
        """The same for many in one round trip, in order for each document."""
        if not projections:
            return
        operations = [UpdateOne(*_guarded(projected), upsert=True) for projected in projections]
        with translated(self.name):
            try:
                # Unordered does not mean shuffled: mongod carries out the operations of one batch one after another.
                await self._database.collection(self.name).bulk_write(operations, ordered=False)
            except BulkWriteError as error:
                details = error.details
                if details.get("writeConcernErrors") or any(e["code"] != _DUPLICATE for e in details.get("writeErrors", [])):
                    raise


def _guarded(projected: Projected) -> tuple[dict[str, Any], dict[str, Any]]:
    place = f"{POSITION}.{projected.source}"
    guard = {"_id": projected.key, "$or": [{place: {"$lt": projected.position}}, {place: {"$exists": False}}]}
    update = {operator: dict(fields) for operator, fields in projected.change.items()}
    update.setdefault("$set", {})[place] = projected.position
    return guard, update
