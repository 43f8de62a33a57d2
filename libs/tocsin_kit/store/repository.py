"""Entities with optimistic revisions and an outbox, one document each: state and signals cannot disagree.

A commit is one atomic write of one document: the entity under ``v``, its revision, its running number of signals, and the
signals that are still to be said, all together (ADR 3). Nothing is published here. A deleted entity leaves a tombstone,
because its name may be used again and its running number must go on.

The document: ``{_id, _rev, _seq, v: {...entity}, _outbox: [...], _pending: date}``; the last two only while something is to
be said.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pymongo import InsertOne, ReturnDocument, UpdateOne
from pymongo.errors import BulkWriteError

from tocsin.errors import NotFound
from tocsin_kit.store.crowds import Decided, together
from tocsin_kit.store.database import Database, Document, Transaction
from tocsin_kit.store.errors import RevisionConflict, translated
from tocsin_kit.store.filters import Filter
from tocsin_kit.store.outbox import OUTBOX, PENDING, Outgoing, last_sequence
from tocsin_kit.store.pages import Page, Sort, fetch_page

T = TypeVar("T")

VALUE = "v"
REVISION = "_rev"
SEQUENCE = "_seq"
DUPLICATE = 11000  # MongoDB's code for a second document with a unique key
WRITE_CONFLICT = 112  # and for a document that another transaction has written

Wake = Callable[[str, str, Sequence[Outgoing]], None]


@dataclass(frozen=True, slots=True)
class Entry(Generic[T]):
    """What is stored under a key now.

    Attributes:
        key: The key.
        value: The entity; ``None`` when there is none (never was, or deleted).
        revision: What to expect in a commit; 0 when there never was one.
        sequence: The running number of the last signal; the next signal has one more.
    """

    key: str
    value: T | None
    revision: int
    sequence: int


@dataclass(frozen=True, slots=True)
class Creation(Generic[T]):
    """One new entity for :meth:`Repository.create_many`."""

    key: str
    value: T
    outbox: Sequence[Outgoing] = ()


@dataclass(frozen=True, slots=True)
class Change(Generic[T]):
    """One decision for :meth:`Repository.commit_many`."""

    entry: Entry[T]
    value: T
    outbox: Sequence[Outgoing] = ()


class Repository(Generic[T]):
    """The entities of one collection.

    Args:
        database: Where.
        collection: Its name.
        encode: Entity to a plain document (str, int, float, bool, None, bytes, aware datetime, list, dict).
        decode: The reverse; must also read what older versions wrote.
        wake: Told about each commit with an outbox, so that it is relayed without delay (:meth:`Relay.wake`).
    """

    def __init__(
        self,
        database: Database,
        collection: str,
        *,
        encode: Callable[[T], Document],
        decode: Callable[[Mapping[str, Any]], T],
        wake: Wake,
    ) -> None:
        self.name = collection
        self._database = database
        self._encode = encode
        self._decode = decode
        self._wake = wake

    # -- read ---------------------------------------------------------------------------------------------------------

    async def load(self, key: str, *, within: Transaction | None = None) -> Entry[T]:
        """What is under ``key``, also when nothing is: then with the revision and sequence to go on from."""
        with translated(self.name):
            document = await self._collection.find_one(
                {"_id": key}, {OUTBOX: 0, PENDING: 0}, session=within.session if within else None
            )
        return self._entry(key, document)

    async def get(self, key: str) -> T:
        """The entity under ``key``.

        Raises:
            NotFound: There is none.
        """
        return self.require(await self.load(key))

    def require(self, entry: Entry[T]) -> T:
        """The value of an entry that must have one.

        Raises:
            NotFound: It has none.
        """
        if entry.value is None:
            raise NotFound(f"There is no {entry.key!r} in {self.name}.", key=entry.key)
        return entry.value

    async def load_many(self, keys: Sequence[str]) -> dict[str, Entry[T]]:
        """Those of ``keys`` that there are, in one query."""
        if not keys:
            return {}
        with translated(self.name):
            documents = await self._collection.find({"_id": {"$in": list(keys)}, VALUE: {"$exists": True}}).to_list(None)
        return {d["_id"]: self._entry(d["_id"], d) for d in documents}

    async def load_all(self, keys: Sequence[str]) -> dict[str, Entry[T]]:
        """Every one of ``keys``, as :meth:`load`, in one query: also those that were deleted or never were."""
        found: dict[str, Entry[T]] = {key: Entry(key, None, 0, 0) for key in keys}
        if found:
            with translated(self.name):
                rows = self._collection.find({"_id": {"$in": list(found)}}, {OUTBOX: 0, PENDING: 0})
                found.update({row["_id"]: self._entry(row["_id"], row) for row in await rows.to_list(None)})
        return found

    async def find(self, where: Filter, *, limit: int = 1000) -> list[Entry[T]]:
        """Entities that match, in the order of their keys; at most ``limit``."""
        with translated(self.name):
            cursor = self._collection.find({**where.query(VALUE), VALUE: {"$exists": True}}).sort("_id", 1).limit(limit)
            return [self._entry(d["_id"], d) for d in await cursor.to_list(limit)]

    async def page(self, where: Filter, *, sort: Sort, limit: int, cursor: str | None) -> Page[Entry[T]]:
        """One page in a stable order.

        Raises:
            InvalidCursor: The cursor is not from this list.
        """
        query = {**where.query(VALUE), VALUE: {"$exists": True}}
        with translated(self.name):
            return await fetch_page(
                self._collection,
                query,
                sort=sort.within(VALUE),
                limit=limit,
                cursor=cursor,
                read=lambda d: self._entry(d["_id"], d),
            )

    # -- write --------------------------------------------------------------------------------------------------------

    async def commit(
        self, entry: Entry[T], value: T | None, *, outbox: Sequence[Outgoing] = (), within: Transaction | None = None
    ) -> Entry[T]:
        """Store the new state and what is to be said about it, in one write.

        Args:
            entry: What the decision was made from.
            value: The new state; ``None`` deletes.
            outbox: Signals (numbered from ``entry.sequence + 1``) and commands, in order.
            within: A transaction, if other documents change with it.

        Returns:
            The entry as it is now, fit for the next decision.

        Raises:
            RevisionConflict: Someone else was first.
            Defect: The signals are numbered wrong.
        """
        sequence = last_sequence(outbox, entry.sequence)
        revision = entry.revision + 1
        session = within.session if within else None
        changes = self._changes(value, revision, sequence, outbox)
        with translated(self.name):
            if entry.revision == 0:
                try:
                    await self._collection.insert_one(
                        {"_id": entry.key, **self._fresh(value, sequence, outbox)}, session=session
                    )
                except Exception as error:
                    self._raise_if_taken(error, entry.key)
                    raise
                pending = list(outbox)
            else:
                # What an earlier commit left unsaid comes back with ours: whoever relays says it first, so order holds.
                document = await self._collection.find_one_and_update(
                    {"_id": entry.key, REVISION: entry.revision},
                    changes,
                    projection={OUTBOX: 1},
                    return_document=ReturnDocument.AFTER,
                    session=session,
                )
                if document is None:
                    raise RevisionConflict(f"{entry.key!r} in {self.name} was changed by someone else.", key=entry.key)
                pending = [Outgoing.from_document(item) for item in document.get(OUTBOX, [])]
        if pending:
            self._after(within, entry.key, pending)
        return Entry(entry.key, value, revision, sequence)

    async def create_many(self, creations: Sequence[Creation[T]]) -> set[str]:
        """Create many entities in one round trip; for ids derived from their cause, so that a repeat is recognised.

        Returns:
            The keys that were there before and were left alone.
        """
        if not creations:
            return set()
        operations = [
            InsertOne({"_id": c.key, **self._fresh(c.value, last_sequence(c.outbox, 0), c.outbox)}) for c in creations
        ]
        taken: set[str] = set()
        with translated(self.name):
            try:
                await self._collection.bulk_write(operations, ordered=False)
            except BulkWriteError as error:
                failed = error.details.get("writeErrors", [])
                if error.details.get("writeConcernErrors") or any(item["code"] != DUPLICATE for item in failed):
                    raise
                taken = {creations[item["index"]].key for item in failed}
        for creation in creations:
            if creation.outbox and creation.key not in taken:
                self._wake(self.name, creation.key, creation.outbox)
        return taken

    async def create_all(self, creations: Sequence[Creation[T]], *, within: Transaction) -> None:
        """Create many entities in one round trip of a transaction: all of them, or the transaction ends.

        Raises:
            RevisionConflict: One of them was there before.
        """
        if not creations:
            return
        documents = [{"_id": c.key, **self._fresh(c.value, last_sequence(c.outbox, 0), c.outbox)} for c in creations]
        with translated(self.name):
            try:
                await self._collection.insert_many(documents, session=within.session)
            except BulkWriteError as error:
                if any(item["code"] == DUPLICATE for item in error.details.get("writeErrors", [])):
                    raise RevisionConflict(f"One of {len(documents)} in {self.name} was created by someone else.") from error
                raise
        for creation in creations:
            if creation.outbox:
                self._after(within, creation.key, creation.outbox)

    async def commit_many(self, changes: Sequence[Change[T]]) -> dict[str, Entry[T]]:
        """Commit decisions about many entities that exist in one round trip; each by itself is as :meth:`commit`.

        Only entities of which nothing is unsaid are written this way: a bulk does not bring back what an earlier commit left,
        and it could be overtaken. Those, and those that someone else has changed, are not in the answer: commit them one by
        one, which tells the two apart.

        Returns:
            The entries of those that were stored, by key.
        """
        if not changes:
            return {}
        decided = []
        for change in changes:
            revision, sequence = change.entry.revision, last_sequence(change.outbox, change.entry.sequence)
            fresh = {**self._fresh(change.value, sequence, change.outbox), REVISION: revision + 1}
            decided.append(Decided(change.entry.key, revision, fresh, sum(len(item.payload) for item in change.outbox)))
        with translated(self.name):
            answer = await self._collection.bulk_write(list(together(decided)), ordered=False)
            stored = changes if answer.modified_count == len(changes) else await self._stored(changes)
        done: dict[str, Entry[T]] = {}
        for change in stored:
            entry, sequence = change.entry, last_sequence(change.outbox, change.entry.sequence)
            done[entry.key] = Entry(entry.key, change.value, entry.revision + 1, sequence)
            if change.outbox:
                self._wake(self.name, entry.key, change.outbox)
        return done

    async def commit_all(self, changes: Sequence[Change[T]], within: Transaction) -> None:
        """Commit decisions about many entities together, new ones too, within a transaction: all of them or none.

        Raises:
            RevisionConflict: Someone else was first with one of them.
        """
        if not changes:
            return
        operations: list[InsertOne[Document] | UpdateOne] = []
        for change in changes:
            revision, sequence = change.entry.revision, last_sequence(change.outbox, change.entry.sequence)
            if revision == 0:
                operations.append(InsertOne({"_id": change.entry.key, **self._fresh(change.value, sequence, change.outbox)}))
            else:
                where = {"_id": change.entry.key, REVISION: revision}
                document = self._changes(change.value, revision + 1, sequence, change.outbox)
                self._keep_unchanged(document["$set"], change.entry.value)
                operations.append(UpdateOne(where, document))
        told = [change.entry.key for change in changes if change.outbox and change.entry.revision]
        with translated(self.name):
            try:
                answer = await self._collection.bulk_write(operations, ordered=False, session=within.session)
            except BulkWriteError as error:
                if {one["code"] for one in error.details.get("writeErrors", ())} & {DUPLICATE, WRITE_CONFLICT}:
                    raise RevisionConflict(f"An entity of {self.name} was created by someone else.") from error
                raise
            if answer.matched_count + answer.inserted_count < len(changes):
                raise RevisionConflict(f"An entity of {self.name} was changed by someone else.")
            # With what earlier commits left unsaid: whoever relays says it first, so order holds. New ones hold their own only.
            found = []
            if told:
                rows = self._collection.find({"_id": {"$in": told}}, {OUTBOX: 1}, session=within.session)
                found = await rows.to_list(None)
        for change in changes:
            if change.outbox and not change.entry.revision:
                self._after(within, change.entry.key, change.outbox)
        for document in found:
            self._after(within, document["_id"], [Outgoing.from_document(item) for item in document.get(OUTBOX, [])])

    async def _stored(self, changes: Sequence[Change[T]]) -> list[Change[T]]:
        """Those whose signals lie in their documents now; the ids are derived, so whoever stored them decided the same."""
        keys = [change.entry.key for change in changes]
        found = await self._collection.find({"_id": {"$in": keys}}, {REVISION: 1, f"{OUTBOX}.i": 1}).to_list(None)
        known = {d["_id"]: (d[REVISION], [item["i"] for item in d.get(OUTBOX, [])]) for d in found}
        wanted = {c.entry.key: (c.entry.revision + 1, [item.id for item in c.outbox]) for c in changes if c.outbox}
        return [change for change in changes if known.get(change.entry.key, ()) == wanted.get(change.entry.key)]

    # -- inside -------------------------------------------------------------------------------------------------------

    @property
    def _collection(self) -> Any:  # Motor ships no types; this is the codec's edge
        return self._database.collection(self.name)

    def _entry(self, key: str, document: Mapping[str, Any] | None) -> Entry[T]:
        if document is None:
            return Entry(key, None, 0, 0)
        value = self._decode(document[VALUE]) if VALUE in document else None
        return Entry(key, value, document[REVISION], document[SEQUENCE])

    def _fresh(self, value: T | None, sequence: int, outbox: Sequence[Outgoing]) -> Document:
        document: Document = {REVISION: 1, SEQUENCE: sequence}
        if value is not None:
            document[VALUE] = self._encode(value)
        if outbox:
            document[OUTBOX] = [item.document() for item in outbox]
            document[PENDING] = self._database.clock.now()
        return document

    def _changes(self, value: T | None, revision: int, sequence: int, outbox: Sequence[Outgoing]) -> Document:
        fields: Document = {REVISION: revision, SEQUENCE: sequence}
        changes: Document = {"$set": fields}
        if value is None:
            changes["$unset"] = {VALUE: ""}
        else:
            fields[VALUE] = self._encode(value)
        if outbox:
            fields[PENDING] = self._database.clock.now()
            changes["$push"] = {OUTBOX: {"$each": [item.document() for item in outbox]}}
        return changes

    def _keep_unchanged(self, fields: Document, before: T | None) -> None:
        """Write only the members of the entity that differ: most of it stays, and is not to be sent and logged again."""
        if before is None:
            return
        old, new = self._encode(before), fields[VALUE]
        if old.keys() <= new.keys():
            del fields[VALUE]
            fields.update({f"{VALUE}.{n}": value for n, value in new.items() if n not in old or not _same(old[n], value)})

    def _after(self, within: Transaction | None, key: str, pending: Sequence[Outgoing]) -> None:
        if within is None:
            self._wake(self.name, key, pending)
        else:
            within.after_commit.append(lambda: self._wake(self.name, key, pending))

    def _raise_if_taken(self, error: Exception, key: str) -> None:
        if getattr(error, "code", None) != DUPLICATE:
            return
        pattern = (getattr(error, "details", None) or {}).get("keyPattern", {})
        if "_id" in pattern:
            raise RevisionConflict(f"{key!r} in {self.name} was created by someone else.", key=key) from error


def _same(one: object, other: object) -> bool:
    """Whether two plain values are stored the same; ``1``, ``1.0`` and ``True``, which Python calls equal, are not."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return one == other
