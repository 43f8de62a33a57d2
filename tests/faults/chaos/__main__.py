"""`python -m tests.faults.chaos --runs 5000 --faults 60`: runs go through while everything is killed, paused and cut off.

Real processes, two engines, two workers, at random moments: SIGKILL, SIGSTOP for longer than a lease, and a connection to the
broker that is cut. A run is a chain with a timer, a retry, a fork, a sub-workflow or one that listens; each ends in a number
that a lost or doubled result would change. Every run that the API answered for must end, once, with that number.

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
from typing import Any

import aiohttp
import orjson
import structlog
import uvloop
from bench.cluster import Cluster, Service, Sync, cluster
from tests.faults.chaos.faults import Faults, Proxy, say
from tests.faults.chaos.ledger import Ledger, doubled, look, pay, settle, start_runs
from tests.faults.chaos.loads import KINDS

SETTLE = 120.0  # seconds after the last fault for everything to come to its end
A_FAULT = 3.5  # seconds one takes, about


async def chaos(runs: int, faults: int, *, seed: int, sync: Sync, engines: int, only: str) -> dict[str, Any]:
    """One round."""
    ledger, began = Ledger(), time.monotonic()
    cut_off = f"executor-{engines - 1}" if engines > 1 else "executor"
    proxies: dict[str, Proxy] = {}

    async def via(port: int) -> dict[str, int]:
        for name in (cut_off, "worker-1"):
            proxies[name] = Proxy(port)
            await proxies[name].start()
        return {name: proxy.port for name, proxy in proxies.items()}

    async with cluster(sync, engines=engines, workers=2, slots=100, via=via) as system:
        for kind in KINDS:
            await system.publish(kind.document)
        weather = Faults(system, proxies, random.Random(seed), only)
        supervising, paid = asyncio.create_task(weather.supervise()), asyncio.Event()
        paying = asyncio.create_task(pay(system, ledger, paid))
        telling = asyncio.create_task(_tell(system, ledger, weather, faults))
        async with asyncio.TaskGroup() as group:
            group.create_task(start_runs(system, ledger, runs, faults * A_FAULT))
            group.create_task(weather.rain(faults))
        telling.cancel()
        for service in weather.services:
            await _ready(system, weather, service)
        say("the sky is clear; waiting for what is left")
        await settle(system, ledger, SETTLE)
        paid.set()
        await paying
        supervising.cancel()
        twice = await doubled(system, ledger)
        listed = await _listed(system)
        for run in [*ledger.open[:5], *ledger.wrong[:5]]:
            await _show(system, run)
    for proxy in proxies.values():
        await proxy.stop()
    return {
        "runs": len(ledger.accepted),
        "completed": len(ledger.ended) - len(ledger.wrong),
        "lost": len(ledger.wrong) + max(0, len(ledger.accepted) - listed),
        "stuck": len(ledger.open),
        "duplicate_results": twice,
        "faults": sum(weather.done.values()),
        "seconds": round(time.monotonic() - began, 1),
        "kinds": {kind.name: sum(n % len(KINDS) == i for n in ledger.accepted.values()) for i, kind in enumerate(KINDS)},
        "done": dict(sorted(weather.done.items())),
        "engines": engines,
        "sync": sync,
        "seed": seed,
        "starts_tried_again": ledger.again,
    }


async def _tell(system: Cluster, ledger: Ledger, weather: Faults, faults: int) -> None:
    """Progress, for people."""
    while True:
        await asyncio.sleep(10)
        with suppress(*(aiohttp.ClientError, OSError, TimeoutError)):
            await look(system, ledger)
        done = sum(weather.done.values())
        say(f"{done} of {faults} faults, {len(ledger.accepted)} runs accepted, {len(ledger.ended)} ended")


async def _listed(system: Cluster) -> int:
    """How many runs the list has, but for children."""
    found = 0
    for kind in KINDS:
        cursor: str | None = None
        while True:
            query = {"limit": "500", "workflow": kind.name} | ({"cursor": cursor} if cursor else {})
            status, page = await system.call("GET", "/api/v1/runs", params=query)
            if status != 200:
                raise RuntimeError(f"{status} {page}")
            found += sum(item.get("parent") is None for item in page["items"])
            cursor = page["next_cursor"]
            if cursor is None:
                break
    return found


async def _show(system: Cluster, run: str) -> None:
    """All that is known about a run that went wrong."""
    with suppress(aiohttp.ClientError, OSError, TimeoutError):
        _, view = await system.call("GET", f"/api/v1/runs/{run}")
        _, tasks = await system.call("GET", f"/api/v1/runs/{run}/tasks")
        _, why = await system.call("GET", f"/api/v1/runs/{run}/explanation")
        say(orjson.dumps({"run": view, "tasks": tasks, "why": why}).decode())


async def _ready(system: Cluster, weather: Faults, service: Service) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            await service.ready(system.session, within=10)
        except RuntimeError as error:
            if time.monotonic() > until:
                raise
            say(f"{service.name} is started again: {str(error).splitlines()[0]}")
            weather.revive()
            await asyncio.sleep(0.5)
        else:
            return


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.chaos", description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--faults", type=int, default=30)
    parser.add_argument("--engines", type=int, default=2)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--sync", choices=["lazy", "always"], default="always")
    parser.add_argument("--only", default="", help="a part of the names of the faults that are wanted, as `kill nats`")
    chosen = parser.parse_args()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        how = {"seed": chosen.seed, "sync": chosen.sync, "engines": chosen.engines, "only": chosen.only}
        result = runner.run(chaos(chosen.runs, chosen.faults, **how))
    sys.stdout.write(orjson.dumps(result).decode() + "\n")
    return 1 if result["lost"] or result["stuck"] or result["duplicate_results"] else 0


if __name__ == "__main__":
    sys.exit(main())
