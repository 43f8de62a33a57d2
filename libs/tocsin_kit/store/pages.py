"""Lists in pages that neither skip nor repeat when entries come and go between two requests.

A cursor is the place of the last entry (its sort value and key), not a number of entries; it names the list it belongs to, so
that one taken from another list or another filter is refused instead of answered with nonsense.
"""

import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

import orjson

from tocsin_kit.store.errors import InvalidCursor

T = TypeVar("T")

LIMIT = 500  # entries of a page at most; a page is held in memory


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page.

    Attributes:
        items: Its entries in order.
        next_cursor: What to ask for the next page with; ``None`` on the last.
    """

    items: list[T]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Sort:
    """Order of a list: by one field, then by key.

    Attributes:
        field: Field name; ``_id`` for the key alone.
        descending: Greatest first.
    """

    field: str = "_id"
    descending: bool = False

    def within(self, under: str) -> "Sort":
        """The same for an entity that lies under a field."""
        return self if self.field.startswith("_") else Sort(f"{under}.{self.field}", self.descending)


async def fetch_page(
    collection: Any,  # Motor ships no types
    query: dict[str, Any],
    *,
    sort: Sort,
    limit: int,
    cursor: str | None,
    read: Callable[[Mapping[str, Any]], T],
    hint: str | None = None,
) -> Page[T]:
    """Read one page.

    Args:
        collection: Motor collection.
        query: The driver's form of a :class:`Filter`.
        sort: The order; the field should be in an index with ``_id`` behind it.
        limit: Entries wanted; cut to 1..500.
        cursor: From the page before, or ``None``.
        read: Document to entry.
        hint: Name of the index that answers; unless given, the database chooses.

    Raises:
        InvalidCursor: The cursor is not from this list.
    """
    limit = max(1, min(limit, LIMIT))
    name = _fingerprint(query, sort)
    if cursor is not None:
        query = {"$and": [query, _beyond(sort, *_unpack(cursor, name))]} if query else _beyond(sort, *_unpack(cursor, name))
    direction = -1 if sort.descending else 1
    order = [("_id", direction)] if sort.field == "_id" else [(sort.field, direction), ("_id", direction)]
    found = collection.find(query, {"_outbox": 0}).sort(order).limit(limit + 1)
    documents = await (found if hint is None else found.hint(hint)).to_list(limit + 1)
    more = len(documents) > limit
    documents = documents[:limit]
    next_cursor = _pack(_value(documents[-1], sort.field), documents[-1]["_id"], name) if more else None
    return Page([read(document) for document in documents], next_cursor)


def _beyond(sort: Sort, value: object, key: object) -> dict[str, Any]:
    operator = "$lt" if sort.descending else "$gt"
    if sort.field == "_id":
        return {"_id": {operator: key}}
    return {"$or": [{sort.field: {operator: value}}, {sort.field: {"$eq": value}, "_id": {operator: key}}]}


def _value(document: Mapping[str, Any], path: str) -> object:
    value: object = document
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _fingerprint(query: dict[str, Any], sort: Sort) -> str:
    text = orjson.dumps([query, sort.field, sort.descending], default=repr, option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(text, digest_size=6).hexdigest()


def _pack(value: object, key: object, name: str) -> str:
    marked = {"t": value.isoformat()} if isinstance(value, datetime) else value
    return base64.urlsafe_b64encode(orjson.dumps([name, marked, key])).decode().rstrip("=")


def _unpack(cursor: str, name: str) -> tuple[object, object]:
    try:
        given, value, key = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if isinstance(value, dict):
            value = datetime.fromisoformat(value["t"])
    except (binascii.Error, ValueError, KeyError, TypeError) as error:
        raise InvalidCursor("The cursor cannot be read.", hint="Use next_cursor of the page before, unchanged.") from error
    if given != name or not isinstance(key, str | int):
        raise InvalidCursor("The cursor is from another list.", hint="Keep the filters and the order while you page.")
    return value, key
