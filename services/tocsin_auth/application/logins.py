"""Coming in with a password, and with a code where the user has a second factor.

An unknown name costs the same work as a wrong password and is answered with the same words. Failures are recorded and slow
down further ones from the same address only; wrong codes, which only somebody with the right password can try, from anywhere.
"""

from datetime import datetime
from typing import Final

from tocsin.errors import Conflict, Unauthenticated
from tocsin.signals.catalogue.auth import LOGIN_FAILED, LoginFailed
from tocsin_auth.application.saying import Asker, said
from tocsin_auth.application.second_factors import SecondFactors
from tocsin_auth.application.sessions import LoggedIn, Sessions
from tocsin_auth.application.throttling import Place, Throttle
from tocsin_auth.domain.errors import SecondFactorNeeded, WrongCode, WrongCredentials
from tocsin_auth.domain.throttle import Failures
from tocsin_auth.domain.users import LONGEST_PASSWORD, User
from tocsin_auth.ports import PasswordHasher, Records
from tocsin_kit.clock import Clock
from tocsin_kit.store import Entry, Outgoing

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
        await self._throttle.slow_down(self._throttle.password_places(name, asker.address))
        entry = await self._users.load(name)
        user = entry.value
        usable = user is not None and not user.machine and not user.origin
        right = await self._hasher.verify(user.password_hash if user and usable else None, password[: LONGEST_PASSWORD + 1])
        if user is None or not right or user.disabled:
            reason = "unknown user" if user is None else "disabled" if right else "wrong password"
            await self._record_failure(name, user is not None, reason, asker)
            raise WrongCredentials
        entry = await self._second_factor(entry, user, code, asker)
        assert entry.value is not None
        if self._hasher.is_outdated(entry.value.password_hash):
            entry = await self._rehash(entry, entry.value, password)
        return await self._sessions.open(entry, "password" if code is None else "password+code", asker)

    async def check_password(self, user: User, password: str, asker: Asker) -> None:
        """Let somebody who is logged in prove it again, slowed down like a login.

        Raises:
            Unauthenticated: Wrong.
        """
        await self._throttle.slow_down(self._throttle.password_places(user.name, asker.address))
        if not await self._hasher.verify(user.password_hash, password[: LONGEST_PASSWORD + 1]):
            await self._record_failure(user.name, True, "wrong password", asker)
            raise Unauthenticated("the present password is wrong")

    async def _second_factor(self, entry: Entry[User], user: User, code: str | None, asker: Asker) -> Entry[User]:
        if user.second is None or not user.second.confirmed:
            return entry
        if code is None:
            raise SecondFactorNeeded
        places = self._throttle.code_places(user.name)
        await self._throttle.slow_down(places)
        used = self._factors.used(user, code)
        if used is None:
            payload = LoginFailed(name=user.name, method="password+code", reason="wrong or used code")
            await self._record(places[0], payload, asker)
            raise WrongCode
        try:
            return await self._users.commit(entry, used)
        except Conflict as error:  # the same code at the same moment, elsewhere
            raise WrongCode("the code is being used somewhere else at this moment") from error

    async def _rehash(self, entry: Entry[User], user: User, password: str) -> Entry[User]:
        """Bring the hash up to today's parameters, if nobody else changes the user at this moment."""
        encoded = await self._hasher.hash(password)
        try:
            return await self._users.commit(entry, user.rehashed(encoded))
        except Conflict:
            return entry  # the next login does it

    async def _record_failure(self, name: str, known: bool, reason: str, asker: Asker) -> None:
        payload = LoginFailed(name=name if known else _UNKNOWN, method="password", reason=reason)
        by_name, by_address = self._throttle.password_places(name, asker.address)
        await self._record(by_name, payload, asker)
        await self._throttle.record(by_address)

    async def _record(self, place: Place, payload: LoginFailed, asker: Asker) -> None:
        def speak(entry: Entry[Failures], now: datetime) -> Outgoing:
            return said(LOGIN_FAILED, entry, payload, asker=asker, now=now)

        await self._throttle.record(place, speak)
