"""Intervals: every so often, counted from an anchor.

Years, months, weeks and days are steps of the calendar in the schedule's zone (a daily interval keeps its time of day through
a change of the clocks, and a monthly one from the 31st takes the last day of shorter months); hours, minutes and seconds are
exact.
Each instant is computed from the anchor and its number, so nothing drifts and nothing depends on when anybody looked.
"""

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from tocsin.schedules.failures import TimetableInvalid

_ISO = re.compile(
    r"P(?=.)(?:(?P<years>\d+)Y)?(?:(?P<months>\d+)M)?(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d{1,3})?)S)?)?"
)
_MEAN_MONTH = 30.436875 * 86400  # seconds; only a first guess at how many steps fit
_LONGEST_MONTHS = 12 * 200
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Interval:
    """A step of calendar months and days and of exact time.

    Attributes:
        text: As it was written, ISO 8601.
        months: Calendar months.
        days: Calendar days.
        exact: Time that is added as it is.
    """

    text: str
    months: int
    days: int
    exact: timedelta

    def nth(self, n: int, anchor: datetime, place: tzinfo) -> datetime | None:
        """The instant of step ``n`` from the anchor (UTC), or ``None`` beyond the calendar."""
        try:
            if not self.months and not self.days:
                return anchor + n * self.exact
            local = anchor.astimezone(place)
            month = local.year * 12 + local.month - 1 + n * self.months
            year, month = divmod(month, 12)
            day = min(local.day, monthrange(year, month + 1)[1])
            moved = local.replace(year=year, month=month + 1, day=day) + timedelta(days=n * self.days)
            return moved.astimezone(UTC) + n * self.exact
        except (OverflowError, ValueError):
            return None

    def next(self, after: datetime, anchor: datetime, place: tzinfo) -> datetime | None:
        """The first instant after another that is a whole number of steps from the anchor, and not before the anchor."""
        if after < anchor:
            return anchor
        length = self.exact.total_seconds() + self.days * 86400 + self.months * _MEAN_MONTH
        n = max(0, int((after - anchor).total_seconds() / length) - 2)
        instant = self.nth(n, anchor, place)
        while instant is not None and instant <= after:
            n += 1
            instant = self.nth(n, anchor, place)
        return instant


def parse_interval(text: str) -> Interval:
    """Read an ISO 8601 duration as an interval of at least a second.

    Raises:
        TimetableInvalid: It is none, or it is too short or too long.
    """
    found = _ISO.fullmatch(text.strip())
    if found is None or not any(found.groups()):
        raise TimetableInvalid(f"{text[:50]!r} is not an ISO 8601 duration", hint="Write for example PT15M, PT1H, P1D or P1M.")
    parts = {name: float(value) for name, value in found.groupdict(default="0").items()}
    try:
        exact = timedelta(hours=parts["hours"], minutes=parts["minutes"], seconds=parts["seconds"])
        interval = Interval(
            text.strip(), int(parts["years"] * 12 + parts["months"]), int(parts["weeks"] * 7 + parts["days"]), exact
        )
    except OverflowError:
        raise TimetableInvalid("the interval is longer than the calendar") from None
    if not interval.months and not interval.days and exact < timedelta(seconds=1):
        raise TimetableInvalid("an interval is at least one second")
    if interval.months > _LONGEST_MONTHS or interval.days > _LONGEST_MONTHS * 31:
        raise TimetableInvalid("the interval is longer than 200 years")
    return interval
