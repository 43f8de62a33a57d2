"""Runs that listen, on real servers: strategies, correlation, kills, several replicas, and what costs nothing."""

import asyncio
from typing import Any

import orjson

from tocsin_executor.domain.inputs import Verb
from tocsin_kit.testing.waiting import eventually

HEAD = {"specversion": "1.0", "source": "/test"}


async def publish(rig, kind: str, event_id: str, data: Any = None, *, namespace: str = "default", **more: Any) -> None:
    """A custom event, as any client would."""
    event = {**HEAD, "id": event_id, "type": kind, "data": data, **more}
    await rig.main.bus.publish(f"events.{namespace}.{kind}", orjson.dumps(event))


async def waits(rig, run: str) -> None:
    """Until the run listens."""

    async def listening() -> bool:
        return rig.main.engine.host.correlator is not None and any(
            found.run == run for found in rig.main.engine.host.correlator.subscriptions()
        )

    await eventually(listening)


def one(kind: str, **more: Any) -> list[dict[str, Any]]:
    """A task that waits for one event."""
    return [{"l": {"listen": {"to": {"one": {"with": {"type": kind}, **more}}}}}]


async def test_a_run_goes_on_with_the_event_it_waits_for(rig) -> None:
    """Custom events by type and data; those of another namespace, of another type and from before are not meant."""
    async with rig.replica():
        await rig.publish([{"l": {"listen": {"to": {"one": {"with": {"type": "a.b", "data": "${ .n > 1 }"}}}}}}])
        await publish(rig, "a.b", "early", {"n": 5})
        run = await rig.start()
        await waits(rig, run)
        await publish(rig, "a.b", "1", {"n": 1})
        await publish(rig, "a.c", "2", {"n": 2})
        await publish(rig, "a.b", "3", {"n": 3}, namespace="other")
        await publish(rig, "a.b", "4", {"n": 4})
        view = await rig.ended(run)
        assert (view.status, view.output) == ("completed", [{"n": 4}])


async def test_events_find_the_run_that_expects_their_value(rig) -> None:
    """A hundred runs, an event each, in reverse order; nobody is given another's."""
    async with rig.replica() as replica:
        correlate = {"order": {"from": ".data.order", "expect": "${ .order }"}}
        await rig.publish(one("paid", correlate=correlate))
        runs = [await rig.start({"order": n}) for n in range(100)]

        async def all_listen() -> bool:
            return len(replica.engine.host.correlator) == len(runs)

        await eventually(all_listen)
        for n in reversed(range(100)):
            await publish(rig, "paid", str(n), {"order": n})
        views = await asyncio.gather(*(rig.ended(run) for run in runs))
        assert [view.output for view in views] == [[{"order": n}] for n in range(100)]
        assert replica.engine.host.correlator.matched == 100


async def test_a_run_hears_what_happens_to_another(rig) -> None:
    """A filter that names a signal's type reads the platform's own signals."""
    async with rig.replica(), rig.worker():
        await rig.publish([{"s": {"set": {"done": True}}}], name="watched")
        await rig.publish(one("io.serverlessworkflow.workflow.completed.v1"), name="watcher")
        watcher = await rig.start(name="watcher")
        await waits(rig, watcher)
        await rig.ended(await rig.start(name="watched"))
        view = await rig.ended(watcher)
        assert view.output[0]["name"].startswith("watched")


async def test_each_event_is_consumed_once_through_a_kill(rig) -> None:
    """A replica dies without a word between events; the next owner counts on where the saved state says."""
    tasks = [{"l": {"listen": {"to": {"any": [{"with": {"type": "tick"}}], "until": "length == 6"}}}}]
    async with rig.replica("one", orderly=False, lease=1.0):
        await rig.publish(tasks)
        run = await rig.start()
        await waits(rig, run)
        for n in range(3):
            await publish(rig, "tick", str(n), n)
    async with rig.replica("two", lease=1.0):
        for n in range(3, 6):
            await publish(rig, "tick", str(n), n)
        await publish(rig, "tick", "2", 2)
        view = await rig.ended(run, 60.0)
        assert view.output == [0, 1, 2, 3, 4, 5]


async def test_a_cancelled_run_listens_no_more_and_binary_events_count(rig) -> None:
    """Cancelling takes the subscription away; an event in binary mode is read like any other."""
    async with rig.replica() as replica:
        await rig.publish(one("x"))
        first, second = await rig.start(), await rig.start()
        await waits(rig, first)
        await waits(rig, second)
        (reason,) = [found for found in await replica.runs.explain(first) if found["for"] == "event"]
        assert "x" in str(reason["detail"])
        await replica.runs.control(first, Verb.CANCEL, actor="user:ada", reason=None)
        assert (await rig.ended(first)).status == "cancelled"
        headers = {"ce-specversion": "1.0", "ce-id": "b", "ce-source": "/b", "ce-type": "x", "content-type": "application/json"}
        await replica.bus.publish("events.default.x", b'{"binary": true}', headers=headers)
        assert (await rig.ended(second)).output == [{"binary": True}]
        assert len(replica.engine.host.correlator) == 0


async def test_events_are_consumed_once_while_partitions_move_between_replicas(rig) -> None:
    """A second replica joins and dies without a word while events come for forty runs; each sees each of its own, once."""
    correlate = {"order": {"from": ".data.order", "expect": "${ .order }"}}
    to = {"any": [{"with": {"type": "step"}, "correlate": correlate}], "until": "length == 6"}
    async with rig.replica("one", lease=1.0) as first:
        await rig.publish([{"l": {"listen": {"to": to}}}])
        runs = [await rig.start({"order": n}) for n in range(40)]

        async def all_listen() -> bool:
            return len(first.engine.host.correlator) == len(runs)

        async def tell(step: int) -> None:
            for n in range(40):
                await publish(rig, "step", f"{n}/{step}", {"order": n, "step": step})

        await eventually(all_listen)
        await tell(0)
        async with rig.replica("two", orderly=False, lease=1.0) as second:
            await tell(1)

            async def shared() -> bool:
                return len(second.engine.host.owned) == 2 and len(first.engine.host.owned) == 2

            await eventually(shared, within=60)
            await tell(2)
            await tell(3)
        await tell(4)
        await tell(5)
        views = await asyncio.gather(*(rig.ended(run, 60.0) for run in runs))
        assert [view.output for view in views] == [[{"order": n, "step": step} for step in range(6)] for n in range(40)]
