"""The clocks of a service level: when somebody must have answered, and when it must be solved.

A clock is a due instant that moves: held while the case is on hold, stopped when its goal is met, breached when it is due. It
holds no timer; whoever asks brings the time.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class SlaClock:
    """One clock.

    Attributes:
        due: When it breaches; ``None`` while it is held.
        left: What was left when it was held; ``None`` while it runs.
        met: When its goal was met.
        breached: When it was found to be past its due instant; it stays so even if the goal is met later.
    """

    due: datetime | None
    left: timedelta | None = None
    met: datetime | None = None
    breached: datetime | None = None

    @property
    def running(self) -> bool:
        """Whether it can still breach."""
        return self.due is not None and self.met is None and self.breached is None

    def hold(self, now: datetime) -> "SlaClock":
        """Stop the time; what is left is kept."""
        if self.due is None or not self.running:
            return self
        return replace(self, due=None, left=max(self.due - now, timedelta(0)))

    def go_on(self, now: datetime) -> "SlaClock":
        """Let the time run again with what was left."""
        if self.left is None or self.met is not None:
            return self
        return replace(self, due=now + self.left, left=None)

    def meet(self, now: datetime) -> "SlaClock":
        """The goal is met; a goal met once stays met."""
        return self if self.met is not None else replace(self, met=now)

    def check(self, now: datetime) -> "SlaClock":
        """Breach, if it is due."""
        if self.running and self.due is not None and self.due <= now:
            return replace(self, breached=now)
        return self


def start_clock(now: datetime, within: timedelta | None) -> SlaClock | None:
    """A clock that is due ``within`` from now; ``None`` where nothing was promised."""
    return None if within is None else SlaClock(due=now + within)


def restart_clock(clock: SlaClock | None, now: datetime, within: timedelta | None) -> SlaClock | None:
    """A goal that was met and has to be met again (a case reopened): the full time, from now; a breach stays on record."""
    fresh = start_clock(now, within)
    if clock is None or fresh is None:
        return fresh
    return replace(fresh, breached=clock.breached)
