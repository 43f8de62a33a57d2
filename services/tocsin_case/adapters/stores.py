"""Cases in MongoDB: one document each with its outbox; history and what lies beside them in collections of their own."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel, InsertOne, ReplaceOne
from pymongo.errors import BulkWriteError, OperationFailure

from tocsin.errors import Conflict
from tocsin_case.adapters.besides import COMMENTS, collection_of, document_of
from tocsin_case.adapters.documents import case_document, read_case
from tocsin_case.adapters.searching import BEGINNING, case_filter
from tocsin_case.domain.cases import Case
from tocsin_case.domain.counted import Counted
from tocsin_case.domain.history import Record, difference
from tocsin_case.ports import Beside, CaseSearch, Change
from tocsin_kit.store import AlreadyExists, Database, Entry, Filter, Page, Relay, Repository, Sort, translated

CASES = "cases"
HISTORY = "history"
DUPLICATE = 11000
FACETS = ("status", "priority", "kind", "owner", "team", "queue", "tags", "severity")
FACET_VALUES = 50
RECORDS = 20_000  # changes of one case that are read at once

CASE_INDEXES = (
    # One active case about one thing: two replicas that hear of two failures at once cannot both open one.
    IndexModel(
        [("v.dedupes", ASCENDING)],
        name="one_active_each",
        unique=True,
        partialFilterExpression={"v.active": True, "v.dedupes.0": {"$exists": True}},
    ),
    IndexModel([("v.dedupes", ASCENDING), ("v.resolved_at", ASCENDING)], name="ended"),
    IndexModel([("v.updated_at", DESCENDING), ("_id", DESCENDING)], name="updated"),
    IndexModel([("v.namespace", ASCENDING), ("v.updated_at", DESCENDING), ("_id", DESCENDING)], name="namespace"),
    IndexModel(
        [("v.namespace", ASCENDING), ("v.status", ASCENDING), ("v.updated_at", DESCENDING), ("_id", DESCENDING)], name="status"
    ),
    IndexModel([("v.owner", ASCENDING), ("v.active", ASCENDING), ("v.updated_at", DESCENDING)], name="owner"),
    IndexModel([("v.tags", ASCENDING), ("v.updated_at", DESCENDING)], name="tags"),
    IndexModel([("v.opened_at", DESCENDING), ("_id", DESCENDING)], name="opened"),
    IndexModel([("v.links.target", ASCENDING)], name="links"),
    IndexModel([("v.playbooks.run", ASCENDING)], name="playbooks"),
    IndexModel([("v.next_due", ASCENDING), ("_id", ASCENDING)], name="due"),
    IndexModel([("v.namespace", ASCENDING), ("v.next_due", ASCENDING), ("_id", ASCENDING)], name="namespace_due"),
    # By the opening, which never changes: by the last change, every change would rewrite an entry for each word.
    IndexModel([("v.words", ASCENDING), ("v.opened_at", DESCENDING), ("_id", DESCENDING)], name="said"),
    IndexModel([("v.facts", ASCENDING), ("v.opened_at", DESCENDING), ("_id", DESCENDING)], name="facts"),
)
OLD_INDEXES = ("one_active", "text", "words", "next_due")
# The first version knew one key; what is looked for must be there before a case changes next.
_OLD: dict[str, Any] = {"v.status": {"$exists": True}, "v.dedupes": {"$exists": False}}
_NEW: list[dict[str, Any]] = [
    {
        "$set": {
            "v.dedupes": {"$cond": [{"$eq": [{"$type": "$v.dedupe"}, "string"]}, ["$v.dedupe"], []]},
            "v.words": {"$split": [{"$toLower": "$v.title"}, " "]},
        }
    }
]


class MongoCaseStore:
    """The collections ``cases`` and ``history``.

    Args:
        database: The service's database.
        relay: Told about each commit.
    """

    def __init__(self, database: Database, relay: Relay) -> None:
        self._database = database
        self._cases: Repository[Case] = Repository(database, CASES, encode=case_document, decode=read_case, wake=relay.wake)

    async def prepare(self) -> None:
        """Make the indexes; those of older versions go, because a collection has one text index."""
        with translated(CASES):
            cases = self._database.collection(CASES)
            await cases.update_many(_OLD, _NEW)
            for name in OLD_INDEXES:
                try:
                    await cases.drop_index(name)
                except OperationFailure:
                    continue  # not there, or another replica was faster
            await cases.create_indexes(list(CASE_INDEXES))
            await self._database.collection(HISTORY).create_indexes(
                [IndexModel([("case", ASCENDING), ("revision", ASCENDING)], name="case", unique=True)]
            )

    async def load(self, case_id: str) -> Entry[Case]:
        """The case, or an entry without value."""
        return await self._cases.load(case_id)

    async def load_many(self, case_ids: Sequence[str]) -> dict[str, Entry[Case]]:
        """Those of the cases that there are."""
        return await self._cases.load_many(case_ids)

    async def commit(self, changes: Sequence[Change]) -> list[Entry[Case]]:
        """Store cases, their history and what lies beside them, and say it: all or nothing."""
        entries: list[Entry[Case]] = []
        writes: dict[str, list[Any]] = {}
        try:
            async with self._database.transaction() as transaction:
                for change in changes:
                    entry = await self._cases.commit(change.entry, change.case, outbox=change.outbox, within=transaction)
                    entries.append(entry)
                    writes.setdefault(HISTORY, []).append(InsertOne(_history_document(change, entry.revision)))
                    for beside in change.beside:
                        writes.setdefault(collection_of(beside), []).append(_writing(beside))
                for name, operations in writes.items():
                    try:
                        await self._database.collection(name).bulk_write(operations, session=transaction.session)
                    except BulkWriteError as error:
                        if any(one["code"] == DUPLICATE for one in error.details.get("writeErrors", ())):
                            raise Conflict("somebody else did the same at the same moment", case=changes[0].case.id) from error
                        raise
        except AlreadyExists as error:
            raise Conflict("another active case is about the same thing", case=changes[0].case.id) from error
        return entries

    async def active(self, dedupes: Sequence[str]) -> list[Entry[Case]]:
        """The active cases about these things."""
        return await self._cases.find(Filter().one_of("dedupes", dedupes).eq("active", True), limit=100)

    async def ended_since(self, dedupe: str, since: datetime) -> bool:
        """Whether a case about this thing has ended at or after an instant."""
        ended = Filter().eq("dedupes", dedupe).at_least("resolved_at", since)
        return bool(await self._cases.find(ended, limit=1))

    async def with_run(self, run: str) -> list[Entry[Case]]:
        """Cases that have started a run and wait for its end."""
        return await self._cases.find(Filter().eq("playbooks.run", run), limit=10)

    async def due(self, now: datetime, *, limit: int) -> Sequence[Entry[Case]]:
        """Cases of which a clock or an escalation is due, the longest due first."""
        with translated(CASES):
            found = self._database.collection(CASES).find({"v.next_due": {"$gte": BEGINNING, "$lte": now}})
            keys = [d["_id"] for d in await found.sort("v.next_due", ASCENDING).limit(limit).to_list(limit)]
        known = await self._cases.load_many(keys)
        return [known[key] for key in keys if key in known]

    async def search(self, search: CaseSearch, *, limit: int, cursor: str | None) -> Page[Entry[Case]]:
        """One page of cases."""
        sort = Sort(search.order, descending=search.order != "next_due")
        return await self._cases.page(case_filter(search), sort=sort, limit=limit, cursor=cursor)

    async def facets(self, search: CaseSearch) -> dict[str, dict[str, int]]:
        """How many of the cases found have which value, by field; the most frequent values of each."""
        stages: dict[str, list[dict[str, Any]]] = {}
        for name in FACETS:
            unwound = [{"$unwind": "$v.tags"}] if name == "tags" else []
            stages[name] = [*unwound, {"$sortByCount": f"$v.{name}"}, {"$limit": FACET_VALUES}]
        query = {**case_filter(search).query("v"), "v": {"$exists": True}}
        pipeline: list[Mapping[str, Any]] = [
            {"$match": query},
            {"$project": {f"v.{name}": 1 for name in FACETS}},
            {"$facet": stages},
        ]
        with translated(CASES):
            (found,) = await self._database.collection(CASES).aggregate(pipeline).to_list(1)
        return {name: {str(d["_id"]): d["count"] for d in counted if d["_id"] is not None} for name, counted in found.items()}

    async def load_of(self, owners: Sequence[str]) -> dict[str, int]:
        """Active cases by owner."""
        pipeline: list[Mapping[str, Any]] = [
            {"$match": {"v.owner": {"$in": list(owners)}, "v.active": True}},
            {"$sortByCount": "$v.owner"},
        ]
        with translated(CASES):
            found = await self._database.collection(CASES).aggregate(pipeline).to_list(None)
        return {d["_id"]: d["count"] for d in found}

    async def history(self, case_id: str) -> list[Record]:
        """All changes of a case, in order."""
        with translated(HISTORY):
            found = self._database.collection(HISTORY).find({"case": case_id}).sort("revision", ASCENDING).limit(RECORDS)
            documents = await found.to_list(RECORDS)
        return [_read_record(document) for document in documents]

    def read(self, state: Mapping[str, object]) -> Case:
        """The case that the stored members of its history make."""
        return read_case(state)


def _writing(beside: Beside) -> InsertOne[dict[str, Any]] | ReplaceOne[dict[str, Any]]:
    document = document_of(beside)
    if isinstance(beside, Counted):  # twice is once too often
        return InsertOne(document)
    return ReplaceOne({"_id": document["_id"]}, document, upsert=True)


def _history_document(change: Change, revision: int) -> dict[str, Any]:
    before = {} if change.entry.value is None else case_document(change.entry.value)
    record = change.record
    return {
        "_id": f"{record.case}:{revision:09d}",
        "case": record.case,
        "revision": revision,
        "at": record.at,
        "actor": record.actor,
        "why": record.why,
        "notes": list(record.notes),
        "set": difference(before, case_document(change.case)),
    }


def _read_record(document: Mapping[str, Any]) -> Record:
    return Record(
        case=document["case"],
        revision=document["revision"],
        at=document["at"],
        actor=document["actor"],
        why=document["why"],
        notes=tuple(document["notes"]),
        set=document["set"],
    )


__all__ = ["CASES", "COMMENTS", "HISTORY", "MongoCaseStore"]
