"""Lists in pages: ``?limit=&cursor=`` in, ``{"items": [...], "next_cursor": ...}`` out.

A cursor is opaque to clients and holds the position after the last item. It is bound to its list by name and carries a check,
so that a cursor of another list, an edited or a truncated one is refused instead of skipping items silently. It is no secret
and no
permission: every page is filtered anew.
"""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Generic, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field

from tocsin.errors import Invalid, Violation

CursorPart = str | int | float | bool | None
_CHECK_BYTES = 6
Item = TypeVar("Item", bound=BaseModel)


class Input(BaseModel):
    """What requests are made of: unknown members are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PageQuery(Input):
    """The query of every list; subclass it to add filters."""

    limit: int = Field(default=50, ge=1, le=500, description="At most this many items.")
    cursor: str | None = Field(default=None, max_length=1024, description="`next_cursor` of the page before.")


class Page(BaseModel, Generic[Item]):
    """One page of a list."""

    items: list[Item]
    next_cursor: str | None = Field(default=None, description="Ask for the next page with it; null on the last page.")


def encode_cursor(position: Sequence[CursorPart], *, of: str) -> str:
    """The cursor that stands behind ``position`` in the list called ``of``."""
    body = orjson.dumps(list(position))
    return urlsafe_b64encode(_check(body, of) + body).decode().rstrip("=")


def decode_cursor(cursor: str | None, *, of: str, parts: int) -> tuple[CursorPart, ...] | None:
    """The position in a cursor, or ``None`` for the first page.

    Raises:
        Invalid: It is not a cursor of the list ``of``, or has been changed.
    """
    if cursor is None:
        return None
    try:
        raw = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        check, body = raw[:_CHECK_BYTES], raw[_CHECK_BYTES:]
        position = orjson.loads(body) if check == _check(body, of) else None
    except ValueError:
        position = None
    if not isinstance(position, list) or len(position) != parts or not all(_is_part(part) for part in position):
        violation = Violation("cursor", "this is not a next_cursor of this list", hint="start again without a cursor")
        raise Invalid("the cursor is not valid", violations=[violation])
    return tuple(position)


def _check(body: bytes, of: str) -> bytes:
    return hashlib.blake2b(body, digest_size=_CHECK_BYTES, person=of.encode()[:16]).digest()


def _is_part(value: object) -> bool:
    return value is None or isinstance(value, str | int | float | bool)
