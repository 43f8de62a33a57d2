"""Cases and rules in MongoDB: one document each with its outbox; comments in a collection of their own."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel

from tocsin.errors import Conflict
from tocsin_case.adapters.documents import (
    case_document,
    comment_document,
    read_case,
    read_comment,
    read_rule,
    rule_document,
)
from tocsin_case.domain.cases import Case
from tocsin_case.domain.rules import Rule
from tocsin_case.ports import CaseSearch, Comment
from tocsin_kit.store import (
    AlreadyExists,
    Database,
    Entry,
    Filter,
    Outgoing,
    Page,
    Relay,
    Repository,
    Sort,
    fetch_page,
    translated,
)

CASES = "cases"
RULES = "rules"
COMMENTS = "comments"
RULES_OF_A_NAMESPACE = 1000

CASE_INDEXES = (
    # One active case about one thing: two replicas that hear of two failures at once cannot both open one.
    IndexModel(
        [("v.dedupe", ASCENDING)],
        name="one_active",
        unique=True,
        partialFilterExpression={"v.active": True, "v.dedupe": {"$type": "string"}},
    ),
    IndexModel([("v.updated_at", DESCENDING), ("_id", DESCENDING)], name="updated"),
    IndexModel([("v.namespace", ASCENDING), ("v.updated_at", DESCENDING), ("_id", DESCENDING)], name="namespace"),
    IndexModel([("v.links.target", ASCENDING)], name="links"),
    IndexModel([("v.next_due", ASCENDING)], name="next_due", partialFilterExpression={"v.next_due": {"$type": "date"}}),
    IndexModel([("v.title", "text"), ("v.description", "text")], name="text"),
)
COMMENT_INDEXES = (IndexModel([("case", ASCENDING), ("_id", ASCENDING)], name="case"),)


class MongoCaseStore:
    """The collections ``cases`` and ``comments``.

    Args:
        database: The service's database.
        relay: Told about each commit.
    """

    def __init__(self, database: Database, relay: Relay) -> None:
        self._database = database
        self._cases: Repository[Case] = Repository(database, CASES, encode=case_document, decode=read_case, wake=relay.wake)

    async def prepare(self) -> None:
        """Make the indexes."""
        with translated(CASES):
            await self._database.collection(CASES).create_indexes(list(CASE_INDEXES))
            await self._database.collection(COMMENTS).create_indexes(list(COMMENT_INDEXES))

    async def load(self, case_id: str) -> Entry[Case]:
        """The case, or an entry without value."""
        return await self._cases.load(case_id)

    async def commit(self, entry: Entry[Case], case: Case, outbox: Sequence[Outgoing]) -> Entry[Case]:
        """Store and say it."""
        try:
            return await self._cases.commit(entry, case, outbox=outbox)
        except AlreadyExists as error:
            raise Conflict("another active case is about the same thing", case=case.id) from error

    async def comment(self, entry: Entry[Case], case: Case, comment: Comment, outbox: Sequence[Outgoing]) -> Entry[Case]:
        """Store a comment with the case that counts it."""
        async with self._database.transaction() as transaction:
            await self._database.collection(COMMENTS).insert_one(comment_document(comment), session=transaction.session)
            return await self._cases.commit(entry, case, outbox=outbox, within=transaction)

    async def comments(self, case_id: str, *, limit: int, cursor: str | None) -> Page[Comment]:
        """Comments of a case, oldest first."""
        with translated(COMMENTS):
            return await fetch_page(
                self._database.collection(COMMENTS),
                Filter().eq("case", case_id).query(),
                sort=Sort("_id"),
                limit=limit,
                cursor=cursor,
                read=read_comment,
            )

    async def active(self, dedupe: str) -> Entry[Case] | None:
        """The active case about this thing, if there is one."""
        found = await self._cases.find(Filter().eq("active", True).eq("dedupe", dedupe), limit=1)
        return found[0] if found else None

    async def due(self, now: datetime, *, limit: int) -> Sequence[Entry[Case]]:
        """Cases of which a clock is due."""
        earliest = datetime.min.replace(tzinfo=now.tzinfo)
        due = Filter().at_least("next_due", earliest).below("next_due", now)
        return await self._cases.find(due, limit=limit)

    async def search(self, search: CaseSearch, *, limit: int, cursor: str | None) -> Page[Entry[Case]]:
        """One page of cases, most recently changed first."""
        return await self._cases.page(_filter(search), sort=Sort("updated_at", descending=True), limit=limit, cursor=cursor)


class MongoRuleStore:
    """The collection ``rules``.

    Args:
        database: The service's database.
        relay: Told about each commit.
    """

    def __init__(self, database: Database, relay: Relay) -> None:
        self._database = database
        self._rules: Repository[Rule] = Repository(database, RULES, encode=rule_document, decode=read_rule, wake=relay.wake)

    async def prepare(self) -> None:
        """Make the index."""
        with translated(RULES):
            collection: Any = self._database.collection(RULES)
            await collection.create_index([("v.namespace", ASCENDING), ("_id", ASCENDING)], name="namespace")

    async def load(self, key: str) -> Entry[Rule]:
        """The rule, or an entry without value."""
        return await self._rules.load(key)

    async def commit(self, entry: Entry[Rule], rule: Rule | None, outbox: Sequence[Outgoing]) -> Entry[Rule]:
        """Store (``None`` deletes) and say it."""
        return await self._rules.commit(entry, rule, outbox=outbox)

    async def of_namespace(self, namespace: str) -> Sequence[Rule]:
        """All rules of a namespace, by name."""
        found = await self._rules.find(Filter().eq("namespace", namespace), limit=RULES_OF_A_NAMESPACE)
        return [entry.value for entry in found if entry.value is not None]


def _filter(search: CaseSearch) -> Filter:
    chosen = Filter()
    if search.namespaces is not None:
        named = Filter().one_of("namespace", sorted(search.namespaces))
        chosen = chosen.any_of(named, *(Filter().prefix("namespace", prefix) for prefix in search.prefixes))
    for field, value in (
        ("status", search.status),
        ("priority", search.priority),
        ("owner", search.owner),
        ("tags", search.tag),
        ("links.target", search.link),
    ):
        if value is not None:
            chosen = chosen.eq(field, value)
    if search.text is not None:
        chosen = chosen.words(search.text)
    return chosen
