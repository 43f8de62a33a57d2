"""``run: script`` and ``run: shell``: a process group of its own, with limits, a clean environment, and a real end.

A process is over when its whole group is over: a cancel or a limit sends TERM, waits a moment, sends KILL, and waits for the
end before it says so. What it prints goes to the task's log, and as far as the limit allows into the output.
"""

import asyncio
import os
import resource
import shutil
import signal
import sys
import tempfile
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import orjson

from tocsin_executor.domain.values import ErrorKind, Json
from tocsin_executor.worker.resources import Resources
from tocsin_executor.worker.tasks import VALUE_LIMIT, Failed, Outcome, Task
from tocsin_kit.clock import Clock

Done = TypeVar("Done")

GRACE = 5.0  # seconds between TERM and KILL
_MEMORY = 2 * 1024 * 1024 * 1024  # bytes of address space; Node reserves a lot of it, see below
_FILES = 256  # open files
_FILE_SIZE = 256 * 1024 * 1024  # bytes of one file it writes
_CPU = 900  # seconds of processor time
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_RETURNS = ("stdout", "stderr", "code", "all", "none")


@dataclass(frozen=True, slots=True)
class _Command:
    line: Sequence[str]
    folder: str
    memory: int


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
            environment = _environment(spec.get("environment"), folder)
            stdin = spec.get("stdin")
            code, stdout, stderr = await self._execute(
                task, _Command(line, folder, memory), environment, b"" if stdin is None else _text(stdin).encode()
            )
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

    async def _execute(self, task: Task, command: _Command, environment: dict[str, str], stdin: bytes) -> tuple[int, str, str]:
        try:
            process = await asyncio.create_subprocess_exec(
                *command.line,
                cwd=command.folder,
                env=environment,
                stdin=asyncio.subprocess.PIPE if stdin else asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
                preexec_fn=lambda: _limit(command.memory),
                limit=256 * 1024,
            )
        except OSError as error:
            raise Failed(ErrorKind.RUNTIME, f"The process could not be started: {error.strerror}.") from error
        stdout, stderr = _Output("stdout", task), _Output("stderr", task)
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            async with asyncio.TaskGroup() as group:
                if process.stdin is not None:
                    group.create_task(_feed(process.stdin, stdin))
                group.create_task(stdout.read(process.stdout))
                group.create_task(stderr.read(process.stderr))
                code = await process.wait()
                await self._end(task, process)  # what it left in the background would hold its output open
        finally:
            await self._end(task, process)
        return code, stdout.text(), stderr.text()

    async def _end(self, task: Task, process: asyncio.subprocess.Process) -> None:
        """See to it that nothing of the group runs any more; also when this task is being cancelled."""
        if not _alive(process.pid):
            return
        _kill(process.pid, signal.SIGTERM)
        until = self._clock.monotonic() + self._grace
        while _alive(process.pid) and self._clock.monotonic() < until:
            await _shielded(self._clock.sleep(0.02))
        if _alive(process.pid):
            task.killed = True
            _kill(process.pid, signal.SIGKILL)
        await _shielded(process.wait())


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
    arguments = [_text(item) for item in _list(spec.get("arguments"))]
    if kind == "shell":
        command = spec.get("command")
        if not isinstance(command, str):
            raise Failed(ErrorKind.CONFIGURATION, "A shell process needs a command.")
        return ["/bin/sh", "-c", command, "sh", *arguments], _MEMORY
    code, language = spec.get("code"), str(spec.get("language", "")).lower()
    if not isinstance(code, str):
        raise Failed(ErrorKind.CONFIGURATION, "A script needs its code.")
    if language in {"python", "py"}:
        file = folder / "script.py"
        file.write_text(code, encoding="utf-8")
        return [sys.executable, "-I", "-B", str(file), *arguments], _MEMORY
    if language in {"js", "javascript"}:
        node = shutil.which("node", path=_PATH)
        if node is None:
            raise Failed(ErrorKind.CONFIGURATION, "This worker has no node to run JavaScript with.")
        file = folder / "script.cjs"
        file.write_text(code, encoding="utf-8")
        # Node reserves address space by the gigabyte and uses little of it; its heap is what is bounded.
        return [node, "--max-old-space-size=512", str(file), *arguments], resource.RLIM_INFINITY
    raise Failed(ErrorKind.CONFIGURATION, f"Scripts in {language[:20]!r} are not offered here; js and python are.")


def _environment(given: Json, folder: str) -> dict[str, str]:
    """Nothing of this process's own environment: it may hold secrets of the platform."""
    environment = {"PATH": _PATH, "HOME": folder, "TMPDIR": folder, "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1"}
    if isinstance(given, Mapping):
        environment.update({str(name): _text(value) for name, value in given.items()})
    elif given is not None:
        raise Failed(ErrorKind.CONFIGURATION, "The environment of a process must be an object.")
    return environment


def _list(value: Json) -> Sequence[Json]:
    """Arguments: a list, or an object whose values are taken in order."""
    if value is None:
        return []
    if isinstance(value, Mapping):
        return list(value.values())
    if isinstance(value, list):
        return value
    raise Failed(ErrorKind.CONFIGURATION, "The arguments of a process must be a list.")


def _text(value: Json) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return orjson.dumps(value).decode()


async def _shielded(waiting: Awaitable[Done]) -> Done:
    """Wait to the end even while being cancelled; the cancellation comes after."""
    inner = asyncio.ensure_future(waiting)  # noqa: TID251  # awaited below whatever happens
    while True:
        try:
            return await asyncio.shield(inner)
        except asyncio.CancelledError:
            if inner.done():
                return inner.result()


async def _feed(stream: asyncio.StreamWriter, data: bytes) -> None:
    with suppress(BrokenPipeError, ConnectionResetError, RuntimeError):  # uvloop says RuntimeError for a closed pipe
        stream.write(data)
        await stream.drain()
        stream.close()


def _limit(memory: int) -> None:
    """In the new process, before the command."""
    if memory != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU, _CPU + 5))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_FILES, _FILES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_FILE_SIZE, _FILE_SIZE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _kill(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
