"""What people do with cases that there are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from tocsin.errors import Invalid, NotFound, TocsinError, Violation
from tocsin_case.application.guiding import Guide
from tocsin_case.application.ledger import By, Decision, Ledger, value_of
from tocsin_case.domain.access import EVERYBODY, Viewer
from tocsin_case.domain.cases import LINKS, Case, Link
from tocsin_case.domain.flow import promised_anew, spoke, transition
from tocsin_case.domain.history import FieldChange, Record, changes, ever_merged, state_at
from tocsin_case.domain.measures import Measures, Window
from tocsin_case.domain.merging import NotMergeable, merge, unmerge
from tocsin_case.domain.types import FieldValue, check_fields
from tocsin_case.ports import CaseSearch, Facets
from tocsin_kit.store import Entry, Page, undisputed

BULK = 500  # cases changed with one request


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one case of many."""

    case: str
    entry: Entry[Case] | None
    error: TocsinError | None


class Cases:
    """The use cases of people.

    Args:
        ledger: Changes cases.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def get(self, case_id: str, viewer: Viewer = EVERYBODY) -> Entry[Case]:
        """A case with its revision.

        Raises:
            NotFound: There is none, or it is restricted to others.
        """
        entry = await self._ledger.get(case_id)
        if not viewer.sees(value_of(entry)):
            raise NotFound(f"there is no case {case_id}", case=case_id)
        return entry

    async def steps(self, case: Case) -> list[str]:
        """The statuses that a case can be taken to."""
        kind = await self._ledger.desk.kind(case.namespace, case.kind)
        status = kind.status(case.status)
        if case.merged_into is not None:
            return []
        return [kind.initial] if status is None else [step.to for step in status.steps]

    async def search(self, search: CaseSearch, *, limit: int, cursor: str | None) -> Page[Entry[Case]]:
        """One page of cases."""
        return await self._ledger.store.search(search, limit=limit, cursor=cursor)

    async def facets(self, search: CaseSearch) -> Facets:
        """How many of the cases found have which value."""
        return await self._ledger.store.facets(search)

    async def measure(self, search: CaseSearch) -> Measures:
        """Numbers about the cases found: those opened in the time that is asked for, and all that are active."""
        store, now = self._ledger.store, self._ledger.clock.now()
        window = Window.of(search.opened_after, search.opened_before, now)
        return Measures(window, await store.opened(search, window), await store.backlog(search, now))

    async def change(self, case_id: str, fields: Mapping[str, object], *, by: By, expect: int | None = None) -> Entry[Case]:
        """Change fields of a case; custom fields are added to those it has, ``None`` takes one away.

        Raises:
            PreconditionFailed: It has changed since the person saw it.
            Invalid: Fields that its type does not take.
        """

        async def decide(case: Case, guide: Guide, now: datetime) -> Decision:
            if case.restricted and fields.get("restricted") is False:
                await self._opens_nothing(case)
            return Decision(_changed(case, guide, fields, now))

        return await self._ledger.change(case_id, decide, by=by, why="changed", expect=expect)

    async def move(
        self,
        case_id: str,
        to: str,
        *,
        by: By,
        resolution: str | None = None,
        fields: Mapping[str, FieldValue] | None = None,
        expect: int | None = None,
    ) -> Entry[Case]:
        """Take a case to another status.

        Raises:
            PreconditionFailed: It has changed since the person saw it.
            ImpossibleTransition: Its status has no way there.
            Invalid: The step needs something that is not there.
        """

        async def decide(case: Case, guide: Guide, now: datetime) -> Decision:
            if case.merged_into is not None:
                raise NotMergeable(f"case {case_id} is a part of {case.merged_into}", hint="take it out again first")
            moved = transition(case, guide.kind, to, now=now, hours=guide.hours, resolution=resolution, fields=fields)
            return Decision(spoke(moved, now, guide.hours) if case.stage.is_active else moved)

        return await self._ledger.change(case_id, decide, by=by, why="moved", expect=expect)

    async def bulk(
        self, cases: Sequence[str], fields: Mapping[str, object], to: str | None, resolution: str | None, *, by: By
    ) -> list[Done]:
        """The same for many cases; each by itself, so that one that refuses does not stop the others."""
        done: list[Done] = []
        for case_id in cases[:BULK]:
            try:
                entry = await self.change(case_id, fields, by=by) if fields else await self.get(case_id)
                if to is not None:
                    entry = await self.move(case_id, to, by=by, resolution=resolution)
                done.append(Done(case_id, entry, None))
            except TocsinError as error:
                done.append(Done(case_id, None, error))
        return done

    async def link(self, case_id: str, link: Link, *, by: By, remove: bool = False) -> Entry[Case]:
        """Say what a case is about, or take it back.

        Raises:
            Invalid: The other case is in another namespace, itself, or its own ancestor.
        """

        async def decide(case: Case, _guide: Guide, _now: datetime) -> Decision:
            if remove:
                return Decision(case.unlinked(link))
            if link.kind == "case":
                await self._related(case, link)
            if len(case.links) >= LINKS and link not in case.links:
                raise Invalid(f"a case has at most {LINKS} links")
            return Decision(case if link in case.links else case.linked(link))

        return await self._ledger.change(case_id, decide, by=by, why="unlinked" if remove else "linked")

    async def stop_escalation(self, case_id: str, *, by: By) -> Entry[Case]:
        """Let a case escalate no further."""

        async def decide(case: Case, _guide: Guide, _now: datetime) -> Decision:
            state = case.escalation
            if state is None or state.ended is not None:
                return Decision(case)
            return Decision(replace(case, escalation=replace(state, ended="stopped", next_at=None, left=None)))

        return await self._ledger.change(case_id, decide, by=by, why="escalation stopped")

    async def history(self, case_id: str) -> list[tuple[Record, tuple[FieldChange, ...]]]:
        """All changes of a case, in order."""
        return changes(await self._ledger.store.history(case_id))

    async def at(self, case_id: str, instant: datetime) -> Case:
        """A case as it was at an instant.

        Raises:
            NotFound: It was opened later.
        """
        state = state_at(await self._ledger.store.history(case_id), instant)
        if not state:
            raise NotFound(f"case {case_id} was not there yet", case=case_id)
        return self._ledger.store.read(state)

    @undisputed
    async def merge(self, case_id: str, others: Sequence[str], *, by: By) -> Entry[Case]:
        """Make one case of several; all of it or nothing.

        Raises:
            NotMergeable: One is merged already, or somewhere else.
        """
        now = self._ledger.clock.now()
        target = await self._ledger.get(case_id)
        entries = [await self._ledger.get(other) for other in dict.fromkeys(others)]
        guides = [await self._ledger.desk.guide(value_of(entry)) for entry in entries]
        sources = [(value_of(entry), guide.kind, guide.hours) for entry, guide in zip(entries, guides, strict=True)]
        merged, closed = merge(value_of(target), sources, now)
        guide = await self._ledger.desk.guide(merged)
        # The others first: they give up the keys that this one takes.
        prepared = [
            await self._ledger.prepared(entry, Decision(case), own, by=by, why="merged", now=now)
            for entry, case, own in zip(entries, closed, guides, strict=True)
        ]
        prepared.append(await self._ledger.prepared(target, Decision(merged), guide, by=by, why="merged", now=now))
        return (await self._ledger.store.commit(prepared))[-1]

    @undisputed
    async def unmerge(self, case_id: str, other: str, *, by: By) -> Entry[Case]:
        """Take a merged case out again.

        Raises:
            Invalid: It is no part of this case.
        """
        now = self._ledger.clock.now()
        target, source = await self._ledger.get(case_id), await self._ledger.get(other)
        guide = await self._ledger.desk.guide(value_of(source))
        left, back = unmerge(value_of(target), value_of(source), guide.kind, guide.hours, now)
        own = await self._ledger.desk.guide(left)
        prepared = [
            await self._ledger.prepared(target, Decision(left), own, by=by, why="unmerged", now=now),
            await self._ledger.prepared(source, Decision(back), guide, by=by, why="unmerged", now=now),
        ]
        return (await self._ledger.store.commit(prepared))[-1]

    async def _opens_nothing(self, case: Case) -> None:
        """Refuse to show everybody a case that says what restricted ones said, now or in its history."""
        parts = await self._ledger.store.load_many(ever_merged(await self._ledger.store.history(case.id)))
        if hidden := sorted(key for key, entry in parts.items() if entry.value is not None and entry.value.restricted):
            raise Invalid(
                f"case {case.id} has taken over a restricted one, {hidden[0]}, and says so in its history",
                hint="split off what everybody may see",
                violations=[Violation("/restricted", "it would show what a restricted case says")],
            )

    async def _related(self, case: Case, link: Link) -> None:
        """Refuse a link to a case that cannot be; parents must not go in a circle."""
        ancestor: str | None = link.target
        for _ in range(LINKS):
            if ancestor == case.id:
                raise Invalid(
                    "a case cannot be its own parent" if link.role == "parent" else "a case cannot be linked to itself"
                )
            other = value_of(await self._ledger.get(ancestor)) if ancestor else None
            if other is None or link.role != "parent":
                break
            ancestor = next((one.target for one in other.links if (one.kind, one.role) == ("case", "parent")), None)
        target = value_of(await self._ledger.get(link.target))
        if target.namespace != case.namespace:
            raise NotFound(f"there is no case {link.target} in namespace {case.namespace}", case=link.target)


def _changed(case: Case, guide: Guide, fields: Mapping[str, object], now: datetime) -> Case:
    given = {name: value for name, value in fields.items() if name != "fields"}
    custom = fields.get("fields")
    if isinstance(custom, Mapping):
        given["fields"] = check_fields(guide.kind, {**case.fields, **custom}, opening=False)
    changed = {name: value for name, value in given.items() if getattr(case, name) != value}
    if not changed:
        return case
    after: Case = replace(case, updated_at=now, **changed)  # type: ignore[arg-type]  # names and types are the schema's
    return promised_anew(after, guide.kind, now, guide.hours) if "priority" in changed else after
