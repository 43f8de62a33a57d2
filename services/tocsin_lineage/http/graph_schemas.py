"""What goes over the wire about OpenLineage and the graph."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from tocsin_kit.web import Input
from tocsin_lineage.domain.columns import ColumnEdge
from tocsin_lineage.domain.graph import Picture
from tocsin_lineage.http.schemas import Instant, Key, Namespace, Word


class GraphQuery(Input):
    """Which part of the graph, and how it is drawn."""

    asset: Key
    namespace: Namespace = "default"
    direction: Literal["upstream", "downstream", "both"] = "both"
    depth: int = Field(default=3, ge=1, le=20, description="How many assets away.")
    kind: Annotated[str | None, Field(max_length=500, description="Only assets of these kinds, with commas between.")] = None
    since: Annotated[Instant | None, Field(description="Only what was seen since.")] = None
    until: Annotated[Instant | None, Field(description="Only what was seen before.")] = None
    format: Literal["json", "dot", "mermaid"] = "json"


class ColumnQuery(Input):
    """Which column."""

    asset: Key
    column: Word
    namespace: Namespace = "default"
    direction: Literal["upstream", "downstream", "both"] = "upstream"
    depth: int = Field(default=10, ge=1, le=50, description="How many steps away.")


class OpenLineageBody(BaseModel):
    """An OpenLineage run, dataset or job event; everything it holds is kept."""

    model_config = ConfigDict(extra="allow")


class Accepted(BaseModel):
    """That an event is kept."""

    id: str


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


class ImpactView(BaseModel):
    """What a change of an asset would touch."""

    assets: list[str] = Field(description="Downstream, the nearest first.")
    jobs: list[str]
    truncated: bool

    @classmethod
    def of(cls, picture: Picture) -> "ImpactView":
        """The view of what lies downstream."""
        nodes = sorted(picture.nodes.items(), key=lambda item: (item[1], item[0]))
        names = [node for node, _ in nodes if node != picture.start]
        return cls(
            assets=[name.removeprefix("asset:") for name in names if name.startswith("asset:")],
            jobs=[name.removeprefix("job:") for name in names if name.startswith("job:")],
            truncated=picture.truncated,
        )


class ColumnEdgeView(BaseModel):
    """One column that goes into another."""

    source: str
    target: str
    type: str
    subtype: str | None
    description: str | None
    masking: bool


class ColumnPathsView(BaseModel):
    """Where a column comes from, or goes to."""

    start: str
    nodes: dict[str, int] = Field(description="`<asset>#<column>`, and how many steps away it is; `#*` for a whole asset.")
    edges: list[ColumnEdgeView]

    @classmethod
    def of(cls, start: str, nodes: dict[str, int], edges: tuple[ColumnEdge, ...]) -> "ColumnPathsView":
        """The view of what was found."""
        views = [
            ColumnEdgeView(
                source=one.source,
                target=one.target,
                type=one.type,
                subtype=one.subtype,
                description=one.description,
                masking=one.masking,
            )
            for one in edges
        ]
        return cls(start=start, nodes=nodes, edges=views)
