"""Indexes as data: made at the start of a service, by any number of replicas at once, never dropped by it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel

from tocsin_kit.store.database import Database
from tocsin_kit.store.errors import translated


@dataclass(frozen=True, slots=True)
class Index:
    """One index.

    Attributes:
        fields: Field names in order; a leading ``-`` sorts downwards. Entities of a repository lie under ``v.``.
        unique: Whether two documents may not share the values. Tombstones are left out.
        expires: Documents go this long after the (single, date) field.
        only: Further condition for a document to be in the index.
    """

    fields: tuple[str, ...]
    unique: bool = False
    expires: timedelta | None = None
    only: Mapping[str, Any] | None = None

    @property
    def name(self) -> str:
        """Derived from the fields, so that a changed index is a new one."""
        mark = "_unique" if self.unique else "_expires" if self.expires else ""
        return "_".join(field.replace("-", "down_").replace(".", "_") for field in self.fields) + mark

    def model(self) -> IndexModel:
        """The driver's form."""
        keys = [(f.removeprefix("-"), DESCENDING if f.startswith("-") else ASCENDING) for f in self.fields]
        options: dict[str, Any] = {"name": self.name}
        only = dict(self.only or {})
        if self.unique:
            options["unique"] = True
            only.setdefault(self.fields[0].removeprefix("-"), {"$exists": True})
        if self.expires is not None:
            options["expireAfterSeconds"] = int(self.expires.total_seconds())
        if only:
            options["partialFilterExpression"] = only
        return IndexModel(keys, **options)


async def ensure_indexes(database: Database, indexes: Mapping[str, Sequence[Index]]) -> None:
    """Make these indexes, by collection."""
    for collection, wanted in indexes.items():
        if wanted:
            with translated(collection):
                await database.collection(collection).create_indexes([index.model() for index in wanted])
