"""What is known of the processes that run tasks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tocsin_executor.domain.placing import queues_for


@dataclass(frozen=True, slots=True)
class QueueUse:
    """A queue at a worker.

    Attributes:
        name: Of the queue.
        slots: Tasks at once.
        busy: Tasks now.
    """

    name: str
    slots: int
    busy: int


@dataclass(frozen=True, slots=True)
class WorkerView:
    """A worker that was heard of lately.

    Attributes:
        name: Its name.
        state: ``working`` or ``draining``.
        labels: What its operator calls it.
        queues: What it serves.
        completed: Tasks since it began.
        since: When it began.
        seen: When it was heard last.
    """

    name: str
    state: str
    labels: Mapping[str, str]
    queues: Sequence[QueueUse]
    completed: int
    since: datetime
    seen: datetime


def served_queues(workers: Sequence[WorkerView]) -> set[str]:
    """The queues that some worker serves, those for its labels included."""
    return {name for worker in workers for queue in worker.queues for name in queues_for(queue.name, worker.labels)}


class Workers(Protocol):
    """Who is there."""

    def now(self) -> Sequence[WorkerView]:
        """By name."""
        ...
