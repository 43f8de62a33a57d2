"""What is old goes, and nothing else."""

from datetime import timedelta
from typing import Any

import pytest

from tocsin_executor.adapters.retention import Retention
from tocsin_kit.clock import SystemClock
from tocsin_kit.testing.clocks import ManualClock
from tocsin_kit.testing.waiting import eventually

pytestmark = pytest.mark.server


async def test_ended_runs_go_with_all_that_is_theirs_and_live_ones_stay(rig: Any) -> None:
    """Records, output and values; a value that a live run refers to as well stays."""
    async with rig.replica() as replica:
        big = "x" * 10_000
        limits = {"concurrency": {"limit": 9, "key": ".own | length"}}
        await rig.publish([{"s": {"set": {"own": "${ .own }"}}}], name="short", limits=limits)
        await rig.publish([{"w": {"wait": {"hours": 9}}}], name="long")
        shared, own = {"shared": [big]}, {"own": [big + "y"]}
        ended = [await rig.start(data, name="short") for data in (shared, own)]
        live = await rig.start(shared, name="long")
        for run in ended:
            await rig.ended(run)

        async def settled() -> bool:
            return replica.engine.host.settled

        await eventually(settled, within=5)
        await replica.database.collection("task_logs").insert_one({"_id": f"{ended[0]}/1", "run": ended[0], "lines": b"[]"})
        clock = ManualClock(SystemClock().now())
        retention = Retention(replica.database, clock, runs=timedelta(days=30), logs=timedelta(days=14))
        await retention.sweep()
        before = {name: await replica.database.collection(name).count_documents({}) for name in ("runs", "records", "values")}
        assert before["runs"] == 3
        clock.jump(timedelta(days=31))
        await retention.sweep()
        assert [document["_id"] async for document in replica.database.collection("runs").find({}, {"_id": 1})] == [live]
        for name in ("records", "task_logs"):
            assert await replica.database.collection(name).count_documents({"run": {"$in": ended}}) == 0
        assert await replica.database.collection("limits").count_documents({}) == 0
        left = [bytes(value["body"]) async for value in replica.database.collection("values").find({})]
        assert left
        assert not any(b"y" in body for body in left)
        assert (await replica.runs.get(live)).status == "waiting"
