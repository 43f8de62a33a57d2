"""An asset: something that runs make and read. A table, a file, a model; what it is called is its owner's business."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum

from tocsin.signals import Json

KEY_LIMIT = 512  # characters; OpenLineage names are URIs and table paths


class Act(Enum):
    """What happened to an asset."""

    MATERIALIZED = "materialized"
    OBSERVED = "observed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One materialization or observation.

    Attributes:
        id: Derived from its cause: the same twice is one.
        act: Written, or read and looked at.
        at: When.
        run: Id of the run.
        task: JSON pointer to the task, or the foreign job's name.
        version: What the writer calls this version.
        metadata: Whatever is known about it: rows, bytes, checks.
        actor: Who said so.
    """

    id: str
    act: Act
    at: datetime
    run: str | None = None
    task: str | None = None
    version: str | None = None
    metadata: Mapping[str, Json] = field(default_factory=dict)
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One asset.

    Attributes:
        namespace: Where it belongs.
        key: Its name there; may hold slashes, dots and whatever a URI may.
        kind: ``table``, ``file``, ``model`` ...
        group: What it is listed under.
        description: Markdown.
        owners: Who answers for it.
        tags: Free words.
        declared: Whether a person described it; otherwise it is only known from what runs did.
        facets: The latest OpenLineage facets about it, unknown ones included.
        materialized: The latest time it was written.
        observed: The latest time it was read or looked at.
        materializations: How often it was written.
    """

    namespace: str
    key: str
    kind: str | None = None
    group: str | None = None
    description: str = ""
    owners: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    declared: bool = False
    facets: Mapping[str, Json] = field(default_factory=dict)
    materialized: datetime | None = None
    observed: datetime | None = None
    materializations: int = 0


def happened(asset: Asset, happening: Happening, facets: Mapping[str, Json]) -> Asset:
    """An asset after something happened to it; what is reported late does not move its clocks back.

    Args:
        asset: As it is.
        happening: What happened.
        facets: What is newly known about it.
    """
    if happening.act is Act.OBSERVED:
        newest = asset.observed is None or happening.at >= asset.observed
        return replace(
            asset,
            observed=happening.at if newest else asset.observed,
            facets={**facets, **asset.facets} if not newest else {**asset.facets, **facets},
        )
    newest = asset.materialized is None or happening.at >= asset.materialized
    return replace(
        asset,
        materialized=happening.at if newest else asset.materialized,
        materializations=asset.materializations + 1,
        facets={**asset.facets, **facets} if newest else {**facets, **asset.facets},
    )
