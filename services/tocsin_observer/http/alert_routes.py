"""Routes of alerts and of the rules that fire them."""

from collections.abc import Sequence

from pydantic import BaseModel

from tocsin.errors import Conflict, NotFound, PreconditionFailed
from tocsin_kit.store import Entry
from tocsin_kit.web import EVERYWHERE, Call, Page, Permission, Reply, Route
from tocsin_observer.application.alerts import Alerts
from tocsin_observer.domain.alert_rules import AlertRule, AlertRuleInvalid
from tocsin_observer.domain.channels import ChannelUnknown
from tocsin_observer.http.alert_schemas import (
    AlertPath,
    AlertQuery,
    AlertView,
    NamedPath,
    NamedQuery,
    NoteBody,
    RuleBody,
    RuleView,
)
from tocsin_observer.http.audit_routes import cause_of
from tocsin_observer.ports.alerts import AlertSearch

READ = Permission("alert:read")
WORK = Permission("alert:acknowledge")
READ_RULES = Permission("alert-rule:read")
WRITE_RULES = Permission("alert-rule:write")


class _AlertHandlers:
    def __init__(self, alerts: Alerts) -> None:
        self._alerts = alerts

    async def list(self, call: Call) -> Page[AlertView]:
        query, permitted = call.query(AlertQuery), call.permitted(READ.name)
        one = query.namespace is not None
        search = AlertSearch(
            namespaces=frozenset({query.namespace}) if query.namespace else None if permitted.everywhere else permitted.exact,
            prefixes=() if one else permitted.prefixes,
            state=query.state.value if query.state else None,
            rule=query.rule,
            severity=query.severity.value if query.severity else None,
            workflow=query.workflow,
            run=query.run,
        )
        page = await self._alerts.search(search, limit=query.limit, cursor=query.cursor)
        return Page(items=[AlertView.of(e.value) for e in page.items if e.value is not None], next_cursor=page.next_cursor)

    async def show(self, call: Call) -> Reply:
        entry = await self._alerts.alert(call.params(AlertPath).alert)
        assert entry.value is not None
        call.require(READ.name, entry.value.namespace)
        return Reply(body=AlertView.of(entry.value), revision=entry.revision)

    async def acknowledge(self, call: Call) -> Reply:
        return await self._step(call, "acknowledge")

    async def resolve(self, call: Call) -> Reply:
        return await self._step(call, "resolve")

    async def _step(self, call: Call, verb: str) -> Reply:
        alert = call.params(AlertPath).alert
        seen = (await self._alerts.alert(alert)).value
        assert seen is not None
        call.require(WORK.name, seen.namespace)
        note = call.body(NoteBody).note
        entry = await self._alerts.step(alert, verb, actor=call.principal.subject, note=note, cause=cause_of(call))
        assert entry.value is not None
        return Reply(body=AlertView.of(entry.value), revision=entry.revision)

    async def rules(self, call: Call) -> Page[RuleView]:
        query = call.query(NamedQuery)
        page = await self._alerts.rules(query.namespace, limit=query.limit, cursor=query.cursor)
        return Page(items=[RuleView.of(e.value) for e in page.items if e.value is not None], next_cursor=page.next_cursor)

    async def put(self, call: Call) -> Reply:
        path, body = call.params(NamedPath), call.body(RuleBody)
        if path.namespace == "system":  # it may watch everything: so must whoever makes it
            call.require("signal:read", EVERYWHERE)
        if body.actions.cancel_run:
            call.require("run:cancel", path.namespace)
        if body.actions.open_case:
            call.require("case:write", path.namespace)
        if body.actions.start_workflow is not None:
            call.require("run:start", path.namespace)
        entry = await self._alerts.put(
            body.rule(path.namespace, path.name),
            expect=call.expected_revision,
            actor=call.principal.subject,
            cause=cause_of(call),
        )
        return _shown(entry)

    async def rule(self, call: Call) -> Reply:
        path = call.params(NamedPath)
        return _shown(await self._alerts.rule(path.namespace, path.name))

    async def delete(self, call: Call) -> BaseModel | None:
        path = call.params(NamedPath)
        await self._alerts.delete(path.namespace, path.name, actor=call.principal.subject, cause=cause_of(call))
        return None


def _shown(entry: Entry[AlertRule]) -> Reply:
    return Reply(body=RuleView.of(entry.value) if entry.value else None, revision=entry.revision)


def alert_routes(alerts: Alerts) -> Sequence[Route]:
    """Everything below ``/api/v1/alerts`` and ``/api/v1/alert-rules``."""
    on = _AlertHandlers(alerts)
    return (*_alerts(on), *_rules(on))


def _alerts(on: _AlertHandlers) -> Sequence[Route]:
    one, tags = "/api/v1/alerts/{alert}", ("alerts",)
    steps = (
        ("acknowledge", on.acknowledge, "Take care of an alert"),
        ("resolve", on.resolve, "Say that an alert is over"),
    )
    return (
        Route(
            method="GET",
            path="/api/v1/alerts",
            access=READ,
            summary="Alerts, newest first",
            tags=tags,
            query=AlertQuery,
            response=Page[AlertView],
            handler=on.list,
        ),
        Route(
            method="GET",
            path=one,
            access=READ,
            summary="An alert",
            tags=tags,
            params=AlertPath,
            response=AlertView,
            problems=(NotFound,),
            handler=on.show,
        ),
        *(
            Route(
                method="POST",
                path=f"{one}/{verb}",
                access=WORK,
                summary=summary,
                tags=tags,
                params=AlertPath,
                body=NoteBody,
                response=AlertView,
                problems=(NotFound, Conflict),
                handler=handler,
            )
            for verb, handler, summary in steps
        ),
    )


def _rules(on: _AlertHandlers) -> Sequence[Route]:
    one, tags = "/api/v1/alert-rules/{namespace}/{name}", ("alert rules",)
    return (
        Route(
            method="GET",
            path="/api/v1/alert-rules",
            access=READ_RULES,
            summary="Rules that fire alerts, by name",
            tags=tags,
            query=NamedQuery,
            response=Page[RuleView],
            handler=on.rules,
        ),
        Route(
            method="PUT",
            path=one,
            access=WRITE_RULES,
            summary="Make or change a rule, or a promise for a workflow",
            tags=tags,
            params=NamedPath,
            body=RuleBody,
            response=RuleView,
            problems=(AlertRuleInvalid, ChannelUnknown, PreconditionFailed),
            handler=on.put,
        ),
        Route(
            method="GET",
            path=one,
            access=READ_RULES,
            summary="A rule",
            tags=tags,
            params=NamedPath,
            response=RuleView,
            problems=(NotFound,),
            handler=on.rule,
        ),
        Route(
            method="DELETE",
            path=one,
            access=WRITE_RULES,
            summary="Delete a rule; what it fired is resolved",
            tags=tags,
            params=NamedPath,
            status=204,
            problems=(NotFound,),
            handler=on.delete,
        ),
    )
