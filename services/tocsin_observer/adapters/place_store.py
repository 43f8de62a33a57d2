"""How far the stream of signals has been read, a document for each reader, with what it never came to see."""

from collections.abc import Sequence
from typing import Any, Final

from tocsin_kit.store import Database, translated
from tocsin_observer.domain.reading import Gap

PLACES: Final = "places"


class MongoPlaces:
    """The collection ``places`` (``ports.Places``).

    Args:
        database: The observer's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self, reader: str) -> int | None:
        """Up to where it has read; ``None`` when it never did."""
        with translated(PLACES):
            found = await self._places.find_one({"_id": reader}, {"position": 1})
        return None if found is None or "position" not in found else int(found["position"])

    async def keep(self, reader: str, position: int) -> None:
        """Remember it."""
        with translated(PLACES):
            await self._places.update_one({"_id": reader}, {"$set": {"position": position}}, upsert=True)

    async def gaps(self, reader: str) -> Sequence[Gap]:
        """What it never came to see, the last of it."""
        with translated(PLACES):
            found = await self._places.find_one({"_id": reader}, {"gaps": 1})
        return [Gap(**one) for one in (found or {}).get("gaps", [])]

    async def miss(self, reader: str, gap: Gap, *, most: int) -> None:
        """Remember a gap; of one that is noticed again, after a crash, only what was found last."""
        document = {name: getattr(gap, name) for name in Gap.__slots__}
        with translated(PLACES):
            await self._places.update_one(
                {"_id": reader}, {"$pull": {"gaps": {"first": gap.first, "last": gap.last}}}, upsert=True
            )
            await self._places.update_one({"_id": reader}, {"$push": {"gaps": {"$each": [document], "$slice": -most}}})

    @property
    def _places(self) -> Any:  # Motor ships no types
        return self._database.collection(PLACES)
