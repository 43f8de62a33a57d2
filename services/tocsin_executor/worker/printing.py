"""What a process or container prints: lines to the task's log, the beginning of it to the output."""

import re
from typing import Final

from tocsin_executor.domain.values import ErrorKind, Json
from tocsin_executor.worker.outputs import LINE
from tocsin_executor.worker.tasks import VALUE_LIMIT, Failed, Outcome, Task

RETURNS: Final = ("stdout", "stderr", "code", "all", "none")
PROGRESS: Final = "::progress "
"""A line that begins so says how far the work is: ``::progress 40% of the files``."""

_OF_NODE: Final = re.compile(r"Node\.js v\d|\d+: 0x[0-9a-f]")
_ERROR: Final = re.compile(r"(?:Uncaught )?\w*Error\b|FATAL ERROR")
_REST: Final = LINE * 4  # bytes kept of a line: all that a log keeps of one, if each character has four


class Printed:
    """Both streams.

    Args:
        task: Whose log it is.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._kept = {"stdout": bytearray(), "stderr": bytearray()}
        self._line = {"stdout": bytearray(), "stderr": bytearray()}
        self._cut = {"stdout": 0, "stderr": 0}  # bytes of the line that are not kept

    def take(self, stream: str, piece: bytes) -> None:
        """More was printed."""
        kept = self._kept[stream]
        if len(kept) <= VALUE_LIMIT:
            kept += piece[: VALUE_LIMIT + 1 - len(kept)]
        *ends, rest = piece.split(b"\n")
        for end in ends:
            self._go_on(stream, end)
            self._say(stream)
        self._go_on(stream, rest)

    def close(self) -> None:
        """Nothing comes any more."""
        for stream, line in self._line.items():
            if line:
                self._say(stream)

    def _go_on(self, stream: str, piece: bytes) -> None:
        """The line is longer by this; of a very long one the beginning is kept."""
        line = self._line[stream]
        room = max(_REST - len(line), 0)
        line += piece[:room]
        self._cut[stream] += len(piece) - min(room, len(piece))

    def _say(self, stream: str) -> None:
        """The line to the log; how far the work is, said by a line of its own, is told apart."""
        line, cut = self._line[stream], self._cut[stream]
        text = line.decode("utf-8", "replace")
        if cut or len(text) > LINE:
            more = cut + len(line) - len(text[:LINE].encode())
            text = f"{text[:LINE]} … [{max(more, 1)} more bytes]"
        self._line[stream], self._cut[stream] = bytearray(), 0
        if text.startswith(PROGRESS):
            stream, text = "progress", text.removeprefix(PROGRESS)
        self._task.say(stream, text)

    def text(self, stream: str) -> str:
        """What was printed, as far as it is kept."""
        return self._kept[stream].decode("utf-8", "replace")


def wanted_of(task: Task) -> str:
    """What the task outputs.

    Raises:
        Failed: ``configuration``: no such form.
    """
    form = str(task.spec.get("return") or "stdout") if isinstance(task.spec, dict) else ""
    if form not in RETURNS:
        raise Failed(ErrorKind.CONFIGURATION, f"return must be one of {', '.join(RETURNS)}.")
    return form


def _reason(stderr: str) -> str:
    """The line that says why: the last one, unless a runtime of JavaScript has put its version or its stack behind it."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    if not lines:
        return "it printed nothing"
    if _OF_NODE.match(lines[-1]):
        return next((line for line in reversed(lines) if _ERROR.match(line)), lines[-1])
    return lines[-1]


def as_output(task: Task, code: int, printed: Printed) -> Outcome:
    """The output that the task asks for.

    Raises:
        Failed: ``runtime``: it failed, and its code was not asked for.
    """
    form = wanted_of(task)
    stdout, stderr = printed.text("stdout"), printed.text("stderr")
    if code != 0 and form not in ("code", "all"):
        raise Failed(ErrorKind.RUNTIME, f"The process ended with code {code}: {_reason(stderr)[:500]}", title="Process Failed")
    output: Json = None
    match form:
        case "stdout":
            output = stdout.removesuffix("\n")
        case "stderr":
            output = stderr.removesuffix("\n")
        case "code":
            output = code
        case "all":
            output = {"code": code, "stdout": stdout, "stderr": stderr}
    return Outcome(output)
