"""Comments, tasks, files, chains of custody and observables in MongoDB."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias, assert_never

from pymongo import ASCENDING, DeleteOne, IndexModel, InsertOne, ReplaceOne, ReturnDocument, UpdateOne
from pymongo.errors import DuplicateKeyError

from tocsin.errors import Conflict
from tocsin_case.adapters.documents import plain, reader
from tocsin_case.domain.counted import Counted
from tocsin_case.domain.evidence import Attachment, Custody, Moved, Observable, Sighting, Use
from tocsin_case.domain.recoveries import Recovery
from tocsin_case.domain.talk import Comment
from tocsin_case.domain.tasks import TASKS, CaseTask
from tocsin_case.ports import Beside
from tocsin_kit.store import Database, Filter, Page, Sort, fetch_page, translated

Operation: TypeAlias = DeleteOne | InsertOne[Any] | ReplaceOne[Any] | UpdateOne

COMMENTS = "comments"
TASK_LIST = "tasks"
ATTACHMENTS = "attachments"
CONTENTS = "contents"
CUSTODY = "custody"
OBSERVABLES = "observables"
SIGHTINGS = "sightings"
COUNTED = "counted"
RECOVERIES = "recoveries"
MANY = 1000  # of one case that are read at once
REMEMBERED = 45 * 24 * 3600  # seconds; no stream of signals should deliver anything again after that

INDEXES: Mapping[str, tuple[IndexModel, ...]] = {
    COMMENTS: (IndexModel([("case", ASCENDING), ("_id", ASCENDING)], name="case"),),
    TASK_LIST: (
        IndexModel([("case", ASCENDING), ("_id", ASCENDING)], name="case"),
        IndexModel([("run", ASCENDING)], name="run", partialFilterExpression={"run": {"$type": "string"}}),
        IndexModel([("watch_at", ASCENDING)], name="watch", partialFilterExpression={"watch_at": {"$type": "date"}}),
    ),
    ATTACHMENTS: (IndexModel([("case", ASCENDING), ("_id", ASCENDING)], name="case"),),
    CUSTODY: (IndexModel([("attachment", ASCENDING), ("number", ASCENDING)], name="place", unique=True),),
    OBSERVABLES: (IndexModel([("namespace", ASCENDING), ("value", ASCENDING)], name="value"),),
    SIGHTINGS: (
        IndexModel([("case", ASCENDING), ("_id", ASCENDING)], name="case"),
        IndexModel([("observable", ASCENDING), ("_id", ASCENDING)], name="observable"),
    ),
    COUNTED: (IndexModel([("at", ASCENDING)], name="old", expireAfterSeconds=REMEMBERED),),
    RECOVERIES: (IndexModel([("at", ASCENDING)], name="old", expireAfterSeconds=REMEMBERED),),
}

_comment, _task, _attachment = reader(Comment), reader(CaseTask), reader(Attachment)
_custody, _observable, _sighting = reader(Custody), reader(Observable), reader(Sighting)
_recovery = reader(Recovery)


def operations_of(beside: Beside) -> list[tuple[str, Operation]]:
    """What to write where, so that it lies there."""
    match beside:
        case Comment():
            return [(COMMENTS, _replacing(beside.id, plain(beside)))]
        case CaseTask():
            return [(TASK_LIST, _replacing(beside.id, {**plain(beside), "watch_at": beside.watch_at}))]
        case Attachment():
            return [(ATTACHMENTS, _replacing(beside.id, plain(beside)))]
        case Custody():
            return [(CUSTODY, InsertOne(_link(beside)))]
        case Counted():
            return [(COUNTED, InsertOne({"_id": beside.id, **plain(beside)}))]  # twice is once too often
        case Use(sha256=sha256, more=more):
            return [(CONTENTS, UpdateOne({"_id": sha256}, {"$inc": {"uses": 1 if more else -1}}))]
        case Moved(sighting=sighting, into=into):
            key = f"{into}:{sighting.observable}"
            moved = {**plain(sighting), "case": into}
            return [
                (SIGHTINGS, DeleteOne({"_id": f"{sighting.case}:{sighting.observable}"})),
                (SIGHTINGS, _replacing(key, moved)),
            ]
    assert_never(beside)


def _replacing(key: str, document: dict[str, Any]) -> ReplaceOne[Any]:
    return ReplaceOne({"_id": key}, {"_id": key, **document}, upsert=True)


def _link(entry: Custody) -> dict[str, Any]:
    return {"_id": f"{entry.attachment}:{entry.number:06d}", **plain(entry)}


class MongoBesides:
    """The collections beside cases.

    Args:
        database: The service's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def prepare(self) -> None:
        """Make the indexes."""
        for name, indexes in INDEXES.items():
            with translated(name):
                await self._database.collection(name).create_indexes(list(indexes))
        await self._count_uses()

    async def _count_uses(self) -> None:
        """Contents that were stored before their uses were counted."""
        with translated(CONTENTS):
            contents = self._database.collection(CONTENTS)
            async for content in contents.find({"uses": {"$exists": False}}, {"_id": 1}):
                uses = await self._database.collection(ATTACHMENTS).count_documents({"sha256": content["_id"]})
                await contents.update_one({"_id": content["_id"], "uses": {"$exists": False}}, {"$set": {"uses": uses}})

    async def counted(self, mark: str) -> bool:
        """Whether a case knows of this occurrence."""
        return await self._one(COUNTED, {"_id": mark}) is not None

    async def recover(self, recovery: Recovery) -> None:
        """Remember a recovery for a while, unless a later one of the same thing is known."""
        later = {"_id": recovery.key, "position": {"$lt": recovery.position}}
        with translated(RECOVERIES):
            try:
                await self._database.collection(RECOVERIES).update_one(later, {"$set": plain(recovery)}, upsert=True)
            except DuplicateKeyError:
                return  # the known one is later, or is this one

    async def recovery(self, key: str) -> Recovery | None:
        """The last recovery of a thing that is remembered."""
        found = await self._one(RECOVERIES, {"_id": key})
        return None if found is None else _recovery(found)

    async def comments(self, cases: Sequence[str], *, internal: bool, limit: int, cursor: str | None) -> Page[Comment]:
        """Comments of cases, oldest first."""
        chosen = Filter().one_of("case", sorted(cases))
        if not internal:
            chosen = chosen.not_eq("visibility", "internal")
        with translated(COMMENTS):
            return await fetch_page(
                self._database.collection(COMMENTS),
                chosen.query(),
                sort=Sort("_id"),
                limit=limit,
                cursor=cursor,
                read=_read_comment,
            )

    async def comment(self, comment_id: str) -> Comment | None:
        """One comment."""
        found = await self._one(COMMENTS, {"_id": comment_id})
        return None if found is None else _read_comment(found)

    async def tasks(self, case_id: str) -> list[CaseTask]:
        """Tasks of a case, oldest first."""
        return [_task(d) for d in await self._all(TASK_LIST, {"case": case_id}, TASKS)]

    async def task_of_run(self, run: str) -> CaseTask | None:
        """The task that a run was started for."""
        found = await self._one(TASK_LIST, {"run": run})
        return None if found is None else _task(found)

    async def late_tasks(self, now: datetime, *, limit: int) -> list[CaseTask]:
        """Tasks that are late and of which nobody has been told."""
        return [_task(d) for d in await self._all(TASK_LIST, {"watch_at": {"$type": "date", "$lte": now}}, limit)]

    async def attachments(self, case_id: str) -> list[Attachment]:
        """Files of a case, oldest first."""
        return [_attachment(d) for d in await self._all(ATTACHMENTS, {"case": case_id}, MANY)]

    async def keep(self, sha256: str, content: bytes) -> None:
        """Store the content of a file under its hash; the same content is kept once."""
        with translated(CONTENTS):
            try:
                await self._database.collection(CONTENTS).insert_one({"_id": sha256, "content": content, "uses": 0})
            except DuplicateKeyError:
                return

    async def forget(self, sha256: str) -> bool:
        """Delete a content that no file uses any more; whether it is gone."""
        with translated(CONTENTS):
            gone = await self._database.collection(CONTENTS).delete_one({"_id": sha256, "uses": {"$lte": 0}})
        return bool(gone.deleted_count)

    async def content(self, sha256: str) -> bytes | None:
        """The content of a file."""
        found = await self._one(CONTENTS, {"_id": sha256})
        return None if found is None else bytes(found["content"])

    async def custody(self, attachment_id: str) -> list[Custody]:
        """The chain of a file, in order."""
        with translated(CUSTODY):
            found = self._database.collection(CUSTODY).find({"attachment": attachment_id}).sort("number", ASCENDING)
            return [_custody(d) for d in await found.to_list(None)]

    async def hand(self, entry: Custody) -> None:
        """Append to a chain."""
        with translated(CUSTODY):
            try:
                await self._database.collection(CUSTODY).insert_one(_link(entry))
            except DuplicateKeyError as error:
                raise Conflict("somebody else handled the file at the same moment", attachment=entry.attachment) from error

    async def see(self, sighting: Sighting) -> Observable:
        """Note that a thing was seen; a repeat in the same case counts up."""
        fixed = {name: value for name, value in plain(sighting).items() if name not in {"times", "note"}}
        with translated(SIGHTINGS):
            stored = await self._database.collection(SIGHTINGS).update_one(
                {"_id": f"{sighting.case}:{sighting.observable}"},
                {"$setOnInsert": fixed, "$set": {"note": sighting.note}, "$inc": {"times": 1}},
                upsert=True,
            )
            new = stored.upserted_id is not None
            found = await self._database.collection(OBSERVABLES).find_one_and_update(
                {"_id": sighting.observable},
                {
                    "$setOnInsert": {
                        "id": sighting.observable,
                        "namespace": sighting.namespace,
                        "type": sighting.type,
                        "value": sighting.value,
                        "first_seen": sighting.at,
                    },
                    "$max": {"last_seen": sighting.at},
                    "$inc": {"cases": 1 if new else 0},
                },
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
        return _observable(found)

    async def unsee(self, case_id: str, observable_id: str) -> bool:
        """Take a sighting back; whether there was one."""
        with translated(SIGHTINGS):
            gone = await self._database.collection(SIGHTINGS).delete_one({"_id": f"{case_id}:{observable_id}"})
            if gone.deleted_count:
                await self._database.collection(OBSERVABLES).update_one({"_id": observable_id}, {"$inc": {"cases": -1}})
        return bool(gone.deleted_count)

    async def sightings(self, case_id: str) -> list[Sighting]:
        """What was seen in a case."""
        return [_sighting(d) for d in await self._all(SIGHTINGS, {"case": case_id}, MANY)]

    async def observable(self, observable_id: str) -> tuple[Observable, list[Sighting]] | None:
        """A thing, and where it was seen."""
        found = await self._one(OBSERVABLES, {"_id": observable_id})
        if found is None:
            return None
        return _observable(found), [_sighting(d) for d in await self._all(SIGHTINGS, {"observable": observable_id}, MANY)]

    async def sightings_of(self, observables: Sequence[str]) -> list[Sighting]:
        """Where things were seen."""
        return [_sighting(d) for d in await self._all(SIGHTINGS, {"observable": {"$in": list(observables)}}, MANY * 10)]

    async def observables(self, namespace: str, *, text: str | None, limit: int, cursor: str | None) -> Page[Observable]:
        """Things of a namespace."""
        chosen = Filter().eq("namespace", namespace)
        if text is not None:
            chosen = chosen.prefix("value", text)
        with translated(OBSERVABLES):
            return await fetch_page(
                self._database.collection(OBSERVABLES),
                chosen.query(),
                sort=Sort("_id"),
                limit=limit,
                cursor=cursor,
                read=_observable,
            )

    async def _one(self, name: str, query: dict[str, Any]) -> Mapping[str, Any] | None:
        with translated(name):
            found: Mapping[str, Any] | None = await self._database.collection(name).find_one(query)
        return found

    async def _all(self, name: str, query: dict[str, Any], limit: int) -> Sequence[Mapping[str, Any]]:
        with translated(name):
            found: Sequence[Mapping[str, Any]] = (
                await self._database.collection(name).find(query).sort("_id", ASCENDING).limit(limit).to_list(limit)
            )
        return found


def _read_comment(document: Mapping[str, Any]) -> Comment:
    return _comment(document if "id" in document else {**document, "id": document["_id"]})  # the first version had no id
