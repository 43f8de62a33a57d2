"""Numbers about cases: how soon they are answered and solved, how often a promise is broken, how old the backlog is."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

AGES = (("under 1 hour", 1), ("under 8 hours", 8), ("under 1 day", 24), ("under 3 days", 72), ("under 1 week", 168))


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What the numbers need of one case.

    Attributes:
        opened_at: When.
        answered_at: When somebody first answered.
        resolved_at: When it was last resolved or closed.
        active: Whether somebody still has to do something.
        merged: Whether it is a part of another, and counted there.
        clocks: How many promises were made for it.
        breached: How many of them were broken.
    """

    opened_at: datetime
    answered_at: datetime | None = None
    resolved_at: datetime | None = None
    active: bool = True
    merged: bool = False
    clocks: int = 0
    breached: int = 0


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


def measure(cases: Iterable[Measured], now: datetime) -> Measures:
    """Numbers about some cases."""
    found = [case for case in cases if not case.merged]
    active = [case for case in found if case.active]
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
        promised=sum(case.clocks for case in found),
        breached=sum(case.breached for case in found),
        backlog=tuple(ages.items()),
        oldest=min((case.opened_at for case in active), default=None),
    )


def _mean(times: list[timedelta]) -> timedelta | None:
    return sum(times, timedelta(0)) / len(times) if times else None
