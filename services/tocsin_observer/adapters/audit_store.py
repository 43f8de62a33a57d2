"""The audit chain in MongoDB: a document for each record, one for the end of the chain, one for each checkpoint and key.

The end is compared and set in the transaction that adds records, so the chain cannot fork whoever writes.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import orjson
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.errors import DuplicateKeyError

from tocsin.errors import Conflict
from tocsin.signals import derive
from tocsin.signals.audit_chain import Checkpoint, canonical, genesis
from tocsin_kit.chance import Chance
from tocsin_kit.store import Database, Document, Filter, Page, Sort, fetch_page, translated
from tocsin_observer.domain.audit import Entry, Head
from tocsin_observer.ports import AuditSearch

RECORDS: Final = "audit"
CHAIN: Final = "audit_chain"
CHECKPOINTS: Final = "audit_checkpoints"
KEYS: Final = "audit_keys"
_THE_CHAIN: Final = "chain"
_SEARCHED: Final = ("namespace", "actor", "action", "id", "type", "outcome", "address", "request", "correlation")
_BATCH: Final = 500

INDEXES = (
    IndexModel([("stored", ASCENDING)], name="stored"),
    *(
        IndexModel([(field, ASCENDING), ("_id", DESCENDING)], name=field, partialFilterExpression={field: {"$type": "string"}})
        for field in ("namespace", "actor", "action", "entity_id", "request", "correlation")
    ),
    # What retention has to look at: only records that still say something.
    IndexModel([("full", ASCENDING), ("_id", ASCENDING)], name="full", partialFilterExpression={"full": True}),
)


class MongoAuditStore:
    """The collections ``audit``, ``audit_chain``, ``audit_checkpoints`` and ``audit_keys``.

    Args:
        database: The observer's database.
        chance: Names a chain that begins.
    """

    def __init__(self, database: Database, chance: Chance) -> None:
        self._database = database
        self._chance = chance

    async def prepare(self) -> None:
        """Make the indexes."""
        with translated(RECORDS):
            await self._records.create_indexes(list(INDEXES))

    # ---- the chain ---------------------------------------------------------------------------------------------------

    async def head(self) -> Head:
        """The end of the chain; begins one where there is none."""
        with translated(CHAIN):
            found = await self._chain.find_one({"_id": _THE_CHAIN})
            if found is None:
                name = derive("audit chain", self._chance.token(16).hex())
                fresh = {"_id": _THE_CHAIN, "chain": name, "number": 0, "hash": genesis(name), "position": 0, "sealed": 0}
                try:
                    await self._chain.insert_one(fresh)
                except DuplicateKeyError:
                    return await self.head()
                found = fresh
        return Head(found["chain"], found["number"], bytes(found["hash"]), found["position"], found["sealed"])

    async def append(self, head: Head, entries: Sequence[Entry], after: Head) -> None:
        """Add records behind ``head``."""
        with translated(CHAIN):
            if not entries:
                self._require(await self._chain.update_one(_at(head), _moved(after)))
                return
            try:
                async with self._database.transaction() as transaction:
                    session = transaction.session
                    self._require(await self._chain.update_one(_at(head), _moved(after), session=session))
                    await self._records.insert_many([_document(entry) for entry in entries], session=session)
            except DuplicateKeyError as error:
                raise Conflict("the audit chain was continued by another writer") from error

    async def seal(self, head: Head, checkpoint: Checkpoint, after: Head) -> None:
        """Keep a checkpoint at the end of the chain."""
        with translated(CHAIN):
            async with self._database.transaction() as transaction:
                session = transaction.session
                self._require(await self._chain.update_one(_at(head), _moved(after), session=session))
                document = {"_id": checkpoint.number, **_checkpoint_fields(checkpoint)}
                await self._checkpoints.replace_one({"_id": checkpoint.number}, document, upsert=True, session=session)

    def _require(self, result: Any) -> None:
        if not result.matched_count:
            raise Conflict("the audit chain was continued by another writer")

    async def publish_key(self, kid: str, public: bytes) -> None:
        """Remember a public key for ever."""
        with translated(KEYS):
            await self._database.collection(KEYS).update_one({"_id": kid}, {"$setOnInsert": {"public": public}}, upsert=True)

    async def keys(self) -> dict[str, bytes]:
        """All public keys that ever signed, by id."""
        with translated(KEYS):
            return {d["_id"]: bytes(d["public"]) async for d in self._database.collection(KEYS).find().sort("_id", 1)}

    # ---- reading -----------------------------------------------------------------------------------------------------

    async def search(self, search: AuditSearch, *, limit: int, cursor: str | None) -> Page[Entry]:
        """One page of records, newest first."""
        with translated(RECORDS):
            return await fetch_page(
                self._records,
                _filter(search).query(),
                sort=Sort("_id", descending=True),
                limit=limit,
                cursor=cursor,
                read=_entry,
            )

    async def range(self, since: datetime | None, until: datetime | None) -> tuple[int, int]:
        """Numbers of the first and last record stored in a period."""
        period: dict[str, Any] = {"$gte": since} if since else {}
        period |= {"$lt": until} if until else {}
        query = {"stored": period} if period else {}
        with translated(RECORDS):
            first = await self._records.find_one(query, {"_id": 1}, sort=[("_id", ASCENDING)])
            last = await self._records.find_one(query, {"_id": 1}, sort=[("_id", DESCENDING)])
        if first is None or last is None:
            number = (await self.head()).number
            return number + 1, number
        return first["_id"], last["_id"]

    async def hash_before(self, number: int, genesis: bytes) -> bytes:
        """The hash that record ``number`` was written behind."""
        if number <= 1:
            return genesis
        with translated(RECORDS):
            found = await self._records.find_one({"_id": number - 1}, {"hash": 1})
            if found is None:  # cut off: a checkpoint stands at the end of what was removed
                found = await self._checkpoints.find_one({"_id": number - 1}, {"hash": 1})
        if found is None:
            raise Conflict(f"record {number - 1} of the audit trail is not there any more", hint="begin later")
        return bytes(found["hash"])

    async def covered_by(self, number: int) -> int:
        """The number of the first checkpoint at or behind a record."""
        with translated(CHECKPOINTS):
            found = await self._checkpoints.find_one({"_id": {"$gte": number}}, {"_id": 1}, sort=[("_id", ASCENDING)])
        return number if found is None else int(found["_id"])

    async def checkpoints(self, first: int, last: int) -> Sequence[Checkpoint]:
        """Checkpoints at these records."""
        with translated(CHECKPOINTS):
            found = self._checkpoints.find({"_id": {"$gte": first, "$lte": last}}).sort("_id", ASCENDING)
            return [_checkpoint(document) async for document in found]

    async def entries(self, first: int, last: int) -> AsyncIterator[Entry]:
        """Records in order."""
        with translated(RECORDS):
            found = self._records.find({"_id": {"$gte": first, "$lte": last}}).sort("_id", ASCENDING).batch_size(_BATCH)
            async for document in found:
                yield _entry(document)

    # ---- forgetting --------------------------------------------------------------------------------------------------

    async def expired(self, before: datetime, *, after: int, limit: int) -> Sequence[Entry]:
        """Records in full that were stored before an instant, behind number ``after``, in order."""
        query = {"full": True, "_id": {"$gt": after}, "stored": {"$lt": before}}
        with translated(RECORDS):
            return [_entry(d) async for d in self._records.find(query).sort("_id", ASCENDING).limit(limit)]

    async def erase(self, numbers: Sequence[int]) -> None:
        """Leave of these records no more than the digest and the hash."""
        if not numbers:
            return
        gone = dict.fromkeys(("body", "full", "entity", "entity_id", *_SEARCHED), "")
        with translated(RECORDS):
            await self._records.update_many({"_id": {"$in": list(numbers)}}, {"$unset": gone})

    async def cut(self) -> None:
        """Remove the beginning of the chain up to the last checkpoint before which nothing but digests is left."""
        with translated(RECORDS):
            full = await self._records.find_one({"full": True}, {"_id": 1}, sort=[("_id", ASCENDING)])
            before = full["_id"] if full else (await self.head()).number + 1
            point = await self._checkpoints.find_one({"_id": {"$lt": before}}, {"_id": 1}, sort=[("_id", DESCENDING)])
            if point is not None:
                await self._records.delete_many({"_id": {"$lte": point["_id"]}})
                await self._checkpoints.delete_many({"_id": {"$lt": point["_id"]}})

    # ---- inside ------------------------------------------------------------------------------------------------------

    @property
    def _records(self) -> Any:  # Motor ships no types
        return self._database.collection(RECORDS)

    @property
    def _chain(self) -> Any:
        return self._database.collection(CHAIN)

    @property
    def _checkpoints(self) -> Any:
        return self._database.collection(CHECKPOINTS)


def _at(head: Head) -> Document:
    return {"_id": _THE_CHAIN, "number": head.number, "position": head.position, "sealed": head.sealed}


def _moved(after: Head) -> Document:
    return {"$set": {"number": after.number, "hash": after.hash, "position": after.position, "sealed": after.sealed}}


def _document(entry: Entry) -> Document:
    assert entry.body is not None
    fields = {name: entry.body[name] for name in _SEARCHED if entry.body.get(name) is not None}
    if "id" in fields:
        fields["entity_id"] = fields.pop("id")
    if "action" in fields:
        fields["entity"] = str(fields["action"]).partition(".")[0]
    return {
        "_id": entry.number,
        "hash": entry.hash,
        "digest": entry.digest,
        "stored": entry.stored,
        "body": canonical(entry.body),
        "full": True,
        **fields,
    }


def _entry(document: Mapping[str, Any]) -> Entry:
    body = orjson.loads(document["body"]) if "body" in document else None
    return Entry(document["_id"], bytes(document["hash"]), bytes(document["digest"]), document["stored"], body)


def _checkpoint_fields(point: Checkpoint) -> Document:
    return {
        "chain": point.chain,
        "hash": point.hash,
        "position": point.position,
        "time": point.time,
        "kid": point.kid,
        "signature": point.signature,
    }


def _checkpoint(document: Mapping[str, Any]) -> Checkpoint:
    return Checkpoint(
        chain=document["chain"],
        number=document["_id"],
        hash=bytes(document["hash"]),
        position=document["position"],
        time=document["time"],
        kid=document["kid"],
        signature=bytes(document["signature"]),
    )


def _filter(search: AuditSearch) -> Filter:
    chosen = Filter().eq("full", True)
    if search.namespaces is not None:
        named = Filter().one_of("namespace", sorted(search.namespaces))
        chosen = chosen.any_of(named, *(Filter().prefix("namespace", prefix) for prefix in search.prefixes))
    for field in ("actor", "action", "entity", "entity_id", "type", "outcome", "address", "request", "correlation"):
        value = getattr(search, field)
        if value is not None:
            chosen = chosen.eq(field, value)
    if search.since is not None:
        chosen = chosen.at_least("stored", search.since)
    if search.until is not None:
        chosen = chosen.below("stored", search.until)
    return chosen
