"""What the scheduler needs from outside: a place for its schedules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tocsin_kit.store import Change, Entry, Outgoing, Page
from tocsin_scheduler.domain.backfills import Backfill, Item
from tocsin_scheduler.domain.history import Past
from tocsin_scheduler.domain.schedules import Outcome, Schedule
from tocsin_scheduler.domain.wishes import Wish


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleSearch:
    """What to look for; ``None`` everywhere is everything."""

    namespaces: frozenset[str] | None = None
    prefixes: tuple[str, ...] = ()
    status: str | None = None
    workflow: str | None = None


class ScheduleStore(Protocol):
    """Schedules."""

    async def load(self, key: str) -> Entry[Schedule]:
        """The schedule, or an entry without value."""
        ...

    async def load_many(self, keys: Sequence[str]) -> Sequence[Entry[Schedule]]:
        """Those of the schedules that there are."""
        ...

    async def commit(self, entry: Entry[Schedule], schedule: Schedule | None, outbox: Sequence[Outgoing]) -> Entry[Schedule]:
        """Store (``None`` deletes) and say it, in one write.

        Raises:
            Conflict: Someone was first.
        """
        ...

    def expect(self, schedule: Schedule) -> None:
        """This very value will probably be committed soon: what can be done about it before is done now."""
        ...

    async def commit_many(self, changes: Sequence[Change[Schedule]]) -> Mapping[str, Entry[Schedule]]:
        """Store many decisions and say them; what is not in the answer is to be committed by itself."""
        ...

    async def due(self, before: datetime, *, limit: int) -> Sequence[tuple[str, int]]:
        """Keys and revisions of schedules whose next instant is before, the earliest first."""
        ...

    async def with_runs(self, runs: frozenset[str]) -> Sequence[Entry[Schedule]]:
        """Schedules that wait for the end of one of these runs."""
        ...

    async def following(self, workflows: frozenset[tuple[str, str]]) -> Sequence[Entry[Schedule]]:
        """Schedules that follow one of these workflows, each named by namespace and name."""
        ...

    async def search(self, search: ScheduleSearch, *, limit: int, cursor: str | None) -> Page[Entry[Schedule]]:
        """One page of schedules, by name."""
        ...

    async def active_after(self, key: str, *, limit: int) -> Sequence[Entry[Schedule]]:
        """Schedules that fire, in the order of their keys, after a key."""
        ...


class WishStore(Protocol):
    """What definitions ask for."""

    async def load_wish(self, key: str) -> Entry[Wish]:
        """The last word of a definition, or an entry without value."""
        ...

    async def commit_wish(self, entry: Entry[Wish], wish: Wish) -> Entry[Wish]:
        """Keep it.

        Raises:
            Conflict: Someone was first.
        """
        ...


class BackfillStore(Protocol):
    """Backfills and their items."""

    async def load(self, key: str) -> Entry[Backfill]:
        """The backfill, or an entry without value."""
        ...

    async def commit(self, entry: Entry[Backfill], backfill: Backfill, outbox: Sequence[Outgoing]) -> Entry[Backfill]:
        """Store and say it, in one write.

        Raises:
            Conflict: Someone was first.
        """
        ...

    async def put_items(self, key: str, generation: int, items: Sequence[Item]) -> None:
        """Keep the items of a backfill that is about to be stored; safe to repeat."""
        ...

    async def items(self, key: str, generation: int, cursor: int, count: int) -> Sequence[Item]:
        """So many items from the cursor on."""
        ...

    async def with_runs(self, runs: frozenset[str]) -> Sequence[Entry[Backfill]]:
        """Backfills that wait for the end of one of these runs."""
        ...

    async def search(self, search: ScheduleSearch, *, limit: int, cursor: str | None) -> Page[Entry[Backfill]]:
        """One page, by name."""
        ...


class History(Protocol):
    """What became of the instants of schedules: a projection, made from signals."""

    async def started(self, schedule: str, runs: Mapping[str, datetime]) -> None:
        """Runs were started for instants; safe to repeat."""
        ...

    async def ended(self, runs: Mapping[str, Outcome]) -> None:
        """Runs ended; those of others are passed over."""
        ...

    async def outcomes(self, schedule: str, since: datetime, until: datetime) -> Mapping[datetime, Outcome | None]:
        """How the last run of each instant in [since, until) ended; ``None`` while it goes on."""
        ...

    async def page(self, schedule: str, *, limit: int, cursor: str | None) -> Page[Past]:
        """One page of instants that had a run, the latest first."""
        ...
