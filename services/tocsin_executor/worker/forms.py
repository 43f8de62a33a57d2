"""Values as texts, and forms of them. Pure."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import orjson

from tocsin_executor.domain.values import Json


def form_of(fields: Mapping[str, Json]) -> bytes:
    """Fields as a form; lists repeat the field."""
    return urlencode(pairs_of(fields)).encode()


def pairs_of(fields: Mapping[str, Json]) -> list[tuple[str, str]]:
    """Name and text of each value; lists repeat the name, null is left out."""
    pairs: list[tuple[str, str]] = []
    for name, value in fields.items():
        values: list[Any] = value if isinstance(value, list) else [value]
        pairs += [(str(name), as_text(item)) for item in values if item is not None]
    return pairs


def as_text(value: Json) -> str:
    """A text as it is, anything else as JSON."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()
