"""Counting failures and making the next attempt wait. A count belongs to a place, so that nobody is locked out by others.

Hashes take a while, and many attempts may begin before the first of them has failed. So an attempt is looked at again when it
has been made: what others have failed meanwhile counts for it as well, and nobody learns whether it was right.
"""

from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final

from tocsin.signals import derive
from tocsin_auth.domain.errors import TooManyLogins
from tocsin_auth.domain.throttle import Failures, network_of
from tocsin_auth.ports import Records
from tocsin_kit.clock import Clock
from tocsin_kit.store import Entry, Outgoing, RevisionConflict, undisputed

FREE_BY_NAME: Final = 5  # wrong passwords for one name from one address
FREE_BY_ADDRESS: Final = 30  # from one address, whatever the names: offices share an address
_PLACES: Final = 10_000  # remembered
AT_ONCE: Final = 20  # passwords from one network that are looked at: whoever sends more takes the others' turn
FREE_CODES: Final = 5  # wrong codes after a right password, from wherever: whoever gets here knows the password

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
        self._inside: Counter[str] = Counter()

    @contextmanager
    def turn(self, address: str) -> Iterator[None]:
        """While a password is looked at: a hash takes a while, and there are only so many at a time for everybody.

        Raises:
            TooManyLogins: Very many from there are looked at already, at this replica.
        """
        place = network_of(address)
        if self._inside[place] >= AT_ONCE:
            raise TooManyLogins("too many logins at once; wait 1 s", retry_after_seconds=1)
        self._inside[place] += 1
        try:
            yield
        finally:
            self._inside[place] -= 1
            if not self._inside[place]:
                del self._inside[place]

    def password_places(self, name: str, address: str) -> list[Place]:
        """Where a wrong password counts: under the name as tried from there, and under the address."""
        day = self._day()
        place = network_of(address)
        return [(derive("failures", day, place, name), FREE_BY_NAME), (derive("failures", day, place), FREE_BY_ADDRESS)]

    def code_places(self, name: str, known: str | None) -> list[Place]:
        """Where a wrong code counts: for the name, from all networks together but those it has come in from before.

        Each of these counts by itself, or whoever has found out a password could keep its owner out.
        """
        return [(derive("failures", self._day(), "code", name, *([known] if known else [])), FREE_CODES)]

    async def slow_down(self, places: list[Place]) -> None:
        """Refuse an attempt that comes too early, without doing any work for it.

        Raises:
            TooManyLogins: Wait so long.
        """
        self._refuse(max(await self.waits(places), default=timedelta(0)))

    async def slow_down_password(self, name: str, address: str, is_known: Callable[[str], Awaitable[bool]]) -> None:
        """The same for a password. Who has come from there before waits for failures under the own name only.

        Args:
            name: As tried.
            address: Where from.
            is_known: Whether this name has logged in from that network; asked only if it matters.

        Raises:
            TooManyLogins: Wait so long.
        """
        for_name, for_place = await self.waits(self.password_places(name, address))
        if for_place > for_name and await is_known(network_of(address)):
            for_place = timedelta(0)
        self._refuse(max(for_name, for_place))

    async def waits(self, places: Sequence[Place]) -> list[timedelta]:
        """How long an attempt has to wait for each of these."""
        now = self._clock.now()
        found = await self._failures.load_many([key for key, _ in places])
        counts = [entry.value if (entry := found.get(key)) else None for key, _ in places]
        return [
            count.wait(now, free=free) if count is not None else timedelta(0)
            for count, (_, free) in zip(counts, places, strict=True)
        ]

    @staticmethod
    def _refuse(wait: timedelta) -> None:
        if wait > timedelta(0):
            seconds = max(1, round(wait.total_seconds()))
            raise TooManyLogins(f"too many failed logins; wait {seconds} s", retry_after_seconds=seconds)

    async def record(self, place: Place, said: Speaker | None = None) -> None:
        """Count one more; ``said`` makes the signal that goes with it.

        Raises:
            TooManyLogins: So many fail from there at this moment that this one cannot even be counted.
        """
        try:
            await self._count(place, said)
        except RevisionConflict as error:
            raise TooManyLogins("too many failed logins; wait 1 s", retry_after_seconds=1) from error

    @undisputed
    async def _count(self, place: Place, said: Speaker | None) -> None:
        entry = await self._failures.load(place[0])
        now = self._clock.now()
        outbox = [said(entry, now)] if said else []
        await self._failures.commit(entry, (entry.value or Failures()).one_more(now), outbox=outbox)

    def _day(self) -> str:
        """Counts can be deleted a day later, and their running numbers never begin anew."""
        return self._clock.now().date().isoformat()


class Pace:
    """How often something that proves nothing may be begun from one place, so that nobody fills the database with beginnings.

    Args:
        most: In a minute, at this replica.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._counts: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def take(self, address: str, now: datetime) -> None:
        """Count one more.

        Raises:
            TooManyLogins: Wait until the minute is over.
        """
        place, minute = network_of(address), int(now.timestamp()) // 60
        last, count = self._counts.pop(place, (minute, 0))
        count = count + 1 if last == minute else 1
        self._counts[place] = (minute, count)
        if len(self._counts) > _PLACES:
            self._counts.popitem(last=False)
        if count > self._most:
            seconds = 60 - now.second
            raise TooManyLogins(f"too many logins are begun from there; wait {seconds} s", retry_after_seconds=seconds)
