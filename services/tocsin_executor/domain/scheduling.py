"""What is wrong or odd about a document's ``schedule``: timetables that make no sense, and runs that could only fail.

Asked when a definition is checked, never when one that was published is compiled.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from tocsin.errors import Violation
from tocsin.expressions.durations import DurationInvalid, parse_duration
from tocsin.schedules import TimetableInvalid, parse_timetable
from tocsin_executor.domain.schemas import BadSchema, compile_schema
from tocsin_executor.domain.values import Json

TIMETABLES: Final = ("every", "cron", "after")


_EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LOOK: Final = "Look at the day, the month and the year: `tocsin schedule next` shows when a timetable fires."


def timetables_of(document: Mapping[str, Json]) -> dict[str, str]:
    """The timetables of a document in the words of the scheduler, by what they are."""
    block = document.get("schedule")
    return {kind: _text(block[kind]) for kind in TIMETABLES if kind in block} if isinstance(block, Mapping) else {}


def schedule_faults(document: Mapping[str, Json]) -> list[Violation]:
    """Why a schedule cannot work, whatever the day: so that what is published can be published again."""
    faults: list[Violation] = []
    for kind, words in timetables_of(document).items():
        try:
            if parse_timetable(words).next(_EVER) is None:
                faults.append(Violation(f"/schedule/{kind}", f"'{words}' never fires", _LOOK))
        except TimetableInvalid as wrong:
            faults.append(Violation(f"/schedule/{kind}", wrong.detail, wrong.hint))
    return faults


def schedule_slips(document: Mapping[str, Json], now: datetime) -> list[Violation]:
    """Timetables that have been, and what the workflow's own schema refuses of what its schedule gives to runs.

    Args:
        document: One whose schedule has no faults.
        now: The day that is asked about.
    """
    slips = [
        Violation(f"/schedule/{kind}", f"'{words}' never fires again", _LOOK)
        for kind, words in timetables_of(document).items()
        if parse_timetable(words).next(now) is None
    ]
    given = document.get("input")
    stated = given.get("schema") if isinstance(given, Mapping) else None
    if not isinstance(stated, Mapping) or "document" not in stated:
        return slips
    try:
        schema = compile_schema(stated["document"])
    except BadSchema:
        return slips  # said where schemas are compiled
    timetables = timetables_of(document)
    if timetables and (complaint := schema.complaint({})) is not None:
        hint = "Make what it requires optional, or give runs an input with `tocsin schedule apply` instead."
        detail = f"runs of this schedule begin with {{}}, which the schema of the input refuses: {complaint}"
        slips.append(Violation(f"/schedule/{next(iter(timetables))}", detail, hint))
    block = document.get("schedule")
    if isinstance(block, Mapping) and "on" in block and _refuses_lists(stated["document"]):
        hint = "Write 'type: array', and say under 'items' what an event carries."
        detail = "runs of this schedule begin with a list of events, which the schema of the input refuses"
        slips.append(Violation("/schedule/on", detail, hint))
    return slips


def _refuses_lists(schema: Json) -> bool:
    kind = schema.get("type") if isinstance(schema, Mapping) else None
    kinds = kind if isinstance(kind, list) else [kind]
    return kind is not None and "array" not in kinds


def _text(value: Json) -> str:
    """ISO 8601 as it was written, so that days and months stay days and months; an object of parts in exact seconds."""
    if isinstance(value, str):
        return value
    try:
        return f"PT{parse_duration(value).total_seconds():.3f}S"
    except DurationInvalid:
        return str(value)
