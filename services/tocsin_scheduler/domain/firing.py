"""What becomes of the instants of a schedule that are due: fired, caught up, skipped.

A decision takes some instants off the front and moves the cursor behind them. It is committed with the revision of the
schedule, together with the signals and the commands that follow from it: of any number of replicas one decides, and what it
decided cannot be half told.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from typing import assert_never

from tocsin.signals import Cause, derive
from tocsin_scheduler.domain.catching_up import AT_ONCE, Missed, caught_up
from tocsin_scheduler.domain.conditions import holds
from tocsin_scheduler.domain.schedules import (
    FORGOTTEN_AFTER,
    Concurrency,
    Going,
    Lateness,
    Outcome,
    Retry,
    Schedule,
    Status,
    planned,
)

GOING_LIMIT = 100  # runs whose end is waited for
WAITING_LIMIT = 100  # instants that wait for the end of a run; what is beyond is skipped


class Skip(Enum):
    """Why an instant did not fire."""

    STILL_GOING = "a run of an earlier instant is still going on"
    ONE_WAITS = "a run of an earlier instant is still going on, and an instant already waits for its end"
    FULL = "too many instants already wait for the end of a run"
    REPLACED = "a later instant came before the cancelled run had ended"
    TOO_LATE = "it would have been too late"
    PAUSED = "the schedule was paused while it waited"
    USED_UP = "the schedule has fired as often as it may"
    CONDITION = "its condition does not hold"
    TOO_DEEP = "it was caused by a chain of events that is too long to be meant"


@dataclass(frozen=True, slots=True)
class Firing:
    """One instant that fires.

    Attributes:
        at: The instant.
        run: Id of the run, a function of schedule, generation and instant.
        late: Whether it was caught up, or is later than the schedule allows without a flag.
        previous: The instant that fired before: the beginning of the interval whose data is meant.
        attempt: Above 1 when earlier starts for the instant were refused.
        cause: The end of the run that it follows; ``None`` when the clock alone is the cause.
    """

    at: datetime
    run: str
    late: bool
    previous: datetime | None = None
    attempt: int = 1
    cause: Cause | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What is decided about due instants.

    Attributes:
        schedule: As it is then.
        firings: In order.
        missed: What was given up or caught up, if anything.
        skipped: Instants that did not fire, and why.
        cancels: Runs of earlier instants that are to be cancelled.
        paused: Why the schedule has paused itself, if it has.
    """

    schedule: Schedule
    firings: tuple[Firing, ...] = ()
    missed: Missed | None = None
    skipped: tuple[tuple[datetime, Skip], ...] = ()
    cancels: tuple[str, ...] = ()
    paused: str | None = None


def run_id(schedule: Schedule, at: datetime, attempt: int = 1) -> str:
    """The id of the run of an instant; the same for whoever computes it, whenever."""
    again = (attempt,) if attempt > 1 else ()
    return derive("schedule", schedule.namespace, schedule.name, schedule.generation, at.isoformat(), *again)


def settle(schedule: Schedule, now: datetime) -> Decision | None:
    """Decide about instants that are due.

    Args:
        schedule: As it was loaded.
        now: The present.

    Returns:
        The decision about the next few instants, or ``None`` when nothing is due. Decide again until it is: a long list of
        instants is taken in pieces.
    """
    if schedule.status is not Status.ACTIVE or schedule.next_at is None or schedule.next_at > now:
        return None
    if schedule.retries and schedule.retries[0].due <= now:
        return _again(schedule, schedule.retries[0], now)
    if schedule.when.after_end:
        return _after_end(schedule, schedule.next_at, now)
    if schedule.when.follows is not None:
        return _following(schedule, now)
    on_time_from = now - schedule.policy.on_time - schedule.policy.jitter
    missed: Missed | None = None
    due: list[datetime] = []
    # The next instant is kept, but it may be put off, or be that of a retry.
    kept = not (schedule.policy.jitter or schedule.retries)
    following = schedule.next_at if kept else schedule.when.next(schedule.settled)
    cursor = schedule.settled
    if following is not None and following < on_time_from:
        due, missed, cursor = caught_up(schedule, on_time_from, now)
        following = schedule.when.next(cursor)
    while following is not None and following + schedule.put_off(following) <= now and len(due) < AT_ONCE:
        due.append(following)
        following = schedule.when.next(following)
    settled = due[-1] if due else cursor
    if following is None or following > now:
        settled = max(settled, now)
    placed = _Placing(schedule, now, on_time_from).place(due)
    decision = placed.decision(settled, None if following is None else schedule.wakes_at(following), missed)
    return replace(decision, schedule=planned(decision.schedule)) if decision.schedule.is_used_up else decision


def ended(schedule: Schedule, runs: Mapping[str, Outcome], now: datetime) -> Decision | None:
    """Decide about what follows from the end of runs: an instant that waited fires, or too many failures pause the schedule.

    Args:
        schedule: As it was loaded.
        runs: How runs ended; those of others are passed over.
        now: The present.

    Returns:
        The decision, or ``None`` when none of the runs was waited for.
    """
    over = [going for going in schedule.going if going.run in runs]
    if not over:
        return None
    failures, retries = schedule.failures, list(schedule.retries)
    for going in over:
        if runs[going.run] is Outcome.REFUSED and (again := _retry(schedule, going, now)) is not None:
            retries.append(again)
        elif runs[going.run] in {Outcome.FAULTED, Outcome.REFUSED}:
            failures += 1
        elif runs[going.run] is Outcome.COMPLETED:
            failures = 0
    left = tuple(going for going in schedule.going if going.run not in runs)
    known = replace(schedule, going=left, failures=failures)
    if known.status is Status.PAUSED:
        return Decision(known)
    if known.policy.failures is not None and failures >= known.policy.failures and known.status is Status.ACTIVE:
        reason = f"{failures} runs in a row have failed"
        stopped = replace(known, status=Status.PAUSED, reason=reason, next_at=None, waiting=(), edition=known.edition + 1)
        return Decision(stopped, skipped=tuple((at, Skip.PAUSED) for at in known.waiting), paused=reason)
    if known.when.after_end:
        return Decision(planned(replace(known, settled=max(known.settled, now))) if not known.going else known)
    if len(retries) > len(known.retries):
        soonest = tuple(sorted(retries, key=lambda retry: retry.due))[:WAITING_LIMIT]
        known = replace(
            known, retries=soonest, next_at=min(filter(None, (known.next_at, soonest[0].due))), status=Status.ACTIVE
        )
    decision = _Placing(known, now, datetime.min.replace(tzinfo=UTC)).place(()).decision(known.settled, known.next_at, None)
    if decision.schedule.is_used_up:
        return replace(decision, schedule=planned(decision.schedule))
    return replace(decision, schedule=replace(decision.schedule, status=known.status))


def _after_end(schedule: Schedule, at: datetime, now: datetime) -> Decision:
    """One firing; the next instant is not known before the end of the run."""
    firing = Firing(at, run_id(schedule, at), late=False, previous=schedule.last_at)
    fired = replace(
        schedule,
        settled=max(schedule.settled, now),
        going=(Going(firing.run, now),),
        fired=schedule.fired + 1,
        last_at=at,
        last_run=firing.run,
    )
    return Decision(planned(fired), (firing,))


def _retry(schedule: Schedule, going: Going, now: datetime) -> Retry | None:
    """The next attempt at an instant whose start was refused, if there is one left."""
    retrying = schedule.policy.retry
    if retrying is None or going.at is None or going.attempt >= retrying.attempts:
        return None
    return Retry(now + retrying.delay_before(going.attempt + 1), going.at, going.attempt + 1)


def _again(schedule: Schedule, retry: Retry, now: datetime) -> Decision:
    """The start for an instant is tried once more; whatever else goes on was no hindrance the first time."""
    firing = Firing(retry.at, run_id(schedule, retry.at, retry.attempt), late=False, attempt=retry.attempt)
    going = (*schedule.going, Going(firing.run, now, retry.at, retry.attempt))[-GOING_LIMIT:]
    moved = replace(schedule, retries=schedule.retries[1:], going=going, last_run=firing.run)
    return Decision(planned(moved), (firing,))


def _following(schedule: Schedule, now: datetime) -> Decision:
    """Instants that the ends of other runs have set."""
    due = [pending for pending in schedule.pending if schedule.wakes_at(pending.at) <= now][:AT_ONCE]
    causes = {pending.at: pending.cause for pending in due}
    left = tuple(pending for pending in schedule.pending if pending not in due)
    placed = _Placing(schedule, now, datetime.min.replace(tzinfo=UTC)).place([pending.at for pending in due])
    decision = placed.decision(max(schedule.settled, now), None, None)
    firings = tuple(replace(firing, cause=causes.get(firing.at)) for firing in decision.firings)
    return replace(decision, schedule=planned(replace(decision.schedule, pending=left)), firings=firings)


class _Placing:
    """Gives each due instant its place: fired, waiting, or skipped.

    Args:
        schedule: As it was loaded.
        now: The present.
        on_time_from: What is earlier was caught up.
    """

    def __init__(self, schedule: Schedule, now: datetime, on_time_from: datetime) -> None:
        self._schedule, self._now, self._on_time_from = schedule, now, on_time_from
        self._policy = schedule.policy
        fresh = [known for known in schedule.going if known.since > now - FORGOTTEN_AFTER]
        self._going = fresh if self._policy.watches_runs else []
        self._waiting = list(schedule.waiting)
        self._firings: list[Firing] = []
        self._skipped: list[tuple[datetime, Skip]] = []
        self._cancels: list[str] = []

    def place(self, due: Iterable[datetime]) -> "_Placing":
        """What has waited comes first."""
        while self._waiting and not self._going:
            self._fire(self._waiting.pop(0))
        for at in due:
            if not holds(self._schedule, at):
                self._skipped.append((at, Skip.CONDITION))
            elif self._going or self._waiting:
                self._crowded(at)
            else:
                self._fire(at)
        return self

    def decision(self, settled: datetime, next_at: datetime | None, missed: Missed | None) -> Decision:
        """All of it."""
        schedule, firings = self._schedule, self._firings
        moved = replace(
            schedule,
            settled=settled,
            next_at=schedule.soonest(next_at),
            status=Status.FINISHED if schedule.soonest(next_at) is None else Status.ACTIVE,
            going=tuple(self._going[-GOING_LIMIT:]),
            waiting=tuple(self._waiting),
            fired=schedule.fired + len(firings),
            last_at=firings[-1].at if firings else schedule.last_at,
            last_run=firings[-1].run if firings else schedule.last_run,
        )
        return Decision(moved, tuple(firings), missed, tuple(self._skipped), tuple(self._cancels))

    def _crowded(self, at: datetime) -> None:
        """A run of an earlier instant is still going on."""
        match self._policy.concurrency:
            case Concurrency.ALLOW:
                self._fire(at)
            case Concurrency.SKIP:
                self._skipped.append((at, Skip.STILL_GOING))
            case Concurrency.BUFFER_ONE if self._waiting:
                self._skipped.append((at, Skip.ONE_WAITS))
            case Concurrency.BUFFER_ALL if len(self._waiting) >= WAITING_LIMIT:
                self._skipped.append((at, Skip.FULL))
            case Concurrency.BUFFER_ONE | Concurrency.BUFFER_ALL:
                self._waiting.append(at)
            case Concurrency.CANCEL_OTHER:
                self._skipped += [(waiting, Skip.REPLACED) for waiting in self._waiting]
                if not self._waiting:
                    self._cancels += [going.run for going in self._going]
                self._waiting = [at]
            case Concurrency.TERMINATE_OTHER:
                others = [going.run for going in self._going]
                if self._fire(at):
                    self._cancels += others
            case _:
                assert_never(self._policy.concurrency)

    def _fire(self, at: datetime) -> bool:
        schedule, policy = self._schedule, self._policy
        if policy.max_runs is not None and schedule.fired + len(self._firings) >= policy.max_runs:
            self._skipped.append((at, Skip.USED_UP))
            return False
        limit = policy.late_after
        is_late = limit is not None and self._now - at - schedule.put_off(at) > limit
        if is_late and policy.lateness is Lateness.SKIP:
            self._skipped.append((at, Skip.TOO_LATE))
            return False
        flagged = is_late and policy.lateness is Lateness.FLAG
        previous = self._firings[-1].at if self._firings else schedule.last_at
        self._firings.append(Firing(at, run_id(schedule, at), at < self._on_time_from or flagged, previous))
        if policy.watches_runs:
            self._going.append(Going(self._firings[-1].run, self._now, at))
        return True
