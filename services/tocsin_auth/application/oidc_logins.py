"""Logging in at an identity provider: begin, come back, be somebody here.

A person is who the issuer and the subject say, never who the name or the mail address says: a local user of the same name stays
another person. What such a person may do follows from groups that name the provider's group values.
"""

import base64
from dataclasses import dataclass
from typing import Final

from tocsin.errors import Conflict, NotFound, Unauthenticated
from tocsin.signals import derive
from tocsin.signals.catalogue.auth import USER_CREATED, USER_UPDATED, UserChanged
from tocsin_auth.application.saying import Asker, said
from tocsin_auth.application.sessions import LoggedIn, Sessions
from tocsin_auth.application.throttling import Pace
from tocsin_auth.domain.errors import WrongCredentials
from tocsin_auth.domain.oidc import PATIENCE, Attempt, Identity, authorization_url, checked_redirect, digest, identity_of
from tocsin_auth.domain.users import NO_PASSWORD, User
from tocsin_auth.ports import IdentityProvider, Records, Teller
from tocsin_kit.chance import Chance
from tocsin_kit.clock import Clock
from tocsin_kit.store import EVERYTHING, Entry, undisputed

BEGUN: Final = 120  # logins in a minute from one place; offices share an address


@dataclass(frozen=True, slots=True)
class OidcRules:
    """How the provider is used.

    Attributes:
        client: Our id there.
        scopes: What is asked for.
        names: Claim with the user's name.
        groups: Claim with the groups.
        console: Where the console takes people back.
        label: What the button says.
    """

    client: str
    scopes: str
    names: str
    groups: str
    console: str
    label: str


@dataclass(frozen=True, slots=True)
class Begun:
    """A login that has begun.

    Attributes:
        url: Where the person goes.
        state: Comes back with the person.
        ticket: Kept by whoever began it, and shown at the end.
    """

    url: str
    state: str
    ticket: str


class OidcLogins:
    """Logins at the provider.

    Args:
        provider: It.
        rules: How it is used.
        attempts: Logins that have begun.
        users: All users.
        sessions: Opens sessions.
        teller: Has every service hear when groups have changed.
        clock: Time.
        chance: Makes states and verifiers.
    """

    def __init__(
        self,
        *,
        provider: IdentityProvider,
        rules: OidcRules,
        attempts: Records[Attempt],
        users: Records[User],
        sessions: Sessions,
        teller: Teller,
        clock: Clock,
        chance: Chance,
    ) -> None:
        self.rules = rules
        self._provider, self._attempts, self._users, self._sessions = provider, attempts, users, sessions
        self._teller, self._clock, self._chance = teller, clock, chance
        self._pace = Pace(BEGUN)

    async def begin(self, redirect_uri: str, asker: Asker) -> Begun:
        """Send somebody to the provider.

        Raises:
            Invalid: They would come back to somebody else's place.
            TooManyLogins: Very many are begun from theirs.
            Unavailable: The provider does not answer.
        """
        checked_redirect(redirect_uri, self.rules.console)
        self._pace.take(asker.address, self._clock.now())
        found = await self._provider.discover()
        state, ticket, nonce, verifier = (self._text() for _ in range(4))
        attempt = Attempt(digest(ticket), nonce, verifier, redirect_uri, self._clock.now() + PATIENCE)
        await self._attempts.commit(await self._attempts.load(_key(state)), attempt)
        url = authorization_url(found, client=self.rules.client, scopes=self.rules.scopes, state=state, attempt=attempt)
        return Begun(url, state, ticket)

    async def finish(self, state: str, ticket: str, code: str, asker: Asker) -> LoggedIn:
        """Somebody has come back.

        Raises:
            Unauthenticated: Not this login, not this person, or the provider does not confirm it.
            Unavailable: The provider does not answer.
        """
        entry = await self._attempts.load(_key(state))
        attempt = entry.value
        if attempt is None or not attempt.belongs_to(ticket, self._clock.now()):
            raise Unauthenticated("this login was not begun here, is over, or was finished before", hint="begin again")
        try:
            await self._attempts.commit(entry, None)  # before the code is spent: it works once, whatever happens next
        except Conflict as error:
            raise Unauthenticated("this login is being finished twice at once", hint="begin again") from error
        claims = await self._provider.redeem(code, verifier=attempt.verifier, redirect_uri=attempt.redirect_uri)
        identity = identity_of(
            claims,
            nonce=attempt.nonce,
            client=self.rules.client,
            now=self._clock.now(),
            names=self.rules.names,
            groups=self.rules.groups,
        )
        holder = await self._holder(identity, asker)
        assert holder.value is not None
        if holder.value.disabled:
            raise WrongCredentials
        return await self._sessions.open(holder, "oidc", asker)

    @undisputed
    async def _holder(self, identity: Identity, asker: Asker) -> Entry[User]:
        now = self._clock.now()
        known = await self._users.find(EVERYTHING.eq("origin", identity.origin), limit=1)
        if known:
            entry = known[0]
            assert entry.value is not None
            user = entry.value.with_claims(identity.groups, now, entry.revision + 1)
            if user == entry.value:
                return entry
            changed = said(USER_UPDATED, entry, _about(user), asker=asker, now=now, actor=user.subject, to=user)
            stored = await self._users.commit(entry, user, outbox=[changed])
            await self._teller.tell()
            return stored
        # One record for one origin: the key is derived from it where the name is taken, so two logins at once meet there.
        for name in (identity.name, f"{identity.name}-{derive('origin', identity.origin)[-6:]}"):
            entry = await self._users.load(name)
            if entry.value is not None:
                continue
            first = entry.revision + 1
            user = User(
                name, NO_PASSWORD, (), False, now, now, changed_at=now, floor=first, origin=identity.origin, session_floor=first
            ).with_claims(identity.groups, now, first)
            made = said(USER_CREATED, entry, _about(user), asker=asker, now=now, actor=user.subject, to=user)
            return await self._users.commit(entry, user, outbox=[made])
        raise Conflict("there are users of this name already", hint="ask an administrator")

    def _text(self) -> str:
        return base64.urlsafe_b64encode(self._chance.token(32)).decode().rstrip("=")


class NoOidc:
    """Where no provider is set up."""

    rules: Final = None

    async def begin(self, redirect_uri: str, asker: Asker) -> Begun:
        """Never."""
        raise NotFound("no identity provider is set up here", hint="auth.oidc_issuer names one")

    async def finish(self, state: str, ticket: str, code: str, asker: Asker) -> LoggedIn:
        """Never."""
        raise NotFound("no identity provider is set up here", hint="auth.oidc_issuer names one")


def _key(state: str) -> str:
    """The state itself is not kept: it is half of what finishes a login."""
    return derive("oidc", state)


def _about(user: User) -> UserChanged:
    return UserChanged(name=user.name, roles=[*user.role_names, *(f"group claim {claim}" for claim in user.claims)])
