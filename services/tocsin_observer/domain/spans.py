"""Spans of time as people write them, for sentences that people read."""

from datetime import timedelta


def span(time: timedelta) -> str:
    """``90 s``, ``10 min``, ``2 h``, ``3 d``: the longest unit that goes into it."""
    seconds = time.total_seconds()
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"
