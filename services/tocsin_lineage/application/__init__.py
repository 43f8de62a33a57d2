"""What lineage does: load, decide, commit."""

from tocsin_lineage.application.assets import Assets
from tocsin_lineage.application.automation import Automation
from tocsin_lineage.application.backfills import Backfills
from tocsin_lineage.application.freshness import FreshnessKeeper
from tocsin_lineage.application.graph import Graph
from tocsin_lineage.application.hearing import Hearing
from tocsin_lineage.application.intake import Intake
from tocsin_lineage.application.recording import Recorder

__all__ = ["Assets", "Automation", "Backfills", "FreshnessKeeper", "Graph", "Hearing", "Intake", "Recorder"]
