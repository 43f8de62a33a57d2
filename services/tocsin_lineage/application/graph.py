"""The graph: upstream, downstream, as deep as asked."""

from tocsin_lineage.domain.graph import ASSET, Direction, Picture, Walk
from tocsin_lineage.ports import EdgeStore


class Graph:
    """The use case of people who ask where something comes from.

    Args:
        edges: The graph's edges.
    """

    def __init__(self, edges: EdgeStore) -> None:
        self._edges = edges

    async def around(self, namespace: str, key: str, direction: Direction, depth: int) -> Picture:
        """The part of the graph around an asset; one query for each step away."""
        walk = Walk(ASSET + key, direction, depth)
        while not walk.done:
            walk.advance(await self._edges.touching(namespace, walk.frontier, direction))
        return walk.picture()
