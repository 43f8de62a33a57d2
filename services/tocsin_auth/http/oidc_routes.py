"""Logging in at an identity provider, for the console and the command line."""

from typing import Protocol

from pydantic import BaseModel, Field

from tocsin.errors import Invalid, NotFound, Unauthenticated, Unavailable
from tocsin_auth.application.oidc_logins import Begun, OidcRules
from tocsin_auth.application.saying import Asker
from tocsin_auth.application.sessions import LoggedIn
from tocsin_auth.domain.errors import TooManyLogins
from tocsin_auth.http.asking import asker_of
from tocsin_auth.http.login_routes import pair_of
from tocsin_auth.http.schemas import TokenPair
from tocsin_kit.web import Call, Input, Public, Route

_TAGS = ("auth",)
_PATH = "/api/v1/auth/oidc"


class Beginning(Input):
    """Where to come back to."""

    redirect_uri: str = Field(max_length=512, description="The console's address, or `http://127.0.0.1:<port>/callback`.")


class BegunModel(BaseModel):
    """A login that has begun."""

    url: str = Field(description="Where the person goes.")
    state: str = Field(description="Comes back with the person.")
    ticket: str = Field(description="Keep it, and show it at the end.")


class Ending(Input):
    """What the person came back with."""

    state: str = Field(min_length=20, max_length=128)
    ticket: str = Field(min_length=20, max_length=128, json_schema_extra={"writeOnly": True})
    code: str = Field(min_length=1, max_length=4096, json_schema_extra={"writeOnly": True})


class Offer(BaseModel):
    """Whether there is an identity provider."""

    available: bool
    label: str = Field(description="For the button.")
    redirect_uri: str = Field(description="Of the console.")


class Oidc(Protocol):
    """The use cases, or that there are none."""

    @property
    def rules(self) -> OidcRules | None:
        """How the provider is used; ``None`` where none is set up."""
        ...

    async def begin(self, redirect_uri: str, asker: Asker) -> Begun:
        """Send somebody there."""
        ...

    async def finish(self, state: str, ticket: str, code: str, asker: Asker) -> LoggedIn:
        """Somebody has come back."""
        ...


class OidcHandlers:
    """Handlers of ``/api/v1/auth/oidc``.

    Args:
        oidc: The use cases.
    """

    def __init__(self, oidc: Oidc) -> None:
        self._oidc = oidc

    async def offer(self, call: Call) -> Offer:
        """Whether there is an identity provider."""
        rules = self._oidc.rules
        if rules is None:
            return Offer(available=False, label="", redirect_uri="")
        return Offer(available=True, label=rules.label, redirect_uri=rules.console)

    async def begin(self, call: Call) -> BegunModel:
        """Begin a login."""
        begun = await self._oidc.begin(call.body(Beginning).redirect_uri, asker_of(call))
        return BegunModel(url=begun.url, state=begun.state, ticket=begun.ticket)

    async def finish(self, call: Call) -> TokenPair:
        """Finish it."""
        body = call.body(Ending)
        return pair_of(await self._oidc.finish(body.state, body.ticket, body.code, asker_of(call)))

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route(
                method="GET",
                path=_PATH,
                access=Public("says only whether there is another way to log in"),
                summary="Whether there is an identity provider to log in at",
                handler=self.offer,
                tags=_TAGS,
                response=Offer,
            ),
            Route(
                method="POST",
                path=f"{_PATH}/begin",
                access=Public("what comes of it is proven at the end"),
                summary="Begin a login at the identity provider",
                handler=self.begin,
                tags=_TAGS,
                body=Beginning,
                response=BegunModel,
                body_limit=4096,
                problems=(NotFound, Invalid, TooManyLogins, Unavailable),
            ),
            Route(
                method="POST",
                path=f"{_PATH}/finish",
                access=Public("what is sent is the proof"),
                summary="Finish a login with what the identity provider sent the person back with",
                handler=self.finish,
                tags=_TAGS,
                body=Ending,
                response=TokenPair,
                body_limit=16384,
                problems=(NotFound, Unauthenticated, Unavailable),
            ),
        ]
