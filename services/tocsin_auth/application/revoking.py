"""What was withdrawn lately, from the records themselves: so a revocation and what it is about can never disagree.

The list is computed when it is asked for, and whoever ends something has all services told that there is something new. When
too much is withdrawn to be named, the number of the rules is raised, which refuses all tokens once; what was withdrawn before
that is not named any more, or nobody would get a token that lasts until the last of it has become old.
"""

from datetime import timedelta
from typing import Final

from tocsin_auth.application.authority import Authority
from tocsin_auth.domain.api_keys import KeyRecord
from tocsin_auth.domain.sessions import RunTokenEnd, Session
from tocsin_auth.domain.users import Departure, User
from tocsin_auth.ports import Records
from tocsin_kit.bus.run_tokens import LONGEST
from tocsin_kit.clock import Clock
from tocsin_kit.store import EVERYTHING, Sort
from tocsin_kit.web.revocations import MOST, RevocationList, digest

_MOST_OF_RUNS: Final = 2000  # tokens of runs; each service reads the list every few seconds
_MARGIN: Final = timedelta(minutes=1)  # clocks
_SETTLING: Final = timedelta(seconds=10)  # clocks of replicas, and how long a change takes from its instant to the database


class RevocationLedger:
    """Computes the list.

    Args:
        users: Their floors.
        sessions: Which have ended.
        run_tokens: The same of tokens of runs.
        keys: Which were revoked.
        departures: Users who are gone.
        authority: The number of the rules.
        clock: Time.
        lifetime: Of a token; what is older concerns none that is left.
        most: Entries of one kind; where there are more, all tokens are made anew.
    """

    def __init__(
        self,
        *,
        users: Records[User],
        sessions: Records[Session],
        run_tokens: Records[RunTokenEnd],
        keys: Records[KeyRecord],
        departures: Records[Departure],
        authority: Authority,
        clock: Clock,
        lifetime: timedelta,
        most: int = MOST,
    ) -> None:
        self._users, self._sessions, self._keys, self._departures = users, sessions, keys, departures
        self._run_tokens = run_tokens
        self._authority, self._clock, self._lifetime, self._most = authority, clock, lifetime, most

    async def current(self) -> RevocationList:
        """The list as it is now."""
        policy = await self._authority.stored_policy()
        since = self._clock.now() - self._lifetime - _MARGIN
        if policy.settled_at is not None:
            since = max(since, policy.settled_at - _SETTLING)
        users = await self._users.find(EVERYTHING.at_least("changed_at", since), limit=self._most)
        gone = await self._departures.find(EVERYTHING.at_least("at", since), limit=self._most)
        sessions = await self._sessions.find(EVERYTHING.at_least("ended_at", since), limit=self._most)
        keys = await self._keys.find(EVERYTHING.at_least("revoked_at", since), limit=self._most)
        if self._most in {len(users), len(gone), len(sessions), len(keys)}:
            # Too many to name: everybody's tokens are made anew, which costs each program one refresh.
            await self._authority.renew()
            return RevocationList(policy=await self._authority.policy())
        floors = {digest(f"user:{entry.key}"): entry.value.floor for entry in users if entry.value is not None}
        for departed in gone:
            name = digest(f"user:{departed.key}")
            floors[name] = max(floors.get(name, 0), departed.value.floor if departed.value is not None else 0)
        ended = {digest(f"session:{entry.key}") for entry in sessions} | {digest(f"key:{entry.key}") for entry in keys}
        return RevocationList(policy.number, floors, frozenset(ended | await self._of_runs()))

    async def _of_runs(self) -> set[str]:
        """The newest of them. Nobody's token is made anew for their sake: the others end by themselves, within the hour."""
        since = self._clock.now() - LONGEST - _MARGIN
        newest = Sort("at", descending=True)
        page = await self._run_tokens.page(EVERYTHING.at_least("at", since), sort=newest, limit=_MOST_OF_RUNS, cursor=None)
        return {digest(f"session:{entry.key}") for entry in page.items}
