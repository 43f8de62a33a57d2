"""Following what tasks print, on real servers."""

import asyncio
from typing import Any

import pytest

from tocsin_executor.application.following import Ended, follow
from tocsin_kit.bus.consumer import Consumer
from tocsin_kit.bus.topology import consumer
from tocsin_kit.clock import SystemClock

pytestmark = pytest.mark.server


async def test_lines_come_while_the_task_runs_and_the_end_is_said(rig: Any) -> None:
    """The first line is there before the second is printed; each comes once; then that the run has completed."""
    async with rig.replica() as replica, rig.worker():
        keeper = Consumer(replica.bus, consumer("executor-logs"), handle_many=replica.reading.keep_logs)
        await keeper.start()
        serving = asyncio.create_task(keeper.serve())  # noqa: TID251  # ended below
        try:
            await rig.publish([{"sh": {"run": {"shell": {"command": "echo one; sleep 1.5; echo two"}}}}])
            run = await rig.start()
            lines: list[str] = []
            async for piece in follow(replica.runs, replica.reading, run, SystemClock()):
                if isinstance(piece, Ended):
                    lines.append(piece.status)
                    break
                status = (await replica.runs.get(run)).status
                lines += [f"{line.line.strip()} while {status}" for line in piece.lines]
            assert lines[0] == "one while running"
            assert lines[1].startswith("two")
            assert lines[2:] == ["completed"]
        finally:
            await keeper.stop()
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
