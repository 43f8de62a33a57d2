"""Schedules in MongoDB: one document each, with its outbox."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from pymongo import ASCENDING, IndexModel

from tocsin_kit.store import Change, Database, Document, Entry, Filter, Outgoing, Page, Relay, Repository, Sort, translated
from tocsin_kit.store.repository import REVISION
from tocsin_scheduler.adapters.documents import read_schedule, read_wish, schedule_document, wish_document
from tocsin_scheduler.domain.schedules import Schedule, Status
from tocsin_scheduler.domain.wishes import Wish
from tocsin_scheduler.ports import ScheduleSearch

SCHEDULES = "schedules"
WISHES = "wishes"
MOST_EXPECTED = 20_000  # documents of about 3 KiB

INDEXES = (
    # The only one that the timekeeper needs; schedules that do not fire are not in it, so idle ones cost nothing.
    IndexModel([("v.next_at", ASCENDING)], name="next_at", partialFilterExpression={"v.next_at": {"$type": "date"}}),
    IndexModel([("v.going.run", ASCENDING)], name="going", sparse=True),
    IndexModel([("v.when.follows.workflow", ASCENDING)], name="follows", sparse=True),
    IndexModel([("v.namespace", ASCENDING), ("_id", ASCENDING)], name="namespace"),
    IndexModel([("v.status", ASCENDING), ("_id", ASCENDING)], name="status"),
)


class MongoScheduleStore:
    """The collections ``schedules`` and ``wishes``.

    Args:
        database: The service's database.
        relay: Told about each commit.
    """

    def __init__(self, database: Database, relay: Relay) -> None:
        self._database = database
        self._schedules: Repository[Schedule] = Repository(
            database, SCHEDULES, encode=self._document, decode=read_schedule, wake=relay.wake
        )
        self._expected: dict[int, tuple[Schedule, Document]] = {}  # by identity of the value, which is kept with it
        self._wishes: Repository[Wish] = Repository(database, WISHES, encode=wish_document, decode=read_wish, wake=relay.wake)

    def expect(self, schedule: Schedule) -> None:
        """This very value will probably be committed soon: its document is made now."""
        if len(self._expected) >= MOST_EXPECTED:
            self._expected.clear()
        self._expected[id(schedule)] = schedule, schedule_document(schedule)

    def _document(self, schedule: Schedule) -> Document:
        known = self._expected.pop(id(schedule), None)
        return known[1] if known is not None and known[0] is schedule else schedule_document(schedule)

    async def prepare(self) -> None:
        """Make the indexes."""
        with translated(SCHEDULES):
            await self._database.collection(SCHEDULES).create_indexes(list(INDEXES))

    async def load_wish(self, key: str) -> Entry[Wish]:
        """The last word of a definition, or an entry without value."""
        return await self._wishes.load(key)

    async def commit_wish(self, entry: Entry[Wish], wish: Wish) -> Entry[Wish]:
        """Keep it."""
        return await self._wishes.commit(entry, wish)

    async def load(self, key: str) -> Entry[Schedule]:
        """The schedule, or an entry without value."""
        return await self._schedules.load(key)

    async def load_many(self, keys: Sequence[str]) -> Sequence[Entry[Schedule]]:
        """Those of the schedules that there are."""
        return list((await self._schedules.load_many(keys)).values())

    async def commit(self, entry: Entry[Schedule], schedule: Schedule | None, outbox: Sequence[Outgoing]) -> Entry[Schedule]:
        """Store (``None`` deletes) and say it, in one write."""
        return await self._schedules.commit(entry, schedule, outbox=outbox)

    async def commit_many(self, changes: Sequence[Change[Schedule]]) -> Mapping[str, Entry[Schedule]]:
        """Store many decisions and say them; what is not in the answer is to be committed by itself."""
        return await self._schedules.commit_many(changes)

    async def due(self, before: datetime, *, limit: int) -> Sequence[tuple[str, int]]:
        """Keys and revisions of schedules whose next instant is before, the earliest first."""
        earliest = datetime.min.replace(tzinfo=before.tzinfo)
        with translated(SCHEDULES):
            cursor = self._database.collection(SCHEDULES).find(
                {"v.next_at": {"$gte": earliest, "$lt": before}}, {REVISION: 1}, sort=[("v.next_at", ASCENDING)], limit=limit
            )
            return [(document["_id"], document[REVISION]) for document in await cursor.to_list(limit)]

    async def with_runs(self, runs: frozenset[str]) -> Sequence[Entry[Schedule]]:
        """Schedules that wait for the end of one of these runs."""
        return await self._schedules.find(Filter().one_of("going.run", sorted(runs)), limit=max(1, len(runs)))

    async def following(self, workflows: frozenset[tuple[str, str]]) -> Sequence[Entry[Schedule]]:
        """Schedules that follow one of these workflows."""
        if not workflows:
            return []
        named = Filter().one_of("when.follows.workflow", sorted({workflow for _, workflow in workflows}))
        found = await self._schedules.find(named.one_of("namespace", sorted({namespace for namespace, _ in workflows})))
        follows = ((entry, entry.value.when.follows) for entry in found if entry.value is not None)
        return [e for e, f in follows if e.value is not None and f is not None and (e.value.namespace, f.workflow) in workflows]

    async def search(self, search: ScheduleSearch, *, limit: int, cursor: str | None) -> Page[Entry[Schedule]]:
        """One page of schedules, by name."""
        return await self._schedules.page(found_by(search), sort=Sort("_id"), limit=limit, cursor=cursor)

    async def active_after(self, key: str, *, limit: int) -> Sequence[Entry[Schedule]]:
        """Schedules that fire, in the order of their keys, after a key."""
        where = Filter().eq("status", Status.ACTIVE.value).at_least("_id", f"{key}\x00" if key else "")
        return await self._schedules.find(where, limit=limit)


def found_by(search: ScheduleSearch) -> Filter:
    """The filter of a search, over schedules or backfills."""
    chosen = Filter()
    if search.namespaces is not None:
        named = Filter().one_of("namespace", sorted(search.namespaces))
        chosen = chosen.any_of(named, *(Filter().prefix("namespace", prefix) for prefix in search.prefixes))
    if search.status is not None:
        chosen = chosen.eq("status", search.status)
    if search.workflow is not None:
        chosen = chosen.eq("start.workflow", search.workflow)
    return chosen
