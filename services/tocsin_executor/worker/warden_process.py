"""The process that outlives a worker for a moment, and ends what the worker had started. Run by path: nothing is imported.

It reads lines from the worker: ``+ <group> <folder>`` when a process has begun, ``- <group>`` when it is over. The end of the
input is the death of the worker, whatever it died of: then every group that is left gets TERM, and KILL a while later, and so
does whatever has left its group but has the folder's name in its environment. It reads clocks and sleeps by itself, since it
has nobody to ask.
"""

import os
import shutil
import signal
import sys
import time

GRACE = 5.0  # seconds between TERM and KILL
_LOOK = 0.05


def strays(groups: list[int], folders: list[bytes], above: int = 0) -> list[int]:
    """Processes outside of these groups that have one of these folders in their environment and still run.

    Only those of greater numbers than ``above`` are looked at.
    """
    found = []
    for name in os.listdir("/proc") if os.path.isdir("/proc") else []:
        if not name.isdigit() or int(name) <= above:
            continue
        try:
            with open(f"/proc/{name}/environ", "rb") as file:  # empty for what has ended and is not reaped yet
                environment = file.read()
            if any(folder in environment for folder in folders) and os.getpgid(int(name)) not in groups:
                found.append(int(name))
        except OSError:  # it has ended, or is somebody else's
            continue
    return found


def _tell(groups: list[int], folders: list[bytes], number: int) -> bool:
    """Send a signal (0: none) to all that is left; whether there was anything."""
    left = False
    for group in groups:
        try:
            os.killpg(group, number)
            left = True
        except OSError:
            continue
    for process in strays(groups, folders):
        try:
            os.kill(process, number)
            left = True
        except OSError:
            continue
    return left


def end(kept: dict[int, bytes]) -> None:
    """End all of these groups, and delete their folders."""
    groups, folders = list(kept), [folder for folder in kept.values() if folder]
    if _tell(groups, folders, signal.SIGTERM):
        until = time.monotonic() + GRACE  # see above
        while _tell(groups, folders, 0) and time.monotonic() < until:
            time.sleep(_LOOK)  # noqa: TID251
        _tell(groups, folders, signal.SIGKILL)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """Until the worker is gone."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    kept: dict[int, bytes] = {}
    for line in sys.stdin.buffer:
        sign, group, *folder = line.rstrip(b"\n").split(b" ", 2)
        if sign == b"+":
            kept[int(group)] = folder[0] if folder else b""
        else:
            kept.pop(int(group), None)
    end(kept)


if __name__ == "__main__":
    main()
