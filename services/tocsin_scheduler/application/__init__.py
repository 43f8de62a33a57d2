"""What the scheduler does: load, decide, commit."""

from tocsin_scheduler.application.editing import Schedules, Wanted
from tocsin_scheduler.application.ends import RunEnds
from tocsin_scheduler.application.reconciling import Reconciler
from tocsin_scheduler.application.timekeeping import Firer, Timekeeper

__all__ = ["Firer", "Reconciler", "RunEnds", "Schedules", "Timekeeper", "Wanted"]
