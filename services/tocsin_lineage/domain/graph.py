"""The graph of assets and jobs: walking it breadth first, and drawing what was found. Cycles are walked once."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from tocsin_lineage.domain.columns import ColumnEdge

NODES = 5000  # of one answer; more than anyone can look at
ASSET = "asset:"
JOB = "job:"


class Direction(Enum):
    """Which way to walk."""

    UPSTREAM = "upstream"
    DOWNSTREAM = "downstream"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Edge:
    """One arrow: from what is read to the job, or from the job to what is written. Ends are ``asset:<key>``, ``job:<name>``."""

    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A part of the graph.

    Attributes:
        start: Where the walk began.
        nodes: Depth in assets by node; jobs have that of the assets they lead to.
        edges: Arrows between these nodes.
        truncated: Whether the limit of nodes ended the walk.
    """

    start: str
    nodes: dict[str, int]
    edges: tuple[Edge, ...]
    truncated: bool


class Walk:
    """A walk in rounds: ask for the edges of :attr:`frontier`, give them to :meth:`advance`, until it is :attr:`done`.

    Args:
        start: A node.
        direction: Which way.
        depth: How many assets away; a job between two assets does not count.
    """

    def __init__(self, start: str, direction: Direction, depth: int) -> None:
        self.start = start
        self.direction = direction
        self.truncated = False
        self._rounds = depth * 2
        self._nodes: dict[str, int] = {start: 0}
        self._edges: set[Edge] = set()
        self._frontier: frozenset[str] = frozenset({start})
        self._round = 0

    @property
    def frontier(self) -> frozenset[str]:
        """The nodes whose edges are wanted next."""
        return self._frontier

    @property
    def done(self) -> bool:
        """Whether nothing more is to be asked for."""
        return not self._frontier or self._round >= self._rounds

    def advance(self, edges: Iterable[Edge]) -> None:
        """Take the edges of the frontier, in the direction of the walk."""
        self._round += 1
        depth = (self._round + 1) // 2
        reached: set[str] = set()
        for edge in sorted(edges, key=lambda edge: (edge.source, edge.target)):
            for near, far in ((edge.source, edge.target), (edge.target, edge.source)):
                if near not in self._frontier:
                    continue
                if far not in self._nodes:
                    if len(self._nodes) >= NODES:
                        self.truncated = True
                        continue
                    self._nodes[far] = depth
                    reached.add(far)
                self._edges.add(edge)
        self._frontier = frozenset(reached)

    def picture(self) -> Picture:
        """What was found."""
        edges = sorted(self._edges, key=lambda edge: (edge.source, edge.target))
        return Picture(self.start, dict(sorted(self._nodes.items())), tuple(edges), self.truncated)


def joined(one: Picture, other: Picture) -> Picture:
    """Two pictures from the same start as one; a node is as far away as in the picture in which it is nearer."""
    nodes = dict(one.nodes)
    for node, depth in other.nodes.items():
        nodes[node] = min(depth, nodes.get(node, depth))
    edges = sorted({*one.edges, *other.edges}, key=lambda edge: (edge.source, edge.target))
    return Picture(one.start, dict(sorted(nodes.items())), tuple(edges), one.truncated or other.truncated)


def as_dot(picture: Picture) -> str:
    """The picture for Graphviz."""
    lines = ["digraph lineage {", "  rankdir=LR;", '  node [fontname="sans-serif"];']
    for node in picture.nodes:
        shape = "box" if node.startswith(ASSET) else "ellipse"
        weight = ', style="bold"' if node == picture.start else ""
        lines.append(f'  "{_quoted(node)}" [label="{_quoted(_label(node))}", shape={shape}{weight}];')
    lines += [f'  "{_quoted(edge.source)}" -> "{_quoted(edge.target)}";' for edge in picture.edges]
    return "\n".join([*lines, "}", ""])


# What Mermaid reads as its own or as HTML; a label that begins with a backtick would be Markdown.
_MERMAID = {'"': "#quot;", "#": "#35;", "<": "#lt;", ">": "#gt;", "&": "#amp;", "`": "#96;", "\\": "#92;"}


def as_mermaid(picture: Picture) -> str:
    """The picture for Mermaid."""
    names = {node: f"n{number}" for number, node in enumerate(picture.nodes)}
    lines = ["flowchart LR"]
    for node, name in names.items():
        label = "".join(_MERMAID.get(one, one) for one in _label(node))
        lines.append(f'  {name}["{label}"]' if node.startswith(ASSET) else f'  {name}(["{label}"])')
    lines += [f"  {names[edge.source]} --> {names[edge.target]}" for edge in picture.edges]
    return "\n".join([*lines, ""])


def _label(node: str) -> str:
    return node.partition(":")[2]


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")


def only_kinds(picture: Picture, kept: set[str]) -> Picture:
    """The picture with these assets, its start, and the jobs that join two of them."""
    assets = {node for node in picture.nodes if node.startswith(ASSET) and (node in kept or node == picture.start)}
    around: dict[str, int] = {}
    for edge in picture.edges:
        for job, asset in ((edge.source, edge.target), (edge.target, edge.source)):
            if job.startswith(JOB) and asset in assets:
                around[job] = around.get(job, 0) + 1
    nodes = {node: depth for node, depth in picture.nodes.items() if node in assets or around.get(node, 0) > 1}
    edges = tuple(edge for edge in picture.edges if edge.source in nodes and edge.target in nodes)
    return Picture(picture.start, nodes, edges, picture.truncated)


class ColumnWalk:
    """A walk over columns, as :class:`Walk` over assets: one round is one step away.

    Args:
        start: ``<asset>#<column>``.
        direction: Which way.
        depth: How many steps.
    """

    def __init__(self, start: str, direction: Direction, depth: int) -> None:
        self.nodes: dict[str, int] = {start: 0}
        self.frontier: frozenset[str] = frozenset({start})
        self._edges: dict[ColumnEdge, None] = {}
        self._direction = direction
        self._depth = depth
        self._round = 0

    @property
    def done(self) -> bool:
        """Whether nothing more is to be asked for."""
        return not self.frontier or self._round >= self._depth

    @property
    def edges(self) -> tuple[ColumnEdge, ...]:
        """What joins them, in order."""
        return tuple(sorted(self._edges, key=lambda edge: (edge.source, edge.target, edge.type, edge.subtype or "")))

    def advance(self, edges: Iterable[ColumnEdge]) -> None:
        """Take the edges of the frontier, in the direction of the walk."""
        self._round += 1
        reached: set[str] = set()
        for edge in edges:
            self._edges[edge] = None
            for far in (edge.source, edge.target):
                if far not in self.nodes and len(self.nodes) < NODES:
                    self.nodes[far] = self._round
                    reached.add(far)
        self.frontier = frozenset(reached)
