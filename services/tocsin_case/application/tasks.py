"""Tasks of cases."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from tocsin.errors import Invalid, NotFound
from tocsin.signals.catalogue import case as words
from tocsin_case.application.announcing import of_task
from tocsin_case.application.guiding import Guide
from tocsin_case.application.ledger import By, Decision, Ledger
from tocsin_case.domain.cases import Case
from tocsin_case.domain.tasks import TASKS, CaseTask, TaskStatus, moved, planned
from tocsin_case.ports import BesideStore
from tocsin_kit.chance import Chance, new_id


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTask:
    """What somebody says about a new task."""

    title: str
    description: str = ""
    owner: str | None = None
    due: datetime | None = None
    after: tuple[str, ...] = ()
    playbook: str | None = None


class Tasks:
    """What there is to do in cases.

    Args:
        ledger: Changes cases.
        besides: Where tasks are.
        chance: For ids.
    """

    def __init__(self, ledger: Ledger, besides: BesideStore, *, chance: Chance) -> None:
        self._ledger = ledger
        self._besides = besides
        self._chance = chance

    async def add(self, case_id: str, new: NewTask, *, by: By) -> CaseTask:
        """One more task.

        Raises:
            Invalid: It waits for a task that there is not, or the case has too many.
        """
        now = self._ledger.clock.now()
        task_id = new_id(now, self._chance)
        made: list[CaseTask] = []

        async def decide(case: Case, _guide: Guide, at: datetime) -> Decision:
            others = {task.id: task for task in await self._besides.tasks(case_id)}
            if len(others) >= TASKS:
                raise Invalid(f"a case has at most {TASKS} tasks", hint="split the case")
            task = CaseTask(
                id=task_id,
                case=case_id,
                namespace=case.namespace,
                title=new.title,
                description=new.description,
                owner=new.owner,
                due=new.due,
                after=new.after,
                playbook=new.playbook,
                created_at=at,
            )
            made[:] = [planned(task, others)]
            return Decision(replace(case, tasks=case.tasks + 1), [of_task(words.CASE_TASK_CHANGED, case, task)], [task])

        await self._ledger.change(case_id, decide, by=by, why="task added")
        return made[0]

    async def change(self, case_id: str, task_id: str, fields: Mapping[str, object], *, by: By) -> CaseTask:
        """Change a task, its status too.

        Raises:
            NotFound: The case has no such task.
            TaskNotReady: It waits for others.
            Invalid: It would wait for itself.
        """
        made: list[CaseTask] = []

        async def decide(case: Case, _guide: Guide, now: datetime) -> Decision:
            others = {task.id: task for task in await self._besides.tasks(case_id)}
            before = others.get(task_id)
            if before is None:
                raise NotFound(f"case {case_id} has no task {task_id}", task=task_id)
            given = {name: value for name, value in fields.items() if name != "status"}
            task: CaseTask = replace(before, **given)  # type: ignore[arg-type]  # names and types are the schema's
            if task.due != before.due:
                task = replace(task, overdue=None)
            task = planned(task, others)
            status = fields.get("status")
            if isinstance(status, TaskStatus) and status is not before.status:
                task = moved(task, status, others, now)
            made[:] = [task]
            if task == before:
                return Decision(case)
            done = int(task.status.is_over) - int(before.status.is_over)
            return Decision(
                replace(case, tasks_done=case.tasks_done + done),
                [of_task(words.CASE_TASK_CHANGED, case, task, before=before)],
                [task],
            )

        await self._ledger.change(case_id, decide, by=by, why="task changed")
        return made[0]

    async def of(self, case_id: str) -> list[CaseTask]:
        """Tasks of a case, oldest first."""
        return await self._besides.tasks(case_id)

    async def one(self, case_id: str, task_id: str) -> CaseTask:
        """A task.

        Raises:
            NotFound: The case has no such task.
        """
        found = next((task for task in await self._besides.tasks(case_id) if task.id == task_id), None)
        if found is None:
            raise NotFound(f"case {case_id} has no task {task_id}", task=task_id)
        return found
