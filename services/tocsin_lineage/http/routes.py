"""All routes of lineage."""

from collections.abc import Sequence
from dataclasses import dataclass

from tocsin_kit.clock import Clock
from tocsin_kit.web import Route
from tocsin_lineage.application import Assets, Backfills, FreshnessKeeper, Graph, Intake, Recorder
from tocsin_lineage.http.asset_routes import asset_routes
from tocsin_lineage.http.lineage_routes import lineage_routes
from tocsin_lineage.http.quality_routes import quality_routes
from tocsin_lineage.ports import EvaluationStore


@dataclass(frozen=True, slots=True)
class UseCases:
    """What the routes call."""

    assets: Assets
    recorder: Recorder
    intake: Intake
    graph: Graph
    backfills: Backfills
    keeper: FreshnessKeeper
    evaluations: EvaluationStore


def routes(cases: UseCases, *, clock: Clock) -> Sequence[Route]:
    """What lineage serves."""
    return (
        *asset_routes(cases.assets, cases.recorder, clock),
        *quality_routes(cases.assets, cases.recorder, cases.backfills, cases.keeper, cases.evaluations, clock=clock),
        *lineage_routes(cases.intake, cases.graph),
    )
