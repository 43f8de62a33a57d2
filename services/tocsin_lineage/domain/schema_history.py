"""The columns of an asset over time, from the schema facets of OpenLineage, and what changed between two versions."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from tocsin.signals import Json, derive

FIELDS_LIMIT = 2000


@dataclass(frozen=True, slots=True)
class Column:
    """A column; ``name`` is a path with dots where columns are nested."""

    name: str
    type: str | None
    description: str | None = None


@dataclass(frozen=True, slots=True)
class SchemaVersion:
    """The columns from an instant on.

    Attributes:
        id: Derived from the columns and the asset.
        at: The first time that it was seen since it was another.
        columns: In order.
        run: Who said so first.
    """

    id: str
    at: datetime
    columns: tuple[Column, ...]
    run: str | None


@dataclass(frozen=True, slots=True)
class Difference:
    """From one version to another; names of columns.

    Attributes:
        added: Only in the newer.
        removed: Only in the older.
        changed: In both, with another type: (name, before, after).
    """

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[tuple[str, str | None, str | None], ...]

    @property
    def is_breaking(self) -> bool:
        """Whether readers may fail: a column is gone or has another type."""
        return bool(self.removed or self.changed)


def columns_of(facets: Mapping[str, Json]) -> tuple[Column, ...] | None:
    """The columns that facets speak of; ``None`` when they do not."""
    schema = facets.get("schema")
    fields = schema.get("fields") if isinstance(schema, dict) else None
    if not isinstance(fields, list):
        return None
    found: list[Column] = []
    _collect(fields, "", found)
    return tuple(found)


def _collect(fields: list[Json], prefix: str, found: list[Column]) -> None:
    for one in fields:
        name = one.get("name") if isinstance(one, dict) else None
        if not isinstance(one, dict) or not isinstance(name, str) or len(found) >= FIELDS_LIMIT:
            continue
        kind, text, inner = one.get("type"), one.get("description"), one.get("fields")
        path = f"{prefix}{name}"
        found.append(Column(path, kind if isinstance(kind, str) else None, text if isinstance(text, str) else None))
        if isinstance(inner, list) and prefix.count(".") < 20:
            _collect(inner, f"{path}.", found)


def fingerprint(columns: tuple[Column, ...]) -> str:
    """The same for the same names and types in the same order."""
    return derive("schema", *(f"{column.name}\n{column.type}" for column in columns))


def difference(before: tuple[Column, ...], after: tuple[Column, ...]) -> Difference:
    """What changed; the order and the descriptions of columns do not count."""
    old, new = {c.name: c.type for c in before}, {c.name: c.type for c in after}
    return Difference(
        added=tuple(name for name in new if name not in old),
        removed=tuple(name for name in old if name not in new),
        changed=tuple((name, old[name], new[name]) for name in new if name in old and old[name] != new[name]),
    )
