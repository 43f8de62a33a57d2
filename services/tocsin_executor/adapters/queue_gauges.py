"""How full the queues of tasks are, how old their oldest task is, who holds slots, and whether slots and leases agree.

Asked of the server and of the workers every few seconds by every replica: the numbers are the whole platform's, so of replicas
the largest counts. A queue that nobody serves shows here first.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from tocsin_executor.adapters.admission import MongoQueue
from tocsin_executor.adapters.task_queues import TASKS, stored_behind
from tocsin_executor.adapters.workers import SeenWorkers
from tocsin_executor.application.waiting import Held
from tocsin_kit.bus import Bus
from tocsin_kit.bus.api import call
from tocsin_kit.clock import Clock
from tocsin_kit.telemetry import Metrics

LOOK: Final = timedelta(seconds=15)
_PREFIX: Final = "worker-"
_QUEUES: Final = 64  # with a series each; more become one


@dataclass(slots=True)
class _Queue:
    waiting: int = 0
    in_hand: int = 0
    oldest: float = 0.0
    slots: int = 0
    busy: int = 0


class QueueGauges:
    """Takes the measures; ``look`` is called every so often.

    Args:
        bus: A started connection.
        workers: Who is there.
        limits: Runs that wait for a limit, or hold one.
        partitions: How many the engine's work is split into.
        metrics: Where it is told.
        clock: Time.
    """

    def __init__(
        self, bus: Bus, workers: SeenWorkers, limits: MongoQueue, *, partitions: int, metrics: Metrics, clock: Clock
    ) -> None:
        self._bus = bus
        self._workers = workers
        self._limits = limits
        self._clock = clock
        self._known: set[str] = set()
        self._waiting = metrics.gauge("queue_waiting_tasks", "Tasks that no worker has taken yet.", queue=_QUEUES)
        self._oldest = metrics.gauge("queue_oldest_seconds", "Age of the oldest task that no worker has taken.", queue=_QUEUES)
        self._in_hand = metrics.gauge(
            "queue_in_hand_tasks", "Tasks that a worker has taken and not settled: live leases.", queue=_QUEUES
        )
        self._slots = metrics.gauge("queue_slots", "Tasks that the workers of a queue take at once.", queue=_QUEUES)
        self._busy = metrics.gauge("queue_slots_busy", "Slots that workers say are taken.", queue=_QUEUES)
        self._runs = metrics.gauge(
            "limit_runs",
            "Runs at limits and pools: that wait, that hold a place, that were let in and have not begun.",
            state=("waiting", "holding", "unbegun"),
        )
        self._longest = metrics.gauge("limit_oldest_seconds", "For how long the first run waits at a limit.")
        metrics.gauge("executor_partitions_expected", "Partitions that all replicas own together.").labels().set(partitions)

    async def look(self) -> None:
        """Bring the gauges up to date."""
        queues = await self._asked()
        for worker in self._workers.now():
            for use in worker.queues:
                queue = queues.setdefault(use.name, _Queue())
                queue.slots += use.slots if worker.state == "working" else 0  # one that drains takes nothing
                queue.busy += use.busy
        for name in {*queues, *self._known}:
            self._tell(name, queues.get(name, _Queue()))
        self._known = set(queues)
        self._tell_limits(await self._limits.held(int(self._clock.now().timestamp() * 1000)))

    async def _asked(self) -> dict[str, _Queue]:
        answer = await call(self._bus, f"CONSUMER.LIST.{TASKS}", {"offset": 0})
        queues: dict[str, _Queue] = {}
        for info in answer.get("consumers") or ():
            if str(info["name"]).startswith(_PREFIX):
                waiting, in_hand = int(info["num_pending"]), int(info["num_ack_pending"])
                oldest = await self._age_of_next(info) if waiting else 0.0
                queues[info["name"].removeprefix(_PREFIX)] = _Queue(waiting, in_hand, oldest)
        return queues

    async def _age_of_next(self, info: Mapping[str, Any]) -> float:
        """Seconds since the first task that was not delivered yet was stored."""
        subject, behind = str(info["config"].get("filter_subject")), int(info["delivered"]["stream_seq"])
        stored = await stored_behind(self._bus, TASKS, subject, behind)
        return 0.0 if stored is None else max((self._clock.now() - stored).total_seconds(), 0.0)

    def _tell(self, name: str, queue: _Queue) -> None:
        self._waiting.labels(queue=name).set(queue.waiting)
        self._oldest.labels(queue=name).set(queue.oldest)
        self._in_hand.labels(queue=name).set(queue.in_hand)
        self._slots.labels(queue=name).set(queue.slots)
        self._busy.labels(queue=name).set(queue.busy)

    def _tell_limits(self, held: Held) -> None:
        for state, count in (("waiting", held.waiting), ("holding", held.holding), ("unbegun", held.unbegun)):
            self._runs.labels(state=state).set(count)
        self._longest.labels().set(held.oldest_ms / 1000)
