"""What people look at, as a port: lists of runs and workflows, finished tasks, logs, signals of a run."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tocsin_executor.application.views import TaskView
from tocsin_executor.domain.values import Json
from tocsin_executor.ports import Workflow


@dataclass(frozen=True, slots=True)
class Scope:
    """Namespaces that a list may show.

    Attributes:
        exact: These; ``None`` for all.
        prefixes: And those that begin so.
    """

    exact: frozenset[str] | None = None
    prefixes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunSearch:
    """Filters of the list of runs."""

    scope: Scope
    workflow: str | None = None
    version: str | None = None
    status: Sequence[str] = ()
    labels: Sequence[str] = ()
    parent: str | None = None
    error: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run in a list; ``error`` is a text."""

    id: str
    namespace: str
    name: str
    version: str
    status: str
    labels: dict[str, str]
    created: datetime
    started: datetime | None
    ended: datetime | None
    parent: str | None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class TaskLine:
    """One line that a task printed."""

    task: str
    reference: str
    attempt: str
    stream: str
    line: str


class Reading(Protocol):
    """Reads what was saved."""

    async def list_runs(self, search: RunSearch, limit: int, cursor: str | None) -> tuple[Sequence[RunRow], str | None]:
        """Runs, newest first, and the next cursor."""
        ...

    async def list_workflows(self, scope: Scope, limit: int, cursor: str | None) -> tuple[Sequence[Workflow], str | None]:
        """Workflows in the order of namespace and name, and the next cursor."""
        ...

    async def finished_tasks(
        self, run: str, after: tuple[str, int] | None, limit: int
    ) -> tuple[list[TaskView], tuple[str, int] | None]:
        """Finished activations in the order in which they were saved, and where to go on; ``None`` at the end."""
        ...

    async def records(self, run: str, limit: int) -> list[dict[str, Json]]:
        """All finished activations of a run with everything known of them; ``TooLarge`` above ``limit``."""
        ...

    async def logs(self, run: str, after: str, limit: int) -> tuple[list[TaskLine], str | None]:
        """Lines that the run's tasks printed, and where to go on."""
        ...

    async def signals(
        self, namespace: str, run: str, after: int, limit: int, said: int = 0
    ) -> tuple[list[dict[str, Json]], int | None]:
        """Signals of a run behind a position and a sequence, each once, and the position to go on from."""
        ...

    async def turns(self, namespace: str, run: str) -> list[dict[str, Json]]:
        """Signals that say why a run went another way than forward, in order; some of each kind."""
        ...


class Alive(Protocol):
    """Knows the tasks that are not among the saved ones."""

    async def live_tasks(self, run: str) -> list[TaskView]:
        """Those that are alive, or ended since the last save."""
        ...


async def tasks_of(
    alive: Alive, saved: Reading, run: str, after: tuple[str, int] | None, limit: int
) -> tuple[list[TaskView], tuple[str, int] | None]:
    """A page of the activations of a run: the finished ones, and on the last page those that are not; and where to go on."""
    # Alive ones first: what is saved between the two looks is then in both. The other way round it would be in neither.
    live = await alive.live_tasks(run)
    found, beyond = await saved.finished_tasks(run, after, limit)
    if beyond is None:
        seen = {task.activation for task in found}
        found = [*found, *(task for task in live if task.activation not in seen)]
    return found, beyond
