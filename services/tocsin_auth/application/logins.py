"""Coming in with a password, and with a code where the user has a second factor.

An unknown name costs the same work as a wrong password and is answered with the same words. Failures are recorded and slow
down further ones from the same network only; wrong codes, which only somebody with the right password can try, from anywhere
but where the user has come in from before.
"""

from datetime import datetime
from functools import partial
from typing import Final

from tocsin.errors import Conflict, Unauthenticated
from tocsin.signals.catalogue.auth import LOGIN_FAILED, LoginFailed
from tocsin_auth.application.saying import Asker, said
from tocsin_auth.application.second_factors import SecondFactors
from tocsin_auth.application.sessions import LoggedIn, Sessions
from tocsin_auth.application.throttling import Place, Throttle
from tocsin_auth.domain.errors import SecondFactorNeeded, WrongCode, WrongCredentials
from tocsin_auth.domain.throttle import Failures, network_of
from tocsin_auth.domain.users import LONGEST_PASSWORD, User
from tocsin_auth.ports import PasswordHasher, Records
from tocsin_kit.clock import Clock
from tocsin_kit.store import Entry, Outgoing, undisputed

_UNKNOWN: Final = "unknown"  # what signals say instead of a name that is none: people type passwords into the wrong field


class Logins:
    """Password logins.

    Args:
        users: All users.
        sessions: Opens sessions.
        throttle: Slows guessing down.
        factors: Checks codes.
        hasher: Checks passwords.
        clock: Time.
    """

    def __init__(
        self,
        *,
        users: Records[User],
        sessions: Sessions,
        throttle: Throttle,
        factors: SecondFactors,
        hasher: PasswordHasher,
        clock: Clock,
    ) -> None:
        self._users, self._sessions, self._throttle, self._factors = users, sessions, throttle, factors
        self._hasher, self._clock = hasher, clock

    async def login(self, name: str, password: str, asker: Asker, *, code: str | None = None) -> LoggedIn:
        """Come in.

        Raises:
            WrongCredentials: Unknown name, wrong password or disabled: not said which.
            SecondFactorNeeded: The password is right; ask for the code and send both.
            WrongCode: The code is wrong or was used before.
            TooManyLogins: Wait so long.
        """
        await self._slow_down(name, asker)
        entry = await self._users.load(name)
        user = entry.value
        usable = user is not None and not user.machine and not user.origin
        right = await self._verify(user.password_hash if user and usable else None, password, asker)
        await self._slow_down(name, asker)
        if user is None or not right or user.disabled:
            reason = "unknown user" if user is None else "disabled" if right else "wrong password"
            await self._record_failure(name, user is not None, reason, asker)
            raise WrongCredentials
        entry = await self._second_factor(await self._unchanged(user), user, code, asker)
        assert entry.value is not None
        if self._hasher.is_outdated(entry.value.password_hash):
            entry = await self._rehash(entry, entry.value, password)
        return await self._sessions.open(entry, "password" if code is None else "password+code", asker)

    async def _verify(self, encoded: str | None, password: str, asker: Asker) -> bool:
        with self._throttle.turn(asker.address):
            return await self._hasher.verify(encoded, password[: LONGEST_PASSWORD + 1])

    async def _unchanged(self, proven: User) -> Entry[User]:
        """The user as it is now: a hash and the queue in front of it take a while, in which the password may be changed."""
        entry = await self._users.load(proven.name)
        if entry.value is None or entry.value.disabled or entry.value.password_hash != proven.password_hash:
            raise WrongCredentials
        return entry

    async def check_password(self, user: User, password: str, asker: Asker) -> None:
        """Let somebody who is logged in prove it again, slowed down like a login.

        Raises:
            Unauthenticated: Wrong.
        """
        await self._slow_down(user.name, asker)
        right = await self._verify(user.password_hash, password, asker)
        await self._slow_down(user.name, asker)
        if not right:
            await self._record_failure(user.name, True, "wrong password", asker)
            raise Unauthenticated("the present password is wrong")

    async def _second_factor(self, entry: Entry[User], user: User, code: str | None, asker: Asker) -> Entry[User]:
        if user.second is None or not user.second.confirmed:
            return entry
        if code is None:
            raise SecondFactorNeeded
        network = network_of(asker.address)
        is_known = await self._sessions.has_come_from(user.name, network)
        places = self._throttle.code_places(user.name, network if is_known else None)
        await self._throttle.slow_down(places)
        used = await self._use(user, code)
        if used is None:
            payload = LoginFailed(name=user.name, method="password+code", reason="wrong or used code")
            await self._record(places[0], payload, asker)
            raise WrongCode
        return used

    @undisputed
    async def _use(self, proven: User, code: str) -> Entry[User] | None:
        """The user after this code; decided again when something else about the user was changed at this moment."""
        entry = await self._unchanged(proven)
        assert entry.value is not None
        used = self._factors.used(entry.value, code)
        return None if used is None else await self._users.commit(entry, used)

    async def _rehash(self, entry: Entry[User], user: User, password: str) -> Entry[User]:
        """Bring the hash up to today's parameters, if nobody else changes the user at this moment."""
        encoded = await self._hasher.hash(password)
        try:
            return await self._users.commit(entry, user.rehashed(encoded))
        except Conflict:
            return entry  # the next login does it

    async def _slow_down(self, name: str, asker: Asker) -> None:
        await self._throttle.slow_down_password(name, asker.address, partial(self._sessions.has_come_from, name))

    async def _record_failure(self, name: str, known: bool, reason: str, asker: Asker) -> None:
        payload = LoginFailed(name=name if known else _UNKNOWN, method="password", reason=reason)
        by_name, by_address = self._throttle.password_places(name, asker.address)
        await self._record(by_name, payload, asker)
        await self._throttle.record(by_address)

    async def _record(self, place: Place, payload: LoginFailed, asker: Asker) -> None:
        def speak(entry: Entry[Failures], now: datetime) -> Outgoing:
            return said(LOGIN_FAILED, entry, payload, asker=asker, now=now)

        await self._throttle.record(place, speak)
