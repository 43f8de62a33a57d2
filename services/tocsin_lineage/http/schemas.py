"""What goes over the wire."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from tocsin_kit.web import Input, PageQuery
from tocsin_lineage.domain.assets import KEY_LIMIT, Asset, Happening
from tocsin_lineage.domain.graph import Picture

Namespace = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", max_length=63)]
Key = Annotated[str, Field(min_length=1, max_length=KEY_LIMIT, description="May hold slashes.")]
Word = Annotated[str, Field(min_length=1, max_length=128)]


class AssetPath(BaseModel):
    """Path of an asset."""

    namespace: Namespace
    key: Key


class NamespaceQuery(Input):
    """Where."""

    namespace: Namespace = "default"


class AssetBody(Input):
    """What a person says about an asset."""

    kind: Word | None = Field(default=None, description="`table`, `file`, `model` ...")
    group: Word | None = None
    description: str = Field(default="", max_length=64_000, description="Markdown.")
    owners: tuple[Word, ...] = Field(default=(), max_length=20)
    tags: tuple[Word, ...] = Field(default=(), max_length=50)


class AssetQuery(PageQuery):
    """Filters over assets; all of them must hold."""

    namespace: Namespace | None = None
    prefix: Key | None = Field(default=None, description="Beginning of the key.")
    group: Word | None = None
    tag: Word | None = None
    kind: Word | None = None


class HappeningBody(Input):
    """A materialization or observation."""

    key: Key
    namespace: Namespace = "default"
    act: Literal["materialized", "observed"] = "materialized"
    at: datetime | None = Field(default=None, description="When; now if not given.")
    run: Word | None = None
    task: str | None = Field(default=None, max_length=512, description="JSON pointer to the task.")
    version: Word | None = None
    metadata: dict[str, JsonValue] = Field(default_factory=dict, max_length=100)
    id: Word | None = Field(default=None, description="Your own name for it; the same again is recorded once.")


class HappeningQuery(PageQuery):
    """Of which asset."""

    key: Key
    namespace: Namespace = "default"


class GraphQuery(Input):
    """Which part of the graph, and how it is drawn."""

    asset: Key
    namespace: Namespace = "default"
    direction: Literal["upstream", "downstream", "both"] = "both"
    depth: int = Field(default=3, ge=1, le=20, description="How many assets away.")
    format: Literal["json", "dot", "mermaid"] = "json"


class OpenLineageBody(BaseModel):
    """An OpenLineage run, dataset or job event; everything it holds is kept."""

    model_config = ConfigDict(extra="allow")


class Accepted(BaseModel):
    """That an event is kept."""

    id: str


class AssetView(BaseModel):
    """An asset."""

    namespace: str
    key: str
    kind: str | None
    group: str | None
    description: str
    owners: tuple[str, ...]
    tags: tuple[str, ...]
    declared: bool
    facets: dict[str, JsonValue]
    materialized: datetime | None
    observed: datetime | None
    materializations: int

    @classmethod
    def of(cls, asset: Asset) -> "AssetView":
        """The view of an asset."""
        return cls(
            namespace=asset.namespace,
            key=asset.key,
            kind=asset.kind,
            group=asset.group,
            description=asset.description,
            owners=asset.owners,
            tags=asset.tags,
            declared=asset.declared,
            facets=dict(asset.facets),
            materialized=asset.materialized,
            observed=asset.observed,
            materializations=asset.materializations,
        )


class HappeningView(BaseModel):
    """What happened to an asset."""

    id: str
    act: str
    at: datetime
    run: str | None
    task: str | None
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
            run=happening.run,
            task=happening.task,
            version=happening.version,
            metadata=dict(happening.metadata),
            actor=happening.actor,
        )


class EdgeView(BaseModel):
    """One arrow."""

    source: str
    target: str


class PictureView(BaseModel):
    """A part of the graph."""

    start: str
    nodes: dict[str, int] = Field(description="`asset:<key>` or `job:<name>`, and how many assets away it is.")
    edges: list[EdgeView]
    truncated: bool

    @classmethod
    def of(cls, picture: Picture) -> "PictureView":
        """The view of a picture."""
        edges = [EdgeView(source=edge.source, target=edge.target) for edge in picture.edges]
        return cls(start=picture.start, nodes=picture.nodes, edges=edges, truncated=picture.truncated)
