"""`python -m tests.faults.chaos --runs 500 --kills 30`: runs go through while processes, broker and database are killed.

Real processes, SIGKILL, at random moments. Each run is a chain of tasks in a worker; each task's output counts up, so a result
that was lost or applied twice shows in the run's output and in its records. A ledger of what was accepted is kept outside:
every run the API answered with 202 must end, once, with the right output. Task bodies may run twice; results may not be applied
twice.

Prints one JSON line and exits with 1 unless lost, stuck and duplicate_results are all 0.
"""

# ruff: noqa: TID251  # chaos is outside of the platform: it has no clock to be given

import argparse
import asyncio
import logging
import random
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
import structlog
import uvloop
from bench.cluster import Cluster, Service, cluster
from bench.loads import workflow

TASKS = 6
SETTLE = 90.0  # seconds after the last kill for everything to come to its end
_BETWEEN = (0.3, 1.5)  # seconds between kills
_DOWN = (0.0, 0.6)  # seconds that what was killed stays down


@dataclass
class Ledger:
    """What was accepted, and how it ended."""

    accepted: dict[str, int] = field(default_factory=dict)
    refused: int = 0
    kills: dict[str, int] = field(default_factory=dict)


def chain() -> dict[str, Any]:
    """So many tasks, each adds its number to the sum; a wait in the middle, so that alarms are in it too."""
    tasks: list[dict[str, Any]] = []
    for number in range(1, TASKS + 1):
        tasks.append({f"add{number}": {"call": "noop", "with": {"sum": f"${{ .sum + {number} }}"}}})
        if number == TASKS // 2:
            tasks.append({"pause": {"wait": {"milliseconds": 150}}})
    return workflow("chaos", tasks)


async def start_runs(system: Cluster, ledger: Ledger, runs: int, seconds: float) -> None:
    """Start runs evenly over the time; what is not answered with 202 is tried again under the same key."""
    async with asyncio.TaskGroup() as group:
        for number in range(runs):
            group.create_task(_start(system, ledger, number))
            await asyncio.sleep(seconds / runs)


async def _start(system: Cluster, ledger: Ledger, number: int) -> None:
    body = {"namespace": "bench", "workflow": "chaos", "input": {"sum": number}, "idempotency_key": f"chaos-{number}"}
    while True:
        with suppress(aiohttp.ClientError, OSError, TimeoutError, ValueError):
            async with asyncio.timeout(10):
                status, answer = await system.call("POST", "/api/v1/runs", json=body)
            if status in {200, 202}:
                ledger.accepted[answer["id"]] = number
                return
            ledger.refused += 1
            if status not in {409, 429, 500, 503}:
                raise RuntimeError(f"{status} {answer}")
        await asyncio.sleep(0.2)


async def kill_things(system: Cluster, ledger: Ledger, kills: int, chance: random.Random) -> None:
    """Kill something, let it lie for a moment, start it again."""
    victims = ["executor", *[w.name for w in system.workers], "nats", "mongo"]
    for number in range(kills):
        await asyncio.sleep(chance.uniform(*_BETWEEN))
        # The first round takes each in turn, so that every kind is killed however few kills there are.
        victim = victims[number] if number < len(victims) else chance.choice(victims)
        ledger.kills[victim] = ledger.kills.get(victim, 0) + 1
        down = chance.uniform(*_DOWN)
        if victim == "nats":
            system.nats.child.kill()
            await asyncio.sleep(down)
            system.nats.spawn()
            await system.nats.ready()
        elif victim == "mongo":
            system.mongo.child.kill()
            await asyncio.sleep(down)
            system.mongo.spawn()
            await system.mongo.ready()
        else:
            service = next(s for s in (system.executor, *system.workers) if s.name == victim)
            service.kill()
            await asyncio.sleep(down)
            service.spawn()
        _revive(system)


def _revive(system: Cluster) -> None:
    """What gave up because another part was away is started again, as any supervisor would."""
    for service in (system.executor, *system.workers):
        if service.process is not None and service.process.poll() is not None:
            service.spawn()


async def supervise(system: Cluster) -> None:
    """Until cancelled."""
    while True:
        _revive(system)
        await asyncio.sleep(0.3)


async def settle(system: Cluster, ledger: Ledger) -> dict[str, dict[str, Any]]:
    """Wait until every accepted run has ended, or the time is over."""
    ended: dict[str, dict[str, Any]] = {}
    until = time.monotonic() + SETTLE
    while len(ended) < len(ledger.accepted) and time.monotonic() < until:
        _revive(system)
        system.headers["Authorization"] = f"Bearer {system.issuer.token()}"
        for run in [run for run in ledger.accepted if run not in ended]:
            with suppress(aiohttp.ClientError, OSError, TimeoutError, ValueError):
                async with asyncio.timeout(5):
                    status, view = await system.call("GET", f"/api/v1/runs/{run}")
                if status == 200 and view["status"] in {"completed", "faulted", "cancelled"}:
                    ended[run] = view
        await asyncio.sleep(0.3)
    return ended


async def duplicates(system: Cluster, runs: list[str]) -> int:
    """Activations with more than one record: results that were applied twice."""
    found = 0
    for run in runs:
        status, page = await system.call("GET", f"/api/v1/runs/{run}/tasks", params={"limit": "200"})
        if status != 200:
            raise RuntimeError(f"{status} {page}")
        names = [(task["activation"], task["name"]) for task in page["items"]]
        tasks = [name for _, name in names]
        found += len(names) - len(set(names)) + sum(tasks.count(name) - 1 for name in set(tasks))
    return found


async def chaos(runs: int, kills: int, seed: int, sync: Any) -> dict[str, Any]:
    """One round."""
    ledger, chance = Ledger(), random.Random(seed)
    began = time.monotonic()
    async with cluster(sync, workers=2, slots=100) as system:
        await system.publish(chain())
        seconds = kills * (sum(_BETWEEN) / 2 + sum(_DOWN) / 2 + 0.4)
        supervisor = asyncio.create_task(supervise(system))
        async with asyncio.TaskGroup() as group:
            group.create_task(start_runs(system, ledger, runs, seconds))
            group.create_task(kill_things(system, ledger, kills, chance))
        for service in (system.executor, *system.workers):
            await _ready(system, service)
        ended = await settle(system, ledger)
        wrong = [run for run, view in ended.items() if not _right(view, ledger.accepted[run])]
        supervisor.cancel()
        doubled = await duplicates(system, list(ended))
        status, page = await system.call("GET", "/api/v1/runs", params={"limit": "500", "workflow": "chaos"})
        listed = len(page["items"]) if status == 200 else 0
        stuck = [run for run in ledger.accepted if run not in ended]
        for run in [*stuck[:5], *wrong[:5]]:
            with suppress(aiohttp.ClientError, OSError, TimeoutError):
                _, view = await system.call("GET", f"/api/v1/runs/{run}")
                _, tasks = await system.call("GET", f"/api/v1/runs/{run}/tasks")
                sys.stderr.write(orjson.dumps({"run": view, "tasks": tasks}).decode() + "\n")
    return {
        "runs": len(ledger.accepted),
        "completed": len(ended) - len(wrong),
        "lost": len(wrong) + max(0, min(500, len(ledger.accepted)) - listed),
        "stuck": len(stuck),
        "duplicate_results": doubled,
        "kills": sum(ledger.kills.values()),
        "seconds": round(time.monotonic() - began, 1),
        "killed": ledger.kills,
        "sync": sync,
        "seed": seed,
        "retried_starts": ledger.refused,
    }


async def _ready(system: Cluster, service: Service) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            await service.ready(system.session, within=10)
        except RuntimeError as error:
            if time.monotonic() > until:
                raise
            sys.stderr.write(f"{service.name} is started again: {str(error).splitlines()[0]}\n")
            _revive(system)
            await asyncio.sleep(0.5)
        else:
            return


def _right(view: dict[str, Any], number: int) -> bool:
    return view["status"] == "completed" and view["output"] == {"sum": number + TASKS * (TASKS + 1) // 2}


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.chaos", description=__doc__)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--sync", choices=["lazy", "always"], default="always")
    chosen = parser.parse_args()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(chaos(chosen.runs, chosen.kills, chosen.seed, chosen.sync))
    sys.stdout.write(orjson.dumps(result).decode() + "\n")
    return 1 if result["lost"] or result["stuck"] or result["duplicate_results"] else 0


if __name__ == "__main__":
    sys.exit(main())
