"""How many signals of each kind came in each minute, and when the last one came.

Approximate: a repeat counts twice, and a process that is killed takes a second along.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from pymongo import ASCENDING, IndexModel, UpdateOne

from tocsin_kit.store import Database, translated
from tocsin_observer.domain.records import SignalRecord

COUNTS: Final = "signal_counts"
LAST: Final = "signal_last"
_KEPT_SECONDS: Final = 2 * 3600


class MongoSignalCounts:
    """The collections ``signal_counts`` and ``signal_last``.

    Args:
        database: The observer's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._counted: Counter[tuple[str, datetime]] = Counter()
        self._last: dict[str, datetime] = {}

    async def prepare(self) -> None:
        """Make the index that also forgets."""
        with translated(COUNTS):
            index = IndexModel([("minute", ASCENDING)], name="minute", expireAfterSeconds=_KEPT_SECONDS)
            await self._database.collection(COUNTS).create_indexes([index])

    def count(self, records: Sequence[SignalRecord], now: datetime) -> None:
        """Count signals that came in now, in memory: what is not stored yet is lost with the process."""
        minute = now.replace(second=0, microsecond=0)
        for record in records:
            kind, known = record.type, self._last.get(record.type)
            self._counted[kind, minute] += 1
            if known is None or record.time > known:
                self._last[kind] = record.time

    async def store(self) -> None:
        """Store what was counted."""
        counted, last = self._counted, self._last
        if not counted:
            return
        self._counted, self._last = Counter(), {}
        counts: list[Any] = [
            UpdateOne(
                {"_id": f"{kind}|{minute:%Y%m%d%H%M}"},
                {"$inc": {"n": number}, "$setOnInsert": {"type": kind, "minute": minute}},
                upsert=True,
            )
            for (kind, minute), number in counted.items()
        ]
        with translated(COUNTS):
            await self._database.collection(COUNTS).bulk_write(counts, ordered=False)
            await self._database.collection(LAST).bulk_write(
                [UpdateOne({"_id": kind}, {"$max": {"at": at}}, upsert=True) for kind, at in last.items()], ordered=False
            )

    async def seen(self, now: datetime) -> tuple[dict[str, int], dict[str, datetime]]:
        """By type: how many within the last hour, and when the last one came."""
        pipeline = [
            {"$match": {"minute": {"$gte": now - timedelta(hours=1)}}},
            {"$group": {"_id": "$type", "n": {"$sum": "$n"}}},
        ]
        with translated(COUNTS):
            collection: Any = self._database.collection(COUNTS)
            hour = {document["_id"]: int(document["n"]) async for document in collection.aggregate(pipeline)}
            last = {d["_id"]: d["at"] async for d in self._database.collection(LAST).find()}
        return hour, last
