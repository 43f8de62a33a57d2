"""What a definition says about its own schedule, as the signals about definitions carry it to the scheduler.

The scheduler computes and fires; here it is only made sure that nothing is published whose ``schedule`` makes no sense.
"""

from collections.abc import Mapping

from tocsin.definitions import DefinitionInvalid
from tocsin.errors import Violation
from tocsin.expressions.durations import parse_duration
from tocsin.schedules import TimetableInvalid, parse_timetable
from tocsin.signals.catalogue.executor import DefinitionSchedule
from tocsin_executor.domain.values import Json

KINDS = ("every", "cron", "after")


def schedule_of(document: Mapping[str, Json]) -> DefinitionSchedule | None:
    """The ``schedule`` of a document, without ``on``, which is not a matter of time.

    Raises:
        DefinitionInvalid: A timetable makes no sense.
    """
    block = document.get("schedule")
    if not isinstance(block, Mapping):
        return None
    words: dict[str, str] = {}
    for kind in KINDS:
        if kind not in block:
            continue
        words[kind] = _text(block[kind])
        try:
            parse_timetable(words[kind])
        except TimetableInvalid as wrong:
            violation = Violation(f"/schedule/{kind}", wrong.detail, wrong.hint)
            raise DefinitionInvalid("The definition is not valid.", violations=[violation]) from wrong
    return DefinitionSchedule(**words) if words else None


def _text(value: Json) -> str:
    """ISO 8601 as it was written, so that days and months stay days and months; an object of parts in exact seconds."""
    return value if isinstance(value, str) else f"PT{parse_duration(value).total_seconds():.3f}S"
