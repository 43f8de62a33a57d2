"""Routes of the audit trail."""

from collections.abc import Sequence

from pydantic import BaseModel

from tocsin.errors import Conflict, NotFound
from tocsin.signals import Cause, root
from tocsin.signals.kinds import SYSTEM_NAMESPACE
from tocsin_kit.clock import Clock
from tocsin_kit.web import Call, Page, Permission, Reply, Route, Stream
from tocsin_kit.web.spreadsheets import MEDIA_TYPE
from tocsin_observer.application.audit import Audit, Wanted
from tocsin_observer.domain.holds import Hold
from tocsin_observer.http.audit_schemas import (
    AuditQuery,
    AuditStatus,
    AuditView,
    ExportQuery,
    HoldBody,
    HoldPath,
    HoldView,
    RecordPath,
)
from tocsin_observer.ports import AuditSearch

READ = Permission("audit:read")
STATUS = Permission("audit:read", everywhere=True)
READ_HOLDS = Permission("audit-hold:read", everywhere=True)
WRITE_HOLDS = Permission("audit-hold:write", everywhere=True)


def cause_of(call: Call) -> Cause:
    """The request is the cause."""
    return root(call.request_id, call.traceparent)


class _AuditHandlers:
    def __init__(self, audit: Audit, clock: Clock) -> None:
        self._audit = audit
        self._clock = clock

    async def list(self, call: Call) -> Page[AuditView]:
        query = call.query(AuditQuery)
        permitted = call.permitted(READ.name)
        one = query.namespace is not None
        search = AuditSearch(
            namespaces={query.namespace} if query.namespace else None if permitted.everywhere else permitted.exact,
            prefixes=() if one else permitted.prefixes,
            actor=query.actor,
            action=query.action,
            entity=query.entity,
            entity_id=query.id,
            type=query.type,
            outcome=query.outcome,
            address=query.address,
            request=query.request,
            correlation=query.correlation,
            since=query.since,
            until=query.until,
        )
        page = await self._audit.search(search, limit=query.limit, cursor=query.cursor)
        return Page(items=[AuditView.of(entry) for entry in page.items], next_cursor=page.next_cursor)

    async def show(self, call: Call) -> Reply:
        entry = await self._audit.record(call.params(RecordPath).number)
        call.require(READ.name, str((entry.body or {}).get("namespace") or SYSTEM_NAMESPACE))
        return Reply(body=AuditView.of(entry))

    async def export(self, call: Call) -> Stream:
        query = call.query(ExportQuery)
        wanted = Wanted(
            permitted=call.permitted(READ.name),
            namespace=query.namespace,
            actor=query.actor,
            since=query.since,
            until=query.until,
        )
        name = f"audit-{self._clock.now():%Y%m%dT%H%M%SZ}.{query.format}"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        if query.format == "csv":
            return Stream(chunks=self._audit.table(wanted), headers=headers, media_type=MEDIA_TYPE)
        return Stream(chunks=self._audit.export(wanted), headers=headers, media_type="application/jsonl")

    async def status(self, call: Call) -> AuditStatus:
        head, keys = await self._audit.status()
        return AuditStatus.of(head, keys)

    async def holds(self, call: Call) -> Page[HoldView]:
        return Page(items=[HoldView.of(hold) for hold in await self._audit.holds()])

    async def place(self, call: Call) -> Reply:
        body = call.body(HoldBody)
        hold = Hold(
            name=call.params(HoldPath).name,
            reason=body.reason,
            namespace=body.held_namespace,
            actor=body.held_actor,
            since=body.since,
            until=body.until,
            placed_by=call.principal.subject,
            placed_at=self._clock.now(),
        )
        return Reply(body=HoldView.of(await self._audit.place(hold, cause=cause_of(call))))

    async def release(self, call: Call) -> BaseModel | None:
        await self._audit.release(call.params(HoldPath).name, actor=call.principal.subject, cause=cause_of(call))
        return None


def audit_routes(audit: Audit, clock: Clock) -> Sequence[Route]:
    """Everything below ``/api/v1/audit``."""
    on = _AuditHandlers(audit, clock)
    return (*_trail(on), *_holds(on))


def _trail(on: _AuditHandlers) -> Sequence[Route]:
    tags = ("audit",)
    return (
        Route(
            method="GET",
            path="/api/v1/audit",
            access=READ,
            summary="Who did what, newest first, refusals included",
            tags=tags,
            query=AuditQuery,
            response=Page[AuditView],
            handler=on.list,
        ),
        Route(
            method="GET",
            path="/api/v1/audit/records/{number}",
            access=READ,
            summary="One record, with what the write changed",
            tags=tags,
            params=RecordPath,
            response=AuditView,
            problems=(NotFound,),
            handler=on.show,
        ),
        Route(
            method="GET",
            path="/api/v1/audit/export",
            access=READ,
            summary="The audit trail as JSON lines that `tocsin audit verify` proves, or as CSV",
            tags=tags,
            query=ExportQuery,
            media_type="application/jsonl",
            seconds=None,
            handler=on.export,
        ),
        Route(
            method="GET",
            path="/api/v1/audit/status",
            access=STATUS,
            summary="Where the chain ends, and the public keys that sign it",
            tags=tags,
            response=AuditStatus,
            handler=on.status,
        ),
    )


def _holds(on: _AuditHandlers) -> Sequence[Route]:
    one, tags = "/api/v1/audit/holds/{name}", ("audit",)
    return (
        Route(
            method="GET",
            path="/api/v1/audit/holds",
            access=READ_HOLDS,
            summary="Legal holds",
            tags=tags,
            response=Page[HoldView],
            handler=on.holds,
        ),
        Route(
            method="PUT",
            path=one,
            access=WRITE_HOLDS,
            summary="Place a legal hold: what it covers is kept until it is released",
            tags=tags,
            params=HoldPath,
            body=HoldBody,
            response=HoldView,
            problems=(Conflict,),
            handler=on.place,
        ),
        Route(
            method="DELETE",
            path=one,
            access=WRITE_HOLDS,
            summary="Release a legal hold",
            tags=tags,
            params=HoldPath,
            status=204,
            problems=(NotFound,),
            handler=on.release,
        ),
    )
