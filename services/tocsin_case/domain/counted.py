"""Which occurrences have been counted, so that each is counted once, in whatever order and however often it is delivered.

A place in the stream cannot tell: what a killed replica had in hand comes again half a minute later, when others have long
counted what came after it.
"""

from dataclasses import dataclass
from datetime import datetime

from tocsin.signals import derive


@dataclass(frozen=True, slots=True)
class Counted:
    """One occurrence that a case knows of.

    Attributes:
        id: Its mark, see :func:`mark_of`.
        case: The case that was opened by it or appended to.
        at: When.
    """

    id: str
    case: str
    at: datetime


def mark_of(source: str, event: str, *, place: int | None = None) -> str:
    """What tells one occurrence from all others.

    Args:
        source: The event's.
        event: The event's id.
        place: For what has no id of its own: people choose the ids of their requests, and may choose one twice.
    """
    return derive("occurrence", source, event, "" if place is None else str(place))
