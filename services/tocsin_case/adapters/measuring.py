"""Numbers about cases, added up by the database over all cases that they are about.

All that is added up is in entries of an index. Restricted cases that somebody may see are added up beside, because
who may see them is in no index.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Final

from tocsin_case.adapters.indexes import answering
from tocsin_case.adapters.searching import case_filter
from tocsin_case.domain.measures import OLDER, Backlog, Opened, Window, age_limits
from tocsin_case.ports import CaseSearch

Expression = Mapping[str, Any]
_MILLISECOND: Final = timedelta(milliseconds=1)


def _count(condition: Expression) -> Expression:
    return {"$sum": {"$cond": [condition, 1, 0]}}


_SUMS: Final[Expression] = {
    "_id": {"$gt": ["$v.merged_into", None]},  # no condition: whether something is missing can only be seen in the case itself
    "opened": {"$sum": 1},
    "active": _count({"$eq": ["$v.active", True]}),
    "answered": _count({"$gt": ["$v.answered_at", None]}),
    "until_answered": {"$sum": {"$subtract": ["$v.answered_at", "$v.opened_at"]}},  # what has no answer is left out of a sum
    "ended": _count({"$gt": ["$v.resolved_at", None]}),
    "until_ended": {"$sum": {"$subtract": ["$v.resolved_at", "$v.opened_at"]}},
    "promised": {"$sum": "$v.promised"},
    "breached": {"$sum": "$v.breached"},
}


async def add_up_opened(collection: Any, search: CaseSearch, window: Window) -> Opened:  # Motor ships no types
    """Sums over the cases found that were opened in a window."""
    within = replace(search, sort="opened_at", opened_after=window.since, opened_before=window.until)
    rows = [row for row in await _grouped(collection, within, _SUMS) if not row["_id"]]
    sums = {name: sum(int(row[name]) for row in rows) for name in _SUMS if name != "_id"}
    times = {name: sums.pop(name) * _MILLISECOND for name in ("until_answered", "until_ended")}
    return Opened(**sums, until_answered=times["until_answered"], until_ended=times["until_ended"])


async def add_up_backlog(collection: Any, search: CaseSearch, now: datetime) -> Backlog:
    """Active cases among those found by age, whenever they were opened."""
    standing = replace(search, sort=None, active=True, opened_after=None, opened_before=None)
    limits = age_limits(now)
    younger = {f"n{number}": _count({"$gt": ["$v.opened_at", limit]}) for number, (_, limit) in enumerate(limits)}
    sums = {"_id": None, "all": {"$sum": 1}, "oldest": {"$min": "$v.opened_at"}, **younger}
    rows = [] if search.active is False else await _grouped(collection, standing, sums)
    edges = [0, *(sum(int(row[name]) for row in rows) for name in (*younger, "all"))]
    names = (*(name for name, _ in limits), OLDER)
    counts = (above - below for below, above in pairwise(edges))
    return Backlog(tuple(zip(names, counts, strict=True)), min((row["oldest"] for row in rows), default=None))


async def _grouped(collection: Any, search: CaseSearch, sums: Expression) -> Sequence[Expression]:
    """Sums over what everybody sees, and over what only some see."""
    everybody = search.viewer is None or search.viewer.everything
    parts = [search] if everybody else [replace(search, restricted=one) for one in (False, True)]
    hint = answering(search)

    async def add_up(part: CaseSearch) -> Sequence[Expression]:
        query = case_filter(part).query("v")
        rows: Sequence[Expression] = await collection.aggregate(
            [{"$match": query}, {"$group": sums}], **({"hint": hint} if hint else {})
        ).to_list(2)
        return rows

    return [row for rows in await asyncio.gather(*(add_up(part) for part in parts)) for row in rows]
