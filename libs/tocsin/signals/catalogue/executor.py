"""Signals of the executor: runs and tasks by the Open Workflow specification, definitions by our own.

Run and task signals of one run share one source and one sequence. Their data is exactly what the specification says. What it
has no place for is in extensions: ``activation`` (the token, which tells the iterations of one task apart) and ``attempt``.

Source:
    Open Workflow DSL 1.0.3, "Lifecycle Events", dsl.md and dsl-reference.md.
"""

from typing import Literal, TypeVar

from pydantic import Field

from tocsin.signals.changes import Changed
from tocsin.signals.kinds import (
    AwareDatetime,
    ErrorObject,
    JsonValue,
    LifecyclePayload,
    Name,
    Namespace,
    Payload,
    Reason,
    Severity,
    Shelf,
    SignalType,
)

SHELF = Shelf("executor")
_HOST = "io.serverlessworkflow"

Status = Literal["pending", "running", "waiting", "suspended", "cancelled", "faulted", "completed"]


class DefinitionReference(LifecyclePayload):
    """Which definition."""

    name: Name
    namespace: Namespace
    version: str


class _Run(LifecyclePayload):
    name: str = Field(description="Qualified name of the run: `<workflow>-<run id>.<namespace>`.")


class WorkflowStarted(_Run):
    """Data of `workflow.started`."""

    definition: DefinitionReference
    started_at: AwareDatetime


class WorkflowSuspended(_Run):
    """Data of `workflow.suspended`."""

    suspended_at: AwareDatetime


class WorkflowResumed(_Run):
    """Data of `workflow.resumed`."""

    resumed_at: AwareDatetime


class WorkflowCorrelationStarted(_Run):
    """Data of `workflow.correlation-started`."""

    started_at: AwareDatetime


class WorkflowCorrelationCompleted(_Run):
    """Data of `workflow.correlation-completed`."""

    completed_at: AwareDatetime
    correlation_keys: dict[str, JsonValue] | None = Field(None, description="The resolved keys, if any.")


class WorkflowCancelled(_Run):
    """Data of `workflow.cancelled`."""

    cancelled_at: AwareDatetime


class WorkflowFaulted(_Run):
    """Data of `workflow.faulted`."""

    faulted_at: AwareDatetime
    error: ErrorObject


class WorkflowCompleted(_Run):
    """Data of `workflow.completed`."""

    completed_at: AwareDatetime
    output_uri: str | None = Field(None, description="Where the output can be read.")


class WorkflowStatusChanged(_Run):
    """Data of `workflow.status-changed`."""

    updated_at: AwareDatetime
    status: Status


class _Task(LifecyclePayload):
    workflow: str = Field(description="Qualified name of the run: `<workflow>-<run id>.<namespace>`.")
    task: str = Field(description="JSON pointer to the task in the definition.")


class TaskCreated(_Task):
    """Data of `task.created`."""

    created_at: AwareDatetime


class TaskStarted(_Task):
    """Data of `task.started`."""

    started_at: AwareDatetime


class TaskSuspended(_Task):
    """Data of `task.suspended`."""

    suspended_at: AwareDatetime


class TaskResumed(_Task):
    """Data of `task.resumed`."""

    resumed_at: AwareDatetime


class TaskRetried(_Task):
    """Data of `task.retried`."""

    retried_at: AwareDatetime


class TaskCancelled(_Task):
    """Data of `task.cancelled`."""

    cancelled_at: AwareDatetime


class TaskFaulted(_Task):
    """Data of `task.faulted`."""

    faulted_at: AwareDatetime
    error: ErrorObject


class TaskCompleted(_Task):
    """Data of `task.completed`."""

    completed_at: AwareDatetime
    output_uri: str | None = Field(None, description="Where the output can be read.")


class TaskStatusChanged(_Task):
    """Data of `task.status-changed`."""

    updated_at: AwareDatetime
    status: Status


class TaskSkipped(_Task):
    """Data of `task.skipped`."""

    skipped_at: AwareDatetime
    reason: Reason | None = None


class AssetMention(Payload):
    """Data that a task has read or written, as its definition says; in the namespace of the run."""

    asset: str = Field(min_length=1, max_length=512, description="Its key.")
    namespace: Namespace | None = Field(None, description="Where it belongs; that of the run if not given.")
    partition: str | None = Field(None, max_length=256)
    version: str | None = Field(None, max_length=256)
    kind: str | None = Field(None, max_length=256)
    metadata: dict[str, JsonValue] | None = None


class TaskAssetsReported(_Task):
    """Data of `task.assets-reported`."""

    reported_at: AwareDatetime
    consumed: list[AssetMention] = Field(default_factory=list, description="`metadata.consumes`, evaluated.")
    produced: list[AssetMention] = Field(default_factory=list, description="`metadata.produces`, evaluated.")


class RunCancelRequested(Payload):
    """Data of `run.cancel-requested`."""

    name: str = Field(description="Qualified name of the run: `<workflow>-<run id>.<namespace>`.")
    requested_at: AwareDatetime
    reason: Reason | None = None


class RunMigrated(Payload):
    """Data of `run.migrated`."""

    name: str = Field(description="Qualified name of the run: `<workflow>-<run id>.<namespace>`.")
    migrated_at: AwareDatetime
    previous: str = Field(description="The version that it was of.")
    version: str = Field(description="The version that it is of now.")
    reason: Reason | None = None


class RunRefused(Payload):
    """Data of `run.refused`."""

    run: str = Field(description="Id that the run would have had.")
    workflow: Name
    version: str | None = None
    code: str = Field(max_length=64, description="Stable code of the reason, as in errors of the API: `not_found`, ...")
    detail: Reason
    trigger: dict[str, JsonValue] | None = Field(None, description="What asked for it, as the command said.")


class PoolChanged(Changed):
    """Data of `pool.changed`."""

    namespace: Namespace
    name: Name
    limit: int | None = Field(None, description="Runs at once.")
    rate_limit: int | None = Field(None, description="Starts in `rate_every_ms`.")
    rate_every_ms: int | None = None


class PoolDeleted(Changed):
    """Data of `pool.deleted`."""

    namespace: Namespace
    name: Name


class DefinitionSchedule(Payload):
    """When a definition asks to be started: its `schedule`."""

    every: str | None = Field(None, max_length=256, description="ISO 8601 duration.")
    cron: str | None = Field(None, max_length=256)
    after: str | None = Field(None, max_length=256, description="ISO 8601 duration from the end of the previous run.")
    on: JsonValue = Field(None, description="Events that start it, as the definition says them; becomes a trigger.")
    read: str | None = Field(None, max_length=32, description="Of `on`: what of the events becomes the input.")


class TaskAssets(Payload):
    """What a task of a definition says about data, as far as it is known before it runs."""

    task: str = Field(description="JSON pointer to the task in the definition.")
    consumes: list[AssetMention] = Field(default_factory=list)
    produces: list[AssetMention] = Field(default_factory=list)


class DefinitionPublished(Changed):
    """Data of `definition.published`."""

    namespace: Namespace
    name: Name
    version: str
    digest: str = Field(description="Content address of the definition.")
    proposed_by: str | None = Field(None, description="Who proposed it, where that was somebody else than who published it.")
    schedule: DefinitionSchedule | None = Field(None, description="Of this version, which is the newest now.")
    assets: list[TaskAssets] | None = Field(None, max_length=200, description="What its tasks read and write.")


class DefinitionDeleted(Changed):
    """Data of `definition.deleted`."""

    namespace: Namespace
    name: Name
    version: str | None = Field(None, description="Absent when all versions were deleted.")
    schedule: DefinitionSchedule | None = Field(None, description="Of the version that is the newest now, if one is left.")


R = TypeVar("R", bound=_Run)
T = TypeVar("T", bound=_Task)


def _run(transition: str, payload: type[R], summary: str, severity: Severity = Severity.INFO) -> SignalType[R]:
    return SHELF.add("run", transition, payload, summary, severity=severity, type_=f"{_HOST}.workflow.{transition}.v1")


def _task(transition: str, payload: type[T], summary: str, severity: Severity = Severity.INFO) -> SignalType[T]:
    kind = f"{_HOST}.task.{transition}.v1"
    return SHELF.add("task", transition, payload, summary, collection="runs", severity=severity, type_=kind)


WORKFLOW_STARTED = _run("started", WorkflowStarted, "A run has started.")
WORKFLOW_SUSPENDED = _run("suspended", WorkflowSuspended, "A run was suspended.")
WORKFLOW_RESUMED = _run("resumed", WorkflowResumed, "A suspended run goes on.")
WORKFLOW_CORRELATION_STARTED = _run("correlation-started", WorkflowCorrelationStarted, "A run listens for events.")
WORKFLOW_CORRELATION_COMPLETED = _run(
    "correlation-completed", WorkflowCorrelationCompleted, "A run has consumed the events that it listened for."
)
WORKFLOW_CANCELLED = _run(
    "cancelled", WorkflowCancelled, "A run has ended by a cancel; none of its work is running any more.", Severity.WARN
)
WORKFLOW_FAULTED = _run("faulted", WorkflowFaulted, "A run has ended with an error.", Severity.ERROR)
WORKFLOW_COMPLETED = _run("completed", WorkflowCompleted, "A run has ended well.")
WORKFLOW_STATUS_CHANGED = _run("status-changed", WorkflowStatusChanged, "The status of a run has changed.")

TASK_CREATED = _task("created", TaskCreated, "A task is about to run.", Severity.DEBUG)
TASK_STARTED = _task("started", TaskStarted, "A task has started.")
TASK_SUSPENDED = _task("suspended", TaskSuspended, "A task was suspended with its run.")
TASK_RESUMED = _task("resumed", TaskResumed, "A suspended task goes on.")
TASK_RETRIED = _task("retried", TaskRetried, "A task is tried again.", Severity.WARN)
TASK_CANCELLED = _task("cancelled", TaskCancelled, "A task was ended by a cancel, a timeout or a race that another branch won.")
TASK_FAULTED = _task("faulted", TaskFaulted, "A task has ended with an error; a `catch` may still handle it.", Severity.ERROR)
TASK_COMPLETED = _task("completed", TaskCompleted, "A task has ended well.")
TASK_STATUS_CHANGED = _task("status-changed", TaskStatusChanged, "The status of a task has changed, such as to waiting.")

TASK_SKIPPED = SHELF.add(
    "task", "skipped", TaskSkipped, "A task did not run, because its `if` said no or its run rule did.", collection="runs"
)
TASK_ASSETS_REPORTED = SHELF.add(
    "task", "assets-reported", TaskAssetsReported, "A task that declares its data has completed.", collection="runs"
)
RUN_CANCEL_REQUESTED = SHELF.add(
    "run",
    "cancel-requested",
    RunCancelRequested,
    "Somebody asked for a run to be cancelled; its work is being told.",
    severity=Severity.WARN,
)
RUN_MIGRATED = SHELF.add("run", "migrated", RunMigrated, "A live run was moved to another version of its definition.")
RUN_REFUSED = SHELF.add(
    "run",
    "refused",
    RunRefused,
    "A run that a schedule, a trigger or another run asked for does not begin, and why.",
    collection="refused-runs",  # it is no signal of a run: there is none, and a redriven command may start it after all
    severity=Severity.WARN,
)
DEFINITION_PUBLISHED = SHELF.add("definition", "published", DefinitionPublished, "A version of a workflow was published.")
DEFINITION_DELETED = SHELF.add(
    "definition", "deleted", DefinitionDeleted, "A workflow definition, or a version of it, was deleted."
)
POOL_CHANGED = SHELF.add("pool", "changed", PoolChanged, "A pool that runs share was made, or lets another number through.")
POOL_DELETED = SHELF.add("pool", "deleted", PoolDeleted, "A pool was deleted.")
