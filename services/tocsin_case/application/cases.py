"""What people do with cases."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from tocsin.errors import Conflict, NotFound, PreconditionFailed
from tocsin.signals import Cause
from tocsin.signals.catalogue import case as words
from tocsin_case.application.announcing import Said, announce, of_opening, of_transition
from tocsin_case.domain.cases import Case, Link, Priority, Promise, Status, transition, with_promise
from tocsin_case.ports import CaseSearch, CaseStore, Comment
from tocsin_kit.chance import Chance, new_id
from tocsin_kit.clock import Clock
from tocsin_kit.store import Entry, Page

TRIES = 8  # against other writers of the same case


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What a person says when opening a case."""

    namespace: str
    title: str
    kind: str = "incident"
    description: str = ""
    priority: Priority = Priority.NORMAL
    severity: int = 3
    owner: str | None = None
    tags: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()
    promise: Promise = field(default_factory=Promise)


class Cases:
    """The use cases of people.

    Args:
        store: Where cases are.
        clock: Time.
        chance: For ids.
    """

    def __init__(self, store: CaseStore, *, clock: Clock, chance: Chance) -> None:
        self._store = store
        self._clock = clock
        self._chance = chance

    async def open(self, opening: Opening, *, actor: str, cause: Cause) -> Entry[Case]:
        """Open a case."""
        now = self._clock.now()
        case = Case(
            id=new_id(now, self._chance),
            namespace=opening.namespace,
            kind=opening.kind,
            title=opening.title,
            description=opening.description,
            status=Status.OPEN,
            priority=opening.priority,
            severity=opening.severity,
            owner=opening.owner,
            tags=opening.tags,
            links=opening.links,
            opened_at=now,
            opened_by=actor,
            updated_at=now,
        )
        entry = await self._store.load(case.id)
        return await self._commit(
            entry, with_promise(case, opening.promise, now), [of_opening(case)], actor=actor, cause=cause, now=now
        )

    async def get(self, case_id: str) -> Entry[Case]:
        """A case with its revision.

        Raises:
            NotFound: There is none.
        """
        entry = await self._store.load(case_id)
        if entry.value is None:
            raise NotFound(f"there is no case {case_id}", case=case_id)
        return entry

    async def search(self, search: CaseSearch, *, limit: int, cursor: str | None) -> Page[Entry[Case]]:
        """One page of cases, most recently changed first."""
        return await self._store.search(search, limit=limit, cursor=cursor)

    async def change(
        self, entry: Entry[Case], fields: Mapping[str, object], *, expect: int | None, actor: str, cause: Cause
    ) -> Entry[Case]:
        """Change fields of a case.

        Args:
            entry: The case as it was read.
            fields: New values by field name, already validated.
            expect: The revision the person saw; ``None`` for any.
            actor: Who.
            cause: Why.

        Raises:
            PreconditionFailed: It has changed since the person saw it.
        """
        _expected(entry, expect)
        before, now = _value(entry), self._clock.now()
        changed = {name: value for name, value in fields.items() if getattr(before, name) != value}
        if not changed:
            return entry
        case: Case = replace(before, updated_at=now, **changed)  # type: ignore[arg-type]  # names and types are the schema's
        said: list[Said] = [(words.CASE_UPDATED, words.CaseUpdated(fields=sorted(changed)))]
        if "owner" in changed:
            said.append((words.CASE_ASSIGNED, words.CaseAssigned(assignee=case.owner)))
        return await self._commit(entry, case, said, actor=actor, cause=cause, now=now)

    async def take(
        self, entry: Entry[Case], to: Status, *, resolution: str | None, expect: int | None, actor: str, cause: Cause
    ) -> Entry[Case]:
        """Take a case to another status.

        Raises:
            PreconditionFailed: It has changed since the person saw it.
            ImpossibleTransition: Its status has no way there.
        """
        _expected(entry, expect)
        before, now = _value(entry), self._clock.now()
        after = transition(before, to, now=now, resolution=resolution)
        return await self._commit(entry, after, of_transition(before, after), actor=actor, cause=cause, now=now)

    async def comment(self, entry: Entry[Case], text: str, *, actor: str, cause: Cause) -> Comment:
        """Say something about a case; it does not matter what else happens to the case meanwhile.

        Raises:
            Conflict: Others write to the case all the time.
        """
        now = self._clock.now()
        said = Comment(id=new_id(now, self._chance), case=entry.key, author=actor, text=text, at=now)
        for _ in range(TRIES):
            try:
                await self._say(entry, said, cause)
            except Conflict:  # also when the relay just took what the last change had to say out of the document
                entry = await self.get(entry.key)
            else:
                return said
        raise Conflict(f"case {entry.key} is being changed by others all the time", case=entry.key)

    async def _say(self, entry: Entry[Case], said: Comment, cause: Cause) -> None:
        before = _value(entry)
        case = replace(before, comments=before.comments + 1, updated_at=said.at)
        outbox = announce(
            [(words.CASE_COMMENTED, words.CaseCommented(comment=said.id))],
            namespace=case.namespace,
            entity_id=case.id,
            after=entry.sequence,
            now=said.at,
            cause=cause,
            actor=said.author,
        )
        await self._store.comment(entry, case, said, outbox)

    async def comments(self, case_id: str, *, limit: int, cursor: str | None) -> Page[Comment]:
        """Comments of a case, oldest first."""
        return await self._store.comments(case_id, limit=limit, cursor=cursor)

    async def _commit(
        self, entry: Entry[Case], case: Case, said: list[Said], *, actor: str, cause: Cause, now: datetime
    ) -> Entry[Case]:
        outbox = announce(
            said, namespace=case.namespace, entity_id=case.id, after=entry.sequence, now=now, cause=cause, actor=actor
        )
        return await self._store.commit(entry, case, outbox)


def _value(entry: Entry[Case]) -> Case:
    if entry.value is None:
        raise NotFound(f"there is no case {entry.key}", case=entry.key)
    return entry.value


def _expected(entry: Entry[Case], expect: int | None) -> None:
    if expect is not None and expect != entry.revision:
        raise PreconditionFailed(f"case {entry.key} has changed since you read it", hint="read it again and decide again")
