"""Counts over cases: how many have which value.

Facets are counted in entries of an index wherever one answers; restricted cases that somebody may see are counted beside,
because who may see them is in no index. They look at the most recent cases only and say so.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from tocsin_case.adapters.indexes import answering
from tocsin_case.adapters.searching import case_filter
from tocsin_case.domain.labels import labels_of
from tocsin_case.ports import CaseSearch, Facets

SCALARS: Final = ("status", "priority", "kind", "owner", "team", "queue", "severity")
COUNTED: Final = 10_000  # cases of one count; more would take longer than people wait for a list beside a list
VALUES: Final = 50  # of one field, the most frequent

Document = Mapping[str, Any]


async def count_facets(collection: Any, search: CaseSearch) -> Facets:  # Motor ships no types
    """How many of the most recent cases found have which value."""
    scalars = {name: f"$v.{name}" for name in SCALARS}
    found: list[tuple[Sequence[Document], Sequence[Document]]]
    if answering(search) is None:  # the cases are read: once
        rows = await _group(collection, search, {**scalars, "labels": "$v.labels"})
        found = [(rows, [{"_id": row["_id"].pop("labels", None), "n": row["n"]} for row in rows])]
    else:
        everybody = search.viewer is None or search.viewer.everything
        parts = [search] if everybody else [replace(search, restricted=one) for one in (False, True)]
        groups = await asyncio.gather(*(_group(collection, part, by) for part in parts for by in (scalars, "$v.labels")))
        found = list(zip(groups[::2], groups[1::2], strict=True))
    counts: dict[str, Counter[str]] = {name: Counter() for name in (*SCALARS, "tags")}
    counted = 0
    for rows, labels in found:
        for row in rows:
            counted += row["n"]
            for name, value in row["_id"].items():
                if value is not None:
                    counts[name][str(value)] += row["n"]
        for row in labels:
            for tag in labels_of(row["_id"]):
                counts["tags"][tag] += row["n"]
    values = {name: dict(counter.most_common(VALUES)) for name, counter in counts.items()}
    return Facets(values, counted=counted, complete=all(sum(r["n"] for r in rows) < COUNTED for rows, _ in found))


async def _group(collection: Any, search: CaseSearch, by: object) -> Sequence[Document]:
    pipeline: list[Document] = [
        {"$match": case_filter(search).query("v")},
        {"$sort": dict(_order(search))},
        {"$limit": COUNTED},
        {"$group": {"_id": by, "n": {"$sum": 1}}},
    ]
    hint = answering(search)
    rows: Sequence[Document] = await collection.aggregate(pipeline, **({"hint": hint} if hint else {})).to_list(None)
    return rows


def _order(search: CaseSearch) -> list[tuple[str, int]]:
    direction = 1 if search.order == "next_due" else -1
    return [(f"v.{search.order}", direction), ("_id", direction)]
