"""A timetable: cron pattern or interval, its zone, and what it does when clocks jump. Answers one question: when next?"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from tocsin.schedules.cron import Cron, parse_cron
from tocsin.schedules.failures import NeverFires, TimetableInvalid
from tocsin.schedules.intervals import EPOCH, Interval, parse_interval
from tocsin.schedules.zones import Gap, Overlap, next_instant, zone


@dataclass(frozen=True, slots=True)
class Timetable:
    """When something fires.

    Attributes:
        rule: The pattern or the interval.
        timezone: IANA name of the zone.
        place: The zone itself.
        anchor: Where an interval counts from (UTC).
        gap: Local times that do not exist.
        overlap: Local times that exist twice.
    """

    rule: Cron | Interval
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
        if self.rule.reboot:
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
    """Read an expression: an ISO 8601 duration (``PT15M``) is an interval, everything else a cron pattern.

    Raises:
        TimetableInvalid: With the position of what is wrong; or there is no such zone.
    """
    rule = parse_interval(expression) if expression.strip().startswith("P") else parse_cron(expression)
    return Timetable(rule, timezone, zone(timezone), anchor.astimezone(UTC), gap, overlap)


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
