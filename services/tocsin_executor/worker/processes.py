"""Processes of tasks: a group of their own, limits, a clean environment, and a real end.

A process is over when its whole group is over, and whatever has left the group: who ends one sends TERM, waits a moment, sends
KILL, and waits for the end before it says so. Nothing of the worker's own environment goes in: it may hold secrets of the
platform.
"""

import asyncio
import os
import resource
import signal
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeVar

import orjson

from tocsin_executor.domain.values import ErrorKind, Json
from tocsin_executor.worker.tasks import Failed, Task
from tocsin_executor.worker.warden import Warden, signal_all, strays_of
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


async def start(command: Command, warden: Warden) -> asyncio.subprocess.Process:
    """Start a process in a group of its own, which ends with this worker.

    Raises:
        Failed: ``runtime``: it cannot be started; ``configuration``: an argument or variable has a null character, at which the
            system would cut it off.
    """
    if any("\0" in text for text in (*command.line, *command.environment, *command.environment.values())):
        raise Failed(ErrorKind.CONFIGURATION, "An argument or an environment variable holds a null character.")
    try:
        process = await asyncio.create_subprocess_exec(
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
    warden.begun(process.pid, command.folder)
    return process


async def exited(process: asyncio.subprocess.Process, clock: Clock) -> None:
    """Return when the process itself has ended, though something it left behind may still hold its output open.

    ``Process.wait`` of asyncio returns only when the pipes are closed too, which a background child can delay for ever.
    """
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    except (AttributeError, OSError):  # not on Linux
        while process.returncode is None:
            await clock.sleep(0.05)
        return
    loop.add_reader(handle, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(handle)
        os.close(handle)


@dataclass(frozen=True, slots=True)
class Ending:
    """How processes are ended.

    Attributes:
        warden: Is told when they are over.
        clock: Time.
        grace: Seconds between TERM and KILL.
    """

    warden: Warden
    clock: Clock
    grace: float = GRACE


async def end(task: Task, process: asyncio.subprocess.Process, folder: str, how: Ending) -> None:
    """See to it that nothing of the group runs any more, nor what has left it; also when this task is being cancelled."""
    group, clock = process.pid, how.clock
    left = _left(group, folder)
    if left:
        _kill(group, left, signal.SIGTERM)
        until = clock.monotonic() + how.grace
        while (left := _left(group, folder)) and clock.monotonic() < until:
            await shielded(clock.sleep(0.02))
        pause = 0.01
        while left:  # as long as it takes: nothing is confirmed while anything runs
            task.killed = True
            _kill(group, left, signal.SIGKILL)
            await shielded(clock.sleep(pause))
            pause, left = min(pause * 2, 1.0), _left(group, folder)
    await shielded(process.wait())
    how.warden.over(group)


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
        for name, value in given.items():
            if not name or "=" in name:
                raise Failed(ErrorKind.CONFIGURATION, f"{name[:80]!r} cannot be the name of an environment variable.")
            environment[name] = as_text(value)
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
    """Whether anything of a group still runs. What has ended and is not reaped yet runs no more, whoever its parent is."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    states = list(_states(group))
    return not states or any(state not in "ZX" for state in states)  # no /proc: believe the signal


def _states(group: int) -> Iterator[str]:
    """The state letters of a group's processes, from the system's table."""
    with suppress(OSError), os.scandir("/proc") as entries:
        for entry in entries:
            if entry.name.isdigit():
                with suppress(OSError), open(f"{entry.path}/stat", encoding="utf-8", errors="replace") as file:
                    fields = file.read().rpartition(")")[2].split()
                    if fields[2] == str(group):
                        yield fields[0]


def _left(group: int, folder: str) -> list[int]:
    """The group, if anything of it runs, and what it left behind."""
    return [*([group] if _alive(group) else []), *strays_of(group, folder)]


def _kill(group: int, left: list[int], number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
    signal_all([process for process in left if process != group], number)
