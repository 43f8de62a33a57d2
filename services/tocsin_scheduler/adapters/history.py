"""The history of instants in MongoDB: one small document a run, which goes by itself after a while.

A projection: the signals of firings and of ends of runs make it, in whatever order they come.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from pymongo import ASCENDING, DESCENDING, IndexModel, UpdateMany, UpdateOne

from tocsin_kit.clock import Clock
from tocsin_kit.store import Database, Page, Sort, translated
from tocsin_kit.store.pages import fetch_page
from tocsin_scheduler.domain.history import Past
from tocsin_scheduler.domain.schedules import Outcome

HISTORY = "history"
KEPT = timedelta(days=400)  # a year and a month: what a backfill over the past year needs to know


class MongoHistory:
    """The collection ``history``: ``{_id: run, schedule, at, outcome, kept}``.

    Args:
        database: The service's database.
        clock: Time.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def prepare(self) -> None:
        """Make the indexes."""
        indexes = [
            IndexModel([("schedule", ASCENDING), ("at", DESCENDING), ("_id", DESCENDING)], name="schedule_at"),
            IndexModel([("kept", ASCENDING)], name="kept_expires", expireAfterSeconds=int(KEPT.total_seconds())),
        ]
        with translated(HISTORY):
            await self._database.collection(HISTORY).create_indexes(indexes)

    async def started(self, schedule: str, runs: Mapping[str, datetime]) -> None:
        """Runs were started for instants; safe to repeat, and to hear after their end."""
        if not runs:
            return
        now = self._clock.now()
        operations = [
            UpdateOne(
                {"_id": run},
                {"$set": {"schedule": schedule, "at": at}, "$setOnInsert": {"outcome": None, "kept": now}},
                upsert=True,
            )
            for run, at in runs.items()
        ]
        with translated(HISTORY):
            await self._database.collection(HISTORY).bulk_write(operations, ordered=False)

    async def ended(self, runs: Mapping[str, Outcome]) -> None:
        """Runs ended; those of others are passed over: a firing is always said before its run can end."""
        by_outcome: dict[Outcome, list[str]] = {}
        for run, outcome in runs.items():
            by_outcome.setdefault(outcome, []).append(run)
        operations = [UpdateMany({"_id": {"$in": ids}}, {"$set": {"outcome": o.value}}) for o, ids in by_outcome.items()]
        with translated(HISTORY):
            await self._database.collection(HISTORY).bulk_write(operations, ordered=False)

    async def outcomes(self, schedule: str, since: datetime, until: datetime) -> Mapping[datetime, Outcome | None]:
        """How the last run of each instant in [since, until) ended; one that completed counts before others."""
        found: dict[datetime, Outcome | None] = {}
        with translated(HISTORY):
            cursor = self._database.collection(HISTORY).find(
                {"schedule": schedule, "at": {"$gte": since, "$lt": until}}, {"at": 1, "outcome": 1}
            )
            async for document in cursor:
                outcome = None if document["outcome"] is None else Outcome(document["outcome"])
                if found.get(document["at"]) is not Outcome.COMPLETED:
                    found[document["at"]] = outcome
        return found

    async def page(self, schedule: str, *, limit: int, cursor: str | None) -> Page[Past]:
        """One page of instants that had a run, the latest first."""
        with translated(HISTORY):
            return await fetch_page(
                self._database.collection(HISTORY),
                {"schedule": schedule},
                sort=Sort("at", descending=True),
                limit=limit,
                cursor=cursor,
                read=_read,
            )


def _read(document: Mapping[str, object]) -> Past:
    outcome, at = document["outcome"], document["at"]
    assert isinstance(at, datetime)
    return Past(str(document["_id"]), at, None if outcome is None else Outcome(outcome))
