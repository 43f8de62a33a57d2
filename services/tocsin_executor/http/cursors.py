"""Cursors of lists that are put together from more than one place, and so cannot have the store's."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode

import orjson

from tocsin.errors import Invalid, Violation


def encode_cursor(position: list[str | int], *, of: str) -> str:
    """The cursor that stands at ``position`` in the list called ``of``."""
    return urlsafe_b64encode(orjson.dumps([of, *position])).decode().rstrip("=")


def decode_cursor(cursor: str | None, *, of: str, kinds: tuple[type, ...]) -> list[str | int] | None:
    """The position in a cursor, or ``None`` for the first page.

    Raises:
        Invalid: It is not a cursor of that list.
    """
    if cursor is None:
        return None
    try:
        position = orjson.loads(urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError):
        position = None
    if (
        not isinstance(position, list)
        or len(position) != 1 + len(kinds)
        or position[0] != of
        or not all(type(part) is kind for part, kind in zip(position[1:], kinds, strict=True))
    ):
        violation = Violation("cursor", "this is not a next_cursor of this list", hint="start again without a cursor")
        raise Invalid("the cursor is not valid", violations=[violation])
    return position[1:]
