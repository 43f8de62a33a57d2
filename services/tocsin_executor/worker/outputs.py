"""What a task prints: lines with a cap, sent in pieces to the executor, which keeps them."""

import orjson

from tocsin_executor.application.lanes import Lane
from tocsin_executor.worker.tasks import Task

LIMIT = 64 * 1024
"""Bytes kept of one attempt's output; what comes after is counted and dropped."""

_PIECE = 100  # lines a message
_LINE = 4096  # characters of one line


class LogLines:
    """Collects the lines of one attempt.

    Args:
        task: Whose.
        lane: Publishes them.
    """

    def __init__(self, task: Task, lane: Lane) -> None:
        self._task = task
        self._lane = lane
        self._lines: list[list[str]] = []
        self._size = 0
        self._dropped = 0
        self._piece = 0

    def add(self, stream: str, line: str) -> None:
        """Keep one line (without its line break) of ``stdout`` or ``stderr``."""
        text = line if len(line) <= _LINE else line[:_LINE] + " …"
        self._size += len(text)
        if self._size > LIMIT:
            self._dropped += 1
            return
        self._lines.append([stream, text])
        if len(self._lines) >= _PIECE:
            self._send()

    def close(self) -> None:
        """Send what is left."""
        if self._dropped:
            self._lines.append(["tocsin", f"{self._dropped} more lines were dropped: the limit is {LIMIT} bytes an attempt"])
        self._send()

    def _send(self) -> None:
        if not self._lines:
            return
        lines, self._lines = self._lines, []
        self._piece += 1
        document = {
            "run": self._task.run,
            "attempt": self._task.attempt,
            "name": self._task.name,
            "reference": self._task.reference,
            "piece": self._piece,
            "lines": lines,
        }
        self._lane.push([(f"executor.log.{self._task.run}", orjson.dumps(document))])
