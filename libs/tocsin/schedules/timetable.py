"""A timetable: what is said about times, its zone, and what it does when clocks jump. Answers one question: when next?"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from tocsin.schedules.cron import Cron, parse_cron
from tocsin.schedules.failures import NeverFires, TimetableInvalid
from tocsin.schedules.intervals import EPOCH, Interval, parse_interval
from tocsin.schedules.recurrences import Once, Recurrence, parse_once, parse_recurrence
from tocsin.schedules.zones import Gap, Overlap, next_instant, zone

_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[T ]")


@dataclass(frozen=True, slots=True)
class Timetable:
    """When something fires.

    Attributes:
        rule: What is said about the times.
        timezone: IANA name of the zone.
        place: The zone itself.
        anchor: Where an interval counts from (UTC).
        gap: Local times that do not exist.
        overlap: Local times that exist twice.
    """

    rule: Cron | Interval | Recurrence | Once
    timezone: str
    place: tzinfo
    anchor: datetime = EPOCH
    gap: Gap = Gap.SKIP
    overlap: Overlap = Overlap.ONCE

    def next(self, after: datetime) -> datetime | None:
        """The first firing instant after another.

        Args:
            after: An aware instant.

        Returns:
            In UTC, or ``None`` when it never fires again.

        Raises:
            TimetableInvalid: The pattern is ``@reboot``, which a platform of many processes cannot mean.
        """
        after = after.astimezone(UTC)
        if isinstance(self.rule, Interval):
            return self.rule.next(after, self.anchor, self.place)
        if isinstance(self.rule, Once):
            return self.rule.next(after)
        if isinstance(self.rule, Cron) and self.rule.reboot:
            raise TimetableInvalid("'@reboot' has no meaning here: schedules outlive every process", hint="Name a time.")
        return next_instant(self.rule.at_or_after, after, self.place, self.gap, self.overlap)

    def upcoming(self, after: datetime, count: int) -> Iterator[datetime]:
        """The next instants, in UTC, at most ``count``."""
        for _ in range(count):
            instant = self.next(after)
            if instant is None:
                return
            yield instant
            after = instant

    def due(self, after: datetime, until: datetime, limit: int) -> tuple[list[datetime], bool]:
        """Instants in (after, until], at most ``limit`` of them, and whether there are more."""
        found: list[datetime] = []
        instant = self.next(after)
        while instant is not None and instant <= until:
            if len(found) == limit:
                return found, True
            found.append(instant)
            instant = self.next(instant)
        return found, False


def parse_timetable(
    expression: str, timezone: str = "UTC", *, anchor: datetime = EPOCH, gap: Gap = Gap.SKIP, overlap: Overlap = Overlap.ONCE
) -> Timetable:
    """Read an expression.

    Args:
        expression: An ISO 8601 duration (``PT15M``) is an interval, ``FREQ=...`` a recurrence rule, an ISO 8601 instant itself,
            and everything else a cron pattern.
        timezone: IANA name.
        anchor: Where intervals and recurrence rules count from.
        gap: Local times that do not exist.
        overlap: Local times that exist twice.

    Raises:
        TimetableInvalid: With the position of what is wrong; or there is no such zone.
    """
    text, place, anchor = expression.strip(), zone(timezone), anchor.astimezone(UTC)
    rule: Cron | Interval | Recurrence | Once
    match kind_of(text):
        case "every":
            rule = parse_interval(expression)
        case "rrule":
            rule = parse_recurrence(text, anchor, place)
        case "at":
            rule = parse_once(text, place)
        case _:
            rule = parse_cron(expression)
    return Timetable(rule, timezone, place, anchor, gap, overlap)


def kind_of(expression: str) -> str:
    """What an expression is: ``every``, ``rrule``, ``at`` or ``cron``; what makes no sense at all counts as a cron pattern."""
    text = expression.strip()
    if text.startswith("P"):
        return "every"
    if text.upper().startswith("FREQ="):
        return "rrule"
    return "at" if _INSTANT.match(text) else "cron"


def next_texts(expression: str, timezone: str, after: datetime, count: int) -> list[str]:
    """The next instants as ISO 8601 with the zone's offset: what ``tocsin schedule next`` prints.

    Raises:
        TimetableInvalid: As :func:`parse_timetable`.
        NeverFires: There is not a single one.
    """
    timetable = parse_timetable(expression, timezone)
    found = [instant.astimezone(timetable.place).isoformat() for instant in timetable.upcoming(after, count)]
    if not found and count:
        raise NeverFires(f"'{expression}' never fires after {after.isoformat()}")
    return found
