"""What the numbers depend on: the processor, the disk, and what others did with both meanwhile.

The disk is asked how long it takes to keep a small append, since with syncs that is part of every step. What others use of the
processor is what the machine was busy with, without this process and what it started.
"""

import functools
import os
import platform
import tempfile
import time
from pathlib import Path

_APPENDS, _BYTES, _PAUSE = 60, 700, 0.01
_BUSY = (0, 1, 2, 5, 6, 7)  # user, nice, system, irq, softirq, steal: columns of /proc/stat


def machine() -> dict[str, object]:
    """Facts for a line of results."""
    return {
        "cpus": os.cpu_count(),
        "cpu": _model(),
        "python": platform.python_version(),
        "load1": round(os.getloadavg()[0], 2),
        "others_cpus": others.used(),
        "sync_ms": _disk(),
    }


class Others:
    """What all processes but ours use of the processor, since this was made."""

    def __init__(self) -> None:
        self._began, self._all, self._own = time.monotonic(), _busy_seconds(), own_seconds()

    def used(self) -> float:
        """In processors, on average."""
        elapsed = time.monotonic() - self._began
        theirs = (_busy_seconds() - self._all) - (own_seconds() - self._own)
        return round(max(theirs, 0.0) / elapsed, 2) if elapsed > 0 else 0.0


def own_seconds() -> float:
    """Processor time of this process and of all below it that are there, or were waited for."""
    found = os.times()
    return found.user + found.system + found.children_user + found.children_system + sum(_below(os.getpid()))


def _below(process: int) -> list[float]:
    """Of each process below that still runs."""
    parents: dict[int, list[tuple[int, float]]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        used = sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")
        parents.setdefault(int(fields[1]), []).append((int(stat.parent.name), used))
    found, looked = [], [process]
    while looked:
        for child, used in parents.get(looked.pop(), ()):
            found.append(used)
            looked.append(child)
    return found


def _busy_seconds() -> float:
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    return sum(int(fields[column]) for column in _BUSY) / os.sysconf("SC_CLK_TCK")


@functools.cache
def _model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if "model name" in line), "")


@functools.cache
def _disk() -> dict[str, float]:
    """How long a small append takes to be on the disk, milliseconds: the median, the worst but one, the worst."""
    taken = []
    with tempfile.NamedTemporaryFile() as file:
        for _ in range(_APPENDS):
            time.sleep(_PAUSE)
            os.write(file.fileno(), b"x" * _BYTES)
            began = time.perf_counter()
            os.fsync(file.fileno())
            taken.append((time.perf_counter() - began) * 1000)
    taken.sort()
    return {"p50": round(taken[len(taken) // 2], 2), "p98": round(taken[-2], 2), "max": round(taken[-1], 2)}


others = Others()
