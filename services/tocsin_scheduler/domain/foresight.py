"""What will become of coming instants: the same decisions as ever, taken in virtual time.

Nothing here decides anything of its own: instants go through :func:`~tocsin_scheduler.domain.firing.settle` and ends of runs
through :func:`~tocsin_scheduler.domain.firing.ended`, so what is foretold is what will be done, as far as the assumption about
how long a run takes holds.
"""

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice

from tocsin.schedules import Exclusions
from tocsin_scheduler.domain.firing import Decision, ended, settle
from tocsin_scheduler.domain.schedules import Outcome, Schedule, Status
from tocsin_scheduler.domain.timetables import EXCLUDED_IN_A_ROW

FIRINGS_LIMIT = 100_000  # of one simulation: about a second of computing
SHOWN = 20  # crowded instants and schedules in the answer
EXCLUDED = "the day is excluded"
RUN, SKIP = "run", "skip"


@dataclass(frozen=True, slots=True)
class Foreseen:
    """One coming instant.

    Attributes:
        at: The instant.
        decision: ``run`` or ``skip``.
        decided_at: When that happens: later than the instant with jitter, or when it has to wait for a run.
        why: Why it is skipped, or why it waited.
    """

    at: datetime
    decision: str
    decided_at: datetime
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Simulation:
    """What a set of schedules will do.

    Attributes:
        firings: How many runs start.
        skipped: How many instants do not fire, by reason.
        by_hour: Runs that start in each hour, by its beginning.
        crowded: Instants at which several schedules start runs, with their keys; the most crowded first.
        overlapping: How often a run of a schedule starts or would start while one is going on, by key; the worst first.
        at_once: The most runs that go on at the same time.
        is_complete: Whether the limit of firings was not reached.
    """

    firings: int
    skipped: Mapping[str, int]
    by_hour: Mapping[datetime, int]
    crowded: tuple[tuple[datetime, tuple[str, ...]], ...]
    overlapping: tuple[tuple[str, int], ...]
    at_once: int
    is_complete: bool


def foresee(schedule: Schedule, until: datetime, duration: timedelta) -> Iterator[Foreseen]:
    """Coming instants in the order of their decisions, including those on excluded days.

    Args:
        schedule: As it is; one that does not fire has none.
        until: How far to look.
        duration: How long a run is assumed to take.
    """
    if schedule.status is not Status.ACTIVE:
        return iter(())
    decided = _decided(schedule, until, duration)
    if not schedule.when.exclusions or schedule.when.follows is not None:
        return decided
    return heapq.merge(decided, _excluded(schedule, until), key=lambda foreseen: foreseen.decided_at)


def upcoming(schedule: Schedule, until: datetime, duration: timedelta, count: int) -> list[Foreseen]:
    """The first so many of :func:`foresee`."""
    return list(islice(foresee(schedule, until, duration), count))


def simulate(
    schedules: Iterable[Schedule], until: datetime, durations: Mapping[str, timedelta], default: timedelta
) -> Simulation:
    """Let schedules fire in virtual time.

    Args:
        schedules: As they are.
        until: How far to look.
        durations: How long runs are assumed to take, by workflow.
        default: The same for all others.
    """
    skipped: Counter[str] = Counter()
    by_hour: Counter[datetime] = Counter()
    overlapping: Counter[str] = Counter()
    instants: dict[datetime, list[str]] = {}
    changes: list[tuple[datetime, int]] = []
    firings = 0
    for schedule in schedules:
        length = durations.get(schedule.start.workflow, default)
        busy_until: datetime | None = None
        for foreseen in islice(_decided(schedule, until, length), FIRINGS_LIMIT - firings):
            overlapping[schedule.key] += busy_until is not None and foreseen.at < busy_until
            if foreseen.decision == SKIP:
                skipped[foreseen.why or ""] += 1
                continue
            firings += 1
            start = foreseen.decided_at
            busy_until = start + length
            by_hour[start.replace(minute=0, second=0, microsecond=0)] += 1
            instants.setdefault(start, []).append(schedule.key)
            changes += [(start, 1), (busy_until, -1)]
    crowded = heapq.nlargest(SHOWN, ((at, keys) for at, keys in instants.items() if len(keys) > 1), key=lambda c: len(c[1]))
    return Simulation(
        firings=firings,
        skipped=dict(skipped),
        by_hour=dict(sorted(by_hour.items())),
        crowded=tuple((at, tuple(keys)) for at, keys in crowded),
        overlapping=tuple(item for item in overlapping.most_common(SHOWN) if item[1]),
        at_once=_most(changes),
        is_complete=firings < FIRINGS_LIMIT,
    )


def _most(changes: list[tuple[datetime, int]]) -> int:
    """The highest level; what ends at an instant has ended when something begins there."""
    level = highest = 0
    for _, change in sorted(changes):
        level += change
        highest = max(highest, level)
    return highest


def _decided(schedule: Schedule, until: datetime, duration: timedelta) -> Iterator[Foreseen]:
    if schedule.status is Status.ACTIVE and not _decides(schedule):
        instant = schedule.next_at  # every instant fires: there is nothing to decide
        while instant is not None and instant <= until:
            yield Foreseen(instant, RUN, instant)
            instant = schedule.when.next(instant)
        return
    known, ends = schedule, [(going.since + duration, going.run) for going in schedule.going]
    heapq.heapify(ends)
    while True:
        now = min((at for at in (known.next_at, ends[0][0] if ends else None) if at is not None), default=None)
        if now is None or now > until:
            return
        waiting = frozenset(known.waiting)
        if ends and ends[0][0] <= now:
            decision = ended(known, {heapq.heappop(ends)[1]: Outcome.COMPLETED}, now)
        else:
            decision = settle(known, now)
        if decision is None:
            if known.next_at is not None and known.next_at <= now:
                return  # it does not fire any more; only runs were left
            continue
        known = decision.schedule
        for firing in decision.firings:
            heapq.heappush(ends, (now + duration, firing.run))
        yield from _told(decision, waiting, now)


def _decides(schedule: Schedule) -> bool:
    """Whether anything but the timetable has a say."""
    policy = schedule.policy
    own = (policy.jitter, policy.max_runs, policy.condition, schedule.retries, schedule.when.follows)
    return schedule.watches_runs or any(own)


def _told(decision: Decision, waiting: frozenset[datetime], now: datetime) -> Iterator[Foreseen]:
    for firing in decision.firings:
        why = "it waited for the end of a run" if firing.at in waiting else None
        yield Foreseen(firing.at, RUN, now, why)
    for at, reason in decision.skipped:
        yield Foreseen(at, SKIP, now, reason.value)


def _excluded(schedule: Schedule, until: datetime) -> Iterator[Foreseen]:
    when, exclusions = replace(schedule.when, exclusions=Exclusions()), schedule.when.exclusions
    instant = when.next(schedule.settled)
    for _ in range(EXCLUDED_IN_A_ROW):
        if instant is None or instant > until:
            return
        if exclusions.cover(instant.astimezone(when.timetable.place).date()):
            yield Foreseen(instant, SKIP, instant, EXCLUDED)
        instant = when.next(instant)
