"""Cases in MongoDB: one document each with its outbox; history and what lies beside them in collections of their own."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, IndexModel, InsertOne
from pymongo.errors import BulkWriteError, OperationFailure

from tocsin.errors import Conflict
from tocsin_case.adapters.besides import COMMENTS, CONTENTS, operations_of
from tocsin_case.adapters.counting import count_facets
from tocsin_case.adapters.documents import case_document, read_case
from tocsin_case.adapters.indexes import CASE_INDEXES, OLD_INDEXES, answering
from tocsin_case.adapters.measuring import add_up_backlog, add_up_opened
from tocsin_case.adapters.searching import BEGINNING, case_filter
from tocsin_case.domain.cases import Case
from tocsin_case.domain.history import Record, difference
from tocsin_case.domain.measures import Backlog, Opened, Window
from tocsin_case.ports import CaseSearch, Change, Facets
from tocsin_kit.store import AlreadyExists, Database, Entry, Filter, Page, Relay, Repository, Sort, fetch_page, translated

CASES = "cases"
HISTORY = "history"
DUPLICATE = 11000
RECORDS = 20_000  # changes of one case that are read at once

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
                        for name, operation in operations_of(beside):
                            writes.setdefault(name, []).append(operation)
                for name, operations in writes.items():
                    try:
                        done = await self._database.collection(name).bulk_write(operations, session=transaction.session)
                        if name == CONTENTS and done.matched_count < len(operations):
                            raise Conflict("the content of a file was deleted at the same moment", case=changes[0].case.id)
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
        with translated(CASES):
            return await fetch_page(
                self._database.collection(CASES),
                {**case_filter(search).query("v"), "v": {"$exists": True}},
                sort=Sort(search.order, descending=search.order != "next_due").within("v"),
                limit=limit,
                cursor=cursor,
                read=_entry,
                hint=answering(search),
            )

    async def facets(self, search: CaseSearch) -> Facets:
        """How many of the cases found have which value, by field; the most frequent values of each."""
        with translated(CASES):
            return await count_facets(self._database.collection(CASES), search)

    async def opened(self, search: CaseSearch, window: Window) -> Opened:
        """Sums over the cases found that were opened in a window."""
        with translated(CASES):
            return await add_up_opened(self._database.collection(CASES), search, window)

    async def backlog(self, search: CaseSearch, now: datetime) -> Backlog:
        """Active cases among those found by age."""
        with translated(CASES):
            return await add_up_backlog(self._database.collection(CASES), search, now)

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


def _entry(document: Mapping[str, Any]) -> Entry[Case]:
    return Entry(document["_id"], read_case(document["v"]), document["_rev"], document["_seq"])


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
