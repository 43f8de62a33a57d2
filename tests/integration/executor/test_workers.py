"""Workers that are there are seen, with what they do; those that are gone are not."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from tocsin_executor.adapters.workers import SeenWorkers
from tocsin_executor.worker.measures import WorkerMeasures
from tocsin_executor.worker.presence import Presence
from tocsin_kit.bus import Bus
from tocsin_kit.telemetry import Metrics
from tocsin_kit.testing import ManualClock, eventually

pytestmark = pytest.mark.server


async def test_a_worker_is_seen_until_it_goes_or_falls_silent(rig: Any, nats_url: str) -> None:
    """Name, labels, queues with what is busy; what nobody could have said is not believed."""
    clock = ManualClock()
    bus = Bus(nats_url, name="executor")
    await bus.start()
    seen = SeenWorkers(bus, clock)
    await seen.start()
    async with rig.worker("default", "gpu", name="w 1") as worker:
        presence = Presence(bus, worker, {"zone": "eu"}, clock)
        await bus.announce("workers.x", b'{"name": 7}')
        await presence.say()

        async def heard() -> bool:
            return bool(seen.now())

        await eventually(heard, within=5)
        [view] = seen.now()
        assert (view.name, view.state, view.labels) == ("w 1", "working", {"zone": "eu"})
        assert {queue.name: (queue.busy, queue.slots) for queue in view.queues}["gpu"] == (0, 50)
        clock.jump(timedelta(seconds=9))
        assert seen.now() == []
        async with asyncio.TaskGroup() as group:
            saying = group.create_task(presence.serve())
            await eventually(heard, within=5)
            saying.cancel()
        await presence.say("gone")

        async def forgotten() -> bool:
            return not seen.now()

        await eventually(forgotten, within=5)
    await bus.stop()


async def test_a_worker_counts_what_its_tasks_waited_took_and_came_to(rig: Any) -> None:
    """By kind and outcome, with its slots; no-op tasks are counted without being timed."""
    registry = CollectorRegistry()
    seen = registry.get_sample_value
    measures = WorkerMeasures(Metrics("worker", registry))
    async with rig.replica(), rig.worker(measures=measures):
        steps = [
            {"nothing": {"call": "noop", "with": {}}},
            {"good": {"run": {"shell": {"command": "true"}}}},
            {"bad": {"run": {"shell": {"command": "false"}}}},
        ]
        assert (await rig.run(steps)).status == "faulted"
        shell = {"service": "worker", "runner": "shell"}
        await eventually(
            lambda: seen("tocsin_worker_tasks_total", {"service": "worker", "runner": "noop", "outcome": "completed"}),
            within=60,
        )
        assert seen("tocsin_worker_tasks_total", {**shell, "outcome": "completed"}) == 1
        assert seen("tocsin_worker_tasks_total", {**shell, "outcome": "faulted"}) == 1
        assert seen("tocsin_worker_task_seconds_count", shell) == 2
        assert (seen("tocsin_worker_task_seconds_sum", shell) or 0) > 0
        queue = {"service": "worker", "queue": "default"}
        assert seen("tocsin_worker_wait_seconds_count", queue) == 2
        assert 0 <= (seen("tocsin_worker_wait_seconds_sum", queue) or -1) < 600
        assert seen("tocsin_worker_slots", queue) == 50
        await eventually(lambda: seen("tocsin_worker_slots_busy", queue) == 0, within=60)
