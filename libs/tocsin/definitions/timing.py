"""Durations of a document that are the same for every run, for comparing them; and durations as people say them."""

from collections.abc import Mapping
from datetime import timedelta

from tocsin.definitions.reading import Value
from tocsin.definitions.spots import Object, mapping
from tocsin.expressions.durations import DurationInvalid, parse_duration

_UNITS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s"))


def constant(timeout: Value, document: Object) -> timedelta | None:
    """How long a timeout is, given in place or by its name; ``None`` without one, and where a run decides it."""
    if isinstance(timeout, str):
        timeout = mapping(mapping(document.get("use")).get("timeouts")).get(timeout)
    return fixed(timeout.get("after")) if isinstance(timeout, Mapping) else None


def fixed(duration: Value) -> timedelta | None:
    """How long a duration is; ``None`` without one, and where a run decides it."""
    if not isinstance(duration, str | dict):
        return None
    try:
        return parse_duration(duration)
    except DurationInvalid:
        return None


def told(length: timedelta) -> str:
    """A duration for a sentence: its two largest units."""
    seconds, parts = length.total_seconds(), list[str]()
    if seconds < 1:
        return f"{seconds * 1000:g} ms"
    for size, unit in _UNITS:
        count = seconds // size if unit != "s" else seconds
        if count and len(parts) < 2:
            parts.append(f"{count:g} {unit}")
        seconds -= count * size
    return " ".join(parts)
