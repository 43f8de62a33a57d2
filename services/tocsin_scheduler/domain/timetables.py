"""The timetable of a schedule in words, as it is stored, and the question that it answers: when next?"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from functools import lru_cache

from tocsin.schedules import Exclusions, Gap, Overlap, Timetable, kind_of, parse_timetable
from tocsin.schedules.intervals import EPOCH, parse_interval
from tocsin.schedules.zones import zone

__all__ = ["EPOCH", "EXCLUDED_IN_A_ROW", "Follows", "When"]

EXCLUDED_IN_A_ROW = 20_000  # instants that are passed over before a timetable counts as one that never fires


@dataclass(frozen=True, slots=True, kw_only=True)
class Follows:
    """The ends of which runs set an instant.

    Attributes:
        workflow: Whose runs, in the schedule's namespace.
        outcomes: How they must have ended: ``completed``, ``faulted``, ``cancelled``.
        delay: From the end to the instant.
    """

    workflow: str
    outcomes: frozenset[str] = frozenset({"completed"})
    delay: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """The timetable in words, as it is stored.

    Attributes:
        expression: Cron pattern, ISO 8601 duration, recurrence rule (``FREQ=...``) or a single instant.
        also: Further ones; the schedule fires at the instants of all of them.
        timezone: IANA name.
        anchor: Where intervals and recurrence rules count from.
        gap: Local times that do not exist.
        overlap: Local times that exist twice.
        starts_at: No instant before.
        ends_at: No instant after.
        after_end: The expression is a duration, counted from the end of the previous run.
        exclusions: Days on which it does not fire.
        follows: Ends of runs set the instants: the first of the expression from then on, or at once when there is none.
    """

    expression: str
    also: tuple[str, ...] = ()
    timezone: str = "UTC"
    anchor: datetime
    gap: Gap = Gap.SKIP
    overlap: Overlap = Overlap.ONCE
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    after_end: bool = False
    exclusions: Exclusions = field(default_factory=Exclusions)
    follows: Follows | None = None

    @property
    def kind(self) -> str:
        """What sets the instants: ``follow``, ``after``, ``every``, ``rrule``, ``at`` or ``cron``."""
        if self.follows is not None:
            return "follow"
        return "after" if self.after_end else kind_of(self.expression)

    @property
    def timetable(self) -> Timetable:
        """The timetable of the first expression.

        Raises:
            TimetableInvalid: The words do not make sense; never for what was stored, unless a zone has been abolished.
        """
        return self.timetable_of(self.expression)

    def timetable_of(self, expression: str) -> Timetable:
        """The timetable of one of its expressions."""
        return _timetable(expression, self.timezone, self.anchor, self.gap, self.overlap)

    def next(self, after: datetime) -> datetime | None:
        """The first instant after another, within start and end, not on an excluded day."""
        if self.starts_at is not None and after < self.starts_at:
            after = self.starts_at - timedelta(microseconds=1)
        if not self.exclusions:
            return self._within(self._any(after))
        for _ in range(EXCLUDED_IN_A_ROW):
            instant = self._within(self._any(after))
            if instant is None or not self.exclusions.cover(instant.astimezone(self.place).date()):
                return instant
            after = instant
        return None

    def set_by(self, end: datetime) -> datetime | None:
        """The instant that the end of a run sets, or ``None`` when there is none any more."""
        assert self.follows is not None, "only where it follows a workflow"
        earliest = end + self.follows.delay
        return self.next(earliest - timedelta(microseconds=1)) if self.expression else self._within(earliest)

    @property
    def place(self) -> tzinfo:
        """The zone."""
        return zone(self.timezone)

    def _any(self, after: datetime) -> datetime | None:
        if self.after_end:
            return parse_interval(self.expression).nth(1, after, zone(self.timezone))
        first = self.timetable.next(after)
        for expression in self.also:
            other = self.timetable_of(expression).next(after)
            first = other if first is None or (other is not None and other < first) else first
        return first

    def _within(self, instant: datetime | None) -> datetime | None:
        return None if instant is None or (self.ends_at is not None and instant > self.ends_at) else instant


@lru_cache(maxsize=16_384)
def _timetable(expression: str, timezone: str, anchor: datetime, gap: Gap, overlap: Overlap) -> Timetable:
    return parse_timetable(expression, timezone, anchor=anchor, gap=gap, overlap=overlap)
