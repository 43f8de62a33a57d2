"""Durations as the DSL writes them: ISO 8601, or an object of days, hours, minutes, seconds and milliseconds.

A duration may be the result of an expression, so it is read where it is used. Years and months have no fixed length in ISO
8601; here a year is 365 days and a month 30, as everywhere in a run: schedules, which know a calendar, never come here.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import ClassVar

from tocsin.errors import Invalid
from tocsin.expressions.json_values import Json

_NUMBER = r"\d+(?:[.,]\d+)?"
_ISO = re.compile(
    rf"P(?!$)(?:(?P<years>{_NUMBER})Y)?(?:(?P<months>{_NUMBER})M)?(?:(?P<weeks>{_NUMBER})W)?(?:(?P<days>{_NUMBER})D)?"
    rf"(?:T(?=\d)(?:(?P<hours>{_NUMBER})H)?(?:(?P<minutes>{_NUMBER})M)?(?:(?P<seconds>{_NUMBER})S)?)?",
    re.ASCII,
)
_SECONDS = {
    "years": 365 * 86400.0,
    "months": 30 * 86400.0,
    "weeks": 7 * 86400.0,
    "days": 86400.0,
    "hours": 3600.0,
    "minutes": 60.0,
    "seconds": 1.0,
    "milliseconds": 0.001,
}
PARTS = ("days", "hours", "minutes", "seconds", "milliseconds")
LONGEST = timedelta(days=365 * 100)  # a century: what is longer is a mistake in the unit


class DurationInvalid(Invalid):
    """This is not a duration."""

    code: ClassVar[str] = "duration_invalid"


def parse_duration(value: Json) -> timedelta:
    """Read a duration.

    Args:
        value: ISO 8601 text (``PT1M30S``), or an object with any of :data:`PARTS`.

    Returns:
        Zero or more, to the microsecond.

    Raises:
        DurationInvalid: It is neither, negative, or above a century.
    """
    if isinstance(value, str):
        found = _ISO.fullmatch(value.strip())
        if found is None or not any(found.groups()):
            raise DurationInvalid(
                f"{value[:50]!r} is not an ISO 8601 duration", hint="Write for example PT15S, PT5M, P1D or P1DT12H."
            )
        seconds = sum(float(amount.replace(",", ".")) * _SECONDS[unit] for unit, amount in found.groupdict(default="0").items())
    elif isinstance(value, Mapping):
        seconds = sum(_part(unit, amount) for unit, amount in value.items())
        if not value:
            raise DurationInvalid("a duration needs at least one of " + ", ".join(PARTS))
    else:
        raise DurationInvalid("a duration is ISO 8601 text or an object", hint="Write for example PT15S, or {seconds: 15}.")
    if seconds > LONGEST.total_seconds():
        raise DurationInvalid(f"a duration of {seconds:.0f} s is above the limit of a century")
    return timedelta(microseconds=round(seconds * 1_000_000))


def _part(unit: str, amount: Json) -> float:
    if unit not in PARTS:
        raise DurationInvalid(f"'{unit}' is not a part of a duration", hint="Parts: " + ", ".join(PARTS) + ".")
    if isinstance(amount, bool) or not isinstance(amount, int | float) or amount < 0:
        raise DurationInvalid(f"'{unit}' must be a number, zero or more")
    return min(amount, LONGEST.total_seconds() * 1_000 + 1) * _SECONDS[unit]  # an integer may be larger than any float
