"""How long the second start of the whole platform takes, and what it holds in memory when idle."""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import orjson

from bench.cluster import ROOT, environment
from tocsin_kit.embedded import free_ports

IDLE = 5.0  # seconds before memory is read


async def footprint(sync: str) -> dict[str, object]:
    """Start twice on one folder; the second start is what counts."""
    folder = Path(tempfile.mkdtemp(prefix="tocsin-footprint-"))
    try:
        await _start(folder / "data", sync)
        ready, memory = await _start(folder / "data", sync)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return {"ready_s": round(ready, 2), "resident_mb": round(sum(memory.values()), 1), "unit": "s, MB", "by_process": memory}


async def _start(data: Path, sync: str) -> tuple[float, dict[str, float]]:
    ports = _ports()
    command = [sys.executable, "-m", "tocsin_kit.platform", "up", "--data", str(data), "--port", str(ports[0]), "--json-ready"]
    names = {"TOCSIN_OPS_PORT": ports[1], "TOCSIN_EMBEDDED_NATS_PORT": ports[2], "TOCSIN_EMBEDDED_MONGO_PORT": ports[3]}
    values = {name: str(port) for name, port in names.items()}
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *command,
        env=environment(TOCSIN_EMBEDDED_SYNC=sync, **values),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            while True:
                line = await process.stdout.readline()
                if not line:
                    raise RuntimeError("the platform ended before it was ready")
                if line.startswith(b"{"):
                    orjson.loads(line)
                    break
        ready = time.perf_counter() - began
        await asyncio.sleep(IDLE)
        return ready, _memory(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(30):
                await process.wait()
        except TimeoutError:
            process.kill()


def _ports() -> list[int]:
    """Of the gateway, with room for the services behind it, and of three more servers."""
    while True:
        ports = free_ports(4)
        if not any(ports[0] < other < ports[0] + 10 for other in ports[1:]):
            return ports


def _memory(root: int) -> dict[str, float]:
    """Proportional set size of a process and all below it, in MB, by program."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    family, grew = {root}, True
    while grew:
        below = {pid for pid, parent in parents.items() if parent in family}
        grew = not below <= family
        family |= below
    found: dict[str, float] = {}
    for pid in family:
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            name = Path(os.readlink(f"/proc/{pid}/exe")).name
        except OSError:
            continue
        pss = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
        found[name] = round(found.get(name, 0) + pss / 1024, 1)
    return found
