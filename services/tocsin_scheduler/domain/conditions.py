"""The condition of a schedule: CESQL over an instant, decided when it fires, and shown before."""

from datetime import datetime, timedelta
from functools import lru_cache

from tocsin.cesql import Filter, parse
from tocsin.cesql.values import Value
from tocsin_scheduler.domain.schedules import Schedule, ScheduleInvalid

WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")


def holds(schedule: Schedule, at: datetime) -> bool:
    """Whether a schedule wants an instant; without a condition it wants all."""
    text = schedule.policy.condition
    return text is None or _parsed(text).evaluate(facts(schedule, at)).holds


def facts(schedule: Schedule, at: datetime) -> dict[str, Value]:
    """What a condition can ask about: the instant in the zone of the schedule, and what became of earlier ones."""
    local = at.astimezone(schedule.when.place)
    return {
        "id": at.isoformat(),
        "source": f"/{schedule.namespace}/schedules/{schedule.name}",
        "specversion": "1.0",
        "type": "io.tocsin.schedule.instant",
        "namespace": schedule.namespace,
        "name": schedule.name,
        "workflow": schedule.start.workflow,
        "at": local.isoformat(),
        "year": local.year,
        "month": local.month,
        "day": local.day,
        "hour": local.hour,
        "minute": local.minute,
        "weekday": WEEKDAYS[local.weekday()],
        "week": local.isocalendar().week,
        "dayofyear": local.timetuple().tm_yday,
        "lastday": (local + timedelta(days=1)).month != local.month,
        "fired": schedule.fired,
        "failures": schedule.failures,
    }


def check_condition(schedule: Schedule, at: datetime) -> None:
    """Refuse a condition that cannot be decided.

    Raises:
        CesqlInvalid: With the position.
        ScheduleInvalid: It asks for what there is not, or compares what cannot be compared.
    """
    text = schedule.policy.condition
    if text is None:
        return
    found = _parsed(text).evaluate(facts(schedule, at))
    if found.faults:
        raise ScheduleInvalid(
            f"the condition cannot be decided: {found.faults[0].detail}",
            hint=f"An instant has the attributes {', '.join(sorted(facts(schedule, at)))}.",
        )


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Filter:
    return parse(text)
