"""Routes of comments, tasks and playbooks."""

from collections.abc import Sequence
from dataclasses import dataclass

from tocsin.errors import Conflict, NotFound, TocsinError
from tocsin_case.application import Desk, NewTask, Playbooks, Talk, Tasks
from tocsin_case.application.ledger import value_of
from tocsin_case.application.starting import PlaybookNotFound, filled
from tocsin_case.domain.talk import Visibility
from tocsin_case.domain.tasks import TaskNotReady
from tocsin_case.http.asking import COMMENT, READ, WRITE, Door, by
from tocsin_case.http.beside_schemas import (
    CommentBody,
    CommentEdit,
    CommentId,
    CommentView,
    PlaybookName,
    PlaybookStart,
    PlaybooksView,
    PlaybookView,
    TaskBody,
    TaskId,
    TaskPatch,
    TaskView,
)
from tocsin_case.http.case_routes import ONE, TAGS
from tocsin_case.http.schemas import CaseId, PlaybookRunView
from tocsin_kit.web import Call, Page, PageQuery, Route


@dataclass(frozen=True, slots=True)
class Beside:
    """The use cases behind these routes."""

    talk: Talk
    tasks: Tasks
    playbooks: Playbooks
    desk: Desk


class _Handlers:
    def __init__(self, beside: Beside, door: Door) -> None:
        self._beside, self._door = beside, door

    async def comment(self, call: Call) -> CommentView:
        body = call.body(CommentBody)
        permission = WRITE if body.visibility is Visibility.INTERNAL else COMMENT
        entry = await self._door.permitted(call, call.params(CaseId).case, permission)
        said = await self._beside.talk.say(entry.key, body.text, by=by(call), visibility=body.visibility, parent=body.parent)
        return CommentView.of(said)

    async def edit(self, call: Call) -> CommentView:
        path = call.params(CommentId)
        entry = await self._door.permitted(call, path.case, COMMENT)
        return CommentView.of(await self._beside.talk.edit(entry.key, path.comment, call.body(CommentEdit).text, by=by(call)))

    async def comments(self, call: Call) -> Page[CommentView]:
        case = value_of(await self._door.permitted(call, call.params(CaseId).case, READ))
        query, internal = call.query(PageQuery), call.may(WRITE.name, case.namespace)
        own = (case.id, *(merged.case for merged in case.merges))
        page = await self._beside.talk.of(own, internal=internal, limit=query.limit, cursor=query.cursor)
        return Page(items=[CommentView.of(comment) for comment in page.items], next_cursor=page.next_cursor)

    async def tasks(self, call: Call) -> Page[TaskView]:
        entry = await self._door.permitted(call, call.params(CaseId).case, READ)
        return Page(items=[TaskView.of(task) for task in await self._beside.tasks.of(entry.key)])

    async def add_task(self, call: Call) -> TaskView:
        entry = await self._door.permitted(call, call.params(CaseId).case, WRITE)
        new = NewTask(**call.body(TaskBody).model_dump(mode="python"))
        return TaskView.of(await self._beside.tasks.add(entry.key, new, by=by(call)))

    async def change_task(self, call: Call) -> TaskView:
        path = call.params(TaskId)
        entry = await self._door.permitted(call, path.case, WRITE)
        body = call.body(TaskPatch)
        fields = {name: getattr(body, name) for name in body.model_fields_set}
        return TaskView.of(await self._beside.tasks.change(entry.key, path.task, fields, by=by(call)))

    async def playbooks(self, call: Call) -> PlaybooksView:
        case = value_of(await self._door.permitted(call, call.params(CaseId).case, READ))
        kind = await self._beside.desk.kind(case.namespace, case.kind)
        shown = []
        for playbook in kind.playbooks:
            try:
                data = filled(playbook, case)
            except TocsinError as error:
                data = {"error": error.detail}
            shown.append(
                PlaybookView(
                    name=playbook.name,
                    workflow=playbook.workflow,
                    version=playbook.version,
                    on=list(playbook.on),
                    summary=playbook.summary,
                    input=data,
                )
            )
        runs = [PlaybookRunView.model_validate(run, from_attributes=True) for run in case.playbooks]
        return PlaybooksView(playbooks=shown, runs=runs)

    async def start(self, call: Call) -> PlaybookRunView:
        path, body = call.params(PlaybookName), call.body(PlaybookStart)
        entry = await self._door.permitted(call, path.case, WRITE)
        call.require("run:start", value_of(entry).namespace)  # a case is no way around the permission to start workflows
        mark = call.idempotency_key or call.request_id
        _, run = await self._beside.playbooks.start(
            entry.key, path.playbook, body.input, by=by(call), task=body.task, mark=mark
        )
        return PlaybookRunView.model_validate(run, from_attributes=True)


def beside_routes(beside: Beside, door: Door) -> Sequence[Route]:
    """Comments, tasks, playbooks."""
    on = _Handlers(beside, door)
    return (*_of_comments(on), *_of_tasks(on), *_of_playbooks(on))


def _of_comments(on: _Handlers) -> Sequence[Route]:
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
            problems=(Conflict,),
            handler=on.comment,
        ),
        Route(
            method="GET",
            path=f"{ONE}/comments",
            access=READ,
            summary="Comments of a case and of those merged into it, oldest first",
            tags=TAGS,
            params=CaseId,
            query=PageQuery,
            response=Page[CommentView],
            handler=on.comments,
        ),
        Route(
            method="PATCH",
            path=f"{ONE}/comments/{{comment}}",
            access=COMMENT,
            summary="Change a comment of one's own; what it said before stays",
            tags=TAGS,
            params=CommentId,
            body=CommentEdit,
            response=CommentView,
            problems=(Conflict,),
            handler=on.edit,
        ),
    )


def _of_tasks(on: _Handlers) -> Sequence[Route]:
    return (
        Route(
            method="GET",
            path=f"{ONE}/tasks",
            access=READ,
            summary="Tasks of a case, oldest first",
            tags=TAGS,
            params=CaseId,
            response=Page[TaskView],
            handler=on.tasks,
        ),
        Route(
            method="POST",
            path=f"{ONE}/tasks",
            access=WRITE,
            summary="Add a task to a case",
            tags=TAGS,
            params=CaseId,
            body=TaskBody,
            response=TaskView,
            status=201,
            problems=(Conflict,),
            handler=on.add_task,
        ),
        Route(
            method="PATCH",
            path=f"{ONE}/tasks/{{task}}",
            access=WRITE,
            summary="Change a task, its status too",
            tags=TAGS,
            params=TaskId,
            body=TaskPatch,
            response=TaskView,
            problems=(TaskNotReady, Conflict),
            handler=on.change_task,
        ),
    )


def _of_playbooks(on: _Handlers) -> Sequence[Route]:
    return (
        Route(
            method="GET",
            path=f"{ONE}/playbooks",
            access=READ,
            summary="What can be started from a case, and what was",
            tags=TAGS,
            params=CaseId,
            response=PlaybooksView,
            handler=on.playbooks,
        ),
        Route(
            method="POST",
            path=f"{ONE}/playbooks/{{playbook}}",
            access=WRITE,
            summary="Start a workflow from a case",
            description="Needs `run:start` as well.",
            tags=TAGS,
            params=PlaybookName,
            body=PlaybookStart,
            response=PlaybookRunView,
            status=202,
            problems=(PlaybookNotFound, NotFound, Conflict),
            handler=on.start,
        ),
    )
