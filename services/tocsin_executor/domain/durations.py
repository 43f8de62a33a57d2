"""Durations: an object of units, an ISO 8601 string, or an expression that gives one of them when it is used.

What a duration is stands in one place (``tocsin.expressions.durations``), so that whoever checks a document without a platform
says the same as the engine. Here are whole milliseconds, because the engine counts in integers.
"""

from dataclasses import dataclass
from datetime import timedelta

from tocsin.expressions import Expression, Template
from tocsin.expressions.durations import DurationInvalid
from tocsin.expressions.durations import parse_duration as parsed
from tocsin_executor.domain.values import Json, Millis

_MILLI = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Duration:
    """A compiled duration: ``constant`` milliseconds, or a template to evaluate where it is used."""

    constant: Millis | None
    template: Expression | Template | None


class BadDuration(ValueError):
    """The value is not a duration; the text says why."""


def parse_duration(value: Json) -> Millis:
    """Milliseconds of a duration, rounded.

    Args:
        value: ``{"seconds": 3}`` or ``"PT3S"``.

    Raises:
        BadDuration: It is neither, or is longer than a hundred years.
    """
    try:
        return round(parsed(value) / _MILLI)
    except DurationInvalid as exc:
        raise BadDuration(exc.detail) from exc
