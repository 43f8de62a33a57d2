"""What goes over the wire about assets, as output."""

from datetime import datetime

from pydantic import BaseModel, Field, JsonValue

from tocsin_lineage.application.assets import Moment
from tocsin_lineage.application.backfills import Asked
from tocsin_lineage.domain.assets import Asset, Happening, Slot
from tocsin_lineage.domain.causes import Reason
from tocsin_lineage.domain.checks import CheckResult
from tocsin_lineage.domain.partitions import time_of
from tocsin_lineage.domain.policy import Policy
from tocsin_lineage.domain.schema_history import SchemaVersion, difference
from tocsin_lineage.ports import Evaluation, Place


class FreshnessView(BaseModel):
    """How fresh an asset is."""

    state: str
    since: datetime | None
    due: datetime | None = Field(description="When it can change by itself next.")
    late: dict[str, str] = Field(description="Partitions that are late, with their states.")


class AssetView(BaseModel):
    """An asset."""

    namespace: str
    key: str
    kind: str | None
    group: str | None
    description: str
    owners: tuple[str, ...]
    tags: tuple[str, ...]
    code_version: str | None
    made_with: str | None = Field(description="Version of the code that it was written with last.")
    declared: bool
    facets: dict[str, JsonValue]
    materialized: datetime | None
    observed: datetime | None
    materializations: int
    partitions: JsonValue = None
    upstream: JsonValue = None
    promise: JsonValue = Field(default=None, description="What was declared as `freshness`.")
    checks: JsonValue = None
    maker: JsonValue = None
    automation: JsonValue = None
    freshness: FreshnessView
    failing: list[str] = Field(description="Checks whose latest result is bad; `<check>@<partition>` for a partition.")

    @classmethod
    def of(cls, asset: Asset) -> "AssetView":
        """The view of an asset."""
        said, verdict = asset.policy.document, asset.verdict
        return cls(
            namespace=asset.namespace,
            key=asset.key,
            kind=asset.kind,
            group=asset.group,
            description=asset.description,
            owners=asset.owners,
            tags=asset.tags,
            code_version=asset.code_version,
            made_with=asset.made_with,
            declared=asset.declared,
            facets=dict(asset.facets),
            materialized=asset.materialized,
            observed=asset.observed,
            materializations=asset.materializations,
            partitions=said.get("partitions"),
            upstream=said.get("upstream"),
            promise=said.get("freshness"),
            checks=said.get("checks"),
            maker=said.get("maker"),
            automation=said.get("automation"),
            freshness=FreshnessView(
                state=verdict.state.value,
                since=verdict.since,
                due=verdict.due,
                late={key: state.value for key, state in verdict.late.items()},
            ),
            failing=sorted(name for name, standing in asset.standings.items() if not standing.passed),
        )


class HappeningView(BaseModel):
    """What happened to an asset."""

    id: str
    act: str
    at: datetime
    partition: str | None
    run: str | None
    task: str | None
    job: str | None
    version: str | None
    metadata: dict[str, JsonValue]
    actor: str

    @classmethod
    def of(cls, happening: Happening) -> "HappeningView":
        """The view of a happening."""
        return cls(
            id=happening.id,
            act=happening.act.value,
            at=happening.at,
            partition=happening.partition or None,
            run=happening.run,
            task=happening.task,
            job=happening.job,
            version=happening.version,
            metadata=dict(happening.metadata),
            actor=happening.actor,
        )


class TouchedView(BaseModel):
    """An asset that a run wrote or read."""

    namespace: str
    key: str
    happening: HappeningView


class TouchedList(BaseModel):
    """What a run wrote and read."""

    items: list[TouchedView]

    @classmethod
    def of(cls, found: list[tuple[Place, Happening]]) -> "TouchedList":
        """The view of what a run did."""
        return cls(items=[TouchedView(namespace=ns, key=key, happening=HappeningView.of(one)) for (ns, key), one in found])


class CheckView(BaseModel):
    """The result of a check."""

    id: str
    check: str
    partition: str | None
    passed: bool
    severity: str
    blocking: bool
    at: datetime
    run: str | None
    detail: str | None
    metadata: dict[str, JsonValue]
    actor: str

    @classmethod
    def of(cls, result: CheckResult) -> "CheckView":
        """The view of a result."""
        return cls(
            id=result.id,
            check=result.check,
            partition=result.partition or None,
            passed=result.passed,
            severity=result.severity.value,
            blocking=result.blocking,
            at=result.at,
            run=result.run,
            detail=result.detail,
            metadata=dict(result.metadata),
            actor=result.actor,
        )


class ColumnView(BaseModel):
    """A column."""

    name: str
    type: str | None
    description: str | None


class SchemaView(BaseModel):
    """The columns of an asset from an instant on, and how they differ from the version before."""

    at: datetime
    run: str | None
    columns: list[ColumnView]
    added: list[str]
    removed: list[str]
    changed: list[list[str | None]] = Field(description="Name, type before, type now.")
    breaking: bool

    @classmethod
    def of(cls, version: SchemaVersion, before: SchemaVersion | None) -> "SchemaView":
        """The view of a version."""
        change = difference(before.columns if before is not None else version.columns, version.columns)
        columns = [ColumnView(name=one.name, type=one.type, description=one.description) for one in version.columns]
        return cls(
            at=version.at,
            run=version.run,
            columns=columns,
            added=list(change.added),
            removed=list(change.removed),
            changed=[list(one) for one in change.changed],
            breaking=change.is_breaking,
        )


class MomentView(BaseModel):
    """An asset as of an instant."""

    at: datetime
    written: HappeningView | None = Field(description="The writing that its content came from.")
    readers: list[HappeningView] = Field(description="Who had read that content, newest first; at most a hundred.")
    columns: list[ColumnView] | None
    checks: list[CheckView]

    @classmethod
    def of(cls, moment: Moment, at: datetime) -> "MomentView":
        """The view of a moment."""
        schema = moment.schema
        return cls(
            at=at,
            written=HappeningView.of(moment.written) if moment.written is not None else None,
            readers=[HappeningView.of(one) for one in moment.readers],
            columns=None
            if schema is None
            else [ColumnView(name=one.name, type=one.type, description=one.description) for one in schema.columns],
            checks=[CheckView.of(one) for one in moment.checks],
        )


class PartitionView(BaseModel):
    """A partition."""

    partition: str
    condition: str
    start: datetime | None = Field(description="Of its window, if it is one of time.")
    end: datetime | None
    written: datetime | None
    run: str | None
    times: int
    failed_run: str | None
    requested_run: str | None
    freshness: str | None = Field(description="`warning` or `stale` when it is late.")

    @classmethod
    def of(cls, slot: Slot, policy: Policy, late: str | None) -> "PartitionView":
        """The view of a partition."""
        window = time_of(policy.partitions, slot.partition)
        return cls(
            partition=slot.partition,
            condition=slot.condition.value,
            start=window.start if window is not None else None,
            end=window.end if window is not None else None,
            written=slot.written,
            run=slot.run,
            times=slot.count,
            failed_run=slot.failed_run,
            requested_run=slot.requested_run,
            freshness=late,
        )


class PartitionList(BaseModel):
    """The status map of an asset: every partition that there should be, in order."""

    items: list[PartitionView]
    counts: dict[str, int] = Field(description="How many by condition.")


class BackfillView(BaseModel):
    """A backfill that was asked for."""

    backfill: str = Field(description="Its name; see `/api/v1/backfills`.")
    partitions: list[str]
    left: int = Field(description="How many more there are; ask again for them.")

    @classmethod
    def of(cls, asked: Asked) -> "BackfillView":
        """The view of what was asked for."""
        return cls(backfill=asked.id, partitions=list(asked.partitions), left=asked.left)


class EvaluationView(BaseModel):
    """A condition that was looked at."""

    id: str
    partition: str | None
    at: datetime
    cause: str = Field(description="Id of the signal or instant that made it be looked at.")
    finding: dict[str, JsonValue] = Field(description="The condition, whether it holds, what was seen, and its parts.")
    run: str | None = Field(description="The run that was started.")

    @classmethod
    def of(cls, one: Evaluation) -> "EvaluationView":
        """The view of an evaluation."""
        return cls(
            id=one.id,
            partition=one.partition or None,
            at=one.at,
            cause=one.cause,
            finding=dict(one.finding),
            run=one.run,
        )


class ReasonView(BaseModel):
    """Why an asset is not fresh."""

    kind: str
    detail: str
    subject: str | None
    limit: str | None = Field(description="The limit or the queue that a run waits at.")
    held_by: list[str] = Field(description="Runs that hold it.")


class ExplanationView(BaseModel):
    """How fresh an asset is, and why."""

    freshness: FreshnessView
    causes: list[ReasonView] = Field(description="The strongest first; what would be the reason, while it is fresh.")

    @classmethod
    def of(cls, asset: Asset, reasons: list[Reason]) -> "ExplanationView":
        """The view of an explanation."""
        causes = [
            ReasonView(kind=one.why.value, detail=one.detail, subject=one.subject, limit=one.limit, held_by=list(one.held_by))
            for one in reasons
        ]
        return cls(freshness=AssetView.of(asset).freshness, causes=causes)
