"""Child processes that never outlive us: started, watched, stopped within a bound, recognised when left behind.

The kernel sends a child SIGTERM when its parent dies, however the parent died; beside that a note with the process id lies in
the data folder, by which the next start recognises and ends what is left.
"""

import asyncio
import ctypes
import errno
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tocsin_kit.clock import Clock
from tocsin_kit.embedded.errors import BinaryMissing, ServerFailed

PR_SET_PDEATHSIG: Final = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_PAUSE: Final = threading.Event()  # never set: its wait is a bounded pause
_POLL: Final = 0.02  # seconds between looks where the system gives no event


class Child:
    """One server process.

    Args:
        title: For sentences (``NATS``, ``MongoDB``).
        command: Program and arguments; the folder's path must be among them, because it identifies a leftover.
        folder: Where the note and ``output.log`` (what the program prints) are kept.
        clock: Time.
    """

    def __init__(self, title: str, command: Sequence[str], folder: Path, clock: Clock) -> None:
        self.title = title
        self.command = list(command)
        self._folder = folder
        self._note = folder / "process.json"
        self._clock = clock
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Process id, ``None`` before :meth:`spawn`."""
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        """Whether the process lives now."""
        return self._process is not None and self._process.poll() is None

    def spawn(self) -> None:
        """Start the program. To be called in the main thread: a child dies with the thread that made it.

        Raises:
            BinaryMissing: The program is not for this machine.
            ServerFailed: It cannot be started.
        """
        try:
            with (self._folder / "output.log").open("wb") as output:
                self._process = subprocess.Popen(  # noqa: S603 - our own argument list, no shell
                    self.command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # Ctrl-C is for us; we stop children in order
                    preexec_fn=_die_with(os.getpid()),  # noqa: PLW1509 - one prctl call, prepared before the fork
                )
        except OSError as error:
            if error.errno == errno.ENOEXEC:
                raise BinaryMissing(
                    f"The program {self.command[0]} is for another kind of machine.",
                    hint=f"Install {self.title} for this machine and put it on PATH.",
                ) from error
            raise ServerFailed(f"{self.title} could not be started: {self.command[0]}: {error.strerror}.") from error
        self._note.write_text(json.dumps({"pid": self._process.pid, "program": self.command[0]}), encoding="utf-8")

    def failure(self, fallback: str = "") -> ServerFailed:
        """The sentence for a process that ended or does not answer, with the last thing it said."""
        said = self.last_words() or fallback
        if "error while loading shared libraries" in said:
            return BinaryMissing(
                f"{self.title} cannot run on this machine: {said}.",
                hint=f"Install that library, or put a {self.title} made for this machine on PATH.",
            )
        code = self._process.poll() if self._process else None
        what = f"ended with code {code}" if code is not None else "did not become ready"
        return ServerFailed(f"{self.title} {what}: {said or 'it said nothing'}.", hint=f"Its logs are in {self._folder}.")

    def last_words(self) -> str:
        """The last line the program printed, shortened."""
        try:
            lines = (self._folder / "output.log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        except OSError:
            return ""
        return lines[-1][:300].rstrip(".") if lines else ""

    async def ended(self) -> int:
        """Wait until the process has ended by itself.

        Returns:
            Its exit code.
        """
        process = self._process
        assert process is not None, "spawn first"
        if hasattr(os, "pidfd_open") and process.poll() is None:
            await _readable(os.pidfd_open(process.pid))
        while process.poll() is None:
            await self._clock.sleep(_POLL)
        return process.returncode

    async def stop(self, within: float) -> None:
        """Ask the process to end; after ``within`` seconds make it."""
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            process.terminate()
            try:
                async with asyncio.timeout(within):
                    await self.ended()
            except TimeoutError:
                process.kill()
                await self.ended()
        self._note.unlink(missing_ok=True)

    def kill(self) -> None:
        """End the process without warning, as a crash would (for fault tests); the note stays, as it would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def end_leftover(self, within: float) -> int | None:
        """End a server that a killed owner of this folder left behind. Blocks: it happens before anything else runs.

        Returns:
            Its process id, or ``None`` when there was none.

        Raises:
            ServerFailed: It is ours, but does not end (another user's process).
        """
        try:
            pid = int(json.loads(self._note.read_text(encoding="utf-8"))["pid"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        try:
            if self._is_ours(pid):
                os.kill(pid, signal.SIGTERM)
                if not self._gone(pid, within):
                    os.kill(pid, signal.SIGKILL)
                    self._gone(pid, within)
            elif _is_ending(pid):  # the kernel's SIGTERM came before ours
                self._gone(pid, within)
            else:
                pid = 0
        except ProcessLookupError:
            pass
        except PermissionError as error:
            raise ServerFailed(
                f"A {self.title} (process {pid}) of another user still runs on {self._folder}.", hint="End it and start again."
            ) from error
        self._note.unlink(missing_ok=True)
        return pid or None

    def _gone(self, pid: int, within: float) -> bool:
        """Wait until that process has ended; whether it has."""
        for _ in range(round(within / _POLL)):
            if not (self._is_ours(pid) or _is_ending(pid)):
                return True
            _PAUSE.wait(_POLL)
        return not self._is_ours(pid)

    def _is_ours(self, pid: int) -> bool:
        """Whether that process is this program on this folder: a reused process id is not."""
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            return False
        program = Path(self.command[0]).name
        return Path(line[0]).name == program and any(str(self._folder) in part for part in line[1:])


def _is_ending(pid: int) -> bool:
    """Whether the system is taking that process apart: it has no command line any more, but may still hold its ports."""
    try:
        if Path(f"/proc/{pid}/cmdline").read_bytes():
            return False
        states = [(task / "stat").read_text().rpartition(")")[2].split()[0] for task in Path(f"/proc/{pid}/task").iterdir()]
    except OSError:
        return False
    return any(state not in "ZX" for state in states)  # a zombie holds nothing


def end_with(parent: int) -> bool:
    """Have this process told to end (SIGTERM) when its parent dies, however that dies; only Linux can.

    Returns:
        Whether the parent still lives.
    """
    if _LIBC is None:
        return True
    _LIBC.prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    return os.getppid() == parent


def _die_with(parent: int) -> "_DieWith | None":
    return _DieWith(parent) if _LIBC is not None else None


class _DieWith:
    """Runs in the child between fork and exec: nothing here may take a lock or import."""

    def __init__(self, parent: int) -> None:
        assert _LIBC is not None
        self._prctl = _LIBC.prctl
        self._parent = parent

    def __call__(self) -> None:
        self._prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
        if os.getppid() != self._parent:  # it died in between
            os._exit(0)


async def _readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
