"""The graph: upstream, downstream, as deep as asked; the paths of a column; what a change would touch."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from tocsin_lineage.domain.columns import ColumnEdge
from tocsin_lineage.domain.graph import ASSET, ColumnWalk, Direction, Picture, Walk, joined, only_kinds
from tocsin_lineage.ports import AssetStore, GraphStore


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Which part of the graph.

    Attributes:
        namespace: Where.
        key: The asset in the middle.
        direction: Which way.
        depth: How many assets away.
        kinds: Only assets of these kinds, and how they are joined; empty for all.
        since: Only what was seen since.
        until: Only what was seen before.
    """

    namespace: str
    key: str
    direction: Direction
    depth: int
    kinds: frozenset[str] = frozenset()
    since: datetime | None = None
    until: datetime | None = None


class Graph:
    """The use case of people who ask where something comes from.

    Args:
        edges: The graph's edges.
        assets: What kinds assets are of.
    """

    def __init__(self, edges: GraphStore, assets: AssetStore) -> None:
        self._edges = edges
        self._assets = assets

    async def around(self, view: View) -> Picture:
        """The part of the graph around an asset; one query for each step away."""
        if view.direction is Direction.BOTH:
            # What it comes from and what depends on it; not what else is made by those that make it.
            picture = joined(await self._walk(view, Direction.UPSTREAM), await self._walk(view, Direction.DOWNSTREAM))
        else:
            picture = await self._walk(view, view.direction)
        if not view.kinds:
            return picture
        keys = [node.removeprefix(ASSET) for node in picture.nodes if node.startswith(ASSET)]
        kinds = await self._assets.kinds(view.namespace, keys)
        kept = {ASSET + key for key in keys if kinds.get(key, (None, ""))[0] in view.kinds}
        return only_kinds(picture, kept)

    async def _walk(self, view: View, direction: Direction) -> Picture:
        walk = Walk(ASSET + view.key, direction, view.depth)
        while not walk.done:
            walk.advance(await self._edges.touching(view.namespace, walk.frontier, direction, view.since, view.until))
        return walk.picture()

    async def about(self, namespace: str, picture: Picture) -> Mapping[str, tuple[str | None, str]]:
        """Kind and freshness of the assets in a picture, by node."""
        keys = [node.removeprefix(ASSET) for node in picture.nodes if node.startswith(ASSET)]
        return {ASSET + key: about for key, about in (await self._assets.kinds(namespace, keys)).items()}

    async def column_paths(
        self, namespace: str, column: str, direction: Direction, depth: int
    ) -> tuple[dict[str, int], tuple[ColumnEdge, ...]]:
        """Columns (``<asset>#<column>``) that one is made of or goes into, how far away each is, and how they are joined."""
        walk = ColumnWalk(column, direction, depth)
        while not walk.done:
            walk.advance(await self._edges.touching_columns(namespace, walk.frontier, direction))
        return walk.nodes, walk.edges
