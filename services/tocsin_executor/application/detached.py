"""Tasks that no run waits for (``await: false``): kept until a worker says that they have ended.

Everything else that a queue loses is found again in the state of its run. Nothing there tells of these, and the run may have
ended long ago, so what was dispatched is kept beside the runs, saved with them, and sent again when it got lost.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from tocsin_executor.application.wire import Outgoing
from tocsin_executor.ports import DetachedTask


class Detached:
    """Those of the partitions that this replica owns."""

    def __init__(self) -> None:
        self._tasks: dict[str, DetachedTask] = {}
        self._sent: dict[str, DetachedTask] = {}
        self._ended: dict[str, DetachedTask] = {}

    def send(self, tasks: Iterable[DetachedTask]) -> None:
        """These are dispatched."""
        for task in tasks:
            self._tasks[task.key] = self._sent[task.key] = task
            self._ended.pop(task.key, None)

    def told(self, run: str, document: Mapping[str, Any]) -> list[Outgoing]:
        """A worker, or whoever looked for it in vain, says what became of one.

        Args:
            run: Its run.
            document: The input: ``result`` or ``lost``.

        Returns:
            What is to be dispatched again.
        """
        key = f"{run}/{document['attempt']}"
        task = self._tasks.get(key)
        if task is None:
            return []
        if document["kind"] == "lost":
            return [(task.subject, task.payload)]
        del self._tasks[key]
        self._sent.pop(key, None)
        self._ended[key] = task
        return []

    def take(self, partitions: Collection[int]) -> tuple[list[DetachedTask], list[str]]:
        """What is to be saved with these partitions: tasks that are new, and keys of those that ended."""
        sent = [task for task in self._sent.values() if task.partition in partitions]
        ended = [key for key, task in self._ended.items() if task.partition in partitions]
        for task in sent:
            del self._sent[task.key]
        for key in ended:
            del self._ended[key]
        return sent, ended

    def of(self, partitions: Collection[int]) -> list[DetachedTask]:
        """Those of these partitions."""
        return [task for task in self._tasks.values() if task.partition in partitions]

    def restore(self, tasks: Iterable[DetachedTask]) -> None:
        """What was saved of partitions that were taken over."""
        self._tasks.update({task.key: task for task in tasks})

    def forget(self, partition: int) -> None:
        """Another replica has it."""
        for known in (self._tasks, self._sent, self._ended):
            for key in [key for key, task in known.items() if task.partition == partition]:
                del known[key]
