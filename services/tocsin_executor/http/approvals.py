"""Questions of runs to people, over HTTP."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field, JsonValue

from tocsin.errors import Forbidden, NotFound
from tocsin_executor.application.approvals import Approvals, Handed, QuestionClosed, may_answer
from tocsin_executor.application.runs import RunAlreadyDone
from tocsin_executor.application.views import instant
from tocsin_executor.domain.questions import Question
from tocsin_executor.http.asking import scope_of
from tocsin_executor.http.schemas import Namespace, RunOut
from tocsin_kit.store.changes import changes
from tocsin_kit.web import Call, Input, Page, PageQuery, Permission, Reply, Route

READ = Permission("approval:read")
ANSWER = Permission("approval:answer")
DELEGATE = Permission("approval:delegate")

PersonName = Annotated[str, Field(pattern=r"^(user:)?[^\s:]{1,128}$")]


class ApprovalId(Input):
    """Path of one question."""

    approval: Annotated[str, Field(pattern=r"^[0-9a-z]{26}(-[a-z0-9]+)+$")]


class ApprovalQuery(PageQuery):
    """Filters of the list of open questions."""

    namespace: Namespace | None = None
    assignee: Annotated[str, Field(min_length=1, max_length=256)] | None = Field(None, description="Asked of them by name.")


class AnswerBody(Input):
    """An answer."""

    answer: JsonValue = Field(description="As the form says; it is the task's output.")
    reason: Annotated[str, Field(max_length=2048)] | None = None


class DelegateBody(Input):
    """Who is to be asked instead."""

    to: PersonName = Field(description="A user's name.")
    instead_of: PersonName | None = Field(None, description="Whose place it is; your own unless given.")
    reason: Annotated[str, Field(max_length=2048)] | None = None


class AnswerOut(BaseModel):
    """One of several answers."""

    by: str | None = Field(description="Whose credential it came with.")
    person: str = Field(description="Who is behind it.")
    at: datetime
    approved: bool
    answer: JsonValue
    reason: str | None


class DelegationOut(BaseModel):
    """How a question was handed over."""

    instead_of: str
    to: str
    by: str | None
    at: datetime
    reason: str | None


class ApprovalOut(BaseModel):
    """An open question."""

    id: str
    run: str
    namespace: str
    workflow: str
    task: str
    reference: str
    title: str
    message: str | None
    data: JsonValue
    assignees: list[str] = Field(description="Who is asked by name, by now.")
    roles: list[str]
    four_eyes: bool = Field(description="Whether whoever started the run may not answer.")
    approvals: int | None = Field(description="How many approvals are wanted; null where the first answer counts.")
    refusals: int | None = Field(description="How many refusals end it, where several approvals are wanted.")
    answers: list[AnswerOut] = Field(description="Those of several that were given.")
    delegations: list[DelegationOut] = Field(description="How it was handed over.")
    form: JsonValue = Field(description="JSON schema of an answer, or null.")
    asked_at: datetime
    deadline: datetime | None
    reminders: int
    mine: bool = Field(description="Whether whoever looks may answer it.")


def _out(call: Call, question: Question, *, started: bool) -> ApprovalOut:
    request = question.request
    asked = instant(question.since)
    assert asked is not None
    message = request.get("message")
    return ApprovalOut(
        id=question.id,
        run=question.run,
        namespace=question.namespace,
        workflow=question.workflow,
        task=question.task,
        reference=question.reference,
        title=str(request.get("title", "")),
        message=message if isinstance(message, str) else None,
        data=request.get("data"),
        assignees=list(question.assignees),
        roles=list(question.roles),
        four_eyes=request.get("fourEyes") is True,
        approvals=None if question.wanted is None else question.wanted[0],
        refusals=None if question.wanted is None else question.wanted[1],
        answers=[AnswerOut.model_validate(one) for one in question.answers],
        delegations=[DelegationOut.model_validate({**one, "instead_of": one["from"]}) for one in question.delegations],
        form=question.form,
        asked_at=asked,
        deadline=instant(question.deadline),
        reminders=question.reminders,
        mine=call.may(ANSWER.name, question.namespace) and may_answer(question, call.principal) and not started,
    )


class _Handlers:
    def __init__(self, approvals: Approvals) -> None:
        self._approvals = approvals

    async def list(self, call: Call) -> Page[ApprovalOut]:
        query = call.query(ApprovalQuery)
        scope = scope_of(call, READ.name, query.namespace)
        found, cursor = await self._approvals.list(scope, query.assignee, query.limit, query.cursor)
        return Page(items=[await self._seen(call, question) for question in found], next_cursor=cursor)

    async def show(self, call: Call) -> ApprovalOut:
        return await self._seen(call, await self._permitted(call, READ.name))

    async def _seen(self, call: Call, question: Question) -> ApprovalOut:
        return _out(call, question, started=await self._approvals.started(question, call.principal))

    async def answer(self, call: Call) -> Reply:
        question = await self._permitted(call, ANSWER.name)
        body = call.body(AnswerBody)
        view = await self._approvals.answer(question, body.answer, call.principal, body.reason)
        call.changes = changes({}, {"answer": body.answer, "reason": body.reason})
        return Reply(body=RunOut.of(view), status=202)

    async def delegate(self, call: Call) -> Reply:
        question = await self._permitted(call, DELEGATE.name)
        body = call.body(DelegateBody)
        handed = Handed(body.to, body.instead_of, body.reason)
        after = await self._approvals.delegate(question, handed, call.principal)
        call.changes = changes({"assignees": [*question.assignees]}, {"assignees": [*after.assignees], "reason": body.reason})
        return Reply(body=await self._seen(call, after), status=202)

    async def _permitted(self, call: Call, permission: str) -> Question:
        approval = call.params(ApprovalId).approval
        try:
            question = await self._approvals.get(approval)
        except NotFound:
            closed = await self._approvals.what_became_of(approval)
            if closed is not None and call.may(READ.name, closed[0]):
                raise closed[1] from None
            raise
        if not call.may(READ.name, question.namespace):  # the same answer as if there were none
            raise NotFound(f"There is no open question {approval}.", approval=approval)
        call.require(permission, question.namespace)
        return question


def approval_routes(approvals: Approvals) -> Sequence[Route]:
    """``/api/v1/approvals``."""
    handlers = _Handlers(approvals)
    path, tags = "/api/v1/approvals/{approval}", ("approvals",)
    return (
        Route(
            method="GET",
            path="/api/v1/approvals",
            access=READ,
            summary="Open questions of runs, newest first",
            tags=tags,
            handler=handlers.list,
            query=ApprovalQuery,
            response=Page[ApprovalOut],
        ),
        Route(
            method="GET",
            path=path,
            access=READ,
            summary="An open question",
            tags=tags,
            handler=handlers.show,
            params=ApprovalId,
            response=ApprovalOut,
            problems=(NotFound, QuestionClosed),
        ),
        *_doings(handlers, path),
    )


def _doings(handlers: _Handlers, path: str) -> Sequence[Route]:
    """What people do with a question."""
    return (
        Route(
            method="POST",
            path=f"{path}/answer",
            access=ANSWER,
            summary="Answer a question; the run goes on with the answer",
            tags=("approvals",),
            handler=handlers.answer,
            params=ApprovalId,
            body=AnswerBody,
            response=RunOut,
            status=202,
            problems=(NotFound, QuestionClosed, RunAlreadyDone, Forbidden),
        ),
        Route(
            method="POST",
            path=f"{path}/delegate",
            access=DELEGATE,
            summary="Hand a question over: somebody else is asked instead",
            tags=("approvals",),
            handler=handlers.delegate,
            params=ApprovalId,
            body=DelegateBody,
            response=ApprovalOut,
            status=202,
            problems=(NotFound, QuestionClosed, RunAlreadyDone, Forbidden),
        ),
    )
