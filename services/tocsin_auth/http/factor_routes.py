"""Which roles take a second factor."""

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, Field

from tocsin.errors import Conflict
from tocsin_auth.application.factor_policy import FactorPolicy
from tocsin_auth.domain.errors import WiderThanOwn
from tocsin_auth.domain.factor_rules import GRACE, LONGEST_GRACE, FactorRules
from tocsin_auth.http.asking import asker_of
from tocsin_kit.web import Call, Input, Permission, Route

_PATH = "/api/v1/auth/second-factor-rules"
_Scope = Annotated[str, Field(max_length=63, pattern=r"^(\*|[a-z0-9]([a-z0-9-]*[a-z0-9])?)$")]


class RuleBody(Input):
    """One rule."""

    role: _Scope = Field("*", description="That counts only for people with a second factor; `*` for all.")
    namespace: _Scope = Field("*", description="Where; `*` for everywhere.")
    grace_days: float = Field(
        GRACE.days,
        ge=0,
        le=LONGEST_GRACE.days,
        description="So long whoever has none has time to add one: from the rule, from when they came, or from a reset.",
    )


class RulesBody(Input):
    """All rules."""

    rules: list[RuleBody] = Field(max_length=100)


class RuleModel(RuleBody):
    """One rule."""

    since: datetime = Field(description="When it was made.")


class RulesModel(BaseModel):
    """All rules."""

    rules: list[RuleModel]


class FactorHandlers:
    """Handlers of the rules about second factors.

    Args:
        policy: The use cases.
    """

    def __init__(self, policy: FactorPolicy) -> None:
        self._policy = policy

    async def show(self, _: Call) -> RulesModel:
        """All of them."""
        return _model(await self._policy.show())

    async def put(self, call: Call) -> RulesModel:
        """Make these the rules."""
        wanted = [(one.role, one.namespace, timedelta(days=one.grace_days)) for one in call.body(RulesBody).rules]
        return _model(await self._policy.put(wanted, asker_of(call)))

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route(
                method="GET",
                path=_PATH,
                access=Permission("role:read", everywhere=True),
                summary="Which roles take a second factor",
                handler=self.show,
                tags=("roles",),
                response=RulesModel,
            ),
            Route(
                method="PUT",
                path=_PATH,
                access=Permission("role:write", everywhere=True),
                summary="Say which roles take a second factor, where, and how much time there is to add one",
                handler=self.put,
                tags=("roles",),
                body=RulesBody,
                response=RulesModel,
                problems=(Conflict, WiderThanOwn),
            ),
        ]


def _model(rules: FactorRules) -> RulesModel:
    return RulesModel(
        rules=[
            RuleModel(role=one.role, namespace=one.namespace, grace_days=one.grace / timedelta(days=1), since=one.since)
            for one in rules.rules
        ]
    )
