"""The list of a run's tasks while the run goes on."""

from dataclasses import replace
from typing import Any

from tocsin_executor.application.reading import tasks_of
from tocsin_executor.application.views import TaskView


class Ending:
    """A run whose only task ends, and is saved, after the first look at it, whatever is looked at."""

    def __init__(self) -> None:
        self.looks = 0

    def _task(self, *, saved: bool) -> list[TaskView]:
        self.looks += 1
        task = TaskView("a1", "wait", "/do/0/wait", "waiting", 1)
        if (self.looks > 1) is not saved:
            return []
        return [replace(task, status="cancelled") if saved else task]

    async def live_tasks(self, run: str) -> list[TaskView]:
        return self._task(saved=False)

    async def finished_tasks(self, run: str, after: Any, limit: int) -> tuple[list[TaskView], None]:
        return self._task(saved=True), None


async def test_a_task_that_is_saved_between_two_looks_is_there_once() -> None:
    """As it ended: it is not lost between what is alive and what is saved."""
    run: Any = Ending()
    found, beyond = await tasks_of(run, run, "r", None, 10)
    assert ([(task.activation, task.status) for task in found], beyond) == ([("a1", "cancelled")], None)
