"""Recurrence rules of RFC 5545 (``FREQ=MONTHLY;BYDAY=MO;BYSETPOS=-1``) and single instants.

The arithmetic of the rules is python-dateutil's, on naive local times: zones and their jumps are ours, as for cron patterns.
Rules finer than a day are refused; a cron pattern or an interval says them, and does not walk through every hour since the
rule began.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from dateutil.rrule import rrule, rrulestr

from tocsin.schedules.failures import TimetableInvalid

FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
PARTS = frozenset(
    {"FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYDAY", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYMONTH", "BYSETPOS"}
    | {"BYHOUR", "BYMINUTE", "BYSECOND"}
)


@dataclass(frozen=True, slots=True)
class Recurrence:
    """A parsed rule.

    Attributes:
        text: As it was written.
        rule: What computes its local times.
    """

    text: str
    rule: rrule

    def at_or_after(self, local: datetime) -> datetime | None:
        """The first naive local time of the rule that is not before another."""
        found: datetime | None = self.rule.after(local, inc=True)
        return found


@dataclass(frozen=True, slots=True)
class Once:
    """A single instant.

    Attributes:
        text: As it was written.
        instant: In UTC.
    """

    text: str
    instant: datetime

    def next(self, after: datetime) -> datetime | None:
        """It, unless it is over."""
        return self.instant if self.instant > after else None


def parse_recurrence(text: str, anchor: datetime, place: tzinfo) -> Recurrence:
    """Read the value of an ``RRULE``.

    Args:
        text: Without ``RRULE:`` in front.
        anchor: Its ``DTSTART``; gives the time of day too.
        place: The zone in which it is computed.

    Raises:
        TimetableInvalid: It is none; with the position of the part that is wrong.
    """
    start, position, kept = anchor.astimezone(place).replace(tzinfo=None, microsecond=0), 1, []
    for part in text.strip().upper().split(";"):
        name, _, value = part.partition("=")
        if name not in PARTS or not value:
            raise TimetableInvalid(f"'{part[:30]}' is not a part of a recurrence rule", position=position)
        if name == "FREQ" and value not in FREQUENCIES:
            raise TimetableInvalid(
                f"a frequency is one of {', '.join(FREQUENCIES)}",
                position=position,
                hint="Use cron or every for what is finer.",
            )
        kept.append(f"UNTIL={_until(value, position, place):%Y%m%dT%H%M%S}" if name == "UNTIL" else part)
        position += len(part) + 1
    try:
        rule = rrulestr(";".join(kept), dtstart=start, cache=True)
    except (ValueError, TypeError, KeyError, OverflowError) as wrong:
        raise TimetableInvalid(f"the recurrence rule makes no sense: {wrong}") from None
    if not isinstance(rule, rrule):
        raise TimetableInvalid("a recurrence rule is a single rule")
    return Recurrence(text.strip(), rule)


def parse_once(text: str, place: tzinfo) -> Once:
    """Read an ISO 8601 instant; one without offset is meant in the zone.

    Raises:
        TimetableInvalid: It is none.
    """
    try:
        instant = datetime.fromisoformat(text.strip())
    except ValueError:
        raise TimetableInvalid(f"{text[:40]!r} is not an ISO 8601 instant", hint="Write it as 2026-01-31T12:00:00Z.") from None
    return Once(text.strip(), (instant if instant.tzinfo else instant.replace(tzinfo=place)).astimezone(UTC))


def _until(value: str, position: int, place: tzinfo) -> datetime:
    """The end of a rule as a local time; a date is the whole day."""
    try:
        instant = datetime.fromisoformat(value)
    except ValueError:
        raise TimetableInvalid(f"'{value[:20]}' is neither a date nor a time", position=position) from None
    if len(value) == len("20260101"):
        return instant.replace(hour=23, minute=59, second=59)
    return instant.astimezone(place).replace(tzinfo=None) if instant.tzinfo is not None else instant
