"""The one way in which a case changes: load, decide, let what follows follow, commit with history and signals.

What follows from a change whoever made it: an owner is found for a new case, its escalation begins, is held or stops, playbooks
start by themselves. All of it is in the same write.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from tocsin.errors import Conflict, NotFound, PreconditionFailed
from tocsin.signals import Cause
from tocsin_case.application.announcing import Said, announce, audited, notes, told
from tocsin_case.application.guiding import Desk, Guide
from tocsin_case.application.starting import attempted
from tocsin_case.domain.cases import CLOCKS, PLATFORM, Case
from tocsin_case.domain.clocks import clock_events
from tocsin_case.domain.escalation import settled
from tocsin_case.domain.history import Record
from tocsin_case.ports import Beside, CaseStore, Change
from tocsin_kit.clock import Clock
from tocsin_kit.store import Entry, Outgoing

TRIES = 8  # against other writers of the same case


@dataclass(frozen=True, slots=True)
class By:
    """Who does something, and why."""

    actor: str
    cause: Cause


@dataclass(frozen=True, slots=True)
class Decision:
    """What somebody decided about a case.

    Attributes:
        case: As it is to be.
        said: What there is to say beside what the change itself says.
        beside: What is stored with it.
        commands: What leaves with it.
    """

    case: Case
    said: Sequence[Said] = ()
    beside: Sequence[Beside] = ()
    commands: Sequence[Outgoing] = field(default=())


Decide = Callable[[Case, Guide, datetime], Awaitable[Decision]]


class Ledger:
    """Changes cases.

    Args:
        store: Where cases are.
        desk: What was configured.
        clock: Time.
    """

    def __init__(self, store: CaseStore, desk: Desk, *, clock: Clock) -> None:
        self.store = store
        self.desk = desk
        self.clock = clock

    async def get(self, case_id: str) -> Entry[Case]:
        """A case with its revision.

        Raises:
            NotFound: There is none.
        """
        entry = await self.store.load(case_id)
        if entry.value is None:
            raise NotFound(f"there is no case {case_id}", case=case_id)
        return entry

    async def change(self, case_id: str, decide: Decide, *, by: By, why: str, expect: int | None = None) -> Entry[Case]:
        """Change a case; decided again when somebody else was first.

        Raises:
            NotFound: There is no such case.
            PreconditionFailed: It has changed since the person saw revision ``expect``.
            Conflict: Others write to the case all the time.
        """
        for _ in range(TRIES):  # not `undisputed`: what is beside a case may conflict as well, and then it is decided again too
            entry = await self.get(case_id)
            if expect is not None and expect != entry.revision:
                raise PreconditionFailed(f"case {case_id} has changed since you read it", hint="read it again and decide again")
            before, now = value_of(entry), self.clock.now()
            guide = await self.desk.guide(before)
            decision = await decide(before, guide, now)
            if decision.case == before and not (decision.said or decision.beside or decision.commands):
                return entry
            try:
                return await self.commit(entry, decision, guide, by=by, why=why, now=now)
            except Conflict:
                continue
        raise Conflict(f"case {case_id} is being changed by others all the time", case=case_id)

    async def commit(
        self, entry: Entry[Case], decision: Decision, guide: Guide, *, by: By, why: str, now: datetime
    ) -> Entry[Case]:
        """Store a decision with everything that follows from it.

        Raises:
            Conflict: Somebody was first.
        """
        (stored,) = await self.store.commit([await self.prepared(entry, decision, guide, by=by, why=why, now=now)])
        return stored

    async def prepared(
        self, entry: Entry[Case], decision: Decision, guide: Guide, *, by: By, why: str, now: datetime
    ) -> Change:
        """A decision with everything that follows from it, ready to be stored, alone or with others."""
        before, case = entry.value, decision.case
        if before is None:
            case = await self.desk.assigned(case, guide, now)
        if before is None or before.team != case.team:
            case = await self.desk.shut(case)
        case = settled(before, case, guide.policy, now, guide.waits)
        commands = list(decision.commands)
        for event in _events(before, case):
            for playbook in guide.kind.playbooks:
                if event in playbook.on:
                    mark = f"{event}:{entry.revision}"
                    case, leaving = attempted(case, playbook, mark=mark, now=now, actor=PLATFORM, cause=by.cause)
                    commands += leaving
        said = audited([*told(before, case), *decision.said], before, case, by_person=by.actor != PLATFORM)
        outbox = announce(
            said, namespace=case.namespace, entity_id=case.id, after=entry.sequence, now=now, cause=by.cause, actor=by.actor
        )
        record = Record(
            case=case.id, revision=entry.revision + 1, at=now, actor=by.actor, why=why, notes=notes(before, case), set={}
        )
        return Change(entry, replace(case, updated_at=now), record, [*outbox, *commands], decision.beside)


def value_of(entry: Entry[Case]) -> Case:
    """The case of an entry.

    Raises:
        NotFound: It has none.
    """
    if entry.value is None:
        raise NotFound(f"there is no case {entry.key}", case=entry.key)
    return entry.value


def _events(before: Case | None, case: Case) -> list[str]:
    """What happened to a case, in the words that playbooks wait for."""
    if before is None:
        return ["opened"]
    events = []
    if case.stage.is_active and not before.stage.is_active:
        events.append("reopened")
    if not case.stage.is_active and before.stage.is_active:
        events.append("resolved")
    if case.occurrences > before.occurrences:
        events.append("recurred")
    for name in CLOCKS:
        happened = clock_events(before.clocks.get(name), case.clocks.get(name))
        events += [event for event in ("warned", "breached") if event in happened and event not in events]
    return events
