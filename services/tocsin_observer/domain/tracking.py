"""What a rule remembers of each thing that it watches, and when that makes an alert: a pure machine in virtual time.

The memory is bounded whatever happens: a count keeps as many instants as its threshold, a rate keeps sixty buckets, the others
keep one instant. Time is an argument, so a test lets a year go by.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Final, assert_never

from tocsin_observer.domain.alert_rules import AlertRule, Kind

_BUCKETS: Final = 60
_TERMINAL: Final = frozenset({"completed", "faulted", "cancelled"})


class Phase(Enum):
    """Where a thing that is watched stands."""

    QUIET = "quiet"
    PENDING = "pending"
    FIRING = "firing"


class Turn(Enum):
    """What just happened to an alert."""

    FIRED = "fired"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Bucket:
    """Signals of a stretch of time."""

    begins: datetime
    good: int = 0
    bad: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracker:
    """What a rule remembers of one thing.

    Attributes:
        rule: Id of the rule.
        group: What it is about.
        watched_since: When it was first looked at.
        phase: Where it stands.
        since: When it entered the phase.
        marks: Of a count: the last instants, at most as many as the threshold.
        seen_at: Of an absence: when the last signal came; of a deadline: when it began.
        buckets: Of a rate.
        value: Of a measure: the last reading.
        position: Place of the last signal that was folded; one that comes again changes nothing.
        times: How often it has fired; names its alerts.
        context: What alerts tell beyond the group.
        shape: Of the rule that it was remembered for; empty in what an earlier version remembered.
    """

    rule: str
    group: Mapping[str, str]
    watched_since: datetime
    phase: Phase = Phase.QUIET
    since: datetime | None = None
    marks: tuple[datetime, ...] = ()
    seen_at: datetime | None = None
    buckets: tuple[Bucket, ...] = ()
    value: float | None = None
    position: int = 0
    times: int = 0
    context: Mapping[str, str] = field(default_factory=dict)
    shape: str = ""

    @property
    def idle(self) -> bool:
        """Whether nothing would be lost by forgetting it."""
        nothing = not self.marks and self.seen_at is None and not self.buckets and self.value is None
        return nothing and self.phase is Phase.QUIET


def observed(tracker: Tracker, rule: AlertRule, part: str, *, transition: str, at: datetime, position: int) -> Tracker:
    """The tracker after a signal.

    Args:
        tracker: Before.
        rule: Of the tracker.
        part: Which pattern of the rule fits: ``match``, ``bad`` or ``end``.
        transition: Of the signal.
        at: When it happened.
        position: Its place in the stream.
    """
    if position <= tracker.position:
        return tracker
    tracker = replace(tracker, position=position)
    match rule.kind:
        case Kind.COUNT:
            return replace(tracker, marks=(*tracker.marks, at)[-rule.threshold :])
        case Kind.ABSENCE:
            return replace(tracker, seen_at=max(at, tracker.seen_at or at))
        case Kind.RATE:
            return replace(tracker, buckets=_counted(tracker.buckets, rule, at, bad=part == "bad"))
        case Kind.DEADLINE:
            if part == "match":
                return replace(tracker, seen_at=at)
            return replace(tracker, seen_at=None) if _ends(rule, transition) else tracker
        case Kind.MEASURE:
            return tracker
        case _:
            assert_never(rule.kind)


def _ends(rule: AlertRule, transition: str) -> bool:
    """Whether a signal of what ends a deadline does; of any transition of a run only some do.

    A run that was asked for by a clock is not awaited any more when it starts, and when somebody cancels it before.
    """
    if rule.until_subject is None or rule.until_subject.split(".")[3] != "*":
        return rule.until_subject is not None
    return transition in _TERMINAL or (transition == "started" and rule.subject.split(".")[2] == "schedule")


def dealt_with(tracker: Tracker, rule: AlertRule, now: datetime) -> Tracker:
    """The tracker after somebody has resolved its alert: what was is over, and what comes now may fire anew.

    A measure stays as it is until it is well again: it would fire once more with its next reading.
    """
    if tracker.phase is not Phase.FIRING or rule.kind is Kind.MEASURE:
        return tracker
    seen = now if rule.kind is Kind.ABSENCE else None
    return replace(tracker, phase=Phase.QUIET, since=now, marks=(), buckets=(), seen_at=seen)


def measured(tracker: Tracker, value: float) -> Tracker:
    """The tracker after a reading."""
    return replace(tracker, value=value)


def _counted(buckets: tuple[Bucket, ...], rule: AlertRule, at: datetime, *, bad: bool) -> tuple[Bucket, ...]:
    width = max(rule.window / _BUCKETS, timedelta(seconds=1))
    kept = [one for one in buckets if one.begins > at - rule.window - width]
    last = kept[-1] if kept else None
    if last is None or at >= last.begins + width:
        last = Bucket(at)
        kept.append(last)
    kept[-1] = Bucket(last.begins, last.good + (not bad), last.bad + bad)
    return tuple(kept)


def holds(tracker: Tracker, rule: AlertRule, now: datetime) -> bool:
    """Whether what the rule looks for is so now."""
    match rule.kind:
        case Kind.COUNT:
            return len(tracker.marks) >= rule.threshold and tracker.marks[-rule.threshold] > now - rule.window
        case Kind.ABSENCE:
            return now - (tracker.seen_at or tracker.watched_since) >= rule.window
        case Kind.RATE:
            recent = [one for one in tracker.buckets if one.begins > now - rule.window]
            bad = sum(one.bad for one in recent)
            total = bad + sum(one.good for one in recent)
            return total >= rule.threshold and bad > rule.ratio * total
        case Kind.DEADLINE:
            return tracker.seen_at is not None and now - tracker.seen_at >= rule.window
        case Kind.MEASURE:
            if tracker.value is None:
                return False
            return tracker.value > rule.above if rule.above is not None else tracker.value < (rule.below or 0.0)
        case _:
            assert_never(rule.kind)


def turned(tracker: Tracker, rule: AlertRule, now: datetime) -> tuple[Tracker, Turn | None]:
    """The tracker at an instant, and what became of its alert."""
    tracker = _pruned(tracker, rule, now)
    if not holds(tracker, rule, now):
        if tracker.phase is Phase.FIRING:
            return replace(tracker, phase=Phase.QUIET, since=now), Turn.RESOLVED
        return (tracker if tracker.phase is Phase.QUIET else replace(tracker, phase=Phase.QUIET, since=now)), None
    if tracker.phase is Phase.FIRING:
        return tracker, None
    if tracker.phase is Phase.QUIET:
        tracker = replace(tracker, phase=Phase.PENDING, since=now)
    held = now - (tracker.since or now)
    if held < rule.hold_for or rule.muted_until(now) is not None:
        return tracker, None
    return replace(tracker, phase=Phase.FIRING, since=now, times=tracker.times + 1), Turn.FIRED


def _pruned(tracker: Tracker, rule: AlertRule, now: datetime) -> Tracker:
    """Without what is too old to matter."""
    if rule.kind is Kind.COUNT and tracker.marks and tracker.marks[-1] <= now - rule.window:
        return replace(tracker, marks=())
    if rule.kind is Kind.RATE and tracker.buckets and tracker.buckets[-1].begins <= now - rule.window:
        return replace(tracker, buckets=())
    return tracker


def next_look(tracker: Tracker, rule: AlertRule, now: datetime) -> datetime | None:
    """When time alone may change something; ``None`` when only a signal or a reading can."""
    times: list[datetime] = []
    if tracker.phase is Phase.PENDING:
        times += [(tracker.since or now) + rule.hold_for, rule.muted_until(now) or now]
        times = [max(times)]
    match rule.kind:
        case Kind.COUNT:
            times += [mark + rule.window for mark in {*tracker.marks[:1], *tracker.marks[-1:]}]
        case Kind.ABSENCE:
            times.append((tracker.seen_at or tracker.watched_since) + rule.window)
        case Kind.RATE:
            times += [bucket.begins + rule.window for bucket in tracker.buckets[:1]]
        case Kind.DEADLINE:
            times += [tracker.seen_at + rule.window] if tracker.seen_at is not None else []
        case Kind.MEASURE:
            pass
        case _:
            assert_never(rule.kind)
    later = [time for time in times if time > now]
    return min(later, default=None)
