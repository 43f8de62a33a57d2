"""Signals of lineage: what is known about data that runs read and write."""

from pydantic import Field

from tocsin.signals.kinds import JsonValue, Name, Payload, Shelf

SHELF = Shelf("lineage")


class AssetRegistered(Payload):
    """Data of `asset.registered`."""

    name: Name
    kind: str | None = Field(None, description="table, file, model, ...")


class AssetMaterialized(Payload):
    """Data of `asset.materialized`."""

    name: Name
    run: str | None = Field(None, description="Id of the run that wrote it.")
    task: str | None = Field(None, description="JSON pointer to the task that wrote it.")
    version: str | None = None
    metadata: dict[str, JsonValue] = Field(default_factory=dict)


class AssetObserved(Payload):
    """Data of `asset.observed`."""

    name: Name
    run: str | None = None
    version: str | None = None
    metadata: dict[str, JsonValue] = Field(default_factory=dict)


class AssetDeleted(Payload):
    """Data of `asset.deleted`."""

    name: Name


ASSET_REGISTERED = SHELF.add("asset", "registered", AssetRegistered, "An asset became known.")
ASSET_MATERIALIZED = SHELF.add("asset", "materialized", AssetMaterialized, "An asset was written.")
ASSET_OBSERVED = SHELF.add("asset", "observed", AssetObserved, "An asset was read or looked at, not written.")
ASSET_DELETED = SHELF.add("asset", "deleted", AssetDeleted, "An asset was forgotten; what happened to it stays on record.")
