"""What tests are made of: real servers on free ports, a clock that moves on command, waiting with a deadline, faults."""

from tocsin_kit.testing.clocks import ManualClock, settle
from tocsin_kit.testing.waiting import NeverHappened, eventually

__all__ = ["ManualClock", "NeverHappened", "eventually", "settle"]
