"""Evaluations of conditions, and OpenLineage events that have to be sent, in MongoDB."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from pymongo import UpdateOne

from tocsin_kit.store import Database, Filter, Page, Sort, fetch_page, translated
from tocsin_kit.store.indexes import Index, ensure_indexes
from tocsin_lineage.adapters.assets import EVALUATIONS
from tocsin_lineage.adapters.codecs import asset_id, evaluation_document, read_evaluation
from tocsin_lineage.ports import Emission, Evaluation

EMISSIONS = "emissions"
KEPT = timedelta(days=30)
INDEXES: Mapping[str, Sequence[Index]] = {
    EVALUATIONS: (Index(("asset", "-at", "-_id")), Index(("at",), expires=KEPT)),
    EMISSIONS: (Index(("due", "kept")), Index(("sent",), expires=KEPT)),
}


class MongoEvaluationStore:
    """The collection ``evaluations``.

    Args:
        database: Lineage's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def prepare(self) -> None:
        """Make the indexes of this module."""
        await ensure_indexes(self._database, INDEXES)

    async def keep(self, evaluations: Sequence[Evaluation]) -> None:
        """Keep them; one that is there already changes nothing."""
        rows = [UpdateOne({"_id": one.id}, {"$setOnInsert": evaluation_document(one)}, upsert=True) for one in evaluations]
        if rows:
            with translated(EVALUATIONS):
                await self._database.collection(EVALUATIONS).bulk_write(rows, ordered=False)

    async def known(self, ids: Collection[str]) -> frozenset[str]:
        """Which of these are kept already."""
        with translated(EVALUATIONS):
            rows = self._database.collection(EVALUATIONS).find({"_id": {"$in": list(ids)}}, {"_id": 1})
            return frozenset([row["_id"] for row in await rows.to_list(None)])

    async def page(
        self, namespace: str, key: str, *, partition: str | None, limit: int, cursor: str | None
    ) -> Page[Evaluation]:
        """Of an asset, newest first."""
        where = Filter().eq("asset", asset_id(namespace, key))
        if partition is not None:
            where = where.eq("partition", partition)
        with translated(EVALUATIONS):
            return await fetch_page(
                self._database.collection(EVALUATIONS),
                where.query(),
                sort=Sort("at", descending=True),
                limit=limit,
                cursor=cursor,
                read=read_evaluation,
            )


class MongoEmissionStore:
    """The collection ``emissions``.

    Args:
        database: Lineage's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self, emissions: Sequence[Emission], at: datetime) -> None:
        """Keep them in order; those that are there stay as they are."""
        rows = [
            UpdateOne(
                {"_id": one.id},
                {"$setOnInsert": {"body": one.body, "attempts": 0, "due": at, "kept": at, "number": number}},
                upsert=True,
            )
            for number, one in enumerate(emissions)
        ]
        if rows:
            with translated(EMISSIONS):
                await self._database.collection(EMISSIONS).bulk_write(rows, ordered=True)

    async def next(self, now: datetime, limit: int) -> Sequence[Emission]:
        """Those that are due, the oldest first."""
        with translated(EMISSIONS):
            order = [("kept", 1), ("number", 1), ("_id", 1)]
            rows = self._database.collection(EMISSIONS).find({"due": {"$lte": now}}).sort(order).limit(limit)
            return [
                Emission(id=row["_id"], body=bytes(row["body"]), attempts=row["attempts"]) for row in await rows.to_list(limit)
            ]

    async def claim(self, emission: Emission, now: datetime, until: datetime) -> bool:
        """Whether it is still due, and nobody else's until then."""
        with translated(EMISSIONS):
            found = await self._database.collection(EMISSIONS).update_one(
                {"_id": emission.id, "due": {"$lte": now}}, {"$set": {"due": until}}
            )
        return bool(found.modified_count)

    async def sent(self, emission: Emission) -> None:
        """It is delivered, or will never be; its id is remembered for as long as the signal can come again."""
        change = {"$set": {"sent": self._database.clock.now()}, "$unset": {"due": "", "body": ""}}
        with translated(EMISSIONS):
            await self._database.collection(EMISSIONS).update_one({"_id": emission.id}, change)

    async def later(self, emission: Emission, at: datetime, error: str) -> None:
        """It was not taken; try again then."""
        change = {"$set": {"due": at, "error": error[:500]}, "$inc": {"attempts": 1}}
        with translated(EMISSIONS):
            await self._database.collection(EMISSIONS).update_one({"_id": emission.id}, change)
