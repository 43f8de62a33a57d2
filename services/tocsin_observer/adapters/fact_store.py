"""Facts of runs in MongoDB, one document each; a document that has only ``due`` still waits for its facts."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from pymongo import ASCENDING, DESCENDING, DeleteOne, IndexModel, UpdateOne

from tocsin_kit.store import Database, Document, Filter, translated
from tocsin_observer.adapters.signal_store import COLLECTION as SIGNALS
from tocsin_observer.domain.facts import ENDS, RunFacts, TaskFacts
from tocsin_observer.ports.analytics import FactSearch

FACTS: Final = "run_facts"
_AT_ONCE: Final = 2000
_SIGNALS_OF_A_RUN: Final = 5000  # more would make one run hold up the others; its facts say that they are not whole
_INDEXES = (
    IndexModel([("due", ASCENDING)], name="due", partialFilterExpression={"due": {"$type": "date"}}),
    IndexModel([("ended_at", DESCENDING)], name="ended"),
    IndexModel([("namespace", ASCENDING), ("workflow", ASCENDING), ("ended_at", DESCENDING)], name="workflow"),
)


class MongoFactStore:
    """The collection ``run_facts``, and the signals beside it.

    Args:
        database: The observer's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def prepare(self) -> None:
        """Make the indexes."""
        with translated(FACTS):
            await self._facts.create_indexes(list(_INDEXES))

    async def mark(self, runs: Collection[str], due: datetime) -> None:
        """The facts of these runs are to be made (again)."""
        if runs:
            with translated(FACTS):
                await self._facts.bulk_write(
                    [UpdateOne({"_id": run}, {"$set": {"due": due}}, upsert=True) for run in runs], ordered=False
                )

    async def due(self, now: datetime, *, limit: int) -> Sequence[str]:
        """Runs whose facts are to be made."""
        with translated(FACTS):
            found = self._facts.find({"due": {"$lte": now}}, {"_id": 1}).sort("due", ASCENDING).limit(limit)
            return [document["_id"] async for document in found]

    async def signals(self, runs: Collection[str]) -> dict[str, list[bytes]]:
        """All signals that are kept of these runs, as JSON."""
        found: dict[str, list[bytes]] = {run: [] for run in runs}
        query = {"entity_id": {"$in": list(runs)}}
        with translated(SIGNALS):
            collection: Any = self._database.collection(SIGNALS)
            cursor = collection.find(query, {"_id": 0, "entity_id": 1, "event": 1}).batch_size(_AT_ONCE)
            while documents := await cursor.to_list(_AT_ONCE):
                for document in documents:
                    events = found[document["entity_id"]]
                    if len(events) < _SIGNALS_OF_A_RUN:
                        events.append(bytes(document["event"]))
        return found

    async def store(
        self, facts: Sequence[RunFacts], *, again: Collection[str], later: datetime, nothing: Collection[str]
    ) -> None:
        """Store facts; look at some again later; forget those of which nothing is known."""
        changes: list[Any] = []
        for one in facts:
            change: Document = {"$set": _document(one)}
            if one.run in again:
                change["$set"]["due"] = later
            else:
                change["$unset"] = {"due": ""}
            if one.whole:
                changes.append(UpdateOne({"_id": one.run}, change, upsert=True))
                continue
            # Some of its signals are gone by now: facts of before, when all were there, are better.
            changes.append(UpdateOne({"_id": one.run, "whole": True}, {"$unset": {"due": ""}}))
            changes.append(UpdateOne({"_id": one.run, "whole": {"$ne": True}}, change))
        changes += [DeleteOne({"_id": run, "ended_at": {"$exists": False}}) for run in nothing]
        if changes:
            with translated(FACTS):
                await self._facts.bulk_write(changes, ordered=False)

    async def ended_since(self, since: datetime | None) -> Sequence[str]:
        """Runs of whose end a signal is kept."""
        query: Document = {"entity": "run", "transition": {"$in": sorted(ENDS)}}
        query |= {"time": {"$gte": since}} if since else {}
        with translated(SIGNALS):
            collection: Any = self._database.collection(SIGNALS)
            return [document["entity_id"] async for document in collection.find(query, {"entity_id": 1})]

    async def load(self, run: str) -> RunFacts | None:
        """The facts of a run."""
        with translated(FACTS):
            found = await self._facts.find_one({"_id": run, "ended_at": {"$exists": True}})
        return None if found is None else _read(found)

    async def search(self, search: FactSearch, *, limit: int) -> Sequence[RunFacts]:
        """Facts of runs that ended in a period, newest first."""
        chosen = Filter().at_least("ended_at", search.since).below("ended_at", search.until)
        if search.namespaces is not None:
            named = Filter().one_of("namespace", sorted(search.namespaces))
            chosen = chosen.any_of(named, *(Filter().prefix("namespace", prefix) for prefix in search.prefixes))
        if search.workflow is not None:
            chosen = chosen.eq("workflow", search.workflow)
        with translated(FACTS):
            found = self._facts.find(chosen.query()).sort("ended_at", DESCENDING).limit(limit)
            return [_read(document) async for document in found]

    async def forget(self, before: datetime) -> int:
        """Remove facts of runs that ended before an instant."""
        with translated(FACTS):
            return int((await self._facts.delete_many({"ended_at": {"$lt": before}})).deleted_count)

    @property
    def _facts(self) -> Any:  # Motor ships no types
        return self._database.collection(FACTS)


def _document(facts: RunFacts) -> Document:
    plain = {name: getattr(facts, name) for name in RunFacts.__slots__ if name not in {"run", "busy", "tasks"}}
    return {**plain, "busy": facts.busy.total_seconds(), "tasks": [_task_document(task) for task in facts.tasks]}


def _task_document(task: TaskFacts) -> Document:
    seconds = {name: getattr(task, name).total_seconds() for name in ("wait", "work", "longest")}
    return {"task": task.task, "count": task.count, "retries": task.retries, "faulted": task.faulted, **seconds}


def _read(document: Mapping[str, Any]) -> RunFacts:
    plain = {name: document[name] for name in RunFacts.__slots__ if name not in {"run", "busy", "tasks"}}
    return RunFacts(
        run=document["_id"],
        busy=timedelta(seconds=document["busy"]),
        tasks=tuple(_read_task(task) for task in document["tasks"]),
        **plain,
    )


def _read_task(document: Mapping[str, Any]) -> TaskFacts:
    spans = {name: timedelta(seconds=document[name]) for name in ("wait", "work", "longest")}
    return TaskFacts(**{**document, **spans})
