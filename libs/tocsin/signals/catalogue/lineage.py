"""Signals of lineage: what is known about data that runs read and write."""

from typing import Annotated, Literal

from pydantic import Field

from tocsin.signals.changes import Changed
from tocsin.signals.kinds import AwareDatetime, JsonValue, Name, Payload, Reason, Shelf

SHELF = Shelf("lineage")

Key = Annotated[str, Field(min_length=1, max_length=512, description="Key of the asset.")]
Partition = Field(None, max_length=256, description="Key of the partition; absent for the whole asset.")


class AssetRegistered(Changed):
    """Data of `asset.registered`."""

    name: Key
    kind: str | None = Field(None, description="table, file, model, ...")
    upstream: list[Key] | None = Field(None, max_length=200, description="What it is declared to be made of, if anybody did.")
    maker: str | None = Field(None, description="The workflow that is declared to make it.")


class AssetMaterialized(Payload):
    """Data of `asset.materialized`."""

    name: Key
    partition: str | None = Partition
    run: str | None = Field(None, description="Id of the run that wrote it.")
    task: str | None = Field(None, description="JSON pointer to the task that wrote it.")
    version: str | None = None
    metadata: dict[str, JsonValue] = Field(default_factory=dict)


class AssetObserved(Payload):
    """Data of `asset.observed`."""

    name: Key
    run: str | None = None
    version: str | None = None
    metadata: dict[str, JsonValue] = Field(default_factory=dict)


class AssetDeleted(Changed):
    """Data of `asset.deleted`."""

    name: Key


class FreshnessCause(Payload):
    """Why an asset is late."""

    kind: str = Field(
        description="code-changed, failed-run, paused-schedule, refused-run, waiting-slot, late-upstream, running, no-run, "
        "no-writer."
    )
    detail: Reason
    subject: str | None = Field(None, description="The run, schedule or asset that it is about; the version of the code.")
    limit: str | None = Field(None, description="The limit or the queue of workers that a run waits at.")
    held_by: list[str] | None = Field(None, description="Runs that hold it, at most 20.")


class AssetFreshnessChanged(Payload):
    """Data of `asset.freshness-changed`."""

    name: Key
    partition: str | None = Partition
    before: Literal["unknown", "fresh", "warning", "stale"]
    state: Literal["unknown", "fresh", "warning", "stale"]
    materialized_at: AwareDatetime | None = Field(None, description="When it was written last.")
    causes: list[FreshnessCause] = Field(default_factory=list, description="Why, the strongest first; empty when it is fresh.")


class AssetCheckEvaluated(Payload):
    """Data of `asset.check-evaluated`."""

    name: Key
    check: Name
    partition: str | None = Partition
    passed: bool
    severity: Literal["warn", "error"] = Field(description="How bad it is when it fails.")
    blocking: bool = Field(description="Whether what depends on the asset waits while it fails.")
    run: str | None = None
    detail: Reason | None = None


class AssetSchemaChanged(Payload):
    """Data of `asset.schema-changed`; at most 50 names in each list."""

    name: Key
    run: str | None = None
    added: list[str] = Field(default_factory=list)
    removed: list[str] = Field(default_factory=list)
    changed: list[str] = Field(default_factory=list, description="Columns with another type.")
    breaking: bool = Field(description="Whether a column is gone or has another type.")


ASSET_REGISTERED = SHELF.add("asset", "registered", AssetRegistered, "An asset became known, or was described anew.")
ASSET_MATERIALIZED = SHELF.add("asset", "materialized", AssetMaterialized, "An asset was written.")
ASSET_OBSERVED = SHELF.add("asset", "observed", AssetObserved, "An asset was looked at, not written.")
ASSET_DELETED = SHELF.add("asset", "deleted", AssetDeleted, "An asset was forgotten; what happened to it stays on record.")
ASSET_FRESHNESS_CHANGED = SHELF.add(
    "asset", "freshness-changed", AssetFreshnessChanged, "An asset or a partition of it became late, stale, or fresh again."
)
ASSET_CHECK_EVALUATED = SHELF.add("asset", "check-evaluated", AssetCheckEvaluated, "A check of an asset has passed or failed.")
ASSET_SCHEMA_CHANGED = SHELF.add("asset", "schema-changed", AssetSchemaChanged, "The columns of an asset are others now.")
