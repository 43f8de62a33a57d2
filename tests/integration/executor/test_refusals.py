"""A start that comes to nothing is said, so that whoever asked for it need not wait for a run that never will be."""

import asyncio
from typing import Any

import pytest

from tocsin.signals import CloudEvent, derive, subjects
from tocsin_kit.bus.consumer import Consumer
from tocsin_kit.bus.topology import consumer
from tocsin_kit.clock import SystemClock
from tocsin_kit.testing.waiting import eventually

pytestmark = pytest.mark.server


async def test_a_start_command_of_an_unknown_workflow_is_answered_by_a_signal(rig: Any) -> None:
    """``run.refused`` names the run, the reason's code and who asked; the command becomes a dead letter."""
    async with rig.replica() as replica:
        commands = Consumer(replica.bus, consumer("executor-commands"), replica.commands.handle)
        await commands.start()
        serving = asyncio.create_task(commands.serve())  # noqa: TID251  # ended below
        run = derive("run", "test")
        trigger = {"kind": "schedule", "name": "nightly", "event": "e1"}
        data = {"run": run, "namespace": "default", "workflow": "nowhere", "version": None, "trigger": trigger}
        command = CloudEvent(
            id="cause-1", source="/test", type="io.tocsin.command.run.start.v1", time=SystemClock().now(), data=data
        )
        try:
            await replica.bus.publish_event(subjects.command("executor", "start", run), command)

            async def said() -> list[dict[str, Any]]:
                return (await replica.reading.signals("default", run, 0, 10))[0]

            (event,) = await eventually(said, within=5)
            assert event["type"] == "io.tocsin.run.refused.v1"
            assert event["causationid"] == "cause-1"
            assert event["data"]["code"] == "not_found"
            assert event["data"]["trigger"] == trigger
        finally:
            await commands.stop()
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
