"""Counting failures and making the next attempt wait. A count belongs to a place, so that nobody is locked out by others."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from tocsin.errors import Conflict
from tocsin.signals import derive
from tocsin_auth.domain.errors import TooManyLogins
from tocsin_auth.domain.throttle import Failures
from tocsin_auth.ports import Records
from tocsin_kit.clock import Clock
from tocsin_kit.store import Entry, Outgoing

FREE_BY_NAME: Final = 5  # wrong passwords for one name from one address
FREE_BY_ADDRESS: Final = 30  # from one address, whatever the names: offices share an address
FREE_CODES: Final = 5  # wrong codes after a right password, from wherever: whoever gets here knows the password
_ATTEMPTS: Final = 5

Place = tuple[str, int]
Speaker = Callable[[Entry[Failures], datetime], Outgoing]
"""Makes the signal about a count of failures."""


class Throttle:
    """Failures by day and place.

    Args:
        failures: Where they are counted.
        clock: Time.
    """

    def __init__(self, failures: Records[Failures], clock: Clock) -> None:
        self._failures, self._clock = failures, clock

    def password_places(self, name: str, address: str) -> list[Place]:
        """Where a wrong password counts: under the name as tried from there, and under the address."""
        day = self._day()
        by_name, by_address = derive("failures", day, address, name), derive("failures", day, address)
        return [(by_name, FREE_BY_NAME), (by_address, FREE_BY_ADDRESS)]

    def code_places(self, name: str) -> list[Place]:
        """Where a wrong code counts: for the name, from all addresses together."""
        return [(derive("failures", self._day(), "code", name), FREE_CODES)]

    async def slow_down(self, places: list[Place]) -> None:
        """Refuse an attempt that comes too early, without doing any work for it.

        Raises:
            TooManyLogins: Wait so long.
        """
        now = self._clock.now()
        found = await self._failures.load_many([key for key, _ in places])
        waits = [
            entry.value.wait(now, free=free) for key, free in places if (entry := found.get(key)) and entry.value is not None
        ]
        wait = max(waits, default=timedelta(0))
        if wait > timedelta(0):
            seconds = max(1, round(wait.total_seconds()))
            raise TooManyLogins(f"too many failed logins; wait {seconds} s", retry_after_seconds=seconds)

    async def record(self, place: Place, said: Speaker | None = None) -> None:
        """Count one more; ``said`` makes the signal that goes with it."""
        for _ in range(_ATTEMPTS):  # others may be failing from there at this moment
            entry = await self._failures.load(place[0])
            now = self._clock.now()
            outbox = [said(entry, now)] if said else []
            try:
                await self._failures.commit(entry, (entry.value or Failures()).one_more(now), outbox=outbox)
            except Conflict:
                continue
            return

    def _day(self) -> str:
        """Counts can be deleted a day later, and their running numbers never begin anew."""
        return self._clock.now().date().isoformat()
