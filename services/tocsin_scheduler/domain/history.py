"""What became of an instant."""

from dataclasses import dataclass
from datetime import datetime

from tocsin_scheduler.domain.schedules import Outcome


@dataclass(frozen=True, slots=True)
class Past:
    """A run that was started for an instant of a schedule.

    Attributes:
        run: Its id.
        at: The instant.
        outcome: How it ended; ``None`` while it goes on.
    """

    run: str
    at: datetime
    outcome: Outcome | None
