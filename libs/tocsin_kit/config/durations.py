"""Durations as people write them in settings: ``250ms``, ``30s``, ``5m``, ``2h``, ``7d``, a number of seconds, or ISO 8601."""

import re
from datetime import timedelta
from typing import Annotated, Final

from pydantic import BeforeValidator, PlainSerializer

_UNITS: Final = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}
_SHORT: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?", re.ASCII)


def parse_duration(value: object) -> object:
    """``30s`` and its like as a timedelta, a plain number in seconds; ISO 8601 and what is no text are left to pydantic.

    Raises:
        ValueError: It is text of another kind.
    """
    if not isinstance(value, str):
        return value
    text = value.strip()
    if match := _SHORT.fullmatch(text):
        return float(match[1]) * _UNITS[match[2] or "s"]
    if not text.upper().startswith("P"):
        raise ValueError("a duration is written as 250ms, 30s, 5m, 2h, 7d, a number of seconds, or PT30S")
    return text


def show_duration(value: timedelta) -> str:
    """The shortest way to write it: ``timedelta(minutes=5)`` is ``5m``."""
    for name in ("d", "h", "m", "s", "ms"):
        count, rest = divmod(value, _UNITS[name])
        if not rest and (count or name == "ms"):
            return f"{count}{name}"
    return f"{value.total_seconds():g}s"


Duration = Annotated[timedelta, BeforeValidator(parse_duration), PlainSerializer(show_duration)]
