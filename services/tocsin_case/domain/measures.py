"""Numbers about cases: how soon they are answered and solved, how often a promise is broken, how old the backlog is."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from tocsin_case.domain.cases import Case

AGES = (("under 1 hour", 1), ("under 8 hours", 8), ("under 1 day", 24), ("under 3 days", 72), ("under 1 week", 168))


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """The numbers.

    Attributes:
        opened: Cases opened in the time looked at.
        resolved: Of those, ended by now.
        active: Of those, not ended.
        mtta: Mean time until somebody answered; ``None`` when nobody has.
        mttr: Mean time until they were solved; ``None`` when none was.
        promised: Clocks that have run, of any kind.
        breached: Of those, breached at least once.
        backlog: Active cases by age, youngest first.
        oldest: When the oldest active case was opened.
    """

    opened: int
    resolved: int
    active: int
    mtta: timedelta | None
    mttr: timedelta | None
    promised: int
    breached: int
    backlog: tuple[tuple[str, int], ...]
    oldest: datetime | None

    @property
    def breach_rate(self) -> float | None:
        """Share of clocks that breached."""
        return self.breached / self.promised if self.promised else None


def measure(cases: Iterable[Case], now: datetime) -> Measures:
    """Numbers about some cases."""
    found = [case for case in cases if case.merged_into is None]
    active = [case for case in found if case.stage.is_active]
    clocks = [clock for case in found for clock in case.clocks.values()]
    ages = dict.fromkeys((*(name for name, _ in AGES), "older"), 0)
    for case in active:
        hours = (now - case.opened_at) / timedelta(hours=1)
        ages[next((name for name, limit in AGES if hours < limit), "older")] += 1
    return Measures(
        opened=len(found),
        resolved=len(found) - len(active),
        active=len(active),
        mtta=_mean([case.answered_at - case.opened_at for case in found if case.answered_at is not None]),
        mttr=_mean([case.resolved_at - case.opened_at for case in found if case.resolved_at is not None]),
        promised=len(clocks),
        breached=sum(1 for clock in clocks if clock.breaches),
        backlog=tuple(ages.items()),
        oldest=min((case.opened_at for case in active), default=None),
    )


def _mean(times: list[timedelta]) -> timedelta | None:
    return sum(times, timedelta(0)) / len(times) if times else None
