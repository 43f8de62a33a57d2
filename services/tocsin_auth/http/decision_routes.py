"""Decisions explained: may I, may they, why, and what would change; and the list of what was withdrawn."""

from typing import Annotated

from pydantic import BaseModel, Field

from tocsin.errors import Forbidden, NotFound
from tocsin_auth.application.accounts import Accounts
from tocsin_auth.application.authority import Authority
from tocsin_auth.application.revoking import RevocationLedger
from tocsin_auth.domain.users import User
from tocsin_auth.http.bindings import bindings_of
from tocsin_auth.http.login_routes import held_grant
from tocsin_auth.http.schemas import BindingModel, HeldGrant, Name, NamespaceName
from tocsin_kit.web import Authenticated, Call, Input, Permission, Route
from tocsin_kit.web.access import Grant, decision
from tocsin_kit.web.revocations import RevocationModel

_TAGS = ("roles",)
Asked = Annotated[str, Field(max_length=128, pattern=r"^[a-z][a-z0-9-]*:[a-z][a-z0-9-]*$")]


class Question(Input):
    """What is asked."""

    permission: Asked = Field(description="`resource:action`.")
    namespace: NamespaceName = Field("default", description="`*` for all.")
    name: str | None = Field(None, max_length=256, description="Of the thing, where rules are about names.")


class QuestionAbout(Question):
    """About somebody."""

    user: Name | None = Field(None, description="Yourself if not given; others need `user:read`.")


class Answer(BaseModel):
    """The decision."""

    allowed: bool
    by: HeldGrant | None = Field(description="The grant that gives it, or the deny rule that takes it away.")


class ConsideredModel(BaseModel):
    """What one binding contributes."""

    binding: str
    effect: str = Field(description="gives, denies or nothing")
    why: str


class Explanation(Answer):
    """The decision and everything that was looked at."""

    user: str
    considered: list[ConsideredModel]


class Simulation(Input):
    """What if."""

    user: Name
    bindings: list[BindingModel] = Field(max_length=200, description="Instead of the user's own; those of groups stay.")


class Simulated(BaseModel):
    """What would change."""

    gained: list[HeldGrant]
    lost: list[HeldGrant]


class DecisionHandlers:
    """Handlers of decisions.

    Args:
        authority: Resolves.
        accounts: Users.
        ledger: What was withdrawn.
    """

    def __init__(self, authority: Authority, accounts: Accounts, ledger: RevocationLedger) -> None:
        self._authority, self._accounts, self._ledger = authority, accounts, ledger

    async def can_i(self, call: Call) -> Answer:
        """Whether the credential at hand permits it."""
        body = call.body(Question)
        found = decision(call.principal.grants, body.permission, body.namespace, body.name)
        return Answer(allowed=found.allowed, by=_shown(found.by))

    async def explain(self, call: Call) -> Explanation:
        """Why somebody may do something, or not."""
        body = call.body(QuestionAbout)
        user = await self._user(call, body.user)
        found = await self._authority.explain(user, body.permission, body.namespace, body.name)
        considered = [ConsideredModel(binding=c.binding, effect=c.effect, why=c.why) for c in found.considered]
        return Explanation(allowed=found.decision.allowed, by=_shown(found.decision.by), user=user.name, considered=considered)

    async def simulate(self, call: Call) -> Simulated:
        """What other bindings would change."""
        body = call.body(Simulation)
        entry = await self._accounts.show(body.user)
        assert entry.value is not None
        now, then = await self._authority.simulate(entry.value, bindings_of(body.bindings))
        return Simulated(
            gained=[held_grant(grant) for grant in then.grants if grant not in now.grants],
            lost=[held_grant(grant) for grant in now.grants if grant not in then.grants],
        )

    async def revocations(self, call: Call) -> RevocationModel:
        """What was withdrawn before it expired."""
        return RevocationModel.of(await self._ledger.current())

    async def _user(self, call: Call, name: str | None) -> User:
        own = call.principal.person.removeprefix("user:") if call.principal.person.startswith("user:") else None
        wanted = name or own
        if wanted is None:
            raise Forbidden("only users and their keys have bindings")
        if wanted != own:
            call.require("user:read")
        entry = await self._accounts.show(wanted)
        assert entry.value is not None
        return entry.value

    def routes(self) -> list[Route]:
        """All of them."""
        own = Authenticated("it is about oneself; about others it needs user:read")
        return [
            Route(
                method="POST",
                path="/api/v1/auth/can-i",
                access=Authenticated("it is about oneself"),
                summary="May I do this, and which rule says so",
                handler=self.can_i,
                tags=_TAGS,
                body=Question,
                response=Answer,
            ),
            Route(
                method="POST",
                path="/api/v1/auth/explain",
                access=own,
                summary="Why may I, or somebody, do this or not: every binding that was looked at",
                handler=self.explain,
                tags=_TAGS,
                body=QuestionAbout,
                response=Explanation,
                problems=(NotFound,),
            ),
            Route(
                method="POST",
                path="/api/v1/auth/simulate",
                access=Permission("user:read", everywhere=True),
                summary="What would change if a user had these roles",
                handler=self.simulate,
                tags=_TAGS,
                body=Simulation,
                response=Simulated,
                problems=(NotFound,),
            ),
            Route(
                method="GET",
                path="/api/v1/auth/revocations",
                access=Authenticated("it holds digests only, for programs that verify tokens"),
                summary="What was withdrawn before it expired",
                handler=self.revocations,
                tags=("auth",),
                response=RevocationModel,
            ),
        ]


def _shown(grant: Grant | None) -> HeldGrant | None:
    return None if grant is None else held_grant(grant)
