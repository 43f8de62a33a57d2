"""Sessions: opened by whatever proves a person, kept by refresh tokens, listed, ended; and the access tokens they give."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from tocsin.errors import NotFound
from tocsin.signals.catalogue.auth import LOGIN_ENDED, LOGIN_SUCCEEDED, LoginEnded, LoginSucceeded
from tocsin_auth.application.authority import Authority
from tocsin_auth.application.saying import Asker, said
from tocsin_auth.application.tokens import Issued, Tokens
from tocsin_auth.domain.errors import SessionEnded
from tocsin_auth.domain.refresh_tokens import make_refresh_token, parse_refresh_token
from tocsin_auth.domain.sessions import Ending, Session, Verdict
from tocsin_auth.domain.throttle import network_of
from tocsin_auth.domain.users import User
from tocsin_auth.ports import Records, Teller
from tocsin_kit.chance import Chance, new_id
from tocsin_kit.clock import Clock
from tocsin_kit.store import EVERYTHING, Entry, Page, Sort, undisputed

_LOOKED_AT: Final = 200  # sessions of one user


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


class Sessions:
    """All sessions.

    Args:
        users: All users.
        sessions: All sessions.
        authority: What users hold.
        tokens: Issues access tokens.
        teller: Has every service hear what was ended.
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
        authority: Authority,
        tokens: Tokens,
        teller: Teller,
        clock: Clock,
        chance: Chance,
        idle: timedelta,
        longest: timedelta,
    ) -> None:
        self._users, self._sessions, self._authority, self._tokens = users, sessions, authority, tokens
        self._teller, self._clock, self._chance = teller, clock, chance
        self._idle, self._longest = idle, longest

    async def open(self, holder: Entry[User], method: str, asker: Asker) -> LoggedIn:
        """A session for somebody who has just proven to be this user."""
        user = holder.value
        assert user is not None
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
            agent=asker.agent,
            revision=holder.revision,
        )
        payload = LoginSucceeded(name=user.name, method=method)
        signal = said(LOGIN_SUCCEEDED, entry, payload, asker=asker, now=now, actor=user.subject)
        await self._sessions.commit(entry, session, outbox=[signal])
        return LoggedIn(await self._access(holder, session.id), fresh.text, session.idle_until)

    @undisputed
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
        holder = await self._users.load(session.user) if session else None
        user = holder.value if holder else None
        if session is None or holder is None or user is None or user.disabled:
            raise SessionEnded
        match session.judge(token.digest, now=now, secure_since=user.secure_since, floor=user.session_floor):
            case Verdict.OVER:
                raise SessionEnded
            case Verdict.REUSED:
                await self._end(entry, session, Ending.REUSE, asker)
                raise SessionEnded("this refresh token was used before; the session is closed to be safe", hint="log in again")
            case Verdict.GOOD:
                fresh = make_refresh_token(session.id, self._chance.token(32))
                renewed = session.refreshed(fresh.digest, now=now, idle=self._idle)
                await self._sessions.commit(entry, renewed)  # of two at once, the second decides again: it was used before
                return LoggedIn(await self._access(holder, session.id), fresh.text, renewed.idle_until)

    @undisputed
    async def logout(self, text: str, asker: Asker) -> None:
        """Go out. A token that is none, or no longer, is fine: the session is over all the same."""
        token = parse_refresh_token(text)
        entry = await self._sessions.load(token.session) if token else None
        if token is None or entry is None or entry.value is None:
            return
        verdict = entry.value.judge(token.digest, now=self._clock.now(), secure_since=entry.value.began_at)
        if verdict is not Verdict.OVER:
            await self._end(entry, entry.value, Ending.LOGOUT, asker)

    async def has_come_from(self, user: str, network: str) -> bool:
        """Whether this user has logged in from there before, as far as that is remembered."""
        known = await self._sessions.find(EVERYTHING.eq("user", user), limit=_LOOKED_AT)
        return any(entry.value is not None and network_of(entry.value.address) == network for entry in known)

    async def page(self, user: str, *, limit: int, cursor: str | None) -> Page[Entry[Session]]:
        """The sessions of a user that are going on, the oldest first."""
        found = await self._users.load(user)
        since = found.value.secure_since if found.value else self._clock.now()
        now = self._clock.now()
        where = EVERYTHING.eq("user", user).eq("ending", None).at_least("idle_until", now).at_least("began_at", since)
        if found.value is not None and found.value.session_floor:
            where = where.at_least("revision", found.value.session_floor)
        return await self._sessions.page(where, sort=Sort(), limit=limit, cursor=cursor)

    @undisputed
    async def revoke(self, session_id: str, asker: Asker) -> None:
        """End a session of one's own, or of others with the permission; its access tokens are refused within seconds.

        Raises:
            NotFound: There is none for the asker.
        """
        entry = await self._sessions.load(session_id)
        own = entry.value is not None and asker.principal.subject == f"user:{entry.value.user}"
        if entry.value is None or not (own or asker.principal.may("user:write", "*")):
            raise NotFound(f"there is no session {session_id[:64]}")
        if entry.value.ending is None:
            await self._end(entry, entry.value, Ending.REVOKED, asker)

    async def _access(self, holder: Entry[User], session: str) -> Issued:
        user = holder.value
        assert user is not None
        standing = await self._authority.standing(holder, session=session)
        return await self._tokens.issue(
            subject=user.subject, name=user.name, grants=standing.grants, proof=standing.proof, until=standing.until
        )

    async def _end(self, entry: Entry[Session], session: Session, why: Ending, asker: Asker) -> None:
        now = self._clock.now()
        payload = LoginEnded(name=session.user, reason=why.value)
        actor = None if why is Ending.REVOKED else f"user:{session.user}"
        after = session.ended(why, now)
        signal = said(LOGIN_ENDED, entry, payload, asker=asker, now=now, actor=actor, to=after)
        await self._sessions.commit(entry, after, outbox=[signal])
        await self._teller.tell()
