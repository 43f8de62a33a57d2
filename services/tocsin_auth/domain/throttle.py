"""Slowing down guessing without a way to lock somebody else out.

Failures are counted for each (name, address) and for each address. After a few free ones, each failure doubles the wait. The
count belongs to the address that fails, so the same person from elsewhere is not concerned.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

LONGEST: Final = timedelta(minutes=15)
_FIRST: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Failures:
    """Failed logins of one kind on one day.

    Attributes:
        count: So many.
        last_at: The latest; ``None`` when there is none.
    """

    count: int = 0
    last_at: datetime | None = None

    def wait(self, now: datetime, *, free: int) -> timedelta:
        """How long the next attempt has to wait; zero when it may be made now.

        Args:
            now: The present.
            free: So many failures cost nothing: people mistype.
        """
        if self.last_at is None or self.count < free:
            return timedelta(0)
        # 2^20 s is far above the longest wait; the shift must not grow with an attacker's patience.
        pause = min(_FIRST * (1 << min(self.count - free, 20)), LONGEST)
        return max(timedelta(0), self.last_at + pause - now)

    def one_more(self, now: datetime) -> "Failures":
        """After another failure."""
        return replace(self, count=self.count + 1, last_at=now)
