"""Processes of tasks: a group of their own, limits, a clean environment, and a real end.

A process is over when its whole group is over: who ends one sends TERM, waits a moment, sends KILL, and waits for the end
before it says so. Nothing of the worker's own environment goes in: it may hold secrets of the platform.
"""

import asyncio
import os
import resource
import signal
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeVar

import orjson

from tocsin_executor.domain.values import ErrorKind, Json
from tocsin_executor.worker.tasks import Failed, Task
from tocsin_kit.clock import Clock

Done = TypeVar("Done")

GRACE: Final = 5.0  # seconds between TERM and KILL
MEMORY: Final = 2 * 1024 * 1024 * 1024  # bytes of address space
UNBOUNDED: Final = resource.RLIM_INFINITY
PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_FILES: Final = 256  # open files
_FILE_SIZE: Final = 256 * 1024 * 1024  # bytes of one file it writes
_CPU: Final = 900  # seconds of processor time


@dataclass(frozen=True, slots=True)
class Command:
    """What is started.

    Attributes:
        line: Program and arguments.
        folder: Where it works; its home.
        memory: Bytes of address space, or :data:`UNBOUNDED`.
        environment: All of its variables.
        stdin: Whether it gets an input.
    """

    line: Sequence[str]
    folder: str
    memory: int
    environment: Mapping[str, str]
    stdin: bool


async def start(command: Command) -> asyncio.subprocess.Process:
    """Start a process in a group of its own.

    Raises:
        Failed: ``runtime``: it cannot be started.
    """
    try:
        return await asyncio.create_subprocess_exec(
            *command.line,
            cwd=command.folder,
            env=dict(command.environment),
            stdin=asyncio.subprocess.PIPE if command.stdin else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            preexec_fn=lambda: _limit(command.memory),
            limit=256 * 1024,
        )
    except OSError as error:
        raise Failed(ErrorKind.RUNTIME, f"The process could not be started: {error.strerror}.") from error


async def end(task: Task, process: asyncio.subprocess.Process, clock: Clock, grace: float) -> None:
    """See to it that nothing of the group runs any more; also when this task is being cancelled."""
    if not _alive(process.pid):
        return
    _kill(process.pid, signal.SIGTERM)
    until = clock.monotonic() + grace
    while _alive(process.pid) and clock.monotonic() < until:
        await shielded(clock.sleep(0.02))
    if _alive(process.pid):
        task.killed = True
        _kill(process.pid, signal.SIGKILL)
    await shielded(process.wait())


async def shielded(waiting: Awaitable[Done]) -> Done:
    """Wait to the end even while being cancelled; the cancellation comes after."""
    inner = asyncio.ensure_future(waiting)  # noqa: TID251  # awaited below whatever happens
    while True:
        try:
            return await asyncio.shield(inner)
        except asyncio.CancelledError:
            if inner.done():
                return inner.result()


async def feed(stream: asyncio.StreamWriter, data: bytes) -> None:
    """Write an input and close it; a process that does not read it is no error."""
    with suppress(BrokenPipeError, ConnectionResetError, RuntimeError):  # uvloop says RuntimeError for a closed pipe
        stream.write(data)
        await stream.drain()
        stream.close()


def environment_of(given: Json, folder: str) -> dict[str, str]:
    """Nothing of this process's own environment: it may hold secrets of the platform."""
    environment = {"PATH": PATH, "HOME": folder, "TMPDIR": folder, "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1"}
    if isinstance(given, Mapping):
        environment.update({str(name): as_text(value) for name, value in given.items()})
    elif given is not None:
        raise Failed(ErrorKind.CONFIGURATION, "The environment of a process must be an object.")
    return environment


def as_text(value: Json) -> str:
    """A text as it is, nothing as an empty one, anything else as JSON."""
    if isinstance(value, str):
        return value
    return "" if value is None else orjson.dumps(value).decode()


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
