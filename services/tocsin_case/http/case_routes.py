"""Routes of cases."""

from collections.abc import Sequence

from tocsin.errors import NotFound
from tocsin.signals import Cause, root
from tocsin_case.application import Cases, Opening
from tocsin_case.domain.cases import Case, ImpossibleTransition
from tocsin_case.http.schemas import (
    CaseBody,
    CaseId,
    CasePatch,
    CaseQuery,
    CaseView,
    CommentBody,
    CommentView,
    TransitionBody,
    links_of,
    promise_of,
    value_of,
)
from tocsin_case.ports import CaseSearch
from tocsin_kit.store import Entry
from tocsin_kit.web import Call, Page, PageQuery, Permission, Reply, Route

READ = Permission("case:read")
WRITE = Permission("case:write")
COMMENT = Permission("case:comment")


def cause_of(call: Call) -> Cause:
    """The request is the cause."""
    return root(call.request_id, call.traceparent)


class _CaseHandlers:
    def __init__(self, cases: Cases) -> None:
        self._cases = cases

    async def open(self, call: Call) -> Reply:
        body = call.body(CaseBody)
        opening = Opening(
            namespace=body.namespace,
            title=body.title,
            kind=body.kind,
            description=body.description,
            priority=body.priority,
            severity=body.severity,
            owner=body.owner,
            tags=body.tags,
            links=links_of(body.links),
            promise=promise_of(body.promise),
        )
        entry = await self._cases.open(opening, actor=call.principal.subject, cause=cause_of(call))
        return _shown(entry, {"Location": f"/api/v1/cases/{entry.key}"})

    async def list(self, call: Call) -> Page[CaseView]:
        query = call.query(CaseQuery)
        permitted = call.permitted(READ.name)
        named = query.namespace is not None
        search = CaseSearch(
            namespaces=frozenset({query.namespace})
            if query.namespace is not None
            else None
            if permitted.everywhere
            else permitted.exact,
            prefixes=() if named else permitted.prefixes,
            status=query.status.value if query.status else None,
            priority=query.priority.value if query.priority else None,
            owner=query.owner,
            tag=query.tag,
            link=query.link,
            text=query.text,
        )
        page = await self._cases.search(search, limit=query.limit, cursor=query.cursor)
        return Page(items=[CaseView.of(value_of(entry)) for entry in page.items], next_cursor=page.next_cursor)

    async def show(self, call: Call) -> Reply:
        return _shown(await self._permitted(call, READ.name))

    async def change(self, call: Call) -> Reply:
        entry = await self._permitted(call, WRITE.name)
        body = call.body(CasePatch)
        fields = {name: getattr(body, name) for name in body.model_fields_set}
        entry = await self._cases.change(
            entry, fields, expect=call.expected_revision, actor=call.principal.subject, cause=cause_of(call)
        )
        return _shown(entry)

    async def take(self, call: Call) -> Reply:
        entry = await self._permitted(call, WRITE.name)
        body = call.body(TransitionBody)
        entry = await self._cases.take(
            entry,
            body.status,
            resolution=body.resolution,
            expect=call.expected_revision,
            actor=call.principal.subject,
            cause=cause_of(call),
        )
        return _shown(entry)

    async def comment(self, call: Call) -> CommentView:
        entry = await self._permitted(call, COMMENT.name)
        said = await self._cases.comment(entry, call.body(CommentBody).text, actor=call.principal.subject, cause=cause_of(call))
        return CommentView.of(said)

    async def comments(self, call: Call) -> Page[CommentView]:
        entry = await self._permitted(call, READ.name)
        query = call.query(PageQuery)
        page = await self._cases.comments(entry.key, limit=query.limit, cursor=query.cursor)
        return Page(items=[CommentView.of(comment) for comment in page.items], next_cursor=page.next_cursor)

    async def _permitted(self, call: Call, permission: str) -> Entry[Case]:
        case = call.params(CaseId).case
        entry = await self._cases.get(case)
        if not call.may(READ.name, value_of(entry).namespace):  # as if there were none, and no word of where it is
            raise NotFound(f"there is no case {case}", case=case)
        call.require(permission, value_of(entry).namespace)
        return entry


def _shown(entry: Entry[Case], headers: dict[str, str] | None = None) -> Reply:
    return Reply(body=CaseView.of(value_of(entry)), revision=entry.revision, headers=headers or {})


ONE, TAGS = "/api/v1/cases/{case}", ("cases",)


def case_routes(cases: Cases) -> Sequence[Route]:
    """Everything below ``/api/v1/cases``."""
    on = _CaseHandlers(cases)
    return (*_of_all(on), *_of_one(on), *_of_comments(on))


def _of_all(on: _CaseHandlers) -> Sequence[Route]:
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
            handler=on.list,
        ),
    )


def _of_one(on: _CaseHandlers) -> Sequence[Route]:
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
            problems=(ImpossibleTransition,),
            handler=on.take,
        ),
    )


def _of_comments(on: _CaseHandlers) -> Sequence[Route]:
    return (
        Route(
            method="POST",
            path=f"{ONE}/comments",
            access=COMMENT,
            summary="Comment on a case",
            tags=TAGS,
            params=CaseId,
            body=CommentBody,
            response=CommentView,
            status=201,
            handler=on.comment,
        ),
        Route(
            method="GET",
            path=f"{ONE}/comments",
            access=READ,
            summary="Comments of a case, oldest first",
            tags=TAGS,
            params=CaseId,
            query=PageQuery,
            response=Page[CommentView],
            handler=on.comments,
        ),
    )
