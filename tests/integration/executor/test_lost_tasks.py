"""A broker that dies may lose the tasks that it acknowledged last: every one of them is done all the same.

What the disk would have kept is up to chance, so the end of the broker's file of tasks is cut off while it is down.
"""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from integration.executor.conftest import Rig
from tocsin.errors import Unavailable
from tocsin_kit.embedded import NatsOptions, NatsServer, free_ports
from tocsin_kit.testing import eventually

pytestmark = pytest.mark.server


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[NatsServer]:
    """A server of its own, to be killed."""
    (port,) = free_ports(1)
    (tmp_path / "nats").mkdir()
    server = NatsServer(tmp_path / "nats", NatsOptions(port=port, sync="always"))
    await server.start()
    yield server
    await server.stop()


def kept(folder: Path) -> tuple[Path, int]:
    """Where the broker keeps tasks, and how much of them has reached the disk."""
    [block] = folder.rglob("streams/TASKS/msgs/*.blk")
    return block, block.stat().st_size


def cut(block: Path, size: int) -> None:
    """Take away what came behind ``size``."""
    assert block.stat().st_size > size, "there is nothing to lose"
    os.truncate(block, size)
    block.with_name("index.db").unlink(missing_ok=True)


def shell(command: str, **more: Any) -> dict[str, Any]:
    """A task that runs a command."""
    return {"run": {"shell": {"command": command}, **more}}


async def test_what_a_broker_lost_is_dispatched_anew(
    broker: NatsServer, tmp_path: Path, mongo_url: str, mongo_prefix: str
) -> None:
    """In a worker's hand or waiting in a queue, awaited or not: each is done, and its run says why it was tried again."""
    rig = Rig(broker.url, mongo_url, mongo_prefix)
    began, done, away = tmp_path / "began", tmp_path / "done", tmp_path / "away"
    later = {"metadata": {"queue": "later"}}
    async with rig.replica() as replica, rig.worker():
        assert (await rig.run([{"kept": shell("true")}], name="flow")).status == "completed"

        async def written() -> bool:
            return kept(tmp_path)[1] > 0

        await eventually(written)
        block, size = kept(tmp_path)
        await rig.publish([{"held": shell(f"echo x >> {began}; test $(wc -l < {began}) = 2 || sleep 60")}], name="held")
        await rig.publish([{"queued": {**shell("true"), **later}}], name="queued")
        await rig.publish([{"detached": {**shell(f"echo x >> {done}", **{"await": False}), **later}}], name="detached")
        twice = shell(f"echo x >> {away}; test $(wc -l < {away}) = 2 || sleep 60", **{"await": False})
        await rig.publish([{"away": twice}], name="away")
        held, queued, detached, _ = [await rig.start(name=name) for name in ("held", "queued", "detached", "away")]

        async def begun() -> bool:
            return began.exists() and away.exists()

        await eventually(begun)
        await rig.ended(detached)
        await replica.engine.host.save()
        broker.child.kill()
        cut(block, size)
        await broker.start()
        assert (await rig.ended(held, 60)).status == "completed"
        async with rig.worker("later", name="another"):
            assert (await rig.ended(queued, 60)).status == "completed"

            async def finished() -> bool:
                return done.exists()

            await eventually(finished)
        for run in (held, queued):
            reasons = [told["reason"] for told in await replica.reading.turns("default", run)]
            assert reasons == ["the broker was started anew and had lost it"]

        async def settled() -> bool:
            return await replica.database.collection("detached").count_documents({}) == 0

        await eventually(settled)
        assert (done.read_text(), away.read_text()) == ("x\n", "x\nx\n")


async def test_what_a_broker_kept_is_not_dispatched_again(
    broker: NatsServer, tmp_path: Path, mongo_url: str, mongo_prefix: str
) -> None:
    """Tasks that wait for a worker while the broker is started anew keep their attempt."""
    rig = Rig(broker.url, mongo_url, mongo_prefix)
    async with rig.replica() as replica:
        await rig.publish([{"queued": {"call": "noop", "metadata": {"queue": "later"}}}])
        runs = [await rig.start() for _ in range(120)]
        await replica.engine.host.drain()
        await broker.stop()
        await broker.start()
        looked = 0

        async def found() -> bool:
            nonlocal looked
            try:
                replica.engine.host.redispatch.took(dict.fromkeys(range(4), "another start"))
                looked = await replica.engine.host.redispatch.look()
            except Unavailable:
                return False
            return True

        for _ in range(3):
            await eventually(found)
            assert looked == 0
        async with rig.worker("later"):
            for run in runs:
                assert (await rig.ended(run, 60)).status == "completed"
        assert [await replica.reading.turns("default", run) for run in runs] == [[]] * len(runs)
