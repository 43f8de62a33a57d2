"""Questions of runs to people: which are open, and answering them.

An open question is part of its run's state and stands beside it in every save. So the list of questions can never disagree with
the runs, and a run that is cancelled takes its questions along.
"""

from collections.abc import Sequence
from typing import Protocol

from tocsin.errors import Conflict, Forbidden, NotFound
from tocsin_executor.application.reading import Scope
from tocsin_executor.application.runs import Runs
from tocsin_executor.application.views import RunView
from tocsin_executor.domain.inputs import Verb
from tocsin_executor.domain.ops.asking import approval_id
from tocsin_executor.domain.questions import Question
from tocsin_executor.domain.values import Json


class Asker(Protocol):
    """Who wants to answer."""

    @property
    def subject(self) -> str:
        """``user:ada``."""
        ...

    @property
    def person(self) -> str:
        """Who is behind it, also behind an API key."""
        ...

    def may(self, permission: str, namespace: str) -> bool:
        """Whether they hold a permission."""
        ...


class OpenQuestions(Protocol):
    """The questions of all runs."""

    async def list_questions(
        self, scope: Scope, assignee: str | None, limit: int, cursor: str | None
    ) -> tuple[Sequence[Question], str | None]:
        """Open questions, newest first, and the next cursor."""
        ...

    async def closed_questions(self, namespace: str, run: str) -> list[dict[str, Json]]:
        """Signals that a question of a run was answered, expired or withdrawn."""
        ...


class QuestionClosed(Conflict):
    """The question is no longer open."""

    code = "question_closed"


class Approvals:
    """Use cases of questions to people.

    Args:
        runs: Use cases of runs.
        open_questions: The questions of all runs.
    """

    def __init__(self, runs: Runs, open_questions: OpenQuestions) -> None:
        self._runs = runs
        self._open = open_questions

    async def list(
        self, scope: Scope, assignee: str | None, limit: int, cursor: str | None
    ) -> tuple[Sequence[Question], str | None]:
        """Open questions, newest first."""
        if cursor is None:
            await self._runs.catch_up()
        return await self._open.list_questions(scope, assignee, limit, cursor)

    async def get(self, approval: str) -> Question:
        """An open question.

        Raises:
            NotFound: There is and was none of that id.
        """
        run = approval.partition("-")[0]
        found = next((one for one in await self._runs.questions(run) if one.id == approval), None)
        if found is None:
            raise NotFound(f"There is no open question {approval}.", approval=approval)
        return found

    async def what_became_of(self, approval: str) -> tuple[str, QuestionClosed] | None:
        """The namespace of a question that is no longer open, and what is to be said of it; ``None`` if there was none."""
        run = approval.partition("-")[0]
        try:
            view = await self._runs.get(run)
        except NotFound:
            return None
        for event in await self._open.closed_questions(view.namespace, run):
            if approval_id(run, str(event.get("activation"))) == approval:
                how, by = str(event["type"]).split(".")[-2], f" by {event['authid']}" if event.get("authid") else ""
                detail = f"Question {approval} {'' if how == 'expired' else 'was '}{how}{by} at {event['time']}."
                return view.namespace, QuestionClosed(detail, hint="Only the first answer counts.", approval=approval)
        return None

    async def started(self, question: Question, who: Asker) -> bool:
        """Whether somebody may not answer because they started the run, and the definition wants four eyes."""
        if question.request.get("fourEyes") is not True:
            return False
        view = await self._runs.get(question.run)
        behind = (view.trigger or {}).get("person")
        return bool({who.subject, who.person} & {view.actor, behind})

    async def may_lend_a_hand(self, run: str, who: Asker) -> None:
        """Nobody gets round a question that wants another person by giving an output, or skipping what is around it.

        Raises:
            Forbidden: They started the run, and it waits for the answer of somebody else.
        """
        for question in await self._runs.questions(run):
            if await self.started(question, who):
                raise Forbidden(
                    f"The run waits for another person's answer to '{question.task}', and you started it.",
                    hint="Two people are wanted: ask another one.",
                )

    async def answer(self, question: Question, answer: Json, who: Asker, reason: str | None) -> RunView:
        """Answer it; the run goes on with the answer.

        Raises:
            Forbidden: Others are asked, or another person is wanted than who started the run.
            RunAlreadyDone: It was answered meanwhile, or the answer does not fit the form.
        """
        if await self.started(question, who):
            raise Forbidden("Whoever started the run may not answer this.", hint="Two people are wanted: ask another one.")
        if not may_answer(question, who):
            names = ", ".join((*question.names("assignees"), *question.names("roles")))
            raise Forbidden(f"This is asked of {names}.", hint="A role may answer who has the permission approve:<role>.")
        return await self._runs.control(
            question.run, Verb.ANSWER, actor=who.subject, reason=reason, task=question.activation, output=answer
        )


def may_answer(question: Question, who: Asker) -> bool:
    """Whether somebody is asked: by name, by a role, because nobody in particular is, or since they may answer for anybody."""
    assignees, roles = question.names("assignees"), question.names("roles")
    if not assignees and not roles:
        return True
    own = {who.subject, who.subject.partition(":")[2]} if who.subject.startswith("user:") else {who.subject}
    if own & set(assignees) or who.may("approval:answer-any", question.namespace):
        return True
    return any(who.may(f"approve:{role}", question.namespace) for role in roles)
