"""What goes over the wire about OpenLineage and the graph."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, RootModel

from tocsin.signals import Json
from tocsin_kit.web import Input, PageQuery
from tocsin_lineage.domain.columns import ColumnEdge
from tocsin_lineage.domain.graph import Picture
from tocsin_lineage.http.schemas import Instant, Key, Namespace, Word
from tocsin_lineage.ports import KeptEvent


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
    details: bool = Field(default=False, description="With kind and freshness of each asset; as JSON only.")


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


class OpenLineageBatch(RootModel[list[OpenLineageBody | JsonValue]]):
    """OpenLineage events; what is none is named in the answer."""

    @property
    def documents(self) -> Sequence[Json]:
        """What came."""
        return [one.model_extra if isinstance(one, OpenLineageBody) else one for one in self.root]


class Accepted(BaseModel):
    """That an event is kept."""

    id: str


class FailedEvent(BaseModel):
    """An event of a batch that was not taken."""

    index: int = Field(description="Its place in the batch, from 0.")
    reason: str
    retriable: bool = Field(description="Whether the same event can be taken later.")


class BatchSummary(BaseModel):
    """How many of a batch were taken."""

    received: int
    successful: int
    failed: int
    retriable: int
    non_retriable: int


class BatchTaken(BaseModel):
    """What became of a batch, as the OpenLineage API says it."""

    status: Literal["success", "partial_success", "failure"]
    summary: BatchSummary
    failed_events: list[FailedEvent]

    @classmethod
    def of(cls, received: int, refused: Mapping[int, str]) -> "BatchTaken":
        """The view of a batch of which some were no events."""
        failed = [FailedEvent(index=index, reason=reason, retriable=False) for index, reason in sorted(refused.items())]
        kinds: tuple[Literal["success", "partial_success", "failure"], ...] = ("success", "partial_success", "failure")
        return cls(
            status=kinds[bool(failed) + (bool(failed) and len(failed) == received)],
            summary=BatchSummary(
                received=received,
                successful=received - len(failed),
                failed=len(failed),
                retriable=0,
                non_retriable=len(failed),
            ),
            failed_events=failed,
        )


class EventQuery(PageQuery):
    """Which OpenLineage events."""

    namespace: Namespace = "default"
    job: Annotated[str | None, Field(max_length=1024, description="`<namespace>/<name>` of the job.")] = None
    run: Annotated[str | None, Field(max_length=256, description="Id of the run, as its sender named it.")] = None
    since: Annotated[Instant | None, Field(description="Only what happened since.")] = None
    until: Annotated[Instant | None, Field(description="Only what happened until then.")] = None


class EventView(BaseModel):
    """An OpenLineage event as it came."""

    id: str
    time: datetime
    stage: str | None = Field(description="START, RUNNING, COMPLETE, ABORT, FAIL or OTHER; null for dataset and job events.")
    run: str | None
    job: str | None
    parent: str | None = Field(description="The run that this one is part of.")
    event: dict[str, JsonValue] = Field(description="Everything that it holds.")

    @classmethod
    def of(cls, kept: KeptEvent) -> "EventView":
        """The view of an event."""
        told = kept.event
        stage = told.stage.value if told.stage is not None else None
        return cls(
            id=kept.id,
            time=told.time,
            stage=stage,
            run=told.run,
            job=told.job,
            parent=told.parent,
            event=dict(told.document),
        )


class EdgeView(BaseModel):
    """One arrow."""

    source: str
    target: str


class NodeView(BaseModel):
    """What is known about an asset in the graph."""

    kind: str | None
    state: str = Field(description="How fresh: unknown, fresh, warning, stale.")


class PictureView(BaseModel):
    """A part of the graph."""

    start: str
    nodes: dict[str, int] = Field(description="`asset:<key>` or `job:<name>`, and how many assets away it is.")
    edges: list[EdgeView]
    truncated: bool
    details: dict[str, NodeView] | None = Field(default=None, description="By node, where they were asked for.")

    @classmethod
    def of(cls, picture: Picture, details: Mapping[str, tuple[str | None, str]] | None = None) -> "PictureView":
        """The view of a picture."""
        told = None if details is None else {node: NodeView(kind=kind, state=state) for node, (kind, state) in details.items()}
        edges = [EdgeView(source=edge.source, target=edge.target) for edge in picture.edges]
        return cls(start=picture.start, nodes=picture.nodes, edges=edges, truncated=picture.truncated, details=told)


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
