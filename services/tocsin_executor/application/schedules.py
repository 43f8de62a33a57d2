"""What a definition says about its own schedule, as the signals about definitions carry it to the scheduler and to triggers.

They compute and fire; here it is only made sure that nothing is published whose ``schedule`` makes no sense.
"""

from collections.abc import Mapping

from tocsin.definitions import DefinitionInvalid, start_events
from tocsin.errors import Violation
from tocsin.schedules import TimetableInvalid, parse_timetable
from tocsin.signals.catalogue.executor import DefinitionSchedule
from tocsin_executor.domain.scheduling import timetables_of
from tocsin_executor.domain.values import Json


def schedule_of(document: Mapping[str, Json]) -> DefinitionSchedule | None:
    """The ``schedule`` of a document: timetables for the scheduler, ``on`` for the trigger service.

    Raises:
        DefinitionInvalid: A timetable or a filter makes no sense.
    """
    block = document.get("schedule")
    if not isinstance(block, Mapping):
        return None
    words = timetables_of(document)
    for kind, timetable in words.items():
        try:
            parse_timetable(timetable)
        except TimetableInvalid as wrong:
            violation = Violation(f"/schedule/{kind}", wrong.detail, wrong.hint)
            raise DefinitionInvalid("The definition is not valid.", violations=[violation]) from wrong
    on, wrong_filters = start_events(block)
    if wrong_filters:
        raise DefinitionInvalid("The definition is not valid.", violations=wrong_filters)
    if on is None:
        return DefinitionSchedule(**words) if words else None
    return DefinitionSchedule(**words, on=block["on"], read=block.get("read"))
