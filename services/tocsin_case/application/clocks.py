"""The timer of all cases: looks for what is due, lets clocks warn and breach, climbs escalations, and says so.

Its memory is the database, so that it survives restarts and any number of replicas may run it: the revision of the case decides
which of them says it.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from tocsin.errors import Conflict, TocsinError
from tocsin.signals import Cause, root
from tocsin.signals.catalogue import case as words
from tocsin_case.application.announcing import Said, of_task
from tocsin_case.application.guiding import Guide
from tocsin_case.application.ledger import By, Decision, Ledger
from tocsin_case.application.starting import attempted, playbook_of
from tocsin_case.domain.cases import PLATFORM, Case
from tocsin_case.domain.escalation import Action, ActionKind, Fired, climb, settled
from tocsin_case.domain.flow import promised_anew, tick
from tocsin_case.domain.tasks import late
from tocsin_case.ports import BesideStore
from tocsin_kit.store import Entry, Outgoing

EVERY = timedelta(seconds=1)  # promises are made in minutes; a breach is told within a second
BATCH = 200
AT_ONCE = 100  # rounds of one case in one look, after the platform was away


class ClockKeeper:
    """Watches clocks, escalations and tasks.

    Args:
        ledger: Changes cases.
        besides: Where tasks are.
    """

    def __init__(self, ledger: Ledger, besides: BesideStore) -> None:
        self._ledger = ledger
        self._besides = besides

    async def check(self) -> int:
        """Do everything that is due; how many cases and tasks had something."""
        now = self._ledger.clock.now()
        due = await self._ledger.store.due(now, limit=BATCH)
        for entry in due:
            await self._look(entry)
        late_tasks = await self._besides.late_tasks(now, limit=BATCH)
        for task in late_tasks:
            await self._tell_late(task.case, task.id)
        return len(due) + len(late_tasks)

    async def _look(self, entry: Entry[Case]) -> None:
        if entry.value is None:
            return
        now = self._ledger.clock.now()
        guide = await self._ledger.desk.guide(entry.value)
        cause = root(f"{entry.key}:{entry.revision}")
        case, said, commands = entry.value, list[Said](), list[Outgoing]()
        for turn in range(AT_ONCE):
            if case.next_due is None or case.next_due > now:
                break
            before = case
            case = settled(before, tick(case, now), guide.policy, now, guide.waits)
            case, fired = _climb(case, guide, now)
            for one in fired:
                mark = f"{one.turn}:{one.level}:{entry.revision}:{turn}"
                case, more, starts = _act(case, one, guide, mark=mark, now=now, cause=cause)
                said += more
                commands += starts
        try:
            decision = Decision(case, said, (), commands)
            await self._ledger.commit(entry, decision, guide, by=By(PLATFORM, cause), why="clock", now=now)
        except Conflict:
            return  # a person or another replica was first; the next look decides again

    async def _tell_late(self, case_id: str, task_id: str) -> None:
        async def decide(case: Case, _guide: Guide, now: datetime) -> Decision:
            task = next((task for task in await self._besides.tasks(case_id) if task.id == task_id), None)
            if task is None or not late(task, now):
                return Decision(case)
            return Decision(case, [of_task(words.CASE_TASK_OVERDUE, case, task)], [replace(task, overdue=now)])

        await self._ledger.change(case_id, decide, by=By(PLATFORM, root(f"late:{task_id}")), why="task overdue")


def _climb(case: Case, guide: Guide, now: datetime) -> tuple[Case, tuple[Fired, ...]]:
    """The case at the level that its escalation has reached."""
    if case.escalation is None or case.escalation.ended is not None:
        return case, ()
    if guide.policy is None:  # deleted meanwhile
        return replace(case, escalation=replace(case.escalation, ended="stopped", next_at=None)), ()
    state, fired = climb(case.escalation, guide.policy, now, guide.waits)
    return replace(case, escalation=state), fired


def _act(
    case: Case, fired: Fired, guide: Guide, *, mark: str, now: datetime, cause: Cause
) -> tuple[Case, list[Said], list[Outgoing]]:
    """Do what a level does."""
    said: list[Said] = []
    commands: list[Outgoing] = []
    done: list[str] = []
    for action in fired.actions:
        people = guide.directory.people(action.to, case, fired.at)
        match action.kind:
            case ActionKind.NOTIFY:
                title = "A restricted case" if case.restricted else case.title
                message = f"{title} ({case.priority.value}, {case.status}), level {fired.level}"
                notified = words.CaseNotified(recipients=list(people), message=message, level=fired.level)
                said.append((words.CASE_NOTIFIED, notified))
                done.append(f"notify {', '.join(people) or 'nobody: ' + ', '.join(action.to)}")
            case ActionKind.ASSIGN:
                case = replace(case, owner=people[0] if people else case.owner)
                done.append(f"assign {case.owner or 'nobody'}")
            case ActionKind.RAISE_PRIORITY:
                case = promised_anew(replace(case, priority=case.priority.raised), guide.kind, now, guide.hours)
                done.append(f"raise priority to {case.priority.value}")
            case ActionKind.START:
                case, text, leaving = _start(case, action, guide, mark=mark, now=now, cause=cause)
                done.append(text)
                commands += leaving
    payload = words.CaseEscalated(
        policy=case.escalation.policy if case.escalation else "", level=fired.level, turn=fired.turn, due=fired.at, actions=done
    )
    return case, [(words.CASE_ESCALATED, payload), *said], commands


def _start(
    case: Case, action: Action, guide: Guide, *, mark: str, now: datetime, cause: Cause
) -> tuple[Case, str, list[Outgoing]]:
    """Start a playbook; one that cannot be started must not stop the clock."""
    try:
        playbook = playbook_of(guide.kind, action.playbook or "")
    except TocsinError as error:
        return case, f"start {action.playbook}: {error.detail}", []
    case, leaving = attempted(case, playbook, mark=mark, now=now, actor=PLATFORM, cause=cause)
    return case, f"start {action.playbook}" if leaving else f"start {action.playbook}: not possible", leaving
