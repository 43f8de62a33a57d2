"""What goes into and comes out of the executor's API."""

import re
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, JsonValue

from tocsin_executor.application.views import RunView, TaskView, instant
from tocsin_executor.ports import Version, Workflow
from tocsin_kit.config import Duration
from tocsin_kit.web import Input, PageQuery

Namespace = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")]
Name = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$")]
VersionName = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[0-9A-Za-z.+-]+$")]
Label = Annotated[str, Field(max_length=256)]
Labels = Annotated[
    dict[Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[A-Za-z0-9_./-]+$")], Label], Field(max_length=64)
]
RunStatus = Literal["pending", "running", "waiting", "suspended", "cancelling", "cancelled", "faulted", "completed"]


class WorkflowId(Input):
    """Path of one workflow."""

    namespace: Namespace
    name: Name


class VersionQuery(Input):
    """Which version."""

    version: VersionName | None = Field(None, description="The version published last if not given.")


class DeleteQuery(Input):
    """Which version to delete."""

    version: VersionName | None = Field(None, description="All versions if not given.")


class WorkflowQuery(PageQuery):
    """Filters of the list of workflows."""

    namespace: Namespace | None = None


class SlipView(BaseModel):
    """What is right in a definition and most likely not what was meant."""

    pointer: str = Field(description="JSON pointer into the document.")
    detail: str
    hint: str | None = None
    line: int | None = None
    column: int | None = None


class PublishedView(BaseModel):
    """A published version."""

    namespace: str
    name: str
    version: str
    digest: str = Field(description="SHA-256 of the canonical document; the definition never changes.")
    staying: dict[str, int] = Field(
        default_factory=dict, description="Live runs that stay on other versions, by version; `migration` says which can move."
    )
    warnings: list[SlipView] = Field(default_factory=list, description="Slips: nothing is refused because of them.")


class VersionView(BaseModel):
    """One version in a workflow's history."""

    version: str
    digest: str
    published_at: datetime
    published_by: str | None
    approved_by: str | None = Field(None, description="Who published it, where somebody else had proposed it.")

    @classmethod
    def of(cls, version: Version) -> "VersionView":
        """The view of a version."""
        return cls(
            version=version.version,
            digest=version.digest,
            published_at=version.published_at,
            published_by=version.published_by,
            approved_by=version.approved_by,
        )


class WorkflowView(BaseModel):
    """A named workflow in a list."""

    namespace: str
    name: str
    version: str = Field(description="The version published last.")
    digest: str
    versions: int
    published_at: datetime
    published_by: str | None

    @classmethod
    def of(cls, workflow: Workflow) -> "WorkflowView":
        """The view of a workflow."""
        latest = workflow.versions[-1]
        return cls(
            namespace=workflow.namespace,
            name=workflow.name,
            version=latest.version,
            digest=latest.digest,
            versions=len(workflow.versions),
            published_at=latest.published_at,
            published_by=latest.published_by,
        )


class DefinitionView(BaseModel):
    """One version with its document."""

    namespace: str
    name: str
    version: str
    digest: str
    published_at: datetime
    published_by: str | None
    versions: list[VersionView]
    document: dict[str, JsonValue]


class StartBody(Input):
    """A run to start."""

    namespace: Namespace = "default"
    workflow: Name
    version: VersionName | None = Field(None, description="The version published last if not given.")
    input: JsonValue = Field(default_factory=dict)
    labels: Labels = Field(default_factory=dict)
    idempotency_key: Annotated[str, Field(min_length=1, max_length=128)] | None = Field(
        None, description="The sender's name for this intent: the same key starts one run, however often it is sent."
    )
    priority: Annotated[int, Field(ge=-100, le=100)] | None = Field(
        None, description="Among runs that wait for a limit; instead of the definition's."
    )
    concurrency_key: Annotated[str, Field(min_length=1, max_length=96)] | None = Field(
        None, description="Instead of what the definition's key expression gives."
    )


class StartQuery(Input):
    """How long to wait for the end."""

    wait: Duration | None = Field(None, description="Wait for the run's end for so long, for example 10s, or 10; at most 60s.")


def _of_a_run(text: str) -> str:
    if re.fullmatch(r"[0-9a-z]{26}", text) is None:
        raise ValueError("no run has such an id: each is 26 lower-case letters and digits, as the list of runs shows them")
    return text


class RunId(Input):
    """Path of one run."""

    run: Annotated[str, AfterValidator(_of_a_run), Field(json_schema_extra={"pattern": r"^[0-9a-z]{26}$"})]


class ValueId(RunId):
    """Path of one large value of a run."""

    ref: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class RunQuery(PageQuery):
    """Filters of the list of runs; newest first."""

    namespace: Namespace | None = None
    workflow: Name | None = None
    version: VersionName | None = None
    status: list[RunStatus] = Field(default_factory=list, max_length=8, description="Given several times: any of them.")
    label: list[Annotated[str, Field(max_length=320, pattern=r"^[A-Za-z0-9_./-]+=.*$")]] = Field(
        default_factory=list, max_length=16, description="`name=value`: runs with this label; several times: with all of them."
    )
    parent: Annotated[str, Field(pattern=r"^[0-9a-z]{26}$")] | None = Field(None, description="Runs that this run started.")
    error: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        None, description="Text in the error, whatever the case."
    )
    created_after: datetime | None = None
    created_before: datetime | None = None


class ControlBody(Input):
    """Why it is asked."""

    reason: Annotated[str, Field(max_length=2048)] | None = None


class RunOut(BaseModel):
    """A run."""

    id: str
    namespace: str
    workflow: str
    version: str
    digest: str
    status: RunStatus
    labels: dict[str, str]
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    input: JsonValue = None
    output: JsonValue = None
    error: dict[str, JsonValue] | None = Field(None, description="An RFC 7807 problem, as the language defines errors.")
    context: JsonValue = Field(None, description="What its tasks have exported by now, while it goes on.")
    parent: str | None = None
    trigger: dict[str, JsonValue] | None = None
    actor: str | None = None
    correlation_id: str | None = None
    decisions: list[dict[str, JsonValue]] = Field(
        default_factory=list, description="Inputs that changed nothing, and why; the last 20."
    )
    parked: list[dict[str, JsonValue]] = Field(
        default_factory=list, description="Inputs that met a defect of the platform and were put aside."
    )
    large: list[str] = Field(
        default_factory=list,
        description="Fields whose value is stored apart: they hold `dataref` and `size`, and the value is at "
        "`/api/v1/runs/{run}/values/{dataref}`.",
    )

    @classmethod
    def of(cls, view: RunView) -> "RunOut":
        """The view of a run."""
        created, started, ended = instant(view.created), instant(view.started), instant(view.ended)
        assert created is not None
        fields: dict[str, Any] = {
            "id": view.id,
            "namespace": view.namespace,
            "workflow": view.workflow,
            "version": view.version,
            "digest": view.digest,
            "status": view.status,
            "labels": view.labels,
            "created_at": created,
            "started_at": started,
            "ended_at": ended,
            "input": view.input,
            "output": view.output,
            "error": view.error,
            "context": view.context,
            "parent": view.parent,
            "trigger": view.trigger,
            "actor": view.actor,
            "correlation_id": view.correlation,
            "decisions": view.decisions,
            "parked": view.parked,
            "large": view.large,
        }
        return cls.model_construct(**fields)  # made by the engine, so not checked once more


class RunItem(BaseModel):
    """A run in a list: without its data."""

    id: str
    namespace: str
    workflow: str
    version: str
    status: RunStatus
    labels: dict[str, str]
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    parent: str | None
    error: str | None = Field(None, description="Kind, title and detail of the error, shortened.")


class TaskOut(BaseModel):
    """One activation of a task."""

    activation: str = Field(description="Tells the iterations of one task apart.")
    name: str
    reference: str = Field(description="JSON pointer of the task in the definition.")
    status: str
    attempt: int
    index: int | None = Field(None, description="Of the iteration or branch.")
    created_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    input: JsonValue = None
    output: JsonValue = None
    error: dict[str, JsonValue] | None = None
    worker: str | None = None
    large: list[str] = Field(default_factory=list, description="As of a run: fields whose value is stored apart.")
    done: int | None = Field(None, description="Of a `for` or `fork` that goes on: items or branches that have ended.")
    total: int | None = Field(None, description="Of the same: how many there are.")

    @classmethod
    def of(cls, view: TaskView) -> "TaskOut":
        """The view of a task."""
        return cls(
            activation=view.activation,
            name=view.name,
            reference=view.reference,
            status=view.status,
            attempt=view.attempt,
            index=view.index,
            created_at=instant(view.created),
            started_at=instant(view.started),
            ended_at=instant(view.ended),
            input=view.input,
            output=view.output,
            error=view.error,
            worker=view.worker,
            large=view.large,
            done=view.done,
            total=view.total,
        )


class TasksQuery(PageQuery):
    """Pages of tasks, in the order in which they ended; those that still run are on the last page."""


class LogLine(BaseModel):
    """One line that a task printed."""

    task: str
    reference: str
    attempt: str
    stream: str
    line: str


class SignalOut(BaseModel):
    """A signal of the run, as it was published."""

    event: dict[str, JsonValue]
