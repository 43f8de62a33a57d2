"""Routes of cases: opened, found, changed, taken from status to status."""

from collections.abc import Sequence
from dataclasses import replace

from tocsin.errors import Conflict, Invalid, NotFound
from tocsin_case.application import Cases, Openings, Settings
from tocsin_case.application.ledger import value_of
from tocsin_case.domain.cases import Case, ImpossibleTransition
from tocsin_case.domain.templates import SavedView
from tocsin_case.http.asking import READ, WRITE, Door, by
from tocsin_case.http.markdown import as_html
from tocsin_case.http.schemas import (
    CaseBody,
    CaseId,
    CasePatch,
    CaseQuery,
    CaseView,
    TransitionBody,
    opening_of,
    pairs_of,
)
from tocsin_case.http.work_schemas import (
    BulkBody,
    BulkResult,
    BulkView,
    FacetsView,
    MeasuresView,
)
from tocsin_case.ports import CaseSearch
from tocsin_kit.store import Entry
from tocsin_kit.web import Call, Page, Reply, Route


class CaseHandlers:
    """What is behind the routes of cases."""

    def __init__(self, cases: Cases, openings: Openings, settings: Settings, door: Door) -> None:
        self._cases, self._openings, self._settings, self._door = cases, openings, settings, door

    async def open(self, call: Call) -> Reply:
        """Open one; what it is linked to is there, and seen by whoever links it."""
        body = call.body(CaseBody)
        for link in body.links:
            if link.kind == "case":
                await self._door.permitted(call, link.target, READ)
        entry = await self._openings.open(opening_of(body), by=by(call))
        return shown(entry, {"Location": f"/api/v1/cases/{entry.key}"})

    async def list(self, call: Call) -> Page[CaseView]:
        """One page."""
        search, query = await self._search(call)
        page = await self._cases.search(search, limit=query.limit, cursor=query.cursor)
        return Page(items=[CaseView.of(value_of(entry)) for entry in page.items], next_cursor=page.next_cursor)

    async def facets(self, call: Call) -> FacetsView:
        """Counts."""
        search, _ = await self._search(call)
        found = await self._cases.facets(search)
        counts = {name: dict(values) for name, values in found.counts.items()}
        return FacetsView(facets=counts, counted=found.counted, complete=found.complete)

    async def measures(self, call: Call) -> MeasuresView:
        """Numbers."""
        search, _ = await self._search(call)
        return MeasuresView.of(await self._cases.measure(search))

    async def bulk(self, call: Call) -> BulkView:
        """Change many; those that somebody may not change are refused one by one."""
        body = call.body(BulkBody)
        call.permitted(WRITE.name)
        fields = {} if body.change is None else {name: getattr(body.change, name) for name in body.change.model_fields_set}
        results: list[BulkResult] = []
        for case_id in dict.fromkeys(body.cases):
            try:
                await self._door.permitted(call, case_id, WRITE)
            except NotFound as error:
                results.append(BulkResult(case=case_id, error=error.code, detail=error.detail))
                continue
            (done,) = await self._cases.bulk([case_id], fields, body.status, body.resolution, by=by(call))
            if done.error is not None or done.entry is None:
                error_code = done.error.code if done.error else None
                results.append(BulkResult(case=case_id, error=error_code, detail=done.error.detail if done.error else None))
            else:
                results.append(BulkResult(case=case_id, status=value_of(done.entry).status))
        refused = sum(1 for result in results if result.error is not None)
        return BulkView(done=len(results) - refused, refused=refused, results=results)

    async def show(self, call: Call) -> Reply:
        """Show one."""
        entry = await self._door.permitted(call, call.params(CaseId).case, READ)
        case = value_of(entry)
        more = {"steps": await self._cases.steps(case), "html": as_html(case.description)}
        return Reply(body=CaseView.of(case).model_copy(update=more), revision=entry.revision)

    async def change(self, call: Call) -> Reply:
        """Change one."""
        entry = await self._door.permitted(call, call.params(CaseId).case, WRITE)
        body = call.body(CasePatch)
        fields = {name: getattr(body, name) for name in body.model_fields_set}
        return shown(await self._cases.change(entry.key, fields, by=by(call), expect=call.expected_revision))

    async def take(self, call: Call) -> Reply:
        """Take one to another status."""
        entry = await self._door.permitted(call, call.params(CaseId).case, WRITE)
        body = call.body(TransitionBody)
        entry = await self._cases.move(
            entry.key,
            body.status,
            resolution=body.resolution,
            fields=body.fields,
            by=by(call),
            expect=call.expected_revision,
        )
        return shown(entry)

    async def _search(self, call: Call) -> tuple[CaseSearch, CaseQuery]:
        query = call.query(CaseQuery)
        if query.view is not None:
            saved = await self._settings.get(SavedView, query.namespace or "default", query.view)
            known = dict(saved.value.query) if saved.value else {}
            query = _over(query, known)
        permitted = call.permitted(READ.name)
        named = query.namespace is not None
        search = search_of(query)
        exact = None if permitted.everywhere else permitted.exact
        return replace(
            search,
            namespaces=frozenset({query.namespace}) if query.namespace is not None else exact,
            prefixes=() if named else permitted.prefixes,
            viewer=await self._door.viewer(call, query.namespace or "*"),
        ), query


def search_of(query: CaseQuery) -> CaseSearch:
    """What a query looks for, anywhere."""
    return CaseSearch(
        status=query.status,
        stage=tuple(stage.value for stage in query.stage),
        active=query.active,
        kind=query.kind,
        priority=tuple(priority.value for priority in query.priority),
        severity=query.severity,
        owner=None if query.owner == "-" else query.owner,
        unowned=query.owner == "-",
        team=query.team,
        queue=query.queue,
        tag=query.tag,
        link=query.link,
        rule=query.rule,
        text=query.text,
        fields=pairs_of(query.field),
        overdue=query.overdue,
        opened_after=query.opened_after,
        opened_before=query.opened_before,
        sort=query.sort,
    )


def _over(query: CaseQuery, known: dict[str, str]) -> CaseQuery:
    """A query with what a saved view says where the query says nothing."""
    lists = {"status", "stage", "priority", "field"}
    unknown = [name for name in known if name not in CaseQuery.model_fields or name in {"namespace", "view", "cursor"}]
    if unknown:
        raise Invalid(f"the view asks for {unknown[0]}, which is no filter of cases")
    given: dict[str, object] = {name: text.split(",") if name in lists else text for name, text in known.items()}
    given |= {name: getattr(query, name) for name in query.model_fields_set}
    return CaseQuery.model_validate({**given, "view": None})


def shown(entry: Entry[Case], headers: dict[str, str] | None = None) -> Reply:
    """A case as an answer."""
    return Reply(body=CaseView.of(value_of(entry)), revision=entry.revision, headers=headers or {})


ONE, TAGS = "/api/v1/cases/{case}", ("cases",)


def case_routes(on: CaseHandlers) -> Sequence[Route]:
    """Everything below ``/api/v1/cases`` that is about cases as a whole."""
    return (*_of_all(on), *_of_many(on), *_of_one(on))


def _of_all(on: CaseHandlers) -> Sequence[Route]:
    return (
        Route(
            method="POST",
            path="/api/v1/cases",
            access=WRITE,
            summary="Open a case",
            tags=TAGS,
            body=CaseBody,
            response=CaseView,
            status=201,
            problems=(NotFound, Conflict),
            handler=on.open,
        ),
        Route(
            method="GET",
            path="/api/v1/cases",
            access=READ,
            summary="Cases, most recently changed first",
            tags=TAGS,
            query=CaseQuery,
            response=Page[CaseView],
            problems=(NotFound,),
            handler=on.list,
        ),
    )


def _of_many(on: CaseHandlers) -> Sequence[Route]:
    return (
        Route(
            method="GET",
            path="/api/v1/cases/facets",
            access=READ,
            summary="How many of the cases found have which value",
            tags=TAGS,
            query=CaseQuery,
            response=FacetsView,
            problems=(NotFound,),
            handler=on.facets,
        ),
        Route(
            method="GET",
            path="/api/v1/cases/metrics",
            access=READ,
            summary="How soon cases are answered and solved, and how old the backlog is",
            tags=TAGS,
            query=CaseQuery,
            response=MeasuresView,
            problems=(NotFound,),
            handler=on.measures,
        ),
        Route(
            method="POST",
            path="/api/v1/cases/bulk",
            access=WRITE,
            summary="Change many cases, each by itself",
            tags=TAGS,
            body=BulkBody,
            response=BulkView,
            handler=on.bulk,
        ),
    )


def _of_one(on: CaseHandlers) -> Sequence[Route]:
    return (
        Route(
            method="GET",
            path=ONE,
            access=READ,
            summary="A case",
            tags=TAGS,
            params=CaseId,
            response=CaseView,
            handler=on.show,
        ),
        Route(
            method="PATCH",
            path=ONE,
            access=WRITE,
            summary="Change a case",
            tags=TAGS,
            params=CaseId,
            body=CasePatch,
            response=CaseView,
            problems=(Conflict,),
            handler=on.change,
        ),
        Route(
            method="POST",
            path=f"{ONE}/transitions",
            access=WRITE,
            summary="Take a case to another status",
            tags=TAGS,
            params=CaseId,
            body=TransitionBody,
            response=CaseView,
            problems=(ImpossibleTransition, Conflict),
            handler=on.take,
        ),
    )
