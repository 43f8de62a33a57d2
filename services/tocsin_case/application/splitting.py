"""A part of a case becomes a case of its own."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from tocsin.errors import Invalid
from tocsin.signals.catalogue import case as words
from tocsin_case.application.ledger import By, Decision, Ledger, value_of
from tocsin_case.domain.cases import Case, Link
from tocsin_case.domain.evidence import Moved, handled
from tocsin_case.domain.flow import promise_of, with_promise
from tocsin_case.domain.types import CaseType
from tocsin_case.ports import Beside, BesideStore
from tocsin_kit.chance import Chance, new_id
from tocsin_kit.store import Entry, undisputed


class Splitting:
    """Splits cases.

    Args:
        ledger: Changes cases.
        besides: Tasks and comments that move.
        chance: For ids.
    """

    def __init__(self, ledger: Ledger, besides: BesideStore, *, chance: Chance) -> None:
        self._ledger = ledger
        self._besides = besides
        self._chance = chance

    @undisputed
    async def split(
        self,
        case_id: str,
        title: str,
        *,
        links: Sequence[Link],
        tasks: Sequence[str],
        comments: Sequence[str],
        tags: Sequence[str],
        by: By,
        observables: Sequence[str] = (),
        files: Sequence[str] = (),
    ) -> Entry[Case]:
        """Open a case with a part of another: what is named moves, both cases say so.

        Raises:
            Invalid: The case has no such link, task, comment, observable or file.
        """
        now = self._ledger.clock.now()
        source = await self._ledger.get(case_id)
        before = value_of(source)
        new = new_id(now, self._chance)
        _require(before, links)
        beside = [
            *await self._tasks(case_id, tasks, new),
            *await self._comments(case_id, comments, new),
            *await self._sightings(case_id, observables, new),
            *await self._files(case_id, files, new, by=by, now=now),
        ]
        guide = await self._ledger.desk.guide(before)
        over = sum(1 for task in await self._besides.tasks(case_id) if task.id in tasks and task.status.is_over)
        fresh = _fresh(before, guide.kind, new=new, by=by, now=now)
        fresh = replace(fresh, title=title, tags=tuple(tags) or before.tags, tasks=len(tasks), tasks_done=over)
        fresh = replace(fresh, links=(*links, Link("case", case_id, "related")), comments=len(comments))
        fresh = replace(fresh, observables=len(observables), attachments=len(files))
        own = before.sla.targets if before.sla.own else None
        fresh = with_promise(fresh, promise_of(guide.kind, fresh, own), now, guide.hours)
        left = _left(before, fresh, links)
        told = Decision(left, [(words.CASE_SPLIT, words.CaseSplit(into=new))])
        entry, off = await self._ledger.store.load(new), Decision(fresh, (), beside)
        prepared = [
            await self._ledger.prepared(entry, off, guide, by=by, why="split off", now=now),
            await self._ledger.prepared(source, told, guide, by=by, why="split", now=now),
        ]
        return (await self._ledger.store.commit(prepared))[0]

    async def _tasks(self, case_id: str, ids: Sequence[str], new: str) -> list[Beside]:
        known = {task.id: task for task in await self._besides.tasks(case_id)}
        if missing := [task for task in ids if task not in known]:
            raise Invalid(f"case {case_id} has no task {missing[0]}")
        return [replace(known[task], case=new, after=tuple(a for a in known[task].after if a in ids)) for task in ids]

    async def _sightings(self, case_id: str, ids: Sequence[str], new: str) -> list[Beside]:
        known = {sighting.observable: sighting for sighting in await self._besides.sightings(case_id)}
        if missing := [one for one in ids if one not in known]:
            raise Invalid(f"{missing[0]} was not seen in case {case_id}")
        return [Moved(known[one], new) for one in ids]

    async def _files(self, case_id: str, ids: Sequence[str], new: str, *, by: By, now: datetime) -> list[Beside]:
        """Files with the entry in their chains that says so."""
        known = {file.id: file for file in await self._besides.attachments(case_id) if file.deleted_at is None}
        if missing := [one for one in ids if one not in known]:
            raise Invalid(f"case {case_id} has no file {missing[0]}")
        moved: list[Beside] = []
        for file in (known[one] for one in ids):
            chain = await self._besides.custody(file.id)
            note = f"from case {case_id} to case {new}"
            last = chain[-1] if chain else None
            moved += [
                replace(file, case=new),
                handled(last, file, actor=by.actor, action="moved", sha256=file.sha256, at=now, note=note),
            ]
        return moved

    async def _comments(self, case_id: str, ids: Sequence[str], new: str) -> list[Beside]:
        moved: list[Beside] = []
        for comment_id in ids:
            comment = await self._besides.comment(comment_id)
            if comment is None or comment.case != case_id:
                raise Invalid(f"case {case_id} has no comment {comment_id}")
            moved.append(replace(comment, case=new, parent=comment.parent if comment.parent in ids else None))
        return moved


def _require(case: Case, links: Sequence[Link]) -> None:
    missing = [link for link in links if link not in case.links]
    if missing:
        raise Invalid(f"case {case.id} has no link to {missing[0].kind} {missing[0].target}")


def _left(before: Case, fresh: Case, links: Sequence[Link]) -> Case:
    """What stays of a case."""
    linked = before.linked(Link("case", fresh.id, "related"))
    return replace(
        linked,
        links=tuple(link for link in linked.links if link not in links),
        comments=max(before.comments - fresh.comments, 0),
        tasks=max(before.tasks - fresh.tasks, 0),
        tasks_done=max(before.tasks_done - fresh.tasks_done, 0),
        observables=max(before.observables - fresh.observables, 0),
        attachments=max(before.attachments - fresh.attachments, 0),
    )


def _fresh(case: Case, kind: CaseType, *, new: str, by: By, now: datetime) -> Case:
    """A case at its beginning with what it shares with another."""
    initial = kind.status(kind.initial)
    return replace(
        case,
        id=new,
        status=kind.initial,
        stage=initial.stage if initial else case.stage,
        opened_at=now,
        opened_by=by.actor,
        answered_at=None,
        resolved_at=None,
        resolution=None,
        dedupes=(),
        occurrences=1,
        auto_resolve=False,
        escalation=None,
        playbooks=(),
        merges=(),
        attachments=0,
        observables=0,
    )
