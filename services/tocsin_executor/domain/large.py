"""Large values: a value above ``APART`` lies in a store of its own, and the run has a reference in its place.

The engine never holds such a value. It hands references on at no cost; whatever has to look inside (an expression, a schema) is
evaluated elsewhere, where the value is loaded. A reference is a class of its own in memory and a tag of its own in every
encoding, so no data that somebody sends can pass for one.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

from tocsin.signals.nesting import DEEPEST, too_deep
from tocsin_executor.domain.values import Json

APART: Final = 128 * 1024
"""Bytes of JSON up to which a value stays with its run and its messages."""

RUN_LIMIT: Final = 256 * 1024 * 1024
"""Bytes of all large values of one run together; a constant, since a fold that is repeated must come to the same."""

VALUE: Final = re.compile(r"/api/v1/runs/([0-9a-z]{26})/values/([0-9a-f]{64})")
"""The address of a run's large value, as an emitted event has it in its ``dataref``."""

_STRICT: Final = orjson.OPT_PASSTHROUGH_SUBCLASS  # a reference is a dict, and must not pass for one


class Large(dict[str, Json]):
    """A reference. Where it is shown as plain JSON it is an object with ``dataref`` and ``size``.

    Args:
        digest: SHA-256 of the value's JSON, in hex.
        size: Bytes of that JSON.
    """

    __slots__ = ()

    def __init__(self, digest: str, size: int) -> None:
        super().__init__(dataref=digest, size=size)

    @property
    def digest(self) -> str:
        """What it is stored under."""
        return str(self["dataref"])

    @property
    def size(self) -> int:
        """Bytes of its JSON."""
        size = self["size"]
        assert isinstance(size, int)
        return size


def holds(value: Json) -> bool:
    """Whether a value is a reference, or has one somewhere inside."""
    if not isinstance(value, dict | list):
        return False
    try:
        orjson.dumps(value, option=_STRICT)
    except TypeError:  # a reference, or something that has no place in JSON
        return next(inside(value), None) is not None
    return False


def inside(value: Json) -> Iterator[Large]:
    """The references in a value."""
    if isinstance(value, Large):
        yield value
    elif isinstance(value, Mapping):
        for held in value.values():
            yield from inside(held)
    elif isinstance(value, list | tuple):
        for held in value:
            yield from inside(held)


def pack(value: Json) -> dict[str, Any]:
    """A value with its references tagged: ``{"i": value}`` without any."""
    if isinstance(value, Large):
        return {"r": value.digest, "n": value.size}
    if holds(value):
        if isinstance(value, list | tuple):
            return {"l": [pack(held) for held in value]}
        assert isinstance(value, Mapping)
        return {"d": {name: pack(held) for name, held in value.items()}}
    return {"i": value}


def unpack(packed: Mapping[str, Any]) -> Json:
    """The other way round."""
    if "r" in packed:
        return Large(packed["r"], packed["n"])
    if "l" in packed:
        return [unpack(held) for held in packed["l"]]
    if "d" in packed:
        return {name: unpack(held) for name, held in packed["d"].items()}
    value: Json = packed["i"]
    return value


def dump_document(document: dict[str, Any], *fields: str) -> bytes:
    """A message as JSON; where there are references in some of ``fields``, these are packed and ``packed`` names them."""
    try:
        return orjson.dumps(document, option=_STRICT)
    except TypeError:
        packed = [name for name in fields if holds(document.get(name))]
        return orjson.dumps({**document, **{name: pack(document[name]) for name in packed}, "packed": packed})


def load_document(document: dict[str, Any]) -> dict[str, Any]:
    """A message with its references in place; the other way round."""
    for name in document.pop("packed", None) or ():
        document[name] = unpack(document[name])
    return document


NESTED: Final = f"the value is nested deeper than {DEEPEST} levels"
"""The complaint about what could not be written again."""


def admit(known: dict[str, int], value: Json) -> str | None:
    """Judge a value that comes into a run, and count its references.

    Args:
        known: Sizes of the run's large values by digest; those that are new are added.
        value: What comes.

    Returns:
        Why it is too much, or ``None``.
    """
    if not isinstance(value, dict | list):
        return None
    if type(value) is not Large:
        try:
            raw = orjson.dumps(value, option=_STRICT)
        except TypeError:  # a reference is inside, or too much
            if too_deep(value):
                return NESTED
        else:
            return NESTED if too_deep(value, raw) else None
    for found in inside(value):
        if found.digest in known:
            continue
        total = sum(known.values()) + found.size
        if total > RUN_LIMIT:
            return (
                f"the run's large values would have {total} bytes together; the limit is {RUN_LIMIT}. "
                "Keep what is larger in a store of its own and pass its address"
            )
        known[found.digest] = found.size
    return None
