"""What lineage does: load, decide, commit."""

from tocsin_lineage.application.assets import Assets
from tocsin_lineage.application.graph import Graph
from tocsin_lineage.application.intake import Intake

__all__ = ["Assets", "Graph", "Intake"]
