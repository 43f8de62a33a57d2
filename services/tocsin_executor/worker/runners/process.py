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
from tocsin_executor.worker.printing import Printed, as_output, wanted_of
from tocsin_executor.worker.processes import (
    GRACE,
    MEMORY,
    PATH,
    UNBOUNDED,
    Command,
    Ending,
    as_text,
    end,
    environment_of,
    exited,
    feed,
    start,
)
from tocsin_executor.worker.resources import Resources
from tocsin_executor.worker.tasks import Failed, Outcome, Task
from tocsin_executor.worker.warden import Warden
from tocsin_kit.clock import Clock


class ProcessRunner:
    """Runs scripts and shell commands.

    Args:
        clock: Time.
        resources: Where scripts come from that are not in the definition.
        warden: Ends them with this worker.
        grace: Seconds between TERM and KILL.
    """

    def __init__(self, clock: Clock, resources: Resources, warden: Warden, grace: float = GRACE) -> None:
        self._clock = clock
        self._resources = resources
        self._ending = Ending(warden, clock, grace)

    async def run(self, task: Task) -> Outcome:
        """One process."""
        spec = task.spec
        if not isinstance(spec, dict):
            raise Failed(ErrorKind.CONFIGURATION, "A process needs an object that says what to run.")
        wanted_of(task)
        if spec.get("source") is not None:
            _, source = await self._resources.fetch(task, spec["source"])
            spec = {**spec, "code": source.decode("utf-8", "replace")}
        with tempfile.TemporaryDirectory(prefix="tocsin-task-") as folder:
            line, memory = _command(task.runner, spec, Path(folder))
            environment = environment_of(spec.get("environment"), folder)
            stdin = b"" if spec.get("stdin") is None else as_text(spec["stdin"]).encode()
            command = Command(line, folder, memory, environment, bool(stdin))
            printed = Printed(task)
            code = await self._execute(task, command, stdin, printed)
        return as_output(task, code, printed)

    async def _execute(self, task: Task, command: Command, stdin: bytes, printed: Printed) -> int:
        process = await start(command, self._ending.warden)
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            async with asyncio.TaskGroup() as group:
                if process.stdin is not None:
                    group.create_task(feed(process.stdin, stdin))
                group.create_task(_relay("stdout", process.stdout, printed))
                group.create_task(_relay("stderr", process.stderr, printed))
                await exited(process, self._clock)
                await end(task, process, command.folder, self._ending)  # what it left behind would hold its output open
                code = await process.wait()
        finally:
            await end(task, process, command.folder, self._ending)
            printed.close()
        return code


async def _relay(name: str, stream: asyncio.StreamReader, printed: Printed) -> None:
    while piece := await stream.read(64 * 1024):
        printed.take(name, piece)


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
