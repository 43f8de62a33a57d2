"""What an operator chooses about the executor."""

from datetime import timedelta

from pydantic import Field

from tocsin_kit.config import Duration, Section


class ExecutorSettings(Section):
    """The engine."""

    section = "executor"

    partitions: int = Field(
        16, ge=1, le=256, description="Parts the runs are divided into; fixed for the life of a deployment."
    )
    replica: str | None = Field(
        None, max_length=128, description="Name of this replica, the same after a restart; host name and port if not given."
    )
    lease: Duration = Field(timedelta(seconds=6), description="How long a silent replica keeps its partitions.")
    batch_from: int | None = Field(
        None,
        ge=2,
        le=1000,
        description="Messages from which on a group is stored as one atomic batch; measured while running if not given.",
    )
    keep_runs: Duration = Field(
        timedelta(days=30), ge=timedelta(days=8), description="How long ended runs are kept, with their tasks and values."
    )
    keep_logs: Duration = Field(
        timedelta(days=14),
        ge=timedelta(hours=1),
        description="How long the output of tasks is kept, if the run is kept so long.",
    )
    worker: bool = Field(
        True, description="Also run a worker for `worker.queues` in this process; large installations run workers apart."
    )
