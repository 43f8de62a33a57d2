"""Tasks of a case: who does what until when, after what, and the workflow that may do it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum

from tocsin.errors import Conflict, Invalid, Violation

TASKS = 200  # of one case


class TaskNotReady(Conflict):
    """A task of a case waits for others."""

    code = "case.task_not_ready"


class TaskStatus(Enum):
    """Where a task stands."""

    TODO = "todo"
    DOING = "doing"
    DONE = "done"
    SKIPPED = "skipped"

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do."""
        return self in {TaskStatus.DONE, TaskStatus.SKIPPED}


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseTask:
    """One task.

    Attributes:
        id: Its id.
        case: Of which case.
        namespace: Of the case.
        title: One line.
        description: Markdown, kept as it was written.
        status: Where it stands.
        owner: Who does it.
        due: Until when.
        after: Ids of tasks that have to be over first.
        playbook: Name of the playbook that does it, if one does.
        run: The run that was started for it.
        created_at: When.
        ended_at: When it was over.
        overdue: When it was found to be late; told once for each due instant.
    """

    id: str
    case: str
    namespace: str
    title: str
    description: str = ""
    status: TaskStatus = TaskStatus.TODO
    owner: str | None = None
    due: datetime | None = None
    after: tuple[str, ...] = ()
    playbook: str | None = None
    run: str | None = None
    created_at: datetime
    ended_at: datetime | None = None
    overdue: datetime | None = None

    @property
    def watch_at(self) -> datetime | None:
        """When it will be late; what the timer looks for."""
        return None if self.status.is_over or self.overdue is not None else self.due


def moved(task: CaseTask, to: TaskStatus, others: Mapping[str, CaseTask], now: datetime) -> CaseTask:
    """The task at another status.

    Raises:
        TaskNotReady: It waits for tasks that are not over.
    """
    open_ones = [other for other in task.after if other in others and not others[other].status.is_over]
    if open_ones and to in {TaskStatus.DOING, TaskStatus.DONE}:
        names = ", ".join(others[other].title[:60] for other in open_ones)
        raise TaskNotReady(f"task {task.title[:60]} waits for {names}", hint="finish or skip those first")
    return replace(task, status=to, ended_at=now if to.is_over else None)


def planned(task: CaseTask, others: Mapping[str, CaseTask]) -> CaseTask:
    """A task as it may be stored beside the others of its case.

    Raises:
        Invalid: It waits for a task of another case, or in the end for itself.
    """
    unknown = [other for other in task.after if other not in others]
    if unknown:
        raise Invalid(f"the case has no task {unknown[0]}", violations=[Violation("/after", f"no task {unknown[0]}")])
    seen: set[str] = set()
    waiting = list(task.after)
    while waiting:
        other = waiting.pop()
        if other == task.id:
            raise Invalid(
                "a task would wait for itself", violations=[Violation("/after", "tasks wait for one another in a circle")]
            )
        if other not in seen and other in others:
            seen.add(other)
            waiting += others[other].after
    return task


def late(task: CaseTask, now: datetime) -> bool:
    """Whether it is time to say that a task is late."""
    return task.watch_at is not None and task.watch_at <= now


def ready(tasks: Sequence[CaseTask]) -> list[CaseTask]:
    """Tasks that could be begun now."""
    over = {task.id for task in tasks if task.status.is_over}
    known = {task.id for task in tasks}
    return [task for task in tasks if task.status is TaskStatus.TODO and all(a in over or a not in known for a in task.after)]
