"""What is known of the processes that run tasks."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from tocsin_executor.domain.placing import queues_for
from tocsin_executor.domain.values import Json

ORDERS: Final = "workers.orders"
"""Subject of what a worker is told; its name follows as the last token."""

_UNFIT: Final = re.compile(r"[^A-Za-z0-9_-]")


def subject_name(worker: str) -> str:
    """A worker's name as the last token of a subject."""
    return _UNFIT.sub("-", worker)


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
        state: ``working``; ``draining`` while it takes nothing new; ``drained`` when it has nothing left to do either.
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


def served_queues(workers: Sequence[WorkerView]) -> dict[str, list[str]]:
    """The queues that workers serve, those for their labels included: which of these workers take tasks. None: all drain."""
    served: dict[str, list[str]] = {}
    for worker in workers:
        for queue in worker.queues:
            for name in queues_for(queue.name, worker.labels):
                taking = served.setdefault(name, [])
                if worker.state == "working":
                    taking.append(worker.name)
    return served


class Workers(Protocol):
    """Who is there."""

    def now(self) -> Sequence[WorkerView]:
        """By name."""
        ...

    async def tell(self, worker: str, order: Mapping[str, Json]) -> WorkerView:
        """Tell one to drain or to go on; how it is then.

        Raises:
            NotFound: There is none of that name.
            Unavailable: It does not answer.
        """
        ...
