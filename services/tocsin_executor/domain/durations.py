"""Durations: an object of units, an ISO 8601 string, or an expression that gives one of them when it is used."""

import re
from dataclasses import dataclass

from tocsin.expressions import Expression, Template
from tocsin_executor.domain.values import Json, Millis

_UNITS: dict[str, Millis] = {"days": 86_400_000, "hours": 3_600_000, "minutes": 60_000, "seconds": 1000, "milliseconds": 1}
_ISO = re.compile(
    r"P(?:(?P<weeks>\d+(?:[.,]\d+)?)W)?(?:(?P<days>\d+(?:[.,]\d+)?)D)?"
    r"(?:T(?=[\d])(?:(?P<hours>\d+(?:[.,]\d+)?)H)?(?:(?P<minutes>\d+(?:[.,]\d+)?)M)?(?:(?P<seconds>\d+(?:[.,]\d+)?)S)?"
    r"(?:(?P<milliseconds>\d+(?:[.,]\d+)?)MS)?)?"
)
LONGEST: Millis = 100 * 366 * 86_400_000
"""A hundred years: longer is a mistake, and instants must stay within what dates can hold."""


@dataclass(frozen=True, slots=True)
class Duration:
    """A compiled duration: ``constant`` milliseconds, or a template to evaluate where it is used."""

    constant: Millis | None
    template: Expression | Template | None


class BadDuration(ValueError):
    """The value is not a duration; the text says why."""


def parse_duration(value: Json) -> Millis:
    """Milliseconds of a duration.

    Args:
        value: ``{"seconds": 3}`` or ``"PT3S"``. Years and months are refused: they have no fixed length.

    Raises:
        BadDuration: It is neither, or is longer than a hundred years.
    """
    if isinstance(value, str):
        total = _from_text(value)
    elif isinstance(value, dict) and value:
        total = 0
        for unit, count in value.items():
            if unit not in _UNITS:
                raise BadDuration(f"'{unit}' is not a unit of time (days, hours, minutes, seconds, milliseconds)")
            if isinstance(count, bool) or not isinstance(count, int | float) or count < 0:
                raise BadDuration(f"'{unit}' must be a number that is not negative")
            total += round(count * _UNITS[unit])
    else:
        raise BadDuration("a duration is an ISO 8601 string such as PT15M, or an object such as {minutes: 15}")
    if total > LONGEST:
        raise BadDuration("a duration may not be longer than a hundred years")
    return total


def _from_text(text: str) -> Millis:
    match = _ISO.fullmatch(text.strip())
    if match is None or not any(match.groupdict().values()):
        raise BadDuration(
            f"'{text[:40]}' is not an ISO 8601 duration of weeks, days, hours, minutes and seconds, such as P1DT2H"
        )
    total = 0.0
    for unit, digits in match.groupdict().items():
        if digits is not None:
            total += float(digits.replace(",", ".")) * (7 * _UNITS["days"] if unit == "weeks" else _UNITS[unit])
    return round(total)
