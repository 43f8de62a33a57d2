"""The loads: workflows of no-op tasks, started and watched from outside."""

import asyncio
import time
from collections import defaultdict
from typing import Any

from bench.cluster import Cluster
from tocsin.expressions import Json
from tocsin_executor.application import wire
from tocsin_kit.bus.direct import Direct
from tocsin_kit.chance import SystemChance, new_id
from tocsin_kit.clock import SystemClock

PARTITIONS = wire.PARTITIONS


def workflow(name: str, tasks: list[dict[str, Any]]) -> dict[str, Any]:
    """A definition."""
    return {"document": {"dsl": "1.0.3", "namespace": "bench", "name": name, "version": "1.0.0"}, "do": tasks}


def sequence(tasks: int) -> dict[str, Any]:
    """So many no-op tasks, one after the other."""
    return workflow(f"sequence-{tasks}", [{f"task{n}": {"call": "noop", "with": {"n": n}}} for n in range(tasks)])


def fan(tasks: int) -> dict[str, Any]:
    """So many no-op tasks at once, and a join."""
    branches = [{f"branch{n}": {"call": "noop", "with": {"n": n}}} for n in range(tasks)]
    return workflow(f"fan-{tasks}", [{"all": {"fork": {"branches": branches}}}])


class Watch:
    """Hears the signals of runs as they are published."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._direct = Direct(cluster.bus)
        self._ended: dict[str, asyncio.Future[float]] = {}
        self.tasks: dict[str, list[float]] = defaultdict(list)

    async def start(self, *, tasks: bool = False) -> None:
        """Listen."""
        await self._direct.start()
        for transition in ("completed", "faulted", "cancelled"):
            await self._direct.subscribe(f"signals.*.run.{transition}.*", self._on_end)
        if tasks:
            await self._direct.subscribe("executor.in.*.*", self._on_input)

    def expect(self, run: str) -> "asyncio.Future[float]":
        """When the run ends (``perf_counter``)."""
        future: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._ended[run] = future
        return future

    def _on_end(self, subject: bytes, _reply: bytes, _headers: bytes, _payload: bytes) -> None:
        run = subject.rsplit(b".", 1)[1].decode()
        future = self._ended.pop(run, None)
        if future is not None and not future.done():
            if b".completed." not in subject:
                future.set_exception(RuntimeError(subject.decode()))
            else:
                future.set_result(time.perf_counter())

    def _on_input(self, subject: bytes, _reply: bytes, _headers: bytes, payload: bytes) -> None:
        """Results of workers: one a step, at the same place of each; those of one run may come together."""
        ended = payload.count(b'{"kind":"result"')
        if ended:
            self.tasks[subject.rsplit(b".", 1)[1].decode()] += [time.perf_counter()] * ended


class Starter:
    """Puts starts into the engine's log, as the API does after its checks."""

    def __init__(self, cluster: Cluster) -> None:
        self._bus = cluster.bus
        self._clock, self._chance = SystemClock(), SystemChance()

    def new_run(self) -> str:
        """A fresh id."""
        return new_id(self._clock.now(), self._chance)

    async def start(self, digest: str, runs: list[str], given: Json = None) -> None:
        """Start these runs at once."""
        futures = []
        for run in runs:
            value = {} if given is None else given
            payload = wire.start(id=run, digest=digest, input=value, seed=1, fresh=True, correlation=run)
            futures.append(self._bus.publish(wire.input_subject(run, PARTITIONS), payload))
        await asyncio.gather(*futures)
