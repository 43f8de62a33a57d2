"""What analytics needs: facts of runs, and the signals that they are made from."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tocsin_observer.domain.facts import RunFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class FactSearch:
    """Which runs."""

    namespaces: Collection[str] | None = None
    prefixes: Sequence[str] = ()
    workflow: str | None = None
    since: datetime
    until: datetime


class FactStore(Protocol):
    """Facts of runs; made from signals, and made anew from them."""

    async def mark(self, runs: Collection[str], due: datetime) -> None:
        """The facts of these runs are to be made (again)."""
        ...

    async def due(self, now: datetime, *, limit: int) -> Sequence[str]:
        """Runs whose facts are to be made."""
        ...

    async def signals(self, runs: Collection[str]) -> dict[str, list[bytes]]:
        """All signals that are kept of these runs, as JSON."""
        ...

    async def store(
        self, facts: Sequence[RunFacts], *, again: Collection[str], later: datetime, nothing: Collection[str]
    ) -> None:
        """Store facts; look at some again later; forget those of which nothing is known."""
        ...

    async def ended_since(self, since: datetime | None) -> Sequence[str]:
        """Runs of whose end a signal is kept."""
        ...

    async def load(self, run: str) -> RunFacts | None:
        """The facts of a run."""
        ...

    async def search(self, search: FactSearch, *, limit: int) -> Sequence[RunFacts]:
        """Facts of runs that ended in a period, newest first."""
        ...

    async def forget(self, before: datetime) -> int:
        """Remove facts of runs that ended before an instant."""
        ...
