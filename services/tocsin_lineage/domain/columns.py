"""Which columns are made of which, and how; from the column lineage facets of OpenLineage."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tocsin.signals import Json
from tocsin_lineage.domain.openlineage import key_of_dataset

MARK = "#"  # between an asset's key and a column; keys may hold it too, so the last one counts
DIRECT, INDIRECT = "DIRECT", "INDIRECT"
EDGES_LIMIT = 20_000  # of one event


@dataclass(frozen=True, slots=True)
class ColumnEdge:
    """One column that goes into another.

    Attributes:
        source: ``<asset>#<column>``.
        target: The same; ``<asset>#*`` where a column decides about the whole dataset (a filter, a join).
        type: ``DIRECT`` or ``INDIRECT``.
        subtype: ``IDENTITY``, ``TRANSFORMATION``, ``AGGREGATION``, ``JOIN``, ``FILTER`` ...
        description: What is done.
        masking: Whether the values cannot be recognised any more.
    """

    source: str
    target: str
    type: str = DIRECT
    subtype: str | None = None
    description: str | None = None
    masking: bool = False


def column_edges(key: str, facets: Mapping[str, Json]) -> list[ColumnEdge]:
    """What the facets of dataset ``key`` say its columns are made of; what cannot be understood is passed over."""
    facet = facets.get("columnLineage")
    if not isinstance(facet, dict):
        return []
    found: dict[tuple[str, str, str, str | None], ColumnEdge] = {}
    for edge in _edges(key, facet):
        found.setdefault((edge.source, edge.target, edge.type, edge.subtype), edge)
        if len(found) >= EDGES_LIMIT:
            break
    return list(found.values())


def _edges(key: str, facet: Mapping[str, Json]) -> Iterator[ColumnEdge]:
    fields = facet.get("fields")
    for name, made in fields.items() if isinstance(fields, dict) else ():
        if isinstance(made, dict):
            older = (made.get("transformationType"), made.get("transformationDescription"))
            yield from _into(f"{key}{MARK}{name}", made.get("inputFields"), older)
    yield from _into(f"{key}{MARK}*", facet.get("dataset"), (None, None))


def _into(target: str, inputs: Json, older: tuple[Json, Json]) -> Iterator[ColumnEdge]:
    for one in inputs if isinstance(inputs, list) else ():
        if not isinstance(one, dict):
            continue
        namespace, name, field = one.get("namespace"), one.get("name"), one.get("field")
        if not isinstance(namespace, str) or not isinstance(name, str) or not isinstance(field, str):
            continue
        source = f"{key_of_dataset(namespace, name)}{MARK}{field}"
        ways = one.get("transformations")
        if isinstance(ways, list) and ways:
            yield from (_one(source, target, way) for way in ways if isinstance(way, dict))
        else:
            subtype, description = older
            kind = INDIRECT if target.endswith(f"{MARK}*") else DIRECT
            yield ColumnEdge(source, target, kind, _text(subtype), _text(description))


def _one(source: str, target: str, way: Mapping[str, Json]) -> ColumnEdge:
    kind = way.get("type")
    return ColumnEdge(
        source,
        target,
        INDIRECT if kind == INDIRECT else DIRECT,
        _text(way.get("subtype")),
        _text(way.get("description")),
        way.get("masking") is True,
    )


def _text(value: Json) -> str | None:
    return value[:1024] if isinstance(value, str) and value else None


def split_column(node: str) -> tuple[str, str]:
    """Asset and column of a node."""
    asset, _, column = node.rpartition(MARK)
    return asset, column
