"""Two replicas: whichever is asked, the answer is that of the one that folds the run."""

import asyncio
from typing import Any

import pytest

from tocsin_executor.application import wire
from tocsin_executor.application.runs import RunAlreadyDone
from tocsin_executor.domain.inputs import Verb
from tocsin_kit.testing.waiting import eventually

pytestmark = pytest.mark.server

PARTITIONS = 4


def one_of_each_partition() -> list[str]:
    """Ids of runs, one for each partition."""
    ids: dict[int, str] = {}
    for number in range(1000):
        run = f"{number:026d}"
        ids.setdefault(wire.partition_of(run, PARTITIONS), run)
    return list(ids.values())


async def test_a_replica_says_what_another_one_decides_and_when_a_run_ends_there(rig: Any) -> None:
    """A refusal is a refusal through either; a wait that began before its partition moved ends with the run."""
    async with rig.replica("one") as one:
        await rig.publish([{"w": {"wait": {"hours": 1}}}, {"s": {"set": {"done": True}}}])
        runs = [await rig.start(run=run) for run in one_of_each_partition()]
        waits = [asyncio.ensure_future(one.runs.wait(await one.runs.get(run), 600)) for run in runs]  # noqa: TID251  # gathered
        async with rig.replica("two") as two:

            async def shared() -> bool:
                return len(one.engine.host.owned) == len(two.engine.host.owned) == PARTITIONS // 2

            await eventually(shared, within=60)
            for run in runs:
                for replica in (one, two):
                    with pytest.raises(RunAlreadyDone, match="not suspended"):
                        await replica.runs.control(run, Verb.RESUME, actor="user:ada", reason=None)
            for run in runs:
                view = await two.runs.control(run, Verb.SKIP, actor="user:ada", reason=None, task="w")
                assert view.status == "completed"
            async with asyncio.timeout(60):  # far less than they were ready to wait
                views = await asyncio.gather(*waits)
            assert [(view.status, view.output) for view in views] == [("completed", {"done": True})] * PARTITIONS


async def test_whoever_waits_when_the_process_stops_gets_the_run_as_it_is(rig: Any) -> None:
    """At once, and also whoever comes then."""
    async with rig.replica() as replica:
        await rig.publish([{"w": {"wait": {"hours": 1}}}])
        view = await replica.runs.get(await rig.start())
        waiting = asyncio.ensure_future(replica.runs.wait(view, 600))  # noqa: TID251  # awaited below
        await asyncio.sleep(0)  # noqa: TID251  # a turn of the loop, no time
        replica.engine.host.waiters.close()
        async with asyncio.timeout(60):
            assert (await waiting).status in {"pending", "running", "waiting"}
            assert (await replica.runs.wait(view, 600)).id == view.id
