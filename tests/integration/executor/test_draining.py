"""A worker is taken out of service: by an order or because its process stops. What it had goes on, here or elsewhere."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tocsin.errors import NotFound
from tocsin_executor.adapters.workers import SeenWorkers
from tocsin_executor.http.explanations import TurnOut
from tocsin_executor.worker.presence import Presence
from tocsin_kit.bus import Bus
from tocsin_kit.clock import SystemClock
from tocsin_kit.testing import eventually

pytestmark = pytest.mark.server


def _until(flag: Path) -> dict[str, Any]:
    """A task that says that it began, and ends when a file is there."""
    return {"run": {"shell": {"command": f"echo $$ >> {flag}.begun; until test -e {flag}; do sleep 0.05; done"}}}


def _begun(flag: Path) -> list[str]:
    file = flag.with_name(f"{flag.name}.begun")
    return file.read_text().split() if file.exists() else []


def _runs(process: str) -> bool:
    return Path(f"/proc/{process}").exists()


async def _workers(replica: Any, run: str) -> list[tuple[str, int, str | None]]:
    return [(task.status, task.attempt, task.worker) for task in await replica.runs.live_tasks(run)]


async def test_a_drained_worker_finishes_what_it_has_and_others_take_what_comes(
    rig: Any, nats_url: str, tmp_path: Path
) -> None:
    """At once: what was on its way is not held back until it counts as lost. Told to go on, it takes tasks again."""
    bus, flag = Bus(nats_url, name="executor"), tmp_path / "go"
    await bus.start()
    seen = SeenWorkers(bus, SystemClock())
    await seen.start()
    async with rig.replica(), rig.worker(name="w 1") as first:
        presence = Presence(bus, first, {}, SystemClock())
        await presence.start()
        await presence.say()
        await eventually(lambda: bool(seen.now()), within=60)
        await rig.publish([{"held": _until(flag)}], name="held")
        await rig.publish([{"x": {"run": {"shell": {"command": "echo done"}}}}], name="quick")
        held = await rig.start(name="held")
        await eventually(lambda: bool(_begun(flag)), within=60)
        told = await seen.tell("w 1", {"order": "drain", "by": "user:ada", "reason": "a new disk"})
        assert (told.state, first.health().ready) == ("draining", True)
        waiting = [await rig.start(name="quick") for _ in range(5)]
        async with rig.worker(name="w 2") as second:
            ended = [await rig.ended(run, within=60) for run in waiting]
            assert [view.status for view in ended] == ["completed"] * 5
            await eventually(lambda: second.completed == 5, within=60)  # it counts when the engine has what it did
            assert first.completed == 0
            flag.touch()
            assert (await rig.ended(held, within=60)).status == "completed"
            await eventually(lambda: (first.state, first.completed) == ("drained", 1), within=60)
        assert (await seen.tell("w 1", {"order": "resume"})).state == "working"
        assert (await rig.ended(await rig.start(name="quick"), within=60)).status == "completed"
        with pytest.raises(NotFound):
            await seen.tell("w 3", {"order": "drain"})
        assert len(_begun(flag)) == 1, "it was not run twice"
    await bus.stop()


async def test_what_is_not_finished_in_time_ends_here_and_runs_elsewhere(rig: Any, tmp_path: Path) -> None:
    """As another attempt, which says why; the first one is over before the second begins."""
    flag = tmp_path / "go"
    async with rig.replica() as replica:
        await rig.publish([{"held": _until(flag)}])
        async with rig.worker(name="w1") as first:
            run = await rig.start()
            await eventually(lambda: bool(_begun(flag)), within=60)
            await first.drain(within=timedelta(0), why="drained by user:ada")
            await eventually(lambda: first.state == "drained", within=60)
            assert not _runs(_begun(flag)[0])
            async with rig.worker(name="w2"):
                await eventually(lambda: len(_begun(flag)) == 2, within=60)

                async def told() -> bool:
                    return await _workers(replica, run) == [("running", 2, "w2")]

                await eventually(told, within=60)
                flag.touch()
                assert (await rig.ended(run, within=60)).status == "completed"

        async def told_why() -> bool:
            turns = [TurnOut.of(event) for event in await replica.reading.turns("default", run)]
            [(what, attempt, reason)] = [(turn.what, turn.attempt, turn.reason) for turn in turns]
            return (what, attempt, reason) == ("retried", 2, "worker w1 handed it back: drained by user:ada")

        await eventually(told_why, within=60)


async def test_a_worker_that_stops_hands_back_what_its_grace_is_too_short_for(rig: Any, tmp_path: Path) -> None:
    """Also what it never began; its run waits for a worker again, and says so."""
    flag = tmp_path / "go"
    async with rig.replica() as replica:
        await rig.publish([{"held": _until(flag)}])
        async with rig.worker(name="w1", drain=0.1):
            run = await rig.start()
            await eventually(lambda: bool(_begun(flag)), within=60)
        assert not _runs(_begun(flag)[0])

        async def handed_back() -> bool:
            assert await _workers(replica, run) == [("running", 2, None)]
            return True

        await eventually(handed_back, within=60)
        flag.touch()
        async with rig.worker(name="w2"):
            assert (await rig.ended(run, within=60)).status == "completed"
