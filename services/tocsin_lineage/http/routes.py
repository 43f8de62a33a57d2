"""All routes of lineage."""

from collections.abc import Sequence

from tocsin_kit.clock import Clock
from tocsin_kit.web import Route
from tocsin_lineage.application import Assets, Graph, Intake
from tocsin_lineage.http.asset_routes import asset_routes
from tocsin_lineage.http.lineage_routes import lineage_routes


def routes(assets: Assets, intake: Intake, graph: Graph, *, clock: Clock) -> Sequence[Route]:
    """What lineage serves."""
    return (*asset_routes(assets, clock), *lineage_routes(intake, graph))
