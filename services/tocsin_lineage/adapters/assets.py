"""Assets, their partitions, happenings, check results and schemas in MongoDB."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from pymongo.errors import BulkWriteError

from tocsin_kit.store import (
    Database,
    Document,
    Entry,
    Filter,
    Outgoing,
    Page,
    Relay,
    Repository,
    RevisionConflict,
    Sort,
    fetch_page,
    translated,
)
from tocsin_kit.store.database import Transaction
from tocsin_kit.store.indexes import Index, ensure_indexes
from tocsin_kit.store.repository import DUPLICATE, WRITE_CONFLICT, Change
from tocsin_lineage.adapters.codecs import (
    asset_document,
    asset_id,
    check_document,
    evaluation_document,
    happening_document,
    read_asset,
    read_check,
    read_happening,
    read_slot,
    slot_document,
)
from tocsin_lineage.domain.assets import Asset, Condition, Happening, Slot
from tocsin_lineage.domain.checks import CheckResult
from tocsin_lineage.domain.schema_history import Column, SchemaVersion
from tocsin_lineage.ports import AssetSearch, Changes, HappeningSearch, Place, SlotPlace

ASSETS = "assets"
SLOTS = "slots"
HAPPENINGS = "happenings"
CHECKS = "checks"
SCHEMAS = "schemas"
EVALUATIONS = "evaluations"
DOWNSTREAM_LIMIT = 1000
INDEXES: Mapping[str, Sequence[Index]] = {
    ASSETS: (
        Index(("v.namespace", "v.key")),
        Index(("v.namespace", "v.group")),
        Index(("v.namespace", "v.tags")),
        Index(("v.namespace", "v.upstream")),
        Index(("v.maker",)),
        Index(("v.due",), only={"v.due": {"$type": "date"}}),
        Index(("v.automation_due",), only={"v.automation_due": {"$type": "date"}}),
    ),
    SLOTS: (Index(("v.namespace", "v.asset", "v.partition")), Index(("v.requested_run",))),
    HAPPENINGS: (Index(("asset", "-at", "-_id")), Index(("run",)), Index(("at",))),
    CHECKS: (Index(("asset", "-at", "-_id")), Index(("at",))),
    SCHEMAS: (Index(("asset", "-at", "-_id")),),
}


def slot_id(place: SlotPlace) -> str:
    """The document of a partition; asset keys hold no NUL."""
    return f"{place[0]}/{place[1]}\x1f{place[2]}"


class MongoAssetStore:
    """The collections of this module.

    Args:
        database: Lineage's database.
        relay: Told about each commit.
    """

    def __init__(self, database: Database, relay: Relay) -> None:
        self._database = database
        self._assets: Repository[Asset] = Repository(
            database, ASSETS, encode=asset_document, decode=read_asset, wake=relay.wake
        )
        self._slots: Repository[Slot] = Repository(database, SLOTS, encode=slot_document, decode=read_slot, wake=relay.wake)

    async def prepare(self) -> None:
        """Make the indexes."""
        await ensure_indexes(self._database, INDEXES)

    async def load(self, namespace: str, key: str) -> Entry[Asset]:
        """The asset, or an entry without value."""
        return await self._assets.load(asset_id(namespace, key))

    async def load_many(self, places: Collection[Place]) -> Mapping[Place, Entry[Asset]]:
        """Each of them, as :meth:`load`."""
        names = {place: asset_id(*place) for place in places}
        found = await self._assets.load_all(list(names.values()))
        return {place: found[name] for place, name in names.items()}

    async def load_slots(self, places: Collection[SlotPlace]) -> Mapping[SlotPlace, Entry[Slot]]:
        """Each of these partitions, or entries without value."""
        names = {place: slot_id(place) for place in places}
        found = await self._slots.load_all(list(names.values()))
        return {place: found[name] for place, name in names.items()}

    async def commit(self, entry: Entry[Asset], asset: Asset | None, outbox: Sequence[Outgoing]) -> Entry[Asset]:
        """Store (``None`` deletes) and say it."""
        return await self._assets.commit(entry, asset, outbox=outbox)

    async def commit_together(self, changes: Changes) -> None:
        """Store all of it, or nothing."""
        rows: dict[str, list[Document]] = {
            HAPPENINGS: [happening_document(asset_id(*place), one) for place, one in changes.happenings],
            CHECKS: [check_document(asset_id(*place), one) for place, one in changes.checks],
            SCHEMAS: [_schema_document(asset_id(*place), one) for place, one in changes.schemas],
            EVALUATIONS: [evaluation_document(one) for one in changes.evaluations],
        }
        async with self._database.transaction() as transaction:
            for name, documents in rows.items():
                if documents:
                    await self._insert(name, documents, transaction)
            assets = [Change(entry, asset, outbox) for entry, asset, outbox in changes.assets if asset is not None]
            await self._assets.commit_all(assets, transaction)
            await self._slots.commit_all([Change(*slot) for slot in changes.slots], transaction)

    async def _insert(self, name: str, documents: list[Document], transaction: Transaction) -> None:
        with translated(name):
            try:
                await self._database.collection(name).insert_many(documents, ordered=False, session=transaction.session)
            except BulkWriteError as error:
                if {one["code"] for one in error.details.get("writeErrors", ())} & {DUPLICATE, WRITE_CONFLICT}:
                    raise RevisionConflict(f"Someone else wrote to {name} at the same moment.") from error
                raise

    async def known(self, happenings: Collection[str], checks: Collection[str]) -> frozenset[str]:
        """Which of these happenings and check results are recorded already."""
        found: set[str] = set()
        for name, ids in ((HAPPENINGS, happenings), (CHECKS, checks)):
            if ids:
                with translated(name):
                    rows = self._database.collection(name).find({"_id": {"$in": list(ids)}}, {"_id": 1})
                    found |= {row["_id"] for row in await rows.to_list(None)}
        return frozenset(found)

    async def happenings(self, search: HappeningSearch, *, limit: int, cursor: str | None) -> Page[Happening]:
        """What happened to an asset, newest first."""
        where = Filter().eq("asset", asset_id(search.namespace, search.key))
        if search.partition is not None:
            where = where.eq("partition", search.partition)
        if search.acts:
            where = where.one_of("act", [act.value for act in search.acts])
        if search.until is not None:
            where = where.at_most("at", search.until)
        if search.since is not None:
            where = where.at_least("at", search.since)
        return await self._newest(HAPPENINGS, where, read_happening, limit, cursor)

    async def of_run(self, run: str, limit: int) -> Sequence[tuple[Place, Happening]]:
        """What a run wrote and read."""
        with translated(HAPPENINGS):
            rows = await self._database.collection(HAPPENINGS).find({"run": {"$eq": run}}).limit(limit).to_list(limit)
        return [(_place(row["asset"]), read_happening(row)) for row in rows]

    async def search(self, search: AssetSearch, *, limit: int, cursor: str | None) -> Page[Entry[Asset]]:
        """One page of assets, by key."""
        chosen = Filter()
        if search.namespaces is not None:
            named = Filter().one_of("namespace", sorted(search.namespaces))
            chosen = chosen.any_of(named, *(Filter().prefix("namespace", prefix) for prefix in search.prefixes))
        if search.prefix is not None:
            chosen = chosen.prefix("key", search.prefix)
        wanted = {"group": search.group, "tags": search.tag, "kind": search.kind, "state": search.state}
        for field, value in wanted.items():
            if value is not None:
                chosen = chosen.eq(field, value)
        return await self._assets.page(chosen, sort=Sort("_id"), limit=limit, cursor=cursor)

    async def kinds(self, namespace: str, keys: Collection[str]) -> Mapping[str, tuple[str | None, str]]:
        """Kind and freshness of those assets that there are."""
        with translated(ASSETS):
            rows = self._database.collection(ASSETS).find(
                {"_id": {"$in": [asset_id(namespace, key) for key in keys]}}, {"v.key": 1, "v.kind": 1, "v.state": 1}
            )
            found = [row["v"] for row in await rows.to_list(None) if "v" in row]
            return {one["key"]: (one["kind"], one.get("state", "unknown")) for one in found}

    async def downstream(self, namespace: str, key: str) -> Sequence[Asset]:
        """Assets that are declared to be made of this one."""
        found = await self._assets.find(Filter().eq("namespace", namespace).eq("upstream", key), limit=DOWNSTREAM_LIMIT)
        return [entry.value for entry in found if entry.value is not None]

    async def due(self, now: datetime, limit: int) -> Sequence[Place]:
        """Assets whose freshness has to be judged, the longest overdue first."""
        return await self._overdue("v.due", now, limit)

    async def automation_due(self, now: datetime, limit: int) -> Sequence[Place]:
        """Assets whose condition has to be looked at."""
        return await self._overdue("v.automation_due", now, limit)

    async def _overdue(self, field: str, now: datetime, limit: int) -> list[Place]:
        with translated(ASSETS):
            query = {field: {"$lte": now, "$type": "date"}}
            rows = self._database.collection(ASSETS).find(query, {"v.namespace": 1, "v.key": 1}).sort(field, 1).limit(limit)
            return [(row["v"]["namespace"], row["v"]["key"]) for row in await rows.to_list(limit)]

    async def slots(
        self, namespace: str, key: str, *, condition: Condition | None, limit: int, cursor: str | None
    ) -> Page[Slot]:
        """Partitions that something is known about, by key."""
        where = Filter().eq("namespace", namespace).eq("asset", key)
        if condition is not None:
            where = where.eq("condition", condition.value)
        page = await self._slots.page(where, sort=Sort("partition"), limit=limit, cursor=cursor)
        return Page([entry.value for entry in page.items if entry.value is not None], page.next_cursor)

    async def slots_of(self, run: str) -> Sequence[SlotPlace]:
        """The partitions that a run was started for from here."""
        found = await self._slots.find(Filter().eq("requested_run", run), limit=100)
        slots = [entry.value for entry in found if entry.value is not None]
        return [(slot.namespace, slot.asset, slot.partition) for slot in slots]

    async def slot_keys(self, namespace: str, key: str, limit: int) -> Sequence[str]:
        """Keys of those that were written or registered, in order."""
        with translated(SLOTS):
            query = Filter().eq("namespace", namespace).eq("asset", key).query("v")
            rows = self._database.collection(SLOTS).find(query, {"v.partition": 1, "_id": 0}).sort("v.partition", 1)
            return [row["v"]["partition"] for row in await rows.limit(limit).to_list(limit) if row["v"]["partition"]]

    async def checks(
        self, namespace: str, key: str, *, check: str | None, until: datetime | None, limit: int, cursor: str | None
    ) -> Page[CheckResult]:
        """Results of the checks of an asset, newest first."""
        where = Filter().eq("asset", asset_id(namespace, key))
        if check is not None:
            where = where.eq("check", check)
        if until is not None:
            where = where.at_most("at", until)
        return await self._newest(CHECKS, where, read_check, limit, cursor)

    async def schemas(self, namespace: str, key: str, *, limit: int, cursor: str | None) -> Page[SchemaVersion]:
        """Versions of the columns of an asset, newest first."""
        where = Filter().eq("asset", asset_id(namespace, key))
        return await self._newest(SCHEMAS, where, _read_schema, limit, cursor)

    async def forget(self, before: datetime) -> int:
        """Forget happenings and check results of before an instant; how many these were."""
        gone = 0
        for name in (HAPPENINGS, CHECKS):
            with translated(name):
                answer = await self._database.collection(name).delete_many({"at": {"$lt": before}})
                gone += answer.deleted_count
        return gone

    async def _newest(self, name: str, where: Filter, read: Any, limit: int, cursor: str | None) -> Page[Any]:
        with translated(name):
            return await fetch_page(
                self._database.collection(name),
                where.query(),
                sort=Sort("at", descending=True),
                limit=limit,
                cursor=cursor,
                read=read,
            )


def _place(name: str) -> Place:
    namespace, _, key = name.partition("/")
    return namespace, key


def _schema_document(asset: str, version: SchemaVersion) -> Document:
    columns = [[column.name, column.type, column.description] for column in version.columns]
    return {
        "_id": version.id,
        "asset": asset,
        "at": version.at,
        "run": version.run,
        "columns": orjson.dumps(columns).decode(),
    }


def _read_schema(document: Mapping[str, Any]) -> SchemaVersion:
    columns = tuple(Column(*column) for column in orjson.loads(document["columns"]))
    return SchemaVersion(document["_id"], document["at"], columns, document["run"])
