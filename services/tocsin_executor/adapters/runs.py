"""Runs in MongoDB: one document a run with its head cell, further cells, values and records beside it.

A save is one transaction over everything that changed and the positions of the partitions, filtered by their epochs: a deposed
owner's save matches nothing and is refused as a whole. Cells and records are bytes that only the engine reads; what lists and
filters need stands beside them.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import orjson
import structlog
from bson.binary import Binary
from pymongo import ASCENDING, DESCENDING, DeleteOne, IndexModel, InsertOne, ReplaceOne, UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError

from tocsin.errors import Conflict
from tocsin_executor.adapters.detached import dump_detached, load_detached
from tocsin_executor.adapters.listening import dump_listens, load_listens
from tocsin_executor.domain.deciding import bare
from tocsin_executor.domain.effects import Record
from tocsin_executor.domain.large import Large
from tocsin_executor.domain.questions import Question
from tocsin_executor.domain.state import HEAD
from tocsin_executor.domain.values import Json, Millis
from tocsin_executor.ports import DetachedTask, Heard, Listening, RunMeta, RunSave, Save, StoredRun
from tocsin_kit.store.database import Database, Document
from tocsin_kit.store.errors import AlreadyExists, RevisionConflict, StoreUnavailable, translated

log = structlog.get_logger()

_DUPLICATE = 11000
_WORKING: Final = ("running", "suspended", "cancelling")  # a run that waits has nothing with the workers
_BEGUN: Final = {"cell": {"$exists": True}}  # runs that wait for a limit have none
_RECORD_BYTES = 1024 * 1024  # of records in one document

NEWEST: Final = (("created", DESCENDING), ("_id", DESCENDING))
INDEXES: dict[str, list[IndexModel]] = {
    "runs": [
        # By time and not by id: ids that are derived from their cause do not ascend.
        IndexModel([*NEWEST], name="newest"),
        IndexModel([("namespace", ASCENDING), *NEWEST], name="newest_of_namespace"),
        IndexModel([("namespace", ASCENDING), ("name", ASCENDING), *NEWEST], name="newest_of_workflow"),
        IndexModel([("tags", ASCENDING), *NEWEST], name="newest_of_label"),
        IndexModel([("status", ASCENDING), *NEWEST], name="newest_of_status"),
        IndexModel(
            [("asking", ASCENDING), ("namespace", ASCENDING), *NEWEST],
            name="asking",
            partialFilterExpression={"asking": True},
        ),
        IndexModel([("status", ASCENDING), ("ended", ASCENDING)], name="ended"),
        IndexModel([("refs", ASCENDING)], name="values", partialFilterExpression={"refs.0": {"$exists": True}}),
        IndexModel([("large", ASCENDING)], name="large", partialFilterExpression={"large.0": {"$exists": True}}),
        IndexModel([("parent", ASCENDING), *NEWEST], name="newest_of_parent", sparse=True),
        IndexModel(
            [("meta.partition", ASCENDING), ("wake", ASCENDING)],
            name="alarms",
            partialFilterExpression={"wake": {"$gt": 0}},
        ),
        IndexModel([("meta.partition", ASCENDING)], name="listening", partialFilterExpression={"listening": True}),
    ],
    "records": [IndexModel([("run", ASCENDING), ("position", ASCENDING)], name="of_run")],
    "detached": [IndexModel([("partition", ASCENDING)], name="partition")],
    "task_logs": [
        IndexModel([("run", ASCENDING), ("_id", ASCENDING)], name="of_run"),
        IndexModel([("at", ASCENDING)], name="age"),
    ],
    "cells": [
        IndexModel([("run", ASCENDING)], name="of_run"),
        IndexModel([("refs", ASCENDING)], name="values", partialFilterExpression={"refs.0": {"$exists": True}}),
    ],
}


class Deposed(Conflict):
    """Another replica owns the partition now."""

    code = "partition_deposed"


class MongoRuns:
    """The run store.

    Args:
        database: The executor's database.
        freed: Told which limits the runs held whose end was saved.
    """

    def __init__(self, database: Database, freed: Callable[[Collection[str]], None] | None = None) -> None:
        self._database = database
        self._freed = freed

    async def ensure_indexes(self) -> None:
        """Create the indexes that are not there yet."""
        with translated("indexes"):
            for name, models in INDEXES.items():
                await self._collection(name).create_indexes(models)

    # -- ownership ----------------------------------------------------------------------------------------------------

    async def take_over(self, partition: int, epoch: int) -> int:
        """Become the owner; see the port."""
        with translated("partitions"):
            try:
                await self._collection("partitions").update_one(
                    {"_id": partition, "epoch": {"$lte": epoch}},  # the same: it was this owner's, who lost what it knew
                    {"$set": {"epoch": epoch}, "$setOnInsert": {"log": 0}},
                    upsert=True,
                )
            except DuplicateKeyError as error:
                raise Deposed(f"Partition {partition} is owned under a newer epoch than {epoch}.") from error
            document = await self._collection("partitions").find_one({"_id": partition})
        return int(document["log"])

    async def positions(self) -> dict[int, int]:
        """The saved position of each partition that ever had an owner."""
        with translated("partitions"):
            documents = await self._collection("partitions").find({}).to_list(None)
        return {int(d["_id"]): int(d["log"]) for d in documents}

    # -- load ---------------------------------------------------------------------------------------------------------

    async def load(self, runs: Sequence[str]) -> dict[str, StoredRun]:
        """Those of ``runs`` that there are."""
        with translated("runs"):
            documents = await self._collection("runs").find({"_id": {"$in": list(runs)}, **_BEGUN}).to_list(None)
            paged = [d["_id"] for d in documents if d.get("paged")]
            further: dict[str, list[Document]] = {}
            if paged:
                for cell in await self._collection("cells").find({"run": {"$in": paged}}).to_list(None):
                    further.setdefault(cell["run"], []).append(cell)
            refs = {ref for d in documents for ref in d.get("refs", ())}
            refs |= {ref for cells in further.values() for cell in cells for ref in cell.get("refs", ())}
            values = await self.values(sorted(refs))
        return {d["_id"]: _stored(d, further.get(d["_id"], []), values) for d in documents}

    async def values(self, digests: Sequence[str]) -> dict[str, bytes]:
        """Large values by digest."""
        if not digests:
            return {}
        with translated("values"):
            found = await self._collection("values").find({"_id": {"$in": list(digests)}}).to_list(None)
        return {d["_id"]: bytes(d["body"]) for d in found}

    async def alarms(self, partitions: Sequence[int]) -> list[tuple[Millis, str]]:
        """Least due time of each run of these partitions that has one."""
        if not partitions:
            return []
        query = {"meta.partition": {"$in": list(partitions)}, "wake": {"$gt": 0}}
        with translated("runs"):
            documents = await self._collection("runs").find(query, {"wake": 1}).to_list(None)
        return [(int(d["wake"]), d["_id"]) for d in documents]

    async def going(self, partitions: Sequence[int]) -> list[str]:
        """Runs that neither ended nor only wait; see the port."""
        query = {"status": {"$in": _WORKING}, "meta.partition": {"$in": list(partitions)}, **_BEGUN}
        with translated("runs"):
            return [d["_id"] for d in await self._collection("runs").find(query, {"_id": 1}).to_list(None)]

    async def detached(self, partitions: Sequence[int]) -> tuple[dict[int, str], list[DetachedTask]]:
        """What a new owner has to know of tasks; see the port."""
        if not partitions:
            return {}, []
        with translated("detached"):
            known = await self._collection("partitions").find({"_id": {"$in": list(partitions)}}, {"looked": 1}).to_list(None)
            tasks = await self._collection("detached").find({"partition": {"$in": list(partitions)}}).to_list(None)
        looked = {int(d["_id"]): str(d["looked"]) for d in known if "looked" in d}
        return looked, [load_detached(d) for d in tasks]

    async def looked(self, partition: int, epoch: int, start: str) -> None:
        """Remember it; see the port."""
        with translated("partitions"):
            await self._collection("partitions").update_one({"_id": partition, "epoch": epoch}, {"$set": {"looked": start}})

    async def listening(self, partitions: Sequence[int]) -> tuple[dict[int, Heard], list[Listening]]:
        """How far events are matched for these partitions, and the subscriptions of their runs."""
        if not partitions:
            return {}, []
        with translated("runs"):
            known = await self._collection("partitions").find({"_id": {"$in": list(partitions)}}).to_list(None)
            query = {"meta.partition": {"$in": list(partitions)}, "listening": True}
            documents = await self._collection("runs").find(query, {"listens": 1}).to_list(None)
        heard: dict[int, Heard] = {
            int(d["_id"]): {name: (int(at[0]), int(at[1])) for name, at in d.get("heard", {}).items()} for d in known
        }
        return heard, [listening for document in documents for listening in load_listens(document)]

    # -- save ---------------------------------------------------------------------------------------------------------

    async def save(self, save: Save) -> None:
        """All of it in one transaction, or nothing."""
        values = {digest: body for run in save.runs for cell in run.cells for digest, body in cell.values.items()}
        with translated("save"):
            if values:
                await self._save_values(values)
            runs, cells, records = [], [], []
            for run in save.runs:
                head, further = _run_document(run)
                runs.append(UpdateOne({"_id": run.run}, {"$set": head}, upsert=True))
                cells += further
                records += [InsertOne(document) for document in _record_documents(run)]
            positions = [
                UpdateOne({"_id": partition, "epoch": epoch}, {"$set": {"log": log, "heard": save.heard.get(partition, {})}})
                for partition, (epoch, log) in save.partitions.items()
            ]
            detached: list[Any] = [ReplaceOne({"_id": task.key}, dump_detached(task), upsert=True) for task in save.detached]
            detached += [DeleteOne({"_id": key}) for key in save.settled]
            writes = {"runs": runs, "cells": cells, "records": records, "detached": detached}
            try:
                await self._together(positions, writes)
            except AlreadyExists:  # its records
                if not await self._is_stored(save):
                    raise
                log.info("save.repeated", runs=len(save.runs))
            except RevisionConflict as error:  # with another transaction that touched one of these: who owns them is as before
                raise StoreUnavailable("A save met another transaction, and is tried again.", collection="runs") from error
        if self._freed is not None:
            ended = {key for run in save.runs if run.meta.slots and run.summary.ended is not None for key in run.meta.slots}
            if ended:
                self._freed(ended)

    async def _is_stored(self, save: Save) -> bool:
        """Whether this very save was committed before, and only the answer was lost."""
        known = await self._collection("partitions").find({"_id": {"$in": list(save.partitions)}}).to_list(None)
        return {int(d["_id"]): (d.get("epoch"), d.get("log")) for d in known} == dict(save.partitions)

    async def _together(self, positions: list[Any], further: dict[str, list[Any]]) -> None:
        async with self._database.transaction() as transaction:
            session = transaction.session
            done = await self._collection("partitions").bulk_write(positions, ordered=False, session=session)
            if done.matched_count != len(positions):
                raise Deposed("Another replica owns one of the partitions now.")
            for name, writes in further.items():
                if writes:
                    await self._collection(name).bulk_write(writes, ordered=False, session=session)

    async def _save_values(self, values: dict[str, bytes]) -> None:
        """Insert-only: equal digests are equal values, so one that is there is right."""
        now = self._database.clock.now()  # for retention: a value that was saved again lately is about to be referred to
        operations = [
            UpdateOne({"_id": digest}, {"$setOnInsert": {"body": Binary(body)}, "$set": {"at": now}}, upsert=True)
            for digest, body in values.items()
        ]
        try:
            await self._collection("values").bulk_write(operations, ordered=False)
        except BulkWriteError as error:
            if any(item["code"] != _DUPLICATE for item in error.details.get("writeErrors", [])):
                raise

    def _collection(self, name: str) -> Any:  # Motor ships no types; this is the codec's edge
        return self._database.collection(name)


def _run_document(run: RunSave) -> tuple[Document, list[Any]]:
    summary, meta = run.summary, run.meta
    document: Document = {
        "namespace": summary.namespace,
        "name": summary.name,
        "version": summary.version,
        "digest": summary.digest,
        "status": summary.status,
        "labels": summary.labels,
        "tags": [f"{name}={value}" for name, value in summary.labels.items()],
        "started": moment(summary.started),
        "ended": moment(summary.ended),
        "created": moment(meta.created),
        "parent": summary.parent,
        "error": summary.error,
        "asking": bool(summary.questions),
        "questions": [_question(question) for question in summary.questions],
        "wake": run.wake,
        "position": run.position,
        "meta": {
            "partition": meta.partition,
            "created": meta.created,
            "correlation": meta.correlation,
            "actor": meta.actor,
            "trigger": meta.trigger,
            "decisions": meta.decisions,
            "parked": meta.parked,
            "slots": meta.slots,
        },
    }
    if run.listens is not None:
        document["listening"] = bool(run.listens)
        document["listens"] = dump_listens(run.listens)
    if run.large:
        document["large"] = run.large
    further = []
    for cell in run.cells:
        if cell.key == HEAD:
            document["cell"] = Binary(cell.body)
            document["refs"] = cell.refs
        else:
            document["paged"] = True
            body = {"run": run.run, "key": cell.key, "body": Binary(cell.body), "refs": cell.refs}
            further.append(ReplaceOne({"_id": f"{run.run}/{cell.key}"}, body, upsert=True))
    return document, further


def _record_documents(run: RunSave) -> list[Document]:
    """The records of one save, together: a few large documents cost less than many small ones, and history is read in order."""
    documents: list[Document] = []
    part: list[bytes] = []
    size = 0
    for record in run.records:
        body = orjson.dumps(_record(record))
        if part and size + len(body) > _RECORD_BYTES:
            documents.append(_records(run, len(documents), part))
            part, size = [], 0
        part.append(body)
        size += len(body)
    if part:
        documents.append(_records(run, len(documents), part))
    return documents


def _question(question: Question) -> Document:
    return {
        "id": question.id,
        "activation": question.activation,
        "task": question.task,
        "reference": question.reference,
        "assignees": [bare(name) for name in question.assignees],
        "request": Binary(orjson.dumps(question.request)),
        "form": Binary(orjson.dumps(question.form)),
        "since": question.since,
        "deadline": question.deadline,
        "reminders": question.reminders,
        "said": Binary(orjson.dumps({"answers": question.answers, "delegations": question.delegations})),
    }


def _records(run: RunSave, number: int, part: list[bytes]) -> Document:
    return {
        "_id": f"{run.run}/{run.position:015d}.{number}",
        "run": run.run,
        "position": run.position,
        "count": len(part),
        "body": Binary(b"[" + b",".join(part) + b"]"),
    }


def _record(record: Record) -> dict[str, Json]:
    return {
        "token": record.token,
        "scope": record.scope,
        "key": record.key,
        "reference": record.reference,
        "name": record.name,
        "index": record.index,
        "status": record.status,
        "input": record.input,
        "output": record.output,
        "error": record.error,
        "attempts": record.attempts,
        "created": record.created,
        "started": record.started,
        "ended": record.ended,
        "worker": record.worker,
        "tried": record.tried,
    } | _large_parts(record)


def _large_parts(record: Record) -> dict[str, Json]:
    """Which of its values are references; as JSON they look like any object."""
    names: list[Json] = [
        name for name, value in (("input", record.input), ("output", record.output)) if isinstance(value, Large)
    ]
    return {"large": names} if names else {}


def _stored(document: Document, further: list[Document], values: dict[str, bytes]) -> StoredRun:
    meta = document["meta"]
    refs = [*document.get("refs", ()), *(ref for cell in further for ref in cell.get("refs", ()))]
    return StoredRun(
        run=document["_id"],
        digest=document["digest"],
        meta=RunMeta(
            partition=meta["partition"],
            created=meta["created"],
            correlation=meta["correlation"],
            actor=meta.get("actor"),
            trigger=meta.get("trigger"),
            decisions=list(meta.get("decisions", ())),
            parked=list(meta.get("parked", ())),
            slots=list(meta.get("slots", ())),
        ),
        bodies=[bytes(document["cell"]), *(bytes(cell["body"]) for cell in further)],
        values={ref: values[ref] for ref in refs if ref in values},
        listens=load_listens(document),
        position=document.get("position", 0),
    )


def moment(at: Millis | None) -> datetime | None:
    """Milliseconds as the database keeps time."""
    return None if at is None else datetime.fromtimestamp(at / 1000, UTC)
