"""Questions of runs to people: which are open, and answering them.

An open question is part of its run's state and stands beside it in every save. So the list of questions can never disagree with
the runs, and a run that is cancelled takes its questions along.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from tocsin.errors import Conflict, Forbidden, Invalid, NotFound
from tocsin_executor.application.reading import Scope
from tocsin_executor.application.runs import Runs
from tocsin_executor.application.views import RunView
from tocsin_executor.domain.deciding import bare, holder
from tocsin_executor.domain.inputs import Verb
from tocsin_executor.domain.ops.asking import approval_id
from tocsin_executor.domain.questions import Question, inside
from tocsin_executor.domain.values import Json

ANY: Final = "approval:answer-any"
"""Permission to answer for anybody."""


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


@dataclass(frozen=True, slots=True)
class Handed:
    """To whom a question is handed over.

    Attributes:
        to: A user's name.
        instead_of: Of whom; ``None`` for whoever does it.
        reason: For the record.
    """

    to: str
    instead_of: str | None = None
    reason: str | None = None


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
        return bool({who.subject, who.person} & _started(await self._runs.get(question.run)))

    async def may_lend_a_hand(self, run: str, task: str, who: Asker) -> None:
        """Nobody gets round a question that wants other people by giving an output, or skipping what is around it.

        Raises:
            Forbidden: They started the run, and it waits for the answer of somebody else, or would; or for those of several.
        """
        asked: list[Mapping[str, Json]] = [question.request for question in await self._runs.questions(run)]
        found = await self._runs.position(run)
        if found is not None:
            asked += inside(found[1], found[0], task)
        view = await self._runs.get(run)
        for one in asked:
            if one.get("approvals", 1) != 1 and not who.may(ANY, view.namespace):
                raise Forbidden(
                    f"Several people have to agree: {one.get('title')}",
                    hint="Who may answer for anybody (approval:answer-any) may do that alone.",
                )
            if one.get("fourEyes") is True and _started(view) & {who.subject, who.person}:
                raise Forbidden(
                    f"The run wants another person's answer, and you started it: {one.get('title')}",
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
            raise _not_asked(question, who)
        given = answer if question.wanted is None else {"answer": answer, "person": who.person}
        return await self._runs.control(
            question.run, Verb.ANSWER, actor=who.subject, reason=reason, task=question.activation, output=given
        )

    async def delegate(self, question: Question, handed: Handed, who: Asker) -> Question:
        """Let somebody else be asked instead; the question as it is then.

        Raises:
            Forbidden: It is not theirs to hand over, or who started the run would have a say in it, where four eyes are wanted.
            Invalid: The other one is asked already.
            RunAlreadyDone: It was answered or handed over meanwhile, or one of the two has answered.
        """
        if question.request.get("fourEyes") is True:
            started = _started(await self._runs.get(question.run))
            if started & {who.subject, who.person}:
                raise Forbidden("Whoever started the run has no say in who answers this.", hint="Two people are wanted.")
            if f"user:{bare(handed.to)}" in started:
                raise Forbidden(f"{bare(handed.to)} started the run, and two people are wanted.", hint="Name another one.")
        source, named = seat(question, handed, who)
        if question.asks(handed.to):
            raise Invalid(f"{bare(handed.to)} is asked already.", hint="Hand it over to somebody who is not.")
        given: dict[str, Json] = {"from": source, "to": bare(handed.to), "named": named}
        await self._runs.control(
            question.run, Verb.DELEGATE, actor=who.subject, reason=handed.reason, task=question.activation, output=given
        )
        return await self.get(question.id)


def _started(view: RunView) -> set[str]:
    """Subjects of who started a run, and of the person behind that."""
    found = (view.actor, (view.trigger or {}).get("person"))
    return {str(one) for one in found if one is not None}


def may_answer(question: Question, who: Asker) -> bool:
    """Whether somebody is asked: by name, by a role, because nobody in particular is, or since they may answer for anybody.

    Nobody answers who has handed it over, or has given one of several answers.
    """
    if {bare(who.subject), bare(who.person)} & question.away or who.person in {one["person"] for one in question.answers}:
        return False
    if not question.assignees and not question.roles:
        return True
    if question.asks(who.subject) or who.may(ANY, question.namespace):
        return True
    return any(who.may(f"approve:{role}", question.namespace) for role in question.roles)


def seat(question: Question, handed: Handed, who: Asker) -> tuple[str, bool]:
    """Whose place is handed over, and whether they are asked by name.

    One's own, or what one has handed over before; anybody's by the permission to answer for anybody.

    Raises:
        Forbidden: It is not theirs to hand over.
        Invalid: Nobody is asked by that name, or it is not said whose of several.
    """
    own, everybody = bare(who.subject), who.may(ANY, question.namespace)
    mine = holder(question.delegations, own)  # by now
    if handed.instead_of is not None:
        source = bare(handed.instead_of)
        if not question.asks(source):
            raise Invalid(f"{source} is not asked.", hint=f"Asked by name are: {', '.join(question.assignees) or 'nobody'}.")
        if source != mine and not everybody:
            raise Forbidden(f"It is for {source} to hand this over, or for who may answer for anybody.")
        return source, True
    if question.asks(mine):
        return mine, True
    if any(who.may(f"approve:{role}", question.namespace) for role in question.roles):
        return own, False
    if everybody and len(question.assignees) == 1:
        return bare(question.assignees[0]), True
    if everybody and question.assignees:
        raise Invalid("Several are asked.", hint=f"Say instead of whom: {', '.join(question.assignees)}.")
    raise Forbidden("You are not asked, so it is not yours to hand over.")


def _not_asked(question: Question, who: Asker) -> Forbidden:
    name = bare(who.person)
    if who.person in {one["person"] for one in question.answers}:
        return Forbidden(f"{name} has answered this, and another person's answer is wanted.")
    if question.away & {bare(who.subject), name}:
        return Forbidden(f"{name} has handed this over to {holder(question.delegations, name)}.", hint="Take it back first.")
    names = ", ".join((*question.assignees, *question.roles))
    return Forbidden(f"This is asked of {names}.", hint="A role may answer who has the permission approve:<role>.")
