"""The indexes of cases, and which of them answers a search.

Each index ends with what cases are chosen by (``CHOSEN_BY``), so that a search looks at entries of an index and reads only the
cases that it shows: two conditions of which each holds for many cases and both for none cost entries, not cases. The database
would try several indexes for a while whenever it forgets which was best, and reads thousands of cases for that; so it is told.
"""

from typing import Final

from pymongo import ASCENDING, DESCENDING, IndexModel

from tocsin_case.ports import CaseSearch

CHOSEN_BY: Final = ("active", "status", "stage", "priority", "kind", "severity", "owner", "team", "queue", "overdue")
ADDED_UP: Final = ("answered_at", "resolved_at", "promised", "breached")  # what numbers about cases are made of
_ENDS: Final = [(f"v.{name}", ASCENDING) for name in (*CHOSEN_BY, "restricted", "namespace", "merged_into", "labels")]
_CHANGED: Final = [("v.updated_at", DESCENDING), ("_id", DESCENDING)]
_OPENED: Final = [("v.opened_at", DESCENDING), ("_id", DESCENDING)]
_DUE: Final = [("v.next_due", ASCENDING), ("_id", ASCENDING)]


def _index(name: str, *keys: tuple[str, int], only: dict[str, object] | None = None) -> IndexModel:
    ends = [end for end in _ENDS if end[0] not in dict(keys)]
    return IndexModel([*keys, *ends], name=name, **({"partialFilterExpression": only} if only else {}))


CASE_INDEXES: Final = (
    # One active case about one thing: two replicas that hear of two failures at once cannot both open one.
    IndexModel(
        [("v.dedupes", ASCENDING)],
        name="one_active_each",
        unique=True,
        partialFilterExpression={"v.active": True, "v.dedupes.0": {"$exists": True}},
    ),
    IndexModel([("v.dedupes", ASCENDING), ("v.resolved_at", ASCENDING)], name="ended"),
    _index("by_change", *_CHANGED),
    _index("active_by_change", *_CHANGED, ("v.opened_at", ASCENDING), only={"v.active": True}),
    _index("namespace_by_change", ("v.namespace", ASCENDING), *_CHANGED),
    _index("owner_by_change", ("v.owner", ASCENDING), *_CHANGED),
    _index("team_by_change", ("v.team", ASCENDING), *_CHANGED),
    _index("tag_by_change", ("v.tags", ASCENDING), *_CHANGED),
    _index("kind_by_change", ("v.kind", ASCENDING), *_CHANGED),
    _index("status_by_change", ("v.status", ASCENDING), *_CHANGED),
    _index("queue_by_change", ("v.queue", ASCENDING), *_CHANGED, only={"v.queue": {"$type": "string"}}),
    _index("restricted_by_change", *_CHANGED, only={"v.restricted": True}),
    # All three have few values: where one is not asked for, the index is read once for each value of it and merged.
    _index("rank_by_change", ("v.stage", ASCENDING), ("v.severity", ASCENDING), ("v.priority", ASCENDING), *_CHANGED),
    _index("by_opening", *_OPENED, *((f"v.{name}", ASCENDING) for name in ADDED_UP)),
    _index("by_due", *_DUE),
    _index("namespace_by_due", ("v.namespace", ASCENDING), *_DUE),
    IndexModel([("v.links.target", ASCENDING)], name="links"),
    IndexModel([("v.playbooks.run", ASCENDING)], name="playbooks"),
    # By the opening, which never changes: by the last change, every change would rewrite an entry for each word.
    IndexModel([("v.words", ASCENDING), ("v.opened_at", DESCENDING), ("_id", DESCENDING)], name="said"),
    IndexModel([("v.facts", ASCENDING), ("v.opened_at", DESCENDING), ("_id", DESCENDING)], name="facts"),
)
OLD_INDEXES: Final = (
    *("one_active", "text", "words", "next_due"),
    *("updated", "namespace", "status", "owner", "tags", "opened", "due", "namespace_due"),
)


def answering(search: CaseSearch) -> str | None:
    """The index that answers a search; ``None`` where the database has to find out what is rare."""
    if search.text is not None or search.fields or search.tag is not None or search.link is not None or search.rule is not None:
        return None
    if search.namespaces is not None and (search.prefixes or len(search.namespaces) != 1):
        return None
    match search.order:
        case "updated_at":
            return _by_change(search)
        case "opened_at":
            return "by_opening"
        case _:
            return "by_due" if search.namespaces is None else "namespace_by_due"


def ranked(search: CaseSearch) -> bool:
    """Whether the index over stage, severity and priority answers a search."""
    return answering(search) == "rank_by_change"


def _by_change(search: CaseSearch) -> str | None:
    if search.restricted:
        return "restricted_by_change"
    for value, index in (
        (search.owner, "owner_by_change"),
        (search.queue, "queue_by_change"),
        (search.team, "team_by_change"),
        (search.namespaces, "namespace_by_change"),
    ):
        if value is not None:
            return index
    named = [index for value, index in ((search.kind, "kind_by_change"), (search.status, "status_by_change")) if value]
    rank = bool(search.stage or search.priority) or search.severity is not None
    if len(named) + rank > 1:
        return None
    if named or rank:
        return named[0] if named else "rank_by_change"
    return "active_by_change" if search.active or search.overdue else "by_change"
