"""What signals of others tell, in MongoDB: a document for each workflow and each schedule, changed only by newer news."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from tocsin_kit.store import Database, translated
from tocsin_kit.store.indexes import Index, ensure_indexes
from tocsin_lineage.adapters.assets import ASSETS
from tocsin_lineage.domain.causes import Clockwork, Maker
from tocsin_lineage.ports import Place

WORKFLOWS = "workflows"
SCHEDULES = "schedules"
DECLARED = "declared"
LOOK_EVERY = 1.0  # seconds
INDEXES: Mapping[str, Sequence[Index]] = {
    SCHEDULES: (Index(("namespace", "workflow")),),
    DECLARED: (Index(("namespace", "key")), Index(("workflow",))),
}


class MongoFactStore:
    """The collections ``workflows``, ``schedules`` and ``declared``.

    Args:
        database: Lineage's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._makers: frozenset[str] = frozenset()
        self._looked = float("-inf")

    async def prepare(self) -> None:
        """Make the indexes."""
        await ensure_indexes(self._database, INDEXES)

    async def run_is(self, maker: Maker, *, position: datetime) -> None:
        """A run of a workflow has come to this status; older news changes nothing."""
        fields = {"run": maker.run, "status": maker.status, "at": maker.at, "error": maker.error}
        about = {"namespace": maker.namespace, "name": maker.name}
        await self._newer(WORKFLOWS, f"{maker.namespace}/{maker.name}", {**about, **fields}, position)

    async def schedule_is(self, namespace: str, schedule: Clockwork, *, position: datetime) -> None:
        """A schedule has come to this."""
        fields = {
            "namespace": namespace,
            "name": schedule.name,
            "workflow": schedule.workflow,
            "paused": schedule.paused,
            "reason": schedule.reason,
            "next_at": schedule.next_at,
        }
        await self._newer(SCHEDULES, f"{namespace}/{schedule.name}", fields, position)

    async def schedule_gone(self, namespace: str, name: str) -> None:
        """A schedule is no more."""
        with translated(SCHEDULES):
            await self._database.collection(SCHEDULES).delete_one({"_id": f"{namespace}/{name}"})

    async def declared(self, namespace: str, workflow: str, version: str, writes: Mapping[str, Sequence[Place]]) -> None:
        """The newest version of a workflow writes these assets, by task; replaces what was declared before."""
        name = f"{namespace}/{workflow}"
        rows = {(ns, key): task for task, places in writes.items() for ns, key in places}
        collection = self._database.collection(DECLARED)
        with translated(DECLARED):
            await collection.delete_many({"workflow": {"$eq": name}})
            if rows:
                self._makers |= {name}
                await collection.insert_many(
                    [
                        {"namespace": ns, "key": key, "workflow": name, "task": task, "version": version}
                        for (ns, key), task in rows.items()
                    ]
                )

    async def makers(self, namespace: str, key: str) -> Sequence[Maker]:
        """Workflows that are declared to write an asset, with their latest runs."""
        with translated(DECLARED):
            rows = self._database.collection(DECLARED).find({"namespace": {"$eq": namespace}, "key": {"$eq": key}})
            names = sorted({row["workflow"] for row in await rows.to_list(100)})
        return await self.runs_of([_place(name) for name in names])

    async def written_by(self, namespace: str, workflow: str) -> Sequence[Place]:
        """The assets that a workflow is declared to write."""
        with translated(DECLARED):
            rows = self._database.collection(DECLARED).find({"workflow": {"$eq": f"{namespace}/{workflow}"}})
            return [(row["namespace"], row["key"]) for row in await rows.to_list(1000)]

    async def makes(self, namespace: str, workflow: str) -> None:
        """A workflow has written something, declared or not."""
        name = f"{namespace}/{workflow}"
        if name not in self._makers:
            with translated(WORKFLOWS):
                about = {"$setOnInsert": {"namespace": namespace, "name": workflow}}
                await self._database.collection(WORKFLOWS).update_one({"_id": name}, about, upsert=True)
            self._makers |= {name}

    async def is_maker(self, namespace: str, workflow: str) -> bool:
        """Whether a workflow is known to write, or declared to make, any asset; as of a second ago."""
        name, now = f"{namespace}/{workflow}", self._database.clock.monotonic()
        if name in self._makers or now - self._looked < LOOK_EVERY:
            return name in self._makers
        self._looked = now
        found: set[str] = set()
        for collection, field in ((DECLARED, "workflow"), (WORKFLOWS, "_id"), (ASSETS, "v.maker")):
            with translated(collection):
                found |= {one for one in await self._database.collection(collection).distinct(field) if one is not None}
        self._makers = frozenset(found)
        return name in self._makers

    async def runs_of(self, workflows: Collection[Place]) -> Sequence[Maker]:
        """The latest runs of these workflows, known or not."""
        names = {f"{namespace}/{name}": (namespace, name) for namespace, name in workflows}
        with translated(WORKFLOWS):
            rows = await self._database.collection(WORKFLOWS).find({"_id": {"$in": list(names)}}).to_list(None)
        known = {row["_id"]: row for row in rows}
        return [_maker(place, known.get(name, {})) for name, place in names.items()]

    async def schedules_of(self, workflows: Collection[Place]) -> Sequence[Clockwork]:
        """The schedules that start these workflows; a schedule starts what is in its own namespace."""
        found: list[Clockwork] = []
        with translated(SCHEDULES):
            for namespace, workflow in workflows:
                query = {"namespace": {"$eq": namespace}, "workflow": {"$eq": workflow}}
                rows = await self._database.collection(SCHEDULES).find(query).to_list(100)
                found += [_clockwork(row) for row in rows]
        return found

    async def _newer(self, name: str, key: str, fields: Mapping[str, Any], position: datetime) -> None:
        """Set the fields unless what is there is newer: the pipeline decides in the database, in one write."""
        is_new = {"$gte": [position, {"$ifNull": ["$position", position]}]}
        change = {
            field: {"$cond": [is_new, {"$literal": value}, {"$ifNull": [f"${field}", None]}]}
            for field, value in {**fields, "position": position}.items()
        }
        with translated(name):
            await self._database.collection(name).update_one({"_id": key}, [{"$set": change}], upsert=True)


def _place(name: str) -> Place:
    namespace, _, workflow = name.partition("/")
    return namespace, workflow


def _maker(place: Place, row: Mapping[str, Any]) -> Maker:
    return Maker(
        namespace=place[0],
        name=place[1],
        run=row.get("run"),
        status=row.get("status"),
        at=row.get("at"),
        error=row.get("error"),
    )


def _clockwork(row: Mapping[str, Any]) -> Clockwork:
    return Clockwork(
        name=row["name"], workflow=row["workflow"], paused=row["paused"], reason=row["reason"], next_at=row["next_at"]
    )
