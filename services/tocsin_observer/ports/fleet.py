"""What the picture of the whole platform needs: what replicas say of themselves, and counts of signals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tocsin_observer.domain.fleet import Replica


class Fleet(Protocol):
    """Replicas of all services."""

    def replicas(self) -> Mapping[str, Replica]:
        """All that were heard within the hour."""
        ...

    def deaf(self) -> str | None:
        """Why whoever is not heard may be well all the same; ``None`` where silence says something."""
        ...


class SignalCounts(Protocol):
    """Counts of signals."""

    async def seen(self, now: datetime) -> tuple[dict[str, int], dict[str, datetime]]:
        """By type: how many within the last hour, and when the last one came."""
        ...


@dataclass(frozen=True, slots=True)
class Listener:
    """A durable consumer of signals: who reads what."""

    service: str
    consumer: str
    filters: Sequence[str]
