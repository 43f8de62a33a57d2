"""What a backfill is: runs for instants or partitions that are past, a few at a time, until all have had theirs.

Pure. The items are made once and never change; the backfill itself keeps a cursor over them and the runs that go on, so its
document does not grow with its length.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from tocsin.errors import TooLarge
from tocsin.signals import derive
from tocsin_scheduler.domain.catching_up import latest
from tocsin_scheduler.domain.schedules import Json, NotNow, Outcome, ScheduleInvalid, Start
from tocsin_scheduler.domain.timetables import When

ITEMS_LIMIT = 10_000
CONCURRENCY_LIMIT = 100
AT_ONCE = 20  # starts in one commit: each carries its input, and a document has a limit of 16 MB
FAILED_SHOWN = 100  # keys of failed items that are kept; the runs themselves are found by their label
LOOK_BACK = timedelta(days=366 * 5)  # how far the instant before the window is looked for
PRIORITY = -50  # below live work


class Order(Enum):
    """Which item comes first."""

    OLDEST_FIRST = "oldest-first"
    NEWEST_FIRST = "newest-first"


class Reprocess(Enum):
    """Which instants that had a run get another."""

    NONE = "none"
    FAILED = "failed"
    ALL = "all"


class Progress(Enum):
    """Where a backfill is."""

    RUNNING = "running"
    CANCELLING = "cancelling"  # nothing starts any more, and the runs that go on have been told to end
    CANCELLED = "cancelled"
    COMPLETED = "completed"  # every item had its run; how these ended is counted


@dataclass(frozen=True, slots=True)
class Item:
    """One run to be.

    Attributes:
        key: Unique in the backfill: the instant, or the partition.
        at: The logical time, where there is one.
        previous: The instant before: the beginning of the interval whose data is meant.
        input: Of the run; ``None`` for that of the backfill.
    """

    key: str
    at: datetime | None = None
    previous: datetime | None = None
    input: Json = None


@dataclass(frozen=True, slots=True)
class Going:
    """A run of an item that has not ended.

    Attributes:
        run: Its id.
        key: Of the item.
    """

    run: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill:
    """A backfill.

    Attributes:
        namespace: Where it lives, and what it starts too.
        name: Unique there.
        generation: Differs between it and one of the same name that is gone; part of the ids of its runs.
        schedule: Name of the schedule whose instants it makes up for, if it is for one.
        start: What each item starts.
        total: How many items.
        cursor: How many of them have been started.
        concurrency: How many of its runs go on at the same time.
        order: Which item came first.
        reprocess: What was done about instants that had a run.
        priority: Of its runs.
        status: Where it is.
        reason: Why it was cancelled.
        going: Runs that have not ended.
        completed: Items whose run has completed.
        failed: Items whose run has faulted or was refused.
        cancelled: Items whose run was cancelled.
        failed_keys: The first of those that failed.
        created_at: When it was asked for.
        ended_at: When its last run had ended.
        actor: Who asked for it.
    """

    namespace: str
    name: str
    generation: int
    schedule: str | None
    start: Start
    total: int
    cursor: int = 0
    concurrency: int = 1
    order: Order = Order.OLDEST_FIRST
    reprocess: Reprocess = Reprocess.NONE
    priority: int = PRIORITY
    status: Progress = Progress.RUNNING
    reason: str | None = None
    going: tuple[Going, ...] = ()
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    failed_keys: tuple[str, ...] = ()
    created_at: datetime
    ended_at: datetime | None = None
    actor: str

    @property
    def key(self) -> str:
        """Its key in the store."""
        return f"{self.namespace}/{self.name}"

    @property
    def is_over(self) -> bool:
        """Whether nothing of it goes on any more."""
        return self.status in {Progress.CANCELLED, Progress.COMPLETED}

    @property
    def wants(self) -> int:
        """How many items may start now, in one commit."""
        free = self.concurrency - len(self.going) if self.status is Progress.RUNNING else 0
        return max(0, min(free, self.total - self.cursor, AT_ONCE))


def run_of(backfill: Backfill, item: Item) -> str:
    """The id of the run of an item; the same for whoever computes it, whenever."""
    return derive("backfill", backfill.namespace, backfill.name, backfill.generation, item.key)


def plan(
    when: When,
    since: datetime,
    until: datetime,
    *,
    order: Order,
    reprocess: Reprocess,
    had: Mapping[datetime, Outcome | None],
) -> list[Item]:
    """The instants of a timetable in a window that need a run.

    Bounds of the schedule itself do not count: a schedule of today may be given the past year.

    Args:
        when: The timetable.
        since: The first instant that may be meant.
        until: No instant from here on.
        order: Which comes first.
        reprocess: What to do about instants that had a run.
        had: How the last run of an instant ended, for those that had one; ``None`` while it goes on.

    Raises:
        ScheduleInvalid: The instants depend on when runs end.
        TooLarge: More than :data:`ITEMS_LIMIT`.
    """
    if when.after_end or when.follows is not None:
        raise ScheduleInvalid("instants that ends of runs set cannot be made up for")
    free = replace(when, starts_at=None, ends_at=None)
    just_before = since - timedelta(microseconds=1)
    previous, found = latest(free, since - LOOK_BACK, just_before), []
    instant = free.next(just_before)
    while instant is not None and instant < until:
        if _wanted(instant, reprocess, had):
            found.append(Item(instant.isoformat(), instant, previous))
        if len(found) > ITEMS_LIMIT:
            raise too_many(len(found))
        previous, instant = instant, free.next(instant)
    return found if order is Order.OLDEST_FIRST else found[::-1]


def too_many(count: int) -> TooLarge:
    """A backfill of too many items."""
    return TooLarge(
        f"a backfill has at most {ITEMS_LIMIT} items",
        hint="Divide the window, and start one backfill after the other.",
        size=count,
        limit=ITEMS_LIMIT,
    )


def launched(backfill: Backfill, items: Sequence[Item]) -> Backfill:
    """With these items, the next ones, started."""
    going = tuple(Going(run_of(backfill, item), item.key) for item in items)
    return replace(backfill, cursor=backfill.cursor + len(items), going=backfill.going + going)


def ended(backfill: Backfill, runs: Mapping[str, Outcome]) -> Backfill | None:
    """With the ends of runs counted, or ``None`` when none of them was its own."""
    over = [going for going in backfill.going if going.run in runs]
    if not over:
        return None
    failed = [going.key for going in over if runs[going.run] in {Outcome.FAULTED, Outcome.REFUSED}]
    return replace(
        backfill,
        going=tuple(going for going in backfill.going if going.run not in runs),
        completed=backfill.completed + sum(runs[going.run] is Outcome.COMPLETED for going in over),
        cancelled=backfill.cancelled + sum(runs[going.run] is Outcome.CANCELLED for going in over),
        failed=backfill.failed + len(failed),
        failed_keys=(*backfill.failed_keys, *failed)[:FAILED_SHOWN],
    )


def closed(backfill: Backfill, now: datetime) -> Backfill:
    """Over, when nothing goes on and nothing is to come."""
    if backfill.is_over or backfill.going or (backfill.status is Progress.RUNNING and backfill.cursor < backfill.total):
        return backfill
    status = Progress.CANCELLED if backfill.status is Progress.CANCELLING else Progress.COMPLETED
    return replace(backfill, status=status, ended_at=now)


def stopped(backfill: Backfill, reason: str | None) -> Backfill:
    """With nothing more to start; its runs are to be cancelled by whoever calls this.

    Raises:
        NotNow: It is over.
    """
    if backfill.is_over:
        raise NotNow(f"backfill {backfill.key} is {backfill.status.value}", backfill=backfill.key)
    return replace(backfill, status=Progress.CANCELLING, reason=reason)


def unique(items: Iterable[Item]) -> list[Item]:
    """Items as they came.

    Raises:
        ScheduleInvalid: Two have the same key.
        TooLarge: More than :data:`ITEMS_LIMIT`.
    """
    known: dict[str, Item] = {}
    for item in items:
        if item.key in known:
            raise ScheduleInvalid(f"two items have the key {item.key!r}", key=item.key)
        known[item.key] = item
    if len(known) > ITEMS_LIMIT:
        raise too_many(len(known))
    return list(known.values())


def _wanted(instant: datetime, reprocess: Reprocess, had: Mapping[datetime, Outcome | None]) -> bool:
    if instant not in had or reprocess is Reprocess.ALL:
        return True
    return reprocess is Reprocess.FAILED and had[instant] not in {None, Outcome.COMPLETED}
