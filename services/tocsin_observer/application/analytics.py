"""Makes facts of runs from their signals, and answers questions about many of them.

The facts of a run are made a moment after its end, when its signals are kept; if one is missing (its sequence has a gap) they
are made again later. They can be made anew from the signals at any time.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from tocsin.errors import NotFound
from tocsin_kit.clock import Clock
from tocsin_observer.domain.facts import ENDS, RunFacts, facts_of
from tocsin_observer.domain.records import SignalRecord
from tocsin_observer.domain.statistics import (
    FailureCluster,
    RunStatistics,
    TaskDifference,
    TaskStatistics,
    differences,
    failure_clusters,
    run_statistics,
    task_statistics,
)
from tocsin_observer.ports.analytics import FactSearch, FactStore

log = structlog.get_logger()

EVERY: Final = timedelta(seconds=2)
_SETTLED: Final = timedelta(seconds=2)  # after the end of a run its signals are kept by then, mostly
_PATIENCE: Final = timedelta(minutes=10)  # after which a run whose signals are not all there is taken as it is
_AT_ONCE: Final = 100
MOST_RECENT: Final = 20_000  # signals of runs in memory, some 15 MB; what is older is read back
MOST: Final = 20_000  # runs that one answer is made from; the newest


class _Recent:
    """Signals of runs that went by lately: facts need not be read back from the database a moment after they were kept."""

    def __init__(self) -> None:
        self._runs: dict[str, dict[str, bytes]] = {}
        self._signals = 0

    def take(self, record: SignalRecord) -> None:
        """A signal of a run or of one of its tasks."""
        signals = self._runs.setdefault(record.entity_id, {})
        self._signals += record.id not in signals
        signals[record.id] = record.event
        while self._signals > MOST_RECENT:
            self._drop(next(iter(self._runs)))

    def facts(self, run: str) -> RunFacts | None:
        """The facts of a run of which everything went by; it is forgotten with that."""
        facts = facts_of(run, self._runs[run].values()) if run in self._runs else None
        if facts is None or not facts.whole:
            return None
        self._drop(run)
        return facts

    def _drop(self, run: str) -> None:
        self._signals -= len(self._runs.pop(run))


class Analytics:
    """The use cases of analytics.

    Args:
        store: Facts, and the signals that they are made from.
        clock: Time.
        retention: How long facts are kept.
    """

    def __init__(self, store: FactStore, *, clock: Clock, retention: timedelta) -> None:
        self._store = store
        self._clock = clock
        self._retention = retention
        self._recent = _Recent()

    # ---- making facts ------------------------------------------------------------------------------------------------

    async def ended(self, records: Sequence[SignalRecord]) -> None:
        """Take note of the runs that ended among signals that are kept now; safe to repeat."""
        for record in records:
            if record.entity in {"run", "task"}:
                self._recent.take(record)
        runs = {record.entity_id for record in records if record.entity == "run" and record.transition in ENDS}
        await self._store.mark(runs, self._clock.now() + _SETTLED)

    async def make(self) -> int:
        """Make the facts that are due; how many runs were looked at."""
        total = 0
        while runs := await self._store.due(self._clock.now(), limit=_AT_ONCE):
            now = self._clock.now()
            found = [facts for run in runs if (facts := self._recent.facts(run)) is not None]
            rest = set(runs) - {one.run for one in found}
            signals = await self._store.signals(rest) if rest else {}
            found += [facts for run in rest if (facts := facts_of(run, signals[run])) is not None]
            again = {one.run for one in found if not one.whole and now - one.ended_at < _PATIENCE}
            nothing = set(runs) - {one.run for one in found}
            await self._store.store(found, again=again, later=now + timedelta(seconds=30), nothing=nothing)
            total += len(runs)
        return total

    async def rebuild(self, since: datetime | None) -> int:
        """Have all facts made anew from the signals that are kept; how many runs."""
        runs = await self._store.ended_since(since)
        now = self._clock.now()
        for at in range(0, len(runs), 1000):
            await self._store.mark(set(runs[at : at + 1000]), now)
        log.info("analytics.rebuild", runs=len(runs))
        return len(runs)

    async def tidy(self) -> int:
        """Forget what is too old."""
        return await self._store.forget(self._clock.now() - self._retention)

    # ---- questions ---------------------------------------------------------------------------------------------------

    async def runs(self, search: FactSearch) -> RunStatistics:
        """Durations with their trend."""
        found = await self._store.search(search, limit=MOST)
        return replace(run_statistics(found, search.since, search.until), partial=len(found) == MOST)

    async def tasks(self, search: FactSearch, *, flakiest: bool) -> list[TaskStatistics]:
        """The slowest or flakiest tasks."""
        return task_statistics(await self._store.search(search, limit=MOST), flakiest=flakiest)

    async def failures(self, search: FactSearch) -> list[FailureCluster]:
        """Failures that are the same."""
        return failure_clusters(await self._store.search(search, limit=MOST))

    async def facts(self, run: str) -> RunFacts:
        """The facts of a run.

        Raises:
            NotFound: It has not ended, or nothing is known of it.
        """
        facts = await self._store.load(run)
        if facts is None:
            raise NotFound(f"there are no facts of run {run}", hint="they are made a few seconds after its end")
        return facts

    @staticmethod
    def compared(one: RunFacts, other: RunFacts) -> list[TaskDifference]:
        """The tasks of two runs side by side."""
        return differences(one, other)
