"""How deep data may be nested: what is deeper cannot be written again by everybody who has to.

JSON parsers take a thousand levels, writers a quarter of that, and each message and record around a value adds some. One value
that was read and cannot be written any more would stop whoever holds it, so it is refused where it comes in.
"""

from typing import Final

import orjson

DEEPEST: Final = 100
"""Lists and objects inside one another in a value."""

DEEPEST_MESSAGE: Final = 120
"""The same for a message or a request, which has values in it."""

_WRITER: Final = 254  # levels that the JSON library writes


def too_deep(value: object, raw: bytes | None = None, *, limit: int = DEEPEST) -> bool:
    """Whether data is nested deeper than ``limit``.

    Args:
        value: JSON data.
        raw: The same as JSON, if it is at hand.
        limit: Levels, at most 254.
    """
    if not isinstance(value, dict | list):
        return False
    try:
        written = orjson.dumps(value) if raw is None else raw
        if written.count(b"[") + written.count(b"{") <= limit:
            return False
        for _ in range(_WRITER - limit):
            value = [value]
        orjson.dumps(value)
    except TypeError as error:
        if "ecursion" in str(error):
            return True
        raise
    return False
