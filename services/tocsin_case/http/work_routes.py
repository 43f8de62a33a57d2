"""Routes of what is done with cases: linked, merged, split, their history and reports, and alerts from outside."""

from collections.abc import Sequence
from dataclasses import dataclass

from tocsin.errors import Conflict
from tocsin_case.application import Alert, Alerts, Cases, Reports, Splitting
from tocsin_case.application.ledger import value_of
from tocsin_case.application.reporting import report_json, report_markdown
from tocsin_case.domain.cases import Link
from tocsin_case.domain.merging import NotMergeable
from tocsin_case.domain.showing import as_json
from tocsin_case.http.asking import READ, WRITE, Door, by
from tocsin_case.http.case_routes import ONE, TAGS, shown
from tocsin_case.http.schemas import (
    CaseId,
    CaseView,
    LinkBody,
    links_of,
)
from tocsin_case.http.work_schemas import (
    AlertBody,
    AlertView,
    AtQuery,
    CasesBody,
    ChangeView,
    HistoryView,
    RecordView,
    ReportQuery,
    SplitBody,
)
from tocsin_kit.web import Call, Reply, Route


@dataclass(frozen=True, slots=True)
class Work:
    """The use cases behind these routes."""

    cases: Cases
    alerts: Alerts
    reports: Reports
    splitting: Splitting


class _Handlers:
    def __init__(self, work: Work, door: Door) -> None:
        self._work, self._door = work, door

    async def alert(self, call: Call) -> AlertView:
        body = call.body(AlertBody)
        alert = Alert(
            namespace=body.namespace,
            key=body.key,
            firing=body.state == "firing",
            title=body.title,
            detail=body.detail,
            kind=body.kind,
            priority=body.priority,
            severity=body.severity,
            tags=body.tags,
        )
        return AlertView(cases=await self._work.alerts.take(alert, by=by(call)))

    async def at(self, call: Call) -> CaseView:
        entry = await self._door.permitted(call, call.params(CaseId).case, READ)
        return CaseView.of(await self._work.cases.at(entry.key, call.query(AtQuery).at))

    async def history(self, call: Call) -> HistoryView:
        entry = await self._door.permitted(call, call.params(CaseId).case, READ)
        items = [
            RecordView(
                revision=record.revision,
                at=record.at,
                actor=record.actor,
                why=record.why,
                notes=list(record.notes),
                changes=[ChangeView(name=c.name, before=as_json(c.before), after=as_json(c.after)) for c in fields],
            )
            for record, fields in await self._work.cases.history(entry.key)
        ]
        return HistoryView(items=items)

    async def report(self, call: Call) -> Reply:
        entry = await self._door.permitted(call, call.params(CaseId).case, READ)
        case, query = value_of(entry), call.query(ReportQuery)
        internal = query.internal and call.may(WRITE.name, case.namespace)
        report = await self._work.reports.of(case, internal=internal)
        if query.format == "json":
            return Reply(body=report_json(report))
        headers = {"Content-Disposition": f'attachment; filename="case-{case.id}.md"'}
        return Reply(body=report_markdown(report), media_type="text/markdown; charset=utf-8", headers=headers)

    async def link(self, call: Call) -> Reply:
        return await self._link(call, remove=False)

    async def unlink(self, call: Call) -> Reply:
        return await self._link(call, remove=True)

    async def _link(self, call: Call, *, remove: bool) -> Reply:
        entry = await self._door.permitted(call, call.params(CaseId).case, WRITE)
        body = call.body(LinkBody)
        if body.kind == "case" and not remove:
            await self._door.permitted(call, body.target, READ)
        link = Link(body.kind, body.target, body.role)
        return shown(await self._work.cases.link(entry.key, link, by=by(call), remove=remove))

    async def merge(self, call: Call) -> Reply:
        entry = await self._door.permitted(call, call.params(CaseId).case, WRITE)
        others = call.body(CasesBody).cases
        for other in others:
            await self._door.permitted(call, other, WRITE)
        return shown(await self._work.cases.merge(entry.key, others, by=by(call)))

    async def unmerge(self, call: Call) -> Reply:
        entry = await self._door.permitted(call, call.params(CaseId).case, WRITE)
        back = entry
        for other in call.body(CasesBody).cases:
            await self._door.permitted(call, other, WRITE)
            back = await self._work.cases.unmerge(entry.key, other, by=by(call))
        return shown(back)

    async def split(self, call: Call) -> Reply:
        entry = await self._door.permitted(call, call.params(CaseId).case, WRITE)
        body = call.body(SplitBody)
        new = await self._work.splitting.split(
            entry.key,
            body.title,
            links=links_of(body.links),
            tasks=body.tasks,
            comments=body.comments,
            tags=body.tags,
            observables=body.observables,
            files=body.files,
            by=by(call),
        )
        return shown(new, {"Location": f"/api/v1/cases/{new.key}"})

    async def stop(self, call: Call) -> Reply:
        entry = await self._door.permitted(call, call.params(CaseId).case, WRITE)
        return shown(await self._work.cases.stop_escalation(entry.key, by=by(call)))


def work_routes(work: Work, door: Door) -> Sequence[Route]:
    """What is done with cases."""
    on = _Handlers(work, door)
    return (*_of_past(on), *_of_links(on), *_of_parts(on))


def alert_routes(work: Work, door: Door) -> Sequence[Route]:
    """Alerts; their path stands before that of a case."""
    on = _Handlers(work, door)
    return (
        Route(
            method="POST",
            path="/api/v1/cases/alerts",
            access=WRITE,
            summary="Take an alert: open a case, append to it, or resolve it",
            tags=TAGS,
            body=AlertBody,
            response=AlertView,
            problems=(Conflict,),
            handler=on.alert,
        ),
    )


def _of_past(on: _Handlers) -> Sequence[Route]:
    return (
        Route(
            method="GET",
            path=f"{ONE}/at",
            access=READ,
            summary="A case as it was at an instant",
            tags=TAGS,
            params=CaseId,
            query=AtQuery,
            response=CaseView,
            handler=on.at,
        ),
        Route(
            method="GET",
            path=f"{ONE}/history",
            access=READ,
            summary="Every change of a case, with every field before and after",
            tags=TAGS,
            params=CaseId,
            response=HistoryView,
            handler=on.history,
        ),
        Route(
            method="GET",
            path=f"{ONE}/report",
            access=READ,
            summary="A case as a report, Markdown or JSON",
            tags=TAGS,
            params=CaseId,
            query=ReportQuery,
            media_type="text/markdown",
            handler=on.report,
        ),
    )


def _of_links(on: _Handlers) -> Sequence[Route]:
    return tuple(
        Route(
            method=method,
            path=f"{ONE}/links",
            access=WRITE,
            summary=summary,
            tags=TAGS,
            params=CaseId,
            body=LinkBody,
            response=CaseView,
            problems=(Conflict,),
            handler=handler,
        )
        for method, summary, handler in (
            ("POST", "Say what a case is about", on.link),
            ("DELETE", "Take back what a case is about", on.unlink),
        )
    )


def _of_parts(on: _Handlers) -> Sequence[Route]:
    merging = tuple(
        Route(
            method="POST",
            path=f"{ONE}/{verb}",
            access=WRITE,
            summary=summary,
            tags=TAGS,
            params=CaseId,
            body=CasesBody,
            response=CaseView,
            problems=(NotMergeable, Conflict),
            handler=handler,
        )
        for verb, summary, handler in (
            ("merge", "Make one case of several; the others refer to it", on.merge),
            ("unmerge", "Take merged cases out again, as they were", on.unmerge),
        )
    )
    return (
        *merging,
        Route(
            method="POST",
            path=f"{ONE}/split",
            access=WRITE,
            summary="Make a case of its own of a part of a case",
            tags=TAGS,
            params=CaseId,
            body=SplitBody,
            response=CaseView,
            status=201,
            problems=(Conflict,),
            handler=on.split,
        ),
        Route(
            method="POST",
            path=f"{ONE}/escalation/stop",
            access=WRITE,
            summary="Let a case escalate no further",
            tags=TAGS,
            params=CaseId,
            response=CaseView,
            problems=(Conflict,),
            handler=on.stop,
        ),
    )
