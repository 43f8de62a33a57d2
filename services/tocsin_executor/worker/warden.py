"""Sees to it that nothing a worker has started outlives it, however the worker ends: killed, out of memory, told twice to stop.

A small process of its own is told what begins and what is over, and sees the death of the worker as the end of its input. It is
started with the first task that needs it, and again if somebody ended it. In a container the kernel does the same, where the
worker is its first process.
"""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

from tocsin_executor.worker import warden_process

log = structlog.get_logger()

_SCRIPT: Final = Path(warden_process.__file__)


class Warden:
    """What is to end with this process."""

    def __init__(self) -> None:
        self._kept: dict[int, str] = {}
        self._process: subprocess.Popen[bytes] | None = None

    def begun(self, group: int, folder: str) -> None:
        """A process group has begun; ``folder`` is its own, and in the environment of all that it starts."""
        self._kept[group] = folder
        self._say(f"+ {group} {folder}\n")

    def over(self, group: int) -> None:
        """It is over."""
        if self._kept.pop(group, None) is not None:
            self._say(f"- {group}\n")

    def close(self) -> None:
        """The process ends in an orderly way, when nothing is left."""
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            with suppress(OSError):
                process.stdin.close()
            if not self._kept:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=1)

    def _say(self, line: str) -> None:
        try:
            if self._process is None or self._process.poll() is not None:
                self._start()
                return  # which said all that is kept
            self._write(line)
        except OSError as error:
            log.warning("warden.not_told", error=str(error))
            self._process = None

    def _start(self) -> None:
        if not self._kept:
            return
        self._process = subprocess.Popen(  # noqa: S603  # our own interpreter and module
            [sys.executable, "-I", "-S", str(_SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env={},
            cwd="/",
        )
        assert self._process.stdin is not None
        os.set_blocking(self._process.stdin.fileno(), False)
        self._write("".join(f"+ {group} {folder}\n" for group, folder in self._kept.items()))

    def _write(self, text: str) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        os.write(self._process.stdin.fileno(), text.encode())


def strays_of(group: int, folder: str) -> list[int]:
    """What a process group has left behind outside of itself: what still runs and has its folder in its environment.

    Only younger ones are looked at, unless the numbers of processes have begun anew since.
    """
    try:
        with open("/proc/loadavg", "rb") as file:
            newest = int(file.read().split()[-1])
    except (OSError, ValueError, IndexError):  # not on Linux
        return []
    return warden_process.strays([group], [folder.encode()], group if newest > group else 0)


def signal_all(processes: list[int], number: signal.Signals) -> None:
    """Send a signal to each that is still there."""
    for process in processes:
        with suppress(OSError):
            os.kill(process, number)
