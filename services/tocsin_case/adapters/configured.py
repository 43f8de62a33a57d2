"""What people configured, in MongoDB: a collection for each kind, one document for each thing."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from pymongo import ASCENDING, ReturnDocument

from tocsin_case.adapters.documents import plain, read_rule, reader
from tocsin_case.domain.calendars import BusinessCalendar
from tocsin_case.domain.escalation import Policy, Team
from tocsin_case.domain.oncall import Rotation
from tocsin_case.domain.rules import Rule
from tocsin_case.domain.templates import CaseTemplate, SavedView
from tocsin_case.domain.types import CaseType
from tocsin_case.ports import C, Configured
from tocsin_kit.store import Database, Entry, Filter, Outgoing, Relay, Repository, translated

COLLECTIONS: Final[Mapping[type[Configured], str]] = {
    CaseType: "types",
    BusinessCalendar: "calendars",
    Policy: "policies",
    Rotation: "rotations",
    Team: "teams",
    CaseTemplate: "templates",
    SavedView: "views",
    Rule: "rules",
}
TURNS = "turns"
MOST = 1000  # things of one kind in a namespace


class MongoConfiguration:
    """Types, calendars, policies, rotations, teams, templates, views and rules.

    Args:
        database: The service's database.
        relay: Told about each commit.
    """

    def __init__(self, database: Database, relay: Relay) -> None:
        self._database = database
        self._kinds: dict[type, Repository[Any]] = {
            kind: Repository(database, name, encode=plain, decode=read_rule if kind is Rule else reader(kind), wake=relay.wake)
            for kind, name in COLLECTIONS.items()
        }

    async def prepare(self) -> None:
        """Make the indexes."""
        for name in COLLECTIONS.values():
            with translated(name):
                collection: Any = self._database.collection(name)
                await collection.create_index([("v.namespace", ASCENDING), ("_id", ASCENDING)], name="namespace")
        with translated("teams"):
            await self._database.collection("teams").create_index([("v.members", ASCENDING)], name="members")

    async def load(self, kind: type[C], namespace: str, name: str) -> Entry[C]:
        """The thing, or an entry without value."""
        return cast("Entry[C]", await self._kinds[kind].load(f"{namespace}/{name}"))

    async def commit(self, kind: type[C], entry: Entry[C], value: C | None, outbox: Sequence[Outgoing]) -> Entry[C]:
        """Store (``None`` deletes) and say it."""
        return cast("Entry[C]", await self._kinds[kind].commit(entry, value, outbox=outbox))

    async def of_namespace(self, kind: type[C], namespace: str) -> list[C]:
        """All of a namespace, by name."""
        found = await self._kinds[kind].find(Filter().eq("namespace", namespace), limit=MOST)
        return [entry.value for entry in found if entry.value is not None]

    async def next_turn(self, namespace: str, team: str) -> int:
        """How many turns a team has had before this one."""
        with translated(TURNS):
            found: Any = await self._database.collection(TURNS).find_one_and_update(
                {"_id": f"{namespace}/{team}"}, {"$inc": {"n": 1}}, upsert=True, return_document=ReturnDocument.AFTER
            )
        return int(found["n"]) - 1

    async def teams_of(self, subject: str) -> list[str]:
        """``<namespace>/<team>`` of the teams that somebody is a member of."""
        found = await self._kinds[Team].find(Filter().eq("members", subject), limit=MOST)
        return [entry.key for entry in found]
