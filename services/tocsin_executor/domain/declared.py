"""What a task says about data: ``metadata.produces`` and ``metadata.consumes``, evaluated when it completes.

An item is an asset's key, or an object with ``asset`` and what is known about it; a list may be made by one expression. The
engine only reads and bounds it: what it means is the lineage service's business, which hears it as a signal of the task.
"""

from collections.abc import Mapping
from typing import Final

import orjson

from tocsin_executor.domain.interrupts import Raised
from tocsin_executor.domain.values import ErrorKind, Json, problem

PARTS: Final = ("consumes", "produces")
ITEMS_LIMIT: Final = 500  # of each list: one signal holds them
BYTES_LIMIT: Final = 64 * 1024  # of both lists: signals carry facts about data, not data
KEY_LIMIT: Final = 512  # characters, as the lineage service has it
_TEXTS: Final = ("partition", "version", "kind")
_FIELDS: Final = ("asset", *_TEXTS, "metadata")


def declared_parts(metadata: Json) -> dict[str, Json] | None:
    """The two lists of a task's ``metadata``, as written; ``None`` when it declares neither."""
    if not isinstance(metadata, Mapping):
        return None
    return {part: metadata[part] for part in PARTS if part in metadata} or None


def read_declared(value: Json) -> dict[str, Json]:
    """The lists after evaluation, as the signal carries them: ``consumed`` and ``produced``.

    Raises:
        Raised: An ``expression`` error that says which item is none.
    """
    size = len(orjson.dumps(value))
    if size > BYTES_LIMIT:
        raise _wrong(f"what the task says about data has {size} bytes; the limit is {BYTES_LIMIT}")
    found = value if isinstance(value, dict) else {}
    return {"consumed": _items(found.get("consumes"), "consumes"), "produced": _items(found.get("produces"), "produces")}


def constant_items(value: Json) -> list[dict[str, Json]]:
    """The items of a list as it is written whose key is no expression; what is known before anything has run."""
    items = value if isinstance(value, list) else [value]
    shaped = [{"asset": item} if isinstance(item, str) else item for item in items]
    found: list[dict[str, Json]] = []
    for item in shaped:
        key = item.get("asset") if isinstance(item, dict) else None
        if isinstance(item, dict) and isinstance(key, str) and key and "${" not in key:
            kind = item.get("kind")
            known = isinstance(kind, str) and "${" not in kind
            found.append({"asset": key[:KEY_LIMIT], **({"kind": kind} if known else {})})
    return found[:ITEMS_LIMIT]


def _items(value: Json, part: str) -> list[Json]:
    if value is None:
        return []
    items = value if isinstance(value, list) else [value]
    if len(items) > ITEMS_LIMIT:
        raise _wrong(f"metadata.{part} has {len(items)} items; the limit is {ITEMS_LIMIT}")
    return [_item(item, f"metadata.{part}[{number}]") for number, item in enumerate(items)]


def _item(item: Json, where: str) -> dict[str, Json]:
    if isinstance(item, str):
        item = {"asset": item}
    if not isinstance(item, dict):
        raise _wrong(f"{where} is neither an asset's key nor an object with 'asset'")
    unknown = sorted(set(item) - set(_FIELDS))
    if unknown:
        raise _wrong(f"{where} has '{unknown[0]}'; it may have {', '.join(_FIELDS)}")
    key, metadata = item.get("asset"), item.get("metadata")
    if not isinstance(key, str) or not 0 < len(key) <= KEY_LIMIT:
        raise _wrong(f"{where}.asset must be a key of 1 to {KEY_LIMIT} characters")
    if metadata is not None and not isinstance(metadata, dict):
        raise _wrong(f"{where}.metadata must be an object")
    texts: dict[str, Json] = {}
    for name in _TEXTS:
        value = item.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise _wrong(f"{where}.{name} must be a string")
        texts[name] = str(value)[:256]
    return {"asset": key, **texts, **({"metadata": metadata} if metadata else {})}


def _wrong(detail: str) -> Raised:
    return Raised(problem(ErrorKind.EXPRESSION, detail))
