"""What was accepted, kept outside of the platform, and what became of it."""

# ruff: noqa: TID251  # chaos is outside of the platform: it has no clock to be given

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
from bench.cluster import Cluster
from tests.faults.chaos.loads import EVENT, PAID, kind_of

AT_ONCE = 32  # requests
TERMINAL = frozenset({"completed", "faulted", "cancelled"})
_TRANSIENT = (aiohttp.ClientError, OSError, TimeoutError, ValueError)


@dataclass
class Ledger:
    """What was accepted, and how it ended.

    Attributes:
        accepted: Number of each run that the API has answered for, by id.
        ended: What the API says about runs that have ended.
        again: Starts that were not answered with success the first time.
    """

    accepted: dict[str, int] = field(default_factory=dict)
    ended: dict[str, dict[str, Any]] = field(default_factory=dict)
    again: int = 0

    @property
    def open(self) -> list[str]:
        """Runs that are not known to have ended."""
        return [run for run in self.accepted if run not in self.ended]

    @property
    def wrong(self) -> list[str]:
        """Runs that have ended, but not as they must."""
        return [run for run, view in self.ended.items() if not kind_of(self.accepted[run]).right(self.accepted[run])(view)]


async def start_runs(system: Cluster, ledger: Ledger, runs: int, seconds: float) -> None:
    """Start runs evenly over the time; what is not answered with success is tried again under the same key."""
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in range(runs):
            group.create_task(_start(system, ledger, number))
            await asyncio.sleep(max(0.0, began + seconds * number / runs - time.monotonic()))


async def _start(system: Cluster, ledger: Ledger, number: int) -> None:
    kind, replica = kind_of(number), number
    body = {"namespace": "bench", "workflow": kind.name, "input": {"sum": number}, "idempotency_key": f"chaos-{number}"}
    while True:
        with suppress(*_TRANSIENT):
            async with asyncio.timeout(10):
                status, answer = await system.call("POST", "/api/v1/runs", replica=replica, json=body)
            if status in {200, 202}:
                ledger.accepted[answer["id"]] = number
                return
            if status not in {409, 429, 500, 503}:
                raise RuntimeError(f"{status} {answer}")
        ledger.again += 1
        replica += 1
        await asyncio.sleep(0.2)


async def pay(system: Cluster, ledger: Ledger, done: asyncio.Event) -> None:
    """Publish the events that runs wait for, again and again until each has ended: only what it hears while it waits counts.

    More than one may reach a run; it takes one.
    """
    turn = 0
    while not done.is_set():
        turn += 1
        for run in [run for run in ledger.open if kind_of(ledger.accepted[run]).listens]:
            number = ledger.accepted[run]
            data = {"number": number, "paid": PAID}
            event = {"specversion": "1.0", "id": f"{number}-{turn}", "source": "/chaos", "type": EVENT, "data": data}
            with suppress(Exception):  # the broker may be away; the next turn says it again
                async with asyncio.timeout(2):
                    await system.bus.publish(f"events.bench.{EVENT}", orjson.dumps(event))
        with suppress(TimeoutError):
            await asyncio.wait_for(done.wait(), 3)


async def settle(system: Cluster, ledger: Ledger, seconds: float) -> None:
    """Wait until every accepted run has ended, or the time is over."""
    until = time.monotonic() + seconds
    while ledger.open and time.monotonic() < until:
        system.headers["Authorization"] = f"Bearer {system.issuer.token()}"
        await look(system, ledger)
        await asyncio.sleep(0.5)


async def look(system: Cluster, ledger: Ledger) -> None:
    """Ask about every run that is not known to have ended."""
    waiting = ledger.open

    async def ask() -> None:
        while waiting:
            run = waiting.pop()
            with suppress(*_TRANSIENT):
                async with asyncio.timeout(5):
                    status, view = await system.call("GET", f"/api/v1/runs/{run}", replica=len(waiting))
                if status == 200 and view["status"] in TERMINAL:
                    ledger.ended[run] = view

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(ask())


async def doubled(system: Cluster, ledger: Ledger) -> int:
    """Results that were applied twice: activations with two records, or a task that must run once with two activations."""
    runs, found = list(ledger.ended), 0

    async def ask() -> None:
        nonlocal found
        while runs:
            run = runs.pop()
            status, page = await system.call("GET", f"/api/v1/runs/{run}/tasks", replica=len(runs), params={"limit": "200"})
            if status != 200:
                raise RuntimeError(f"{status} {page}")
            records = [(task["activation"], task["name"]) for task in page["items"]]
            found += len(records) - len(set(records))
            if not kind_of(ledger.accepted[run]).repeats:
                names = [name for _, name in records]
                found += len(names) - len(set(names))

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(ask())
    return found
