"""What a reader in order makes of places in the stream: a jump between two of them is what the stream has dropped meanwhile."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

REMEMBERED: Final = timedelta(days=1)  # a loss is told for so long; the log and the audit trail have it for longer


@dataclass(frozen=True, slots=True)
class Gap:
    """Signals that the stream dropped before a reader came to them.

    Attributes:
        first: Position of the first.
        last: Of the last.
        found: When that was noticed.
        restored: How many of them were found elsewhere and read after all.
    """

    first: int
    last: int
    found: datetime
    restored: int = 0

    @property
    def lost(self) -> int:
        """How many were never read."""
        return max(self.last - self.first + 1 - self.restored, 0)


def holes(after: int, positions: Iterable[int]) -> Iterator[tuple[int, int]]:
    """First and last position of each stretch that is missing between ``after`` and these, which ascend."""
    for position in positions:
        if position > after + 1:
            yield after + 1, position - 1
        after = max(after, position)


def lost(gaps: Iterable[Gap], now: datetime) -> int:
    """How many signals were never read, of what was noticed lately."""
    return sum(gap.lost for gap in gaps if now - gap.found < REMEMBERED)
