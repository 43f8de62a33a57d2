"""Comments: said, answered, edited."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from tocsin.errors import Invalid, NotFound
from tocsin.signals.catalogue import case as words
from tocsin.signals.changes import FieldChange
from tocsin_case.application.guiding import Guide
from tocsin_case.application.ledger import By, Decision, Ledger
from tocsin_case.domain.cases import Case
from tocsin_case.domain.flow import spoke
from tocsin_case.domain.talk import Comment, Visibility, edited, mentioned
from tocsin_case.ports import BesideStore
from tocsin_kit.chance import Chance, new_id
from tocsin_kit.config.secret import HIDDEN
from tocsin_kit.store import Page


class Talk:
    """What is said about cases.

    Args:
        ledger: Changes cases.
        besides: Where comments are.
        chance: For ids.
    """

    def __init__(self, ledger: Ledger, besides: BesideStore, *, chance: Chance) -> None:
        self._ledger = ledger
        self._besides = besides
        self._chance = chance

    async def say(
        self, case_id: str, text: str, *, by: By, visibility: Visibility = Visibility.PUBLIC, parent: str | None = None
    ) -> Comment:
        """Say something about a case; it does not matter what else happens to the case meanwhile.

        Raises:
            Invalid: There is no comment to answer.
            Conflict: Others write to the case all the time.
        """
        above = None if parent is None else await self._besides.comment(parent)
        if parent is not None and (above is None or above.case != case_id):
            raise Invalid(f"case {case_id} has no comment {parent}")
        now = self._ledger.clock.now()
        said = Comment(
            id=new_id(now, self._chance),
            case=case_id,
            author=by.actor,
            text=text,
            at=now,
            # An answer to something internal is internal: it would give it away.
            visibility=Visibility.INTERNAL if above is not None and above.visibility is Visibility.INTERNAL else visibility,
            parent=parent,
            mentions=mentioned(text),
        )

        async def decide(case: Case, guide: Guide, at: datetime) -> Decision:
            after = replace(case, comments=case.comments + 1)
            if said.visibility is Visibility.PUBLIC and by.actor != case.opened_by:
                after = spoke(after, at, guide.hours)
            return Decision(after, [(words.CASE_COMMENTED, _payload(said))], [said])

        await self._ledger.change(case_id, decide, by=by, why="commented")
        return said

    async def edit(self, case_id: str, comment_id: str, text: str, *, by: By) -> Comment:
        """Change one's own comment; what it said before stays.

        Raises:
            NotFound: There is no such comment.
            Forbidden: It is somebody else's.
        """
        known = await self.one(case_id, comment_id)
        after = edited(known, text, actor=by.actor, now=self._ledger.clock.now())

        async def decide(case: Case, _guide: Guide, _now: datetime) -> Decision:
            # What it said before and now is kept with the case; signals are read by more people.
            said = FieldChange(field="text", before=HIDDEN, after=HIDDEN)
            payload = _payload(after).model_copy(update={"edited": True, "changes": [said]})
            return Decision(case, [(words.CASE_COMMENTED, payload)], [after])

        if after is not known:
            await self._ledger.change(case_id, decide, by=by, why="comment changed")
        return after

    async def one(self, case_id: str, comment_id: str) -> Comment:
        """A comment of a case.

        Raises:
            NotFound: There is none.
        """
        comment = await self._besides.comment(comment_id)
        if comment is None or comment.case != case_id:
            raise NotFound(f"case {case_id} has no comment {comment_id}", comment=comment_id)
        return comment

    async def of(self, cases: Sequence[str], *, internal: bool, limit: int, cursor: str | None) -> Page[Comment]:
        """Comments of cases, oldest first."""
        return await self._besides.comments(cases, internal=internal, limit=limit, cursor=cursor)


def _payload(comment: Comment) -> words.CaseCommented:
    return words.CaseCommented(comment=comment.id, mentions=list(comment.mentions), visibility=comment.visibility.value)
