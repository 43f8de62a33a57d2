"""What the case service does: load, decide, commit."""

from tocsin_case.application.cases import Cases, Opening
from tocsin_case.application.clocks import ClockKeeper
from tocsin_case.application.failures import Failures
from tocsin_case.application.rules import Rules

__all__ = ["Cases", "ClockKeeper", "Failures", "Opening", "Rules"]
