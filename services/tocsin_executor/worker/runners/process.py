"""``run: script`` and ``run: shell``: a process group of its own, with limits, a clean environment, and a real end.

A process is over when its whole group is over: a cancel or a limit sends TERM, waits a moment, sends KILL, and waits for the
end before it says so. What it prints goes to the task's log, and as far as the limit allows into the output.
"""

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tocsin_executor.domain.values import ErrorKind, Json
from tocsin_executor.worker.processes import (
    GRACE,
    MEMORY,
    PATH,
    UNBOUNDED,
    Command,
    as_text,
    end,
    environment_of,
    feed,
    start,
)
from tocsin_executor.worker.resources import Resources
from tocsin_executor.worker.tasks import VALUE_LIMIT, Failed, Outcome, Task
from tocsin_kit.clock import Clock

_RETURNS = ("stdout", "stderr", "code", "all", "none")


class ProcessRunner:
    """Runs scripts and shell commands.

    Args:
        clock: Time.
        resources: Where scripts come from that are not in the definition.
        grace: Seconds between TERM and KILL.
    """

    def __init__(self, clock: Clock, resources: Resources, grace: float = GRACE) -> None:
        self._clock = clock
        self._resources = resources
        self._grace = grace

    async def run(self, task: Task) -> Outcome:
        """One process."""
        spec = task.spec
        if not isinstance(spec, dict):
            raise Failed(ErrorKind.CONFIGURATION, "A process needs an object that says what to run.")
        form = str(spec.get("return") or "stdout")
        if form not in _RETURNS:
            raise Failed(ErrorKind.CONFIGURATION, f"return must be one of {', '.join(_RETURNS)}.")
        if spec.get("source") is not None:
            _, source = await self._resources.fetch(task, spec["source"])
            spec = {**spec, "code": source.decode("utf-8", "replace")}
        with tempfile.TemporaryDirectory(prefix="tocsin-task-") as folder:
            line, memory = _command(task.runner, spec, Path(folder))
            environment = environment_of(spec.get("environment"), folder)
            stdin = b"" if spec.get("stdin") is None else as_text(spec["stdin"]).encode()
            command = Command(line, folder, memory, environment, bool(stdin))
            code, stdout, stderr = await self._execute(task, command, stdin)
        if code != 0 and form not in ("code", "all"):
            last = stderr.strip().splitlines()[-1:] or ["it printed nothing"]
            raise Failed(ErrorKind.RUNTIME, f"The process ended with code {code}: {last[0][:500]}", title="Process Failed")
        match form:
            case "stdout":
                return Outcome(stdout.removesuffix("\n"))
            case "stderr":
                return Outcome(stderr.removesuffix("\n"))
            case "code":
                return Outcome(code)
            case "all":
                return Outcome({"code": code, "stdout": stdout, "stderr": stderr})
            case _:
                return Outcome(None)

    async def _execute(self, task: Task, command: Command, stdin: bytes) -> tuple[int, str, str]:
        process = await start(command)
        stdout, stderr = _Output("stdout", task), _Output("stderr", task)
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            async with asyncio.TaskGroup() as group:
                if process.stdin is not None:
                    group.create_task(feed(process.stdin, stdin))
                group.create_task(stdout.read(process.stdout))
                group.create_task(stderr.read(process.stderr))
                code = await process.wait()
                await end(task, process, self._clock, self._grace)  # what it left behind would hold its output open
        finally:
            await end(task, process, self._clock, self._grace)
        return code, stdout.text(), stderr.text()


class _Output:
    """One stream of a process: lines to the log, the beginning to the output."""

    def __init__(self, name: str, task: Task) -> None:
        self._name = name
        self._task = task
        self._kept = bytearray()
        self._line = bytearray()

    async def read(self, stream: asyncio.StreamReader) -> None:
        while piece := await stream.read(64 * 1024):
            if len(self._kept) <= VALUE_LIMIT:
                self._kept += piece[: VALUE_LIMIT + 1 - len(self._kept)]
            self._line += piece
            *lines, rest = self._line.split(b"\n")
            for line in lines:
                self._task.say(self._name, line.decode("utf-8", "replace"))
            self._line = bytearray(rest[-8192:])
        if self._line:
            self._task.say(self._name, self._line.decode("utf-8", "replace"))

    def text(self) -> str:
        return self._kept.decode("utf-8", "replace")


def _command(kind: str, spec: dict[str, Json], folder: Path) -> tuple[list[str], int]:
    """The command line and the limit of its memory."""
    arguments = [as_text(item) for item in _list(spec.get("arguments"))]
    if kind == "shell":
        command = spec.get("command")
        if not isinstance(command, str):
            raise Failed(ErrorKind.CONFIGURATION, "A shell process needs a command.")
        return ["/bin/sh", "-c", command, "sh", *arguments], MEMORY
    code, language = spec.get("code"), str(spec.get("language", "")).lower()
    if not isinstance(code, str):
        raise Failed(ErrorKind.CONFIGURATION, "A script needs its code.")
    if language in {"python", "py"}:
        file = folder / "script.py"
        file.write_text(code, encoding="utf-8")
        return [sys.executable, "-I", "-B", str(file), *arguments], MEMORY
    if language in {"js", "javascript"}:
        node = shutil.which("node", path=PATH)
        if node is None:
            raise Failed(ErrorKind.CONFIGURATION, "This worker has no node to run JavaScript with.")
        file = folder / "script.cjs"
        file.write_text(code, encoding="utf-8")
        # Node reserves address space by the gigabyte and uses little of it; its heap is what is bounded.
        return [node, "--max-old-space-size=512", str(file), *arguments], UNBOUNDED
    raise Failed(ErrorKind.CONFIGURATION, f"Scripts in {language[:20]!r} are not offered here; js and python are.")


def _list(value: Json) -> Sequence[Json]:
    """Arguments: a list, or an object whose values are taken in order."""
    if value is None:
        return []
    if isinstance(value, Mapping):
        return list(value.values())
    if isinstance(value, list):
        return value
    raise Failed(ErrorKind.CONFIGURATION, "The arguments of a process must be a list.")
