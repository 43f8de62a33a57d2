"""Coming in: passwords, refresh, API keys for tokens, one's own profile, keys to verify tokens with."""

from functools import partial

from tocsin.errors import Conflict, Forbidden, Unauthenticated
from tocsin_auth.application.accounts import Accounts
from tocsin_auth.application.api_keys import ApiKeys
from tocsin_auth.application.bus_access_keys import BusKeys
from tocsin_auth.application.logins import Logins
from tocsin_auth.application.service_tokens import ServiceTokens
from tocsin_auth.application.sessions import LoggedIn, Sessions
from tocsin_auth.application.tokens import Issued, Tokens
from tocsin_auth.domain.errors import (
    SecondFactorNeeded,
    SessionEnded,
    TooManyLogins,
    WeakPassword,
    WrongCode,
    WrongCredentials,
)
from tocsin_auth.http.asking import asker_of
from tocsin_auth.http.key_routes import scopes_of
from tocsin_auth.http.schemas import (
    AccessToken,
    ApiKeyExchangeRequest,
    BusCredentials,
    HeldGrant,
    Jwks,
    Login,
    Me,
    NewKey,
    PasswordChange,
    RefreshRequest,
    Rotated,
    ServiceExchange,
    TokenPair,
)
from tocsin_kit.clock import Clock
from tocsin_kit.web import Authenticated, Call, Permission, Public, Reply, Route
from tocsin_kit.web.access import Grant, Principal

_TAGS = ("auth",)


class LoginHandlers:
    """Handlers of ``/api/v1/auth`` and the key set.

    Args:
        logins: Passwords.
        sessions: What they give.
        accounts: For one's own password.
        keys: API keys.
        bus_keys: Credentials for NATS.
        services: Tokens for services.
        tokens: Signing keys.
        clock: Time.
    """

    def __init__(
        self,
        *,
        logins: Logins,
        sessions: Sessions,
        accounts: Accounts,
        keys: ApiKeys,
        bus_keys: BusKeys,
        services: ServiceTokens,
        tokens: Tokens,
        clock: Clock,
    ) -> None:
        self._sessions = sessions
        self._logins, self._accounts, self._keys, self._bus_keys = logins, accounts, keys, bus_keys
        self._services, self._tokens, self._clock = services, tokens, clock

    async def login(self, call: Call) -> TokenPair:
        """A password for tokens."""
        body = call.body(Login)
        return pair_of(await self._logins.login(body.user, body.password, asker_of(call), code=body.code))

    async def refresh(self, call: Call) -> TokenPair:
        """A refresh token for new tokens."""
        return pair_of(await self._sessions.refresh(call.body(RefreshRequest).refresh_token, asker_of(call)))

    async def logout(self, call: Call) -> None:
        """The end of a session."""
        await self._sessions.logout(call.body(RefreshRequest).refresh_token, asker_of(call))

    async def exchange(self, call: Call) -> AccessToken:
        """An API key for a token."""
        return _access(await self._keys.token_for(call.body(ApiKeyExchangeRequest).api_key))

    async def service(self, call: Call) -> AccessToken:
        """A service's secret for a token."""
        body = call.body(ServiceExchange)
        return _access(await self._services.token_for(body.service, body.secret))

    async def me(self, call: Call) -> Me:
        """Who is asking."""
        who = call.principal
        grants = [held_grant(grant) for grant in who.grants]
        due = await self._accounts.factor_due(who.subject)
        return Me(
            subject=who.subject,
            name=who.name,
            person=who.person,
            grants=grants,
            expires_at=who.expires,
            second_factor_due=due,
        )

    async def change_password(self, call: Call) -> None:
        """One's own password."""
        _only_users(call.principal)
        body = call.body(PasswordChange)
        await self._accounts.change_password(body.current, body.new, asker_of(call))

    async def nats_credentials(self, call: Call) -> BusCredentials:
        """A key to connect to NATS with."""
        body = call.body(NewKey)
        made = await self._bus_keys.create(
            name=body.name, scopes=scopes_of(body.grants), expires_at=body.expires_at, asker=asker_of(call)
        )
        return BusCredentials(
            url=made.url,
            user=made.user,
            password=made.key.text,
            inbox_prefix=made.inbox_prefix,
            publish=list(made.access.publish),
            subscribe=list(made.access.subscribe),
            key=made.key.id,
            expires_at=body.expires_at,
        )

    async def rotate(self, call: Call) -> Rotated:
        """A new signing key."""
        return Rotated(kid=await self._tokens.rotate(asker_of(call)))

    async def jwks(self, call: Call) -> Reply:
        """The keys that verify tokens."""
        return Reply(body=await self._tokens.jwks(), headers={"Cache-Control": "public, max-age=5"})

    def routes(self) -> list[Route]:
        """All of them."""
        return [*self._public_routes(), *self._own_routes(), *self._key_routes()]

    def _public_routes(self) -> list[Route]:
        proof = Public("what is sent is the proof")
        proving = partial(Route, method="POST", access=proof, tags=_TAGS, body_limit=16384)
        return [
            proving(
                path="/api/v1/auth/login",
                summary="Log in with name and password",
                handler=self.login,
                body=Login,
                response=TokenPair,
                problems=(WrongCredentials, TooManyLogins, SecondFactorNeeded, WrongCode),
            ),
            proving(
                path="/api/v1/auth/refresh",
                summary="Get new tokens; the refresh token works once",
                handler=self.refresh,
                body=RefreshRequest,
                response=TokenPair,
                problems=(SessionEnded,),
            ),
            proving(
                path="/api/v1/auth/logout",
                summary="End the session of a refresh token",
                handler=self.logout,
                body=RefreshRequest,
                status=204,
            ),
            proving(
                path="/api/v1/auth/token",
                summary="Exchange an API key for an access token",
                handler=self.exchange,
                body=ApiKeyExchangeRequest,
                response=AccessToken,
                problems=(Unauthenticated,),
            ),
            proving(
                path="/api/v1/auth/service-token",
                summary="Exchange a service's secret for an access token",
                handler=self.service,
                body=ServiceExchange,
                response=AccessToken,
                problems=(Unauthenticated,),
            ),
        ]

    def _own_routes(self) -> list[Route]:
        own = Authenticated("it is about oneself")
        return [
            Route(
                method="GET",
                path="/api/v1/auth/me",
                access=own,
                summary="Who am I, and what may I do",
                handler=self.me,
                tags=_TAGS,
                response=Me,
            ),
            Route(
                method="POST",
                path="/api/v1/auth/password",
                access=own,
                summary="Change one's own password; all sessions end",
                handler=self.change_password,
                tags=_TAGS,
                body=PasswordChange,
                status=204,
                problems=(WeakPassword, TooManyLogins),
            ),
            Route(
                method="POST",
                path="/api/v1/auth/nats-credentials",
                access=own,
                summary="Make a key to connect to NATS with",
                handler=self.nats_credentials,
                tags=_TAGS,
                body=NewKey,
                response=BusCredentials,
                status=201,
            ),
        ]

    def _key_routes(self) -> list[Route]:
        return [
            Route(
                method="GET",
                path="/.well-known/jwks.json",
                access=Public("public keys are public"),
                summary="Keys that verify access tokens",
                handler=self.jwks,
                tags=_TAGS,
                response=Jwks,
            ),
            Route(
                method="POST",
                path="/api/v1/auth/signing-keys/rotate",
                access=Permission("signing-key:rotate", everywhere=True),
                summary="Sign tokens with a new key; nobody is logged out",
                handler=self.rotate,
                tags=_TAGS,
                response=Rotated,
                problems=(Conflict,),
            ),
        ]


def _only_users(principal: Principal) -> None:
    if not principal.subject.startswith("user:"):
        raise Forbidden("only users have a password", hint="log in with a password")


def _access(issued: Issued) -> AccessToken:
    return AccessToken(access_token=issued.token, expires_in=int(issued.lifetime.total_seconds()))


def held_grant(grant: Grant) -> HeldGrant:
    """A grant for the API; run-time namespaces may be wider than what the API takes in."""
    return HeldGrant.model_construct(permission=grant.permission, namespace=grant.namespace, name=grant.name, deny=grant.deny)


def pair_of(logged_in: LoggedIn) -> TokenPair:
    """Tokens for the API."""
    return TokenPair(
        access_token=logged_in.access.token,
        expires_in=int(logged_in.access.lifetime.total_seconds()),
        refresh_token=logged_in.refresh_token,
        refresh_expires_at=logged_in.refresh_until,
    )
