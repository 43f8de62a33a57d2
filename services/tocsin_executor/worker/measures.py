"""What a worker says of its own tasks in numbers: how long they waited for it, how long they took, how they ended, its slots.

No-op tasks have no body and are counted only, a quarter of a second's together: two histograms would cost more than they do.
"""

from collections.abc import Callable
from typing import Final, Literal

from tocsin_kit.bus.feed import Delivery
from tocsin_kit.telemetry import Metrics

_RUNNERS: Final = (
    "http",
    "openapi",
    "asyncapi",
    "grpc",
    "a2a",
    "mcp",
    "script",
    "shell",
    "container",
    "evaluate",
    "noop",
)
Outcome = Literal["completed", "faulted", "stopped"]
_OUTCOMES: Final = ("completed", "faulted", "stopped")
_WAITS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0, 120.0, 600.0, 3600.0)  # seconds


class WorkerMeasures:
    """The metrics of one worker.

    Args:
        metrics: Of the process.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._took = metrics.histogram(
            "worker_task_seconds",
            "From the beginning to the end of an attempt in this worker.",
            runner=_RUNNERS,
        )
        self._ended = metrics.counter(
            "worker_tasks", "Attempts that ended in this worker, by how.", runner=_RUNNERS, outcome=_OUTCOMES
        )
        self._waited = metrics.histogram(
            "worker_wait_seconds", "From a task's dispatch until this worker took it.", _WAITS, queue=64
        )
        self._slots = metrics.gauge("worker_slots", "Tasks that this worker takes at once.", queue=64)
        self._busy = metrics.gauge("worker_slots_busy", "Of these slots, how many are taken.", queue=64)

    def serves(self, queue: str, slots: int, busy: Callable[[], int]) -> None:
        """A queue of this worker; ``busy`` is asked when somebody looks."""
        self._slots.labels(queue=queue).set(slots)
        self._busy.labels(queue=queue).set_function(busy)

    def taken(self, queue: str, delivery: Delivery, now_ms: int) -> None:
        """A task came; one that comes again has been taken before, by a worker that is gone."""
        if delivery.deliveries == 1:
            self._waited.labels(queue=queue).observe(max(now_ms - delivery.stored_ms, 0) / 1000)

    def ended(self, runner: str, outcome: Outcome, milliseconds: int) -> None:
        """An attempt ended."""
        self._took.labels(runner=runner).observe(milliseconds / 1000)
        self._ended.labels(runner=runner, outcome=outcome).inc()

    def nothing_done(self, count: int) -> None:
        """So many no-op tasks went by."""
        self._ended.labels(runner="noop", outcome="completed").inc(count)
