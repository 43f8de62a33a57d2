"""Numbers about cases: how soon they are answered and solved, how often a promise is broken, how old the backlog is.

Answers, ends and promises are those of the cases opened in a window of time; the backlog is whatever is active now, however
long ago it was opened. All of them are exact: the database counts, nothing is left out.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

AGES: Final = (("under 1 hour", 1), ("under 8 hours", 8), ("under 1 day", 24), ("under 3 days", 72), ("under 1 week", 168))
OLDER: Final = "older"
_BEGINNING: Final = datetime(1, 1, 1, tzinfo=UTC)
USUAL: Final = timedelta(days=90)  # how far numbers look back when nobody says


@dataclass(frozen=True, slots=True)
class Window:
    """The time in which cases were opened.

    Attributes:
        since: Its beginning, included.
        until: Its end, not included.
    """

    since: datetime
    until: datetime

    @classmethod
    def of(cls, since: datetime | None, until: datetime | None, now: datetime) -> "Window":
        """The window that somebody asks for: until now, and 90 days long, unless said otherwise."""
        end = until or now
        return cls(since or max(end, _BEGINNING + USUAL) - USUAL, end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """Sums over the cases of a window; those merged into others are counted there.

    Attributes:
        opened: How many.
        active: Of those, not ended.
        answered: Of those, answered by somebody.
        until_answered: Times from opening to answer, added up.
        ended: Of those, ended.
        until_ended: Times from opening to the last end, added up.
        promised: Clocks that have run, of any kind.
        breached: Of those, breached at least once.
    """

    opened: int = 0
    active: int = 0
    answered: int = 0
    until_answered: timedelta = timedelta(0)
    ended: int = 0
    until_ended: timedelta = timedelta(0)
    promised: int = 0
    breached: int = 0

    @property
    def mtta(self) -> timedelta | None:
        """Mean time until somebody answered; ``None`` when nobody has."""
        return self.until_answered / self.answered if self.answered else None

    @property
    def mttr(self) -> timedelta | None:
        """Mean time until they were solved; ``None`` when none was."""
        return self.until_ended / self.ended if self.ended else None

    @property
    def breach_rate(self) -> float | None:
        """Share of clocks that breached."""
        return self.breached / self.promised if self.promised else None


@dataclass(frozen=True, slots=True)
class Backlog:
    """Active cases.

    Attributes:
        ages: How many by age, youngest first.
        oldest: When the oldest was opened.
    """

    ages: tuple[tuple[str, int], ...]
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class Measures:
    """The numbers, and what they are about."""

    window: Window
    opened: Opened
    backlog: Backlog


def age_limits(now: datetime) -> tuple[tuple[str, datetime], ...]:
    """The instants after which cases of each age were opened, youngest first; what is older than all is ``OLDER``."""
    return tuple((name, now - timedelta(hours=hours)) for name, hours in AGES)
