"""Whether size costs: long runs, many runs that wait, and starting beside many runs; each at several sizes.

A curve that stays flat is the goal: a step of a run of 20,000 tasks as fast at its end as at its beginning, thousands of
waiting runs without cost while they wait, a start that does not read what has ended.
"""

import asyncio
import copy
import os
import statistics
import time
from pathlib import Path
from typing import Any

import orjson
from pymongo import AsyncMongoClient

from bench.cluster import Cluster, Service
from bench.loads import Starter, Watch, workflow

LONG = (1_000, 5_000, 10_000, 20_000)
MAP = (1_000, 2_500, 5_000, 10_000)
AT_ONCE = 100
WAITING = (1_000, 2_500, 5_000, 10_000)
FINISHED = (0, 10_000, 50_000, 100_000)
_TICK = os.sysconf("SC_CLK_TCK")
_EVENTS = 100
_QUIET = 3.0  # seconds of waiting that are measured


def resident_mb(service: Service) -> float:
    """Memory of a process."""
    assert service.process is not None
    pages = int(Path(f"/proc/{service.process.pid}/statm").read_text(encoding="utf-8").split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)


def processor_seconds(service: Service) -> float:
    """Processor time that a process has used."""
    assert service.process is not None
    fields = Path(f"/proc/{service.process.pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


async def long(system: Cluster, size: int) -> dict[str, Any]:
    """One run of so many tasks, one after the other in a ``for``: its steps at the beginning and at the end."""
    return await _items(system, size, "long", {})


async def map_(system: Cluster, size: int) -> dict[str, Any]:
    """The same with a hundred items at once, and an output that has all of theirs."""
    return await _items(system, size, "map", {"metadata": {"concurrency": AT_ONCE}})


async def _items(system: Cluster, size: int, name: str, more: dict[str, Any]) -> dict[str, Any]:
    loop = {"for": {"each": "item", "in": ".list"}, "do": [{"t": {"call": "noop", "with": {"n": "${ $item }"}}}], **more}
    digest = await system.publish(workflow(f"{name}-{size}", [{"f": {"input": {"from": "${ {list: .list} }"}, **loop}}]))
    watch, starter = Watch(system), Starter(system)
    await watch.start(tasks=True)
    run = starter.new_run()
    end = watch.expect(run)
    before, began = resident_mb(system.executor), time.perf_counter()
    await starter.start(digest, [run], {"list": [*range(size)]})
    async with asyncio.timeout(240):
        finished = await end
    times = watch.tasks[run]
    tenth = max(1, len(times) // 10)
    return {
        "size": size,
        "value": round(size / (finished - began), 1),
        "unit": "steps/s",
        "first_tenth_ms": round((times[tenth] - times[0]) * 1000 / tenth, 3),
        "last_tenth_ms": round((times[-1] - times[-1 - tenth]) * 1000 / tenth, 3),
        "engine_mb": [before, resident_mb(system.executor)],
    }


def waiter() -> dict[str, Any]:
    """A run that waits for the event with its number, or for an hour."""
    told = {"with": {"type": "bench.paid"}, "correlate": {"n": {"from": ".data.n", "expect": "${ .n }"}}}
    return workflow("waiter", [{"l": {"listen": {"to": {"one": told}}, "timeout": {"after": {"hours": 1}}}}])


async def begin_waiting(system: Cluster, size: int) -> dict[int, str]:
    """So many waiting runs, by number; returns when all wait."""
    digest = await system.publish(waiter())
    starter = Starter(system)
    runs = {n: starter.new_run() for n in range(size)}
    for at in range(0, size, 500):
        await asyncio.gather(*(starter.start(digest, [run], {"n": n}) for n, run in list(runs.items())[at : at + 500]))
    async with asyncio.timeout(120):
        while True:
            _, explained = await system.call("GET", f"/api/v1/runs/{runs[size - 1]}/explanation")
            if explained and any(wait["for"] == "event" for wait in explained.get("waits", ())):
                return runs
            await asyncio.sleep(0.1)


async def waiting(system: Cluster, size: int) -> dict[str, Any]:
    """So many runs that wait for an event each: what waiting costs, and how soon one goes on when its event comes."""
    runs = await begin_waiting(system, size)
    await asyncio.sleep(2)  # saves and signals of the start
    before = processor_seconds(system.executor)
    await asyncio.sleep(_QUIET)
    idle = (processor_seconds(system.executor) - before) / _QUIET
    watch = Watch(system)
    await watch.start()
    taken = []
    for n in range(0, size, max(1, size // _EVENTS)):
        end = watch.expect(runs[n])
        event = {"specversion": "1.0", "id": f"{size}-{n}", "source": "/bench", "type": "bench.paid", "data": {"n": n}}
        began = time.perf_counter()
        await system.bus.publish("events.bench.bench.paid", orjson.dumps(event))
        async with asyncio.timeout(10):
            taken.append((await end - began) * 1000)
    return {
        "size": size,
        "p50": round(statistics.median(taken), 2),
        "p99": round(sorted(taken)[int(len(taken) * 0.99)], 2),
        "unit": "ms from event to end of run",
        "idle_cpu_percent": round(idle * 100, 2),
        "engine_mb": resident_mb(system.executor),
    }


async def startup(system: Cluster, finished: int, live: int) -> dict[str, Any]:
    """A second start of the engine beside so many finished and waiting runs: seconds until it is ready."""
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(system.mongo.url)
    runs = client["tocsin_executor"]["runs"]
    present = await runs.count_documents({"status": "completed"})
    example = await runs.find_one({"status": "completed"})
    assert example is not None
    for at in range(present, finished, 5_000):
        copies = [{**copy.copy(example), "_id": f"finished-{n}"} for n in range(at, min(at + 5_000, finished))]
        await runs.insert_many(copies, ordered=False)
    await client.close()
    system.executor.stop()
    began = time.perf_counter()
    system.executor.spawn()
    await system.executor.ready(system.session)
    return {"size": finished, "live": live, "value": round(time.perf_counter() - began, 2), "unit": "s until ready"}
