"""What a task prints: lines with a cap, sent in pieces while it runs, so that people can follow it.

Pieces go to the stream ``LOGS`` under the run and the activation; the executor keeps them, and whoever follows a run reads the
stream. A piece leaves when it is full, or with the worker's next beat. What is above the cap is counted and dropped: a task's
log is for people, and must never fill a disk.
"""

import orjson

from tocsin_executor.application.lanes import Lane
from tocsin_executor.worker.tasks import Task
from tocsin_kit.clock import Clock

LIMIT = 256 * 1024
"""Bytes kept of one attempt's output unless the settings say otherwise; what comes after is counted and dropped."""

_PIECE = 100  # lines a message
_PIECE_BYTES = 64 * 1024  # of text in a message
LINE = 4096
"""Characters kept of one line."""

_CUT = 64  # characters more, for who has cut a line to say how much


class LogLines:
    """Collects the lines of one attempt.

    Args:
        task: Whose.
        lane: Publishes them.
        clock: Time.
        limit: Bytes kept.
    """

    def __init__(self, task: Task, lane: Lane, clock: Clock, limit: int = LIMIT) -> None:
        self._task = task
        self._lane = lane
        self._clock = clock
        self._limit = limit
        self._lines: list[list[str]] = []
        self._size = 0
        self._waiting = 0
        self._dropped = 0
        self._progress = 0
        self._piece = 0
        self._since = 0

    def add(self, stream: str, line: str) -> None:
        """Keep one line (without its line break) of ``stdout`` or ``stderr``."""
        text = line if len(line) <= LINE + _CUT else f"{line[:LINE]} … [{len(line) - LINE} more characters]"
        size = len(text.encode("utf-8", "replace")) + 1
        progress = stream == "progress" and self._progress + size <= self._limit // 4
        self._progress += size if progress else 0
        if not progress:  # which is heard of also when a task has said too much
            self._size += size
            if self._size > self._limit:
                if not self._dropped:
                    self._keep("tocsin", f"the limit of {self._limit} bytes an attempt is reached; what follows is dropped")
                self._dropped += 1
                return
        self._keep(stream, text)

    def _keep(self, stream: str, text: str) -> None:
        if not self._lines:
            self._since = int(self._clock.now().timestamp() * 1000)
        self._lines.append([stream, text])
        self._waiting += len(text)
        if len(self._lines) >= _PIECE or self._waiting >= _PIECE_BYTES:
            self.flush()

    def close(self) -> None:
        """Send what is left."""
        if self._dropped:
            self._keep("tocsin", f"{self._dropped} more lines were dropped: the limit is {self._limit} bytes an attempt")
        self.flush()

    def flush(self) -> None:
        """Send what waits."""
        if not self._lines:
            return
        lines, self._lines, self._waiting = self._lines, [], 0
        self._piece += 1
        task = self._task
        document = {
            "run": task.run,
            "attempt": task.attempt,
            "name": task.name,
            "reference": task.reference,
            "piece": self._piece,
            "at": self._since,
            "lines": lines,
        }
        token = task.attempt.partition("#")[0]
        self._lane.push([(f"logs.{task.namespace}.{task.run}.{token}", orjson.dumps(document))])
