"""Slowing down guessing without a way to lock somebody else out.

Failures are counted for each (name, network) and for each network. After a few free ones, each failure doubles the wait. The
count belongs to the network that fails, so the same person from elsewhere is not concerned; and what others did there concerns
nobody who has logged in from there before.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Final

LONGEST: Final = timedelta(minutes=15)
_FIRST: Final = timedelta(seconds=1)
_SITE: Final = 64  # bits of an IPv6 address that tell one customer from another; whoever has one address has all below them


def network_of(address: str) -> str:
    """What counts as one place: an IPv4 address, the site of an IPv6 address, or the text itself where it is neither."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped or IPv6Network((found, _SITE), strict=False))
    return str(found)


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
