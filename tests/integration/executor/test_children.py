"""What runs say to others: children that are cancelled before they begin, events in the run's own namespace."""

import asyncio
from contextlib import asynccontextmanager

import orjson

from tocsin_executor.domain.inputs import Verb
from tocsin_kit.bus.consumer import Consumer
from tocsin_kit.bus.topology import consumer
from tocsin_kit.testing.waiting import eventually


@asynccontextmanager
async def commands_of(replica):
    """Somebody carries out commands."""
    commands = Consumer(replica.bus, consumer("executor-commands"), replica.commands.handle)
    await commands.start()
    serving = asyncio.create_task(commands.serve())  # noqa: TID251  # ended below
    try:
        yield
    finally:
        await commands.stop()
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


async def test_a_child_that_has_not_begun_is_cancelled_with_its_parent(rig) -> None:
    """The command to start it still waits when its parent is cancelled; it begins, is cancelled, and confirms."""
    async with rig.replica() as replica:
        await rig.publish([{"w": {"wait": {"hours": 1}}}], name="child")
        await rig.publish([{"c": {"run": {"workflow": {"namespace": "default", "name": "child", "version": "1.0.0"}}}}])
        run = await rig.start()

        async def waits() -> list:
            return [wait for wait in await replica.runs.explain(run) if wait["for"] == "child"]

        (wait,) = await eventually(waits)
        await replica.runs.control(run, Verb.CANCEL, actor="user:ada", reason=None)
        assert (await replica.runs.get(run)).status == "cancelling"
        async with commands_of(replica):
            assert (await rig.ended(run)).status == "cancelled"
            assert (await replica.runs.get(str(wait["run"]))).status == "cancelled"


async def test_an_event_is_in_the_namespace_of_its_run(rig) -> None:
    """Whatever its author writes: nobody speaks for another namespace."""
    async with rig.replica() as replica:
        event = {"source": "/orders", "type": "com.example.forged", "namespace": "other", "depth": 0}
        assert (await rig.run([{"e": {"emit": {"event": {"with": event}}}}])).status == "completed"

        async def there() -> tuple:
            return await replica.reading._message("EVENTS", "events.default.com.example.forged", 1)

        found = orjson.loads((await eventually(there))[2])
        assert (found["namespace"], found["depth"]) == ("default", 1)
