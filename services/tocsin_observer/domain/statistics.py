"""Questions about many runs, answered from their facts: percentiles, trends, failures that are the same, flaky tasks."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from tocsin_observer.domain.facts import RunFacts, TaskFacts

BUCKETS: Final = 24
_EXAMPLES: Final = 5


@dataclass(frozen=True, slots=True)
class Spread:
    """How durations are distributed, in seconds."""

    p50: float
    p90: float
    p99: float
    longest: float
    mean: float


@dataclass(frozen=True, slots=True)
class Bucket:
    """Runs that ended in a stretch of time."""

    begins: datetime
    runs: int
    failed: int
    p50: float


@dataclass(frozen=True, slots=True)
class RunStatistics:
    """Many runs together."""

    runs: int
    by_status: dict[str, int]
    failure_rate: float
    duration: Spread
    work: Spread
    waiting: Spread
    trend: tuple[Bucket, ...]
    partial: bool = False


@dataclass(frozen=True, slots=True)
class TaskStatistics:
    """One task in many runs."""

    workflow: str
    task: str
    runs: int
    retries: int
    faulted: int
    flaky: float
    work: Spread
    wait: Spread


@dataclass(frozen=True, slots=True)
class FailureCluster:
    """Failures that are the same but for numbers and names."""

    cluster: str
    count: int
    workflows: dict[str, int]
    first_at: datetime
    last_at: datetime
    example: str | None
    runs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TaskDifference:
    """One task in two runs; what is ``None`` did not run there."""

    task: str
    one: TaskFacts | None
    other: TaskFacts | None

    @property
    def slower(self) -> float:
        """How many seconds more work it was in the other run."""
        return (_work(self.other) - _work(self.one)).total_seconds()


def spread(values: Iterable[timedelta]) -> Spread:
    """Percentiles by nearest rank (the least value that so many per cent are not above); zeros when there are none."""
    ordered = sorted(value.total_seconds() for value in values)
    if not ordered:
        return Spread(0.0, 0.0, 0.0, 0.0, 0.0)

    def rank(percent: int) -> float:
        return ordered[(percent * len(ordered) + 99) // 100 - 1]

    return Spread(rank(50), rank(90), rank(99), ordered[-1], sum(ordered) / len(ordered))


def run_statistics(runs: Sequence[RunFacts], since: datetime, until: datetime) -> RunStatistics:
    """Runs that ended in a period, with its trend."""
    failed = sum(run.status == "faulted" for run in runs)
    width = (until - since) / BUCKETS
    parts: dict[int, list[RunFacts]] = defaultdict(list)
    for run in runs:
        parts[min(max(int((run.ended_at - since) / width), 0), BUCKETS - 1)].append(run)
    trend = [
        Bucket(
            since + width * n,
            len(parts[n]),
            sum(run.status == "faulted" for run in parts[n]),
            spread(run.duration for run in parts[n]).p50,
        )
        for n in range(BUCKETS)
    ]
    return RunStatistics(
        runs=len(runs),
        by_status=dict(Counter(run.status for run in runs)),
        failure_rate=failed / len(runs) if runs else 0.0,
        duration=spread(run.duration for run in runs),
        work=spread(run.busy for run in runs),
        waiting=spread(run.waiting for run in runs),
        trend=tuple(trend),
    )


def task_statistics(runs: Sequence[RunFacts], *, flakiest: bool) -> list[TaskStatistics]:
    """Tasks of many runs: the slowest first, or of those that were tried again the ones that most often were."""
    seen: dict[tuple[str, str], list[TaskFacts]] = defaultdict(list)
    for run in runs:
        for task in run.tasks:
            seen[run.workflow, task.task].append(task)
    found = [
        TaskStatistics(
            workflow=workflow,
            task=name,
            runs=len(tasks),
            retries=sum(task.retries for task in tasks),
            faulted=sum(task.faulted > 0 for task in tasks),
            flaky=sum(task.retries > 0 for task in tasks) / len(tasks),
            work=spread(task.longest for task in tasks),
            wait=spread(task.wait / max(task.count, 1) for task in tasks),
        )
        for (workflow, name), tasks in seen.items()
    ]
    if flakiest:
        return sorted((one for one in found if one.retries), key=lambda one: (-one.flaky, -one.retries))
    return sorted(found, key=lambda one: (-one.work.p90, -one.work.mean))


def failure_clusters(runs: Sequence[RunFacts]) -> list[FailureCluster]:
    """Failures that are the same, the most frequent first."""
    seen: dict[str, list[RunFacts]] = defaultdict(list)
    for run in runs:
        if run.status == "faulted":
            seen[run.cluster or "unknown"].append(run)
    found = []
    for cluster, failures in seen.items():
        failures.sort(key=lambda run: run.ended_at, reverse=True)
        found.append(
            FailureCluster(
                cluster=cluster,
                count=len(failures),
                workflows=dict(Counter(run.workflow for run in failures)),
                first_at=failures[-1].ended_at,
                last_at=failures[0].ended_at,
                example=failures[0].told,
                runs=tuple(run.run for run in failures[:_EXAMPLES]),
            )
        )
    return sorted(found, key=lambda one: (-one.count, one.cluster))


def differences(one: RunFacts, other: RunFacts) -> list[TaskDifference]:
    """The tasks of two runs side by side, the greatest difference first."""
    left, right = ({task.task: task for task in run.tasks} for run in (one, other))
    found = [TaskDifference(name, left.get(name), right.get(name)) for name in dict.fromkeys([*left, *right])]
    return sorted(found, key=lambda difference: -abs(difference.slower))


def _work(task: TaskFacts | None) -> timedelta:
    return task.work if task is not None else timedelta(0)
