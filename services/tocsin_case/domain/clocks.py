"""The clocks of a service level: when somebody must have answered, said something, and solved it.

A clock is a due instant that moves with business time: held while the case waits for others, stopped when its goal is met,
warned of before it is due, breached when it is. It holds no timer; whoever asks brings the time. A breach is recorded at the
instant that was promised, however late somebody looked, so that replicas and restarts change nothing.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tocsin_case.domain.calendars import Hours


@dataclass(frozen=True, slots=True, kw_only=True)
class SlaClock:
    """One clock.

    Attributes:
        target: How much business time is promised.
        due: When it breaches; ``None`` while it is held.
        left: What was left when it was held; ``None`` while it runs.
        warn_left: How much business time before it is due it warns; none for never.
        warn_at: When it warns; ``None`` when it does not (again) in this term.
        met: When its goal was met.
        warned: When it warned in this term.
        breached: When it breached in this term; it stays so even if the goal is met later.
        breaches: How often it breached, over all terms.
        resets: How often a new term began.
    """

    target: timedelta
    due: datetime | None
    left: timedelta | None = None
    warn_left: timedelta = timedelta(0)
    warn_at: datetime | None = None
    met: datetime | None = None
    warned: datetime | None = None
    breached: datetime | None = None
    breaches: int = 0
    resets: int = 0

    @property
    def running(self) -> bool:
        """Whether it can still breach."""
        return self.due is not None and self.met is None and self.breached is None

    @property
    def held(self) -> bool:
        """Whether it waits."""
        return self.left is not None and self.met is None

    @property
    def next_instant(self) -> datetime | None:
        """When something happens to it by itself."""
        if not self.running or self.due is None:
            return None
        return self.due if self.warn_at is None or self.warned is not None else min(self.warn_at, self.due)

    def hold(self, now: datetime, hours: Hours) -> "SlaClock":
        """Stop the time; what is left is kept."""
        if self.due is None or not self.running:
            return self
        return replace(self, due=None, warn_at=None, left=hours.between(now, self.due))

    def go_on(self, now: datetime, hours: Hours) -> "SlaClock":
        """Let the time run again with what was left."""
        if self.left is None or self.met is not None:
            return self
        return replace(self, due=hours.after(now, self.left), left=None, warn_at=_warning(self, now, self.left, hours))

    def meet(self, now: datetime) -> "SlaClock":
        """The goal is met; a goal met once stays met."""
        return self if self.met is not None else replace(self, met=now)

    def check(self, now: datetime) -> "SlaClock":
        """Warn and breach, whatever of it is due."""
        clock = self
        if clock.running and clock.warned is None and clock.warn_at is not None and clock.warn_at <= now:
            clock = replace(clock, warned=clock.warn_at)
        if clock.running and clock.due is not None and clock.due <= now:
            clock = replace(clock, breached=clock.due, breaches=clock.breaches + 1)
        return clock

    def reset(self, now: datetime, hours: Hours) -> "SlaClock":
        """A new term with the full time, from now; the count of breaches stays."""
        fresh = start_clock(now, self.target, hours, warn_left=self.warn_left)
        return replace(fresh, breaches=self.breaches, resets=self.resets + 1)

    def promise(self, target: timedelta, now: datetime, hours: Hours, *, warn_left: timedelta) -> "SlaClock":
        """Another promise for the same term: time that has passed has passed."""
        if self.met is not None or self.breached is not None or target == self.target:
            return replace(self, target=target, warn_left=warn_left)
        left = self.left if self.left is not None else hours.between(now, self.due) if self.due else timedelta(0)
        rest = max(target - max(self.target - left, timedelta(0)), timedelta(0))
        changed = replace(self, target=target, warn_left=warn_left, warned=None)
        if self.left is not None:
            return replace(changed, left=rest)
        return replace(changed, due=hours.after(now, rest), warn_at=_warning(changed, now, rest, hours))


def _warning(clock: SlaClock, now: datetime, left: timedelta, hours: Hours) -> datetime | None:
    if clock.warned is not None or not clock.warn_left:
        return None
    return hours.after(now, max(left - clock.warn_left, timedelta(0)))


def start_clock(now: datetime, target: timedelta, hours: Hours, *, warn_left: timedelta = timedelta(0)) -> SlaClock:
    """A clock that is due after so much business time from now."""
    warn_at = hours.after(now, max(target - warn_left, timedelta(0))) if warn_left else None
    return SlaClock(target=target, due=hours.after(now, target), warn_left=warn_left, warn_at=warn_at)


def clock_events(before: SlaClock | None, after: SlaClock | None) -> list[str]:
    """What happened to a clock between two states, in order; the words of signals and of the history."""
    if after is None:
        return [] if before is None else ["dropped"]
    if before is None:
        return ["started"]
    events: list[str] = []
    if after.resets > before.resets:
        if after.breaches > before.breaches:
            events.append("breached")
        return [*events, "reset"]
    if after.warned is not None and before.warned is None:
        events.append("warned")
    if after.breaches > before.breaches:
        events.append("breached")
    if after.target != before.target:
        events.append("promised")
    if after.left is not None and before.left is None:
        events.append("paused")
    if after.left is None and before.left is not None:
        events.append("resumed")
    if after.met is not None and before.met is None:
        events.append("met")
    return events
