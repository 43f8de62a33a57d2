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
_SHORT: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")


def parse_duration(value: object) -> object:
    """``30s`` and its like as a timedelta; anything else is left to pydantic (seconds, ISO 8601)."""
    if isinstance(value, str) and (match := _SHORT.fullmatch(value.strip())):
        return float(match[1]) * _UNITS[match[2]]
    return value


def show_duration(value: timedelta) -> str:
    """The shortest way to write it: ``timedelta(minutes=5)`` is ``5m``."""
    for name in ("d", "h", "m", "s", "ms"):
        count, rest = divmod(value, _UNITS[name])
        if not rest and (count or name == "ms"):
            return f"{count}{name}"
    return f"{value.total_seconds():g}s"


Duration = Annotated[timedelta, BeforeValidator(parse_duration), PlainSerializer(show_duration)]
