"""Routes of the rules that open cases."""

from collections.abc import Sequence

from pydantic import BaseModel

from tocsin_case.application import Rules
from tocsin_case.domain.rules import Rule
from tocsin_case.http.case_routes import cause_of
from tocsin_case.http.schemas import Namespace, RuleBody, RulePath, RuleView, rule_of
from tocsin_kit.store import Entry
from tocsin_kit.web import Call, Input, Page, Permission, Reply, Route

READ = Permission("case-rule:read")
WRITE = Permission("case-rule:write")


class RuleQuery(Input):
    """Which rules."""

    namespace: Namespace = "default"


class _RuleHandlers:
    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    async def put(self, call: Call) -> Reply:
        rule = rule_of(call.params(RulePath), call.body(RuleBody))
        entry = await self._rules.put(rule, expect=call.expected_revision, actor=call.principal.subject, cause=cause_of(call))
        return _shown(entry)

    async def show(self, call: Call) -> Reply:
        path = call.params(RulePath)
        return _shown(await self._rules.get(path.namespace, path.name))

    async def list(self, call: Call) -> Page[RuleView]:
        rules = await self._rules.of_namespace(call.query(RuleQuery).namespace)
        return Page(items=[RuleView.of(rule) for rule in rules])

    async def delete(self, call: Call) -> BaseModel | None:
        path = call.params(RulePath)
        await self._rules.delete(path.namespace, path.name, actor=call.principal.subject, cause=cause_of(call))
        return None


def _shown(entry: Entry[Rule]) -> Reply:
    return Reply(body=RuleView.of(entry.value) if entry.value else None, revision=entry.revision)


def rule_routes(rules: Rules) -> Sequence[Route]:
    """Everything below ``/api/v1/cases/rules``."""
    on = _RuleHandlers(rules)
    one, tags = "/api/v1/cases/rules/{namespace}/{name}", ("case rules",)
    return (
        Route(
            method="GET",
            path="/api/v1/cases/rules",
            access=READ,
            summary="Rules that open cases, by name",
            tags=tags,
            query=RuleQuery,
            response=Page[RuleView],
            handler=on.list,
        ),
        Route(
            method="PUT",
            path=one,
            access=WRITE,
            summary="Make or change a rule",
            tags=tags,
            params=RulePath,
            body=RuleBody,
            response=RuleView,
            handler=on.put,
        ),
        Route(
            method="GET",
            path=one,
            access=READ,
            summary="A rule",
            tags=tags,
            params=RulePath,
            response=RuleView,
            handler=on.show,
        ),
        Route(
            method="DELETE",
            path=one,
            access=WRITE,
            summary="Delete a rule; cases that it opened stay",
            tags=tags,
            params=RulePath,
            status=204,
            handler=on.delete,
        ),
    )
