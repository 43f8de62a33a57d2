"""Coming in with a password, staying in with refresh tokens, going out.

An unknown name costs the same work as a wrong password and is answered with the same words. Failures are recorded and slow
down further ones from the same address only.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from tocsin.errors import Conflict, Unauthenticated
from tocsin.signals import derive
from tocsin.signals.catalogue.auth import (
    LOGIN_ENDED,
    LOGIN_FAILED,
    LOGIN_SUCCEEDED,
    LoginEnded,
    LoginFailed,
    LoginSucceeded,
)
from tocsin_auth.application.authority import Authority
from tocsin_auth.application.saying import Asker, said
from tocsin_auth.application.tokens import Issued, Tokens
from tocsin_auth.domain.errors import SessionEnded, TooManyLogins, WrongCredentials
from tocsin_auth.domain.refresh_tokens import make_refresh_token, parse_refresh_token
from tocsin_auth.domain.sessions import Ending, Session, Verdict
from tocsin_auth.domain.throttle import Failures
from tocsin_auth.domain.users import LONGEST_PASSWORD, User
from tocsin_auth.ports import PasswordHasher, Records
from tocsin_kit.chance import Chance, new_id
from tocsin_kit.clock import Clock
from tocsin_kit.store import Entry

_FREE_BY_NAME: Final = 5  # wrong passwords for one name from one address
_FREE_BY_ADDRESS: Final = 30  # from one address, whatever the names: offices share an address
_UNKNOWN: Final = "unknown"  # what signals say instead of a name that is none: people type passwords into the wrong field


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """What a login or refresh gives.

    Attributes:
        access: Short-lived token.
        refresh_token: For the next one; works once.
        refresh_until: It works until then.
    """

    access: Issued
    refresh_token: str
    refresh_until: datetime


class Logins:
    """Password logins and their sessions.

    Args:
        users: All users.
        sessions: All sessions.
        failures: Failed logins by day, name and address.
        authority: Resolves roles.
        tokens: Issues access tokens.
        hasher: Checks passwords.
        clock: Time.
        chance: Makes secrets.
        idle: A session not refreshed for so long ends.
        longest: A session ends after so long in any case.
    """

    def __init__(
        self,
        *,
        users: Records[User],
        sessions: Records[Session],
        failures: Records[Failures],
        authority: Authority,
        tokens: Tokens,
        hasher: PasswordHasher,
        clock: Clock,
        chance: Chance,
        idle: timedelta,
        longest: timedelta,
    ) -> None:
        self._users, self._sessions, self._failures = users, sessions, failures
        self._authority, self._tokens, self._hasher = authority, tokens, hasher
        self._clock, self._chance = clock, chance
        self._idle, self._longest = idle, longest

    async def login(self, name: str, password: str, asker: Asker) -> LoggedIn:
        """Come in.

        Raises:
            WrongCredentials: Unknown name, wrong password or disabled: not said which.
            TooManyLogins: Wait so long.
        """
        now = self._clock.now()
        await self._slow_down(name, asker, now)
        entry = await self._users.load(name)
        user = entry.value
        right = await self._hasher.verify(user.password_hash if user else None, password[: LONGEST_PASSWORD + 1])
        if user is None or not right or user.disabled:
            reason = "unknown user" if user is None else "disabled" if right else "wrong password"
            await self._record_failure(name, user is not None, reason, asker)
            raise WrongCredentials
        if self._hasher.is_outdated(user.password_hash):
            await self._rehash(entry, user, password)
        return await self._open_session(user, asker)

    async def refresh(self, text: str, asker: Asker) -> LoggedIn:
        """Stay in: the token is replaced.

        Raises:
            SessionEnded: It is over, or the token was used before, which ends it.
        """
        token = parse_refresh_token(text)
        if token is None:
            raise SessionEnded("this is no refresh token")
        now = self._clock.now()
        entry = await self._sessions.load(token.session)
        session = entry.value
        user = (await self._users.load(session.user)).value if session else None
        if session is None or user is None or user.disabled:
            raise SessionEnded
        match session.judge(token.digest, now=now, secure_since=user.secure_since):
            case Verdict.OVER:
                raise SessionEnded
            case Verdict.REUSED:
                await self._end(entry, session, Ending.REUSE, asker)
                raise SessionEnded("this refresh token was used before; the session is closed to be safe", hint="log in again")
            case Verdict.GOOD:
                fresh = make_refresh_token(session.id, self._chance.token(32))
                renewed = session.refreshed(fresh.digest, now=now, idle=self._idle)
                try:
                    await self._sessions.commit(entry, renewed)
                except Conflict as error:
                    raise SessionEnded("this refresh token is being used twice at once", hint="log in again") from error
                return LoggedIn(await self._access(user), fresh.text, renewed.idle_until)

    async def logout(self, text: str, asker: Asker) -> None:
        """Go out. A token that is none, or no longer, is fine: the session is over all the same."""
        token = parse_refresh_token(text)
        entry = await self._sessions.load(token.session) if token else None
        if token is None or entry is None or entry.value is None:
            return
        verdict = entry.value.judge(token.digest, now=self._clock.now(), secure_since=entry.value.began_at)
        if verdict is not Verdict.OVER:
            await self._end(entry, entry.value, Ending.LOGOUT, asker)

    async def check_password(self, user: User, password: str, asker: Asker) -> None:
        """Let somebody who is logged in prove it again, slowed down like a login.

        Raises:
            Unauthenticated: Wrong.
        """
        now = self._clock.now()
        await self._slow_down(user.name, asker, now)
        if not await self._hasher.verify(user.password_hash, password[: LONGEST_PASSWORD + 1]):
            await self._record_failure(user.name, True, "wrong password", asker)
            raise Unauthenticated("the present password is wrong")

    async def _open_session(self, user: User, asker: Asker) -> LoggedIn:
        now = self._clock.now()
        entry = await self._sessions.load(new_id(now, self._chance))
        fresh = make_refresh_token(entry.key, self._chance.token(32))
        session = Session(
            id=entry.key,
            user=user.name,
            digest=fresh.digest,
            began_at=now,
            idle_until=now + self._idle,
            ends_at=now + self._longest,
            address=asker.address,
        )
        payload = LoginSucceeded(name=user.name, method="password")
        signal = said(LOGIN_SUCCEEDED, entry, payload, asker=asker, now=now, actor=user.subject)
        await self._sessions.commit(entry, session, outbox=[signal])
        return LoggedIn(await self._access(user), fresh.text, session.idle_until)

    async def _access(self, user: User) -> Issued:
        grants = await self._authority.grants_of(user)
        return await self._tokens.issue(subject=user.subject, name=user.name, grants=grants)

    async def _end(self, entry: Entry[Session], session: Session, why: Ending, asker: Asker) -> None:
        now = self._clock.now()
        payload = LoginEnded(name=session.user, reason=why.value)
        signal = said(LOGIN_ENDED, entry, payload, asker=asker, now=now, actor=f"user:{session.user}")
        await self._sessions.commit(entry, session.ended(why), outbox=[signal])

    async def _rehash(self, entry: Entry[User], user: User, password: str) -> None:
        """Bring the hash up to today's parameters, if nobody else changes the user at this moment."""
        encoded = await self._hasher.hash(password)
        try:
            await self._users.commit(entry, user.with_password(encoded, user.secure_since))
        except Conflict:
            return  # the next login does it

    # ---- failures --------------------------------------------------------------------------------------------------------

    async def _slow_down(self, name: str, asker: Asker, now: datetime) -> None:
        """Refuse an attempt that comes too early, without doing any work for it."""
        by_name, by_address = _places(name, asker.address, now)
        found = await self._failures.load_many([by_name, by_address])
        waits = [
            entry.value.wait(now, free=free)
            for key, free in ((by_name, _FREE_BY_NAME), (by_address, _FREE_BY_ADDRESS))
            if (entry := found.get(key)) and entry.value
        ]
        wait = max(waits, default=timedelta(0))
        if wait > timedelta(0):
            seconds = max(1, round(wait.total_seconds()))
            raise TooManyLogins(f"too many failed logins from this address; wait {seconds} s", retry_after_seconds=seconds)

    async def _record_failure(self, name: str, known: bool, reason: str, asker: Asker) -> None:
        now = self._clock.now()
        payload = LoginFailed(name=name if known else _UNKNOWN, method="password", reason=reason)
        by_name, by_address = _places(name, asker.address, now)
        for key, loud in ((by_name, True), (by_address, False)):
            for _ in range(5):  # others may be failing from there at this moment
                entry = await self._failures.load(key)
                outbox = [said(LOGIN_FAILED, entry, payload, asker=asker, now=now)] if loud else []
                try:
                    await self._failures.commit(entry, (entry.value or Failures()).one_more(now), outbox=outbox)
                except Conflict:
                    continue
                break


def _places(name: str, address: str, now: datetime) -> tuple[str, str]:
    """Where failures are counted. With the day, so that counts can be deleted and their running numbers never begin anew."""
    day = now.date().isoformat()
    return derive("failures", day, address, name), derive("failures", day, address)
