"""Large values on the real platform: stored apart once, handed on, looked into, shown on demand, and gone with their runs."""

from datetime import timedelta
from typing import Any

import orjson
import pytest

from integration.executor.conftest import Rig
from integration.executor.test_children import commands_of
from integration.executor.test_listen import waits
from tocsin.errors import NotFound, TooLarge
from tocsin_executor.adapters.retention import Retention
from tocsin_executor.domain.large import Large
from tocsin_executor.worker.tasks import VALUE_LIMIT
from tocsin_kit.bus.api import call
from tocsin_kit.bus.values import ValueStore
from tocsin_kit.clock import SystemClock

NOW = timedelta(0)


def rows(count: int, size: int = 1_000) -> dict[str, Any]:
    """A table."""
    return {"rows": [{"n": n, "text": "x" * size} for n in range(count)]}


async def test_large_values_come_in_go_through_and_can_be_fetched(rig: Rig) -> None:
    """Input, `set`, a task's output, a map over it; equal values are stored once; the run's page has references."""
    tasks: list[dict[str, Any]] = [
        {"same": {"call": "noop", "with": "${ . }"}},
        {
            "each": {
                "for": {"each": "row", "in": "${ .rows }"},
                "metadata": {"concurrency": 8},
                "do": [{"one": {"call": "noop", "with": {"n": "${ $row.n }"}}}],
            }
        },
        {"more": {"set": {"sum": "${ map(.n) | add }", "input": "${ $workflow.input }"}}},
    ]
    data = rows(300)
    async with rig.replica() as replica, rig.worker():
        await rig.publish(tasks)
        run = await rig.start(data)
        view = await rig.ended(run, 60)
        assert view.status == "completed"
        assert view.large == ["input", "output"]
        assert isinstance(view.output, Large)
        assert orjson.loads(await replica.runs.value(run, view.output.digest)) == {"sum": sum(range(300)), "input": data}
        with pytest.raises(NotFound):
            await replica.runs.value(run, "0" * 64)
        before = (await call(replica.bus, "STREAM.INFO.VALUES"))["state"]["last_seq"]
        again = await rig.ended(await rig.start(data), 60)
        assert again.output == view.output
        assert (await call(replica.bus, "STREAM.INFO.VALUES"))["state"]["last_seq"] == before
        with pytest.raises(TooLarge) as caught:
            await rig.start("x" * (VALUE_LIMIT + 1))
        assert str(VALUE_LIMIT) in caught.value.detail


async def test_what_a_webhook_received_is_heard_however_long_it_takes_to_say(rig: Rig) -> None:
    """Above 128 KiB an event's data is a large value of the run that waited for it."""
    async with rig.replica() as replica, rig.worker():
        await rig.publish([{"l": {"listen": {"to": {"one": {"with": {"type": "a.b"}}}}}}])
        run = await rig.start()
        await waits(rig, run)
        event = {"specversion": "1.0", "source": "/test", "id": "1", "type": "a.b", "data": "x" * 250_000}
        await replica.bus.publish("events.default.a.b", orjson.dumps(event))
        view = await rig.ended(run, 60)
        assert isinstance(view.output, Large)
        assert orjson.loads(await replica.runs.value(run, view.output.digest)) == ["x" * 250_000]


async def test_values_go_with_the_last_run_that_has_them(rig: Rig) -> None:
    """Orphans go too, and what was stored again lately stays."""
    clock = SystemClock()
    async with rig.replica() as replica, rig.worker():
        values = ValueStore(replica.bus, clock)
        kept = Retention(replica.database, clock, runs=timedelta(days=8), logs=timedelta(days=8), values=values)
        await rig.publish([{"a": {"call": "noop", "with": "${ . }"}}])
        first, second = [await rig.ended(await rig.start(rows(200))) for _ in range(2)]
        assert isinstance(first.input, Large)
        orphan = await values.keep(b'"' + b"o" * 700_000 + b'"')
        await replica.engine.host.drain()
        assert await kept.remove_orphans(timedelta(hours=1)) == 0
        assert await kept.remove_orphans(NOW) == 1
        with pytest.raises(NotFound):
            await ValueStore(replica.bus, clock).read(orphan)
        await replica.database.collection("runs").delete_one({"_id": first.id})
        assert await kept.remove_orphans(NOW) == 0
        await replica.database.collection("runs").delete_one({"_id": second.id})
        assert await kept.remove_orphans(NOW) == 1
        assert (await call(replica.bus, "STREAM.INFO.VALUES"))["state"]["messages"] == 0


async def test_children_and_reruns_share_what_their_parents_have(rig: Rig) -> None:
    """By reference, both ways."""
    child = {"run": {"workflow": {"namespace": "default", "name": "child", "version": "1.0.0", "input": "${ . }"}}}
    async with rig.replica() as replica, rig.worker(), commands_of(replica):
        await rig.publish([{"a": {"call": "noop", "with": "${ . }"}}], name="child")
        await rig.publish([{"c": child}])
        run = await rig.start(rows(200))
        view = await rig.ended(run, 60)
        assert view.output == view.input
        digests, _ = await ValueStore(replica.bus, SystemClock()).digests()
        assert len(digests) == 1


async def test_a_value_being_deleted_is_written_anew(rig: Rig) -> None:
    """Whoever comes while a value is marked for deletion stores it again, and the deletion spares what is new."""
    async with rig.replica() as replica:
        values = ValueStore(replica.bus, SystemClock())
        body = orjson.dumps("v" * 1_300_000)
        digest = await values.keep(body)
        mark = await values._mark(digest)
        assert mark is not None
        assert await values._put_mark(digest, None, mark[0])
        assert await values.keep(body) == digest
        assert await ValueStore(replica.bus, SystemClock()).read(digest) == body
        assert not await values.remove(digest, unused_for=timedelta(hours=1))
        assert await values.remove(digest, unused_for=NOW)
        assert await values.keep(body) == digest
        assert await ValueStore(replica.bus, SystemClock()).read(digest) == body
