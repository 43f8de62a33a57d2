"""One's own logins and second factor; with a permission, the logins of others."""

from datetime import datetime

from pydantic import BaseModel, Field

from tocsin.errors import Conflict, Forbidden, NotFound
from tocsin_auth.application.accounts import Accounts
from tocsin_auth.application.sessions import Sessions
from tocsin_auth.domain.errors import TooManyLogins, WrongCode
from tocsin_auth.domain.sessions import Session
from tocsin_auth.http.asking import asker_of
from tocsin_auth.http.schemas import Name, Password
from tocsin_kit.store import Entry
from tocsin_kit.web import Authenticated, Call, Input, Page, PageQuery, Route

_TAGS = ("auth",)


class SessionPath(Input):
    """Names a session."""

    id: Name


class SessionQuery(PageQuery):
    """Whose sessions."""

    user: Name | None = Field(None, description="Your own if not given; those of others need `user:read`.")


class SessionModel(BaseModel):
    """A login that is going on."""

    id: str
    user: str
    began_at: datetime
    idle_until: datetime
    ends_at: datetime
    address: str
    agent: str
    current: bool = Field(description="It is the one that asks.")


class Proof(Input):
    """The password, given again."""

    password: Password


class Code(Input):
    """A code of the second factor."""

    code: str = Field(min_length=6, max_length=6, pattern="^[0-9]{6}$")


class EnrolmentModel(BaseModel):
    """What an authenticator program needs; shown once."""

    uri: str = Field(description="For a QR code.")
    recovery_codes: list[str] = Field(description="Each works once instead of a code. Print them.")


class SessionHandlers:
    """Handlers of sessions and second factors.

    Args:
        sessions: All of them.
        accounts: For second factors.
    """

    def __init__(self, sessions: Sessions, accounts: Accounts) -> None:
        self._sessions, self._accounts = sessions, accounts

    async def index(self, call: Call) -> Page[SessionModel]:
        """List sessions."""
        query = call.query(SessionQuery)
        own = call.principal.person.removeprefix("user:")
        user = query.user or own
        if user != own or not call.principal.subject.startswith("user:"):  # where a person logs in from is no key's business
            call.require("user:read")
        page = await self._sessions.page(user, limit=query.limit, cursor=query.cursor)
        current = call.principal.proof.session
        return Page[SessionModel](items=[_model(entry, current) for entry in page.items], next_cursor=page.next_cursor)

    async def revoke(self, call: Call) -> None:
        """End a session."""
        await self._sessions.revoke(call.params(SessionPath).id, asker_of(call))

    async def enrol(self, call: Call) -> EnrolmentModel:
        """Begin with a second factor."""
        _only_users(call)
        made = await self._accounts.enrol(call.body(Proof).password, asker_of(call))
        return EnrolmentModel(uri=made.uri, recovery_codes=made.recovery_codes)

    async def confirm(self, call: Call) -> None:
        """Ask for it from now on."""
        _only_users(call)
        await self._accounts.confirm(call.body(Code).code, asker_of(call))

    async def leave(self, call: Call) -> None:
        """Ask for it no more."""
        _only_users(call)
        await self._accounts.leave_second_factor(call.body(Proof).password, asker_of(call))

    def routes(self) -> list[Route]:
        """All of them."""
        own = Authenticated("one's own; those of others need user:read or user:write")
        return [
            Route(
                method="GET",
                path="/api/v1/auth/sessions",
                access=own,
                summary="List the logins that are going on",
                handler=self.index,
                tags=_TAGS,
                query=SessionQuery,
                response=Page[SessionModel],
            ),
            Route(
                method="DELETE",
                path="/api/v1/auth/sessions/{id}",
                access=own,
                summary="End a login; its tokens are refused within seconds",
                handler=self.revoke,
                tags=_TAGS,
                params=SessionPath,
                status=204,
                problems=(NotFound,),
            ),
            *self._factor_routes(),
        ]

    def _factor_routes(self) -> list[Route]:
        path, own = "/api/v1/auth/second-factor", Authenticated("it is about oneself")
        return [
            Route(
                method="POST",
                path=path,
                access=own,
                summary="Begin with a second factor (RFC 6238); it is shown once, with recovery codes",
                handler=self.enrol,
                tags=_TAGS,
                body=Proof,
                response=EnrolmentModel,
                status=201,
                problems=(Conflict, TooManyLogins),
            ),
            Route(
                method="POST",
                path=f"{path}/confirm",
                access=own,
                summary="Show a code; from then on it is asked for",
                handler=self.confirm,
                tags=_TAGS,
                body=Code,
                status=204,
                problems=(WrongCode,),
            ),
            Route(
                method="POST",
                path=f"{path}/remove",
                access=own,
                summary="Be asked for no second factor any more",
                handler=self.leave,
                tags=_TAGS,
                body=Proof,
                status=204,
                problems=(TooManyLogins,),
            ),
        ]


def _only_users(call: Call) -> None:
    if not call.principal.subject.startswith("user:"):
        raise Forbidden("only users have a second factor", hint="log in with a password")


def _model(entry: Entry[Session], current: str) -> SessionModel:
    assert entry.value is not None
    session = entry.value
    return SessionModel(
        id=session.id,
        user=session.user,
        began_at=session.began_at,
        idle_until=session.idle_until,
        ends_at=session.ends_at,
        address=session.address,
        agent=session.agent,
        current=session.id == current,
    )
