"""Backfills on a real database and bus: each item one run, whoever hears of the ends, and the history they look at."""

import asyncio
from datetime import timedelta

import pytest

from integration.scheduler.world import CAUSE, START, World
from tocsin.errors import Invalid
from tocsin.signals import CloudEvent, encode
from tocsin.signals.catalogue import executor as run_words
from tocsin.signals.subjects import command
from tocsin_kit.bus import Consumer
from tocsin_kit.bus.delivery import Delivery
from tocsin_kit.bus.topology import consumer
from tocsin_kit.testing.components import running
from tocsin_kit.testing.waiting import eventually
from tocsin_scheduler.application.backfilling import Asked, Window
from tocsin_scheduler.application.commands import BACKFILL_START, BackfillCommands
from tocsin_scheduler.domain.backfills import Item, Progress, Reprocess
from tocsin_scheduler.domain.schedules import Outcome, Start


def window(reprocess: Reprocess = Reprocess.NONE, hours: int = 2, **more: object) -> Asked:
    asked = Window(schedule="s", since=START - timedelta(hours=hours), until=START, reprocess=reprocess)
    return Asked(namespace="default", name="b", window=asked, **more)


async def until(world: World, status: Progress) -> None:
    async def reached() -> bool:
        return (await world.one.backfills.get("default", "b")).value.status is status

    await eventually(reached)


async def test_every_instant_of_the_window_gets_one_run_a_few_at_a_time(world: World) -> None:
    """Two hours of a schedule that fires every ten minutes, three at once; the runs know their instant and their backfill."""
    await world.put()
    await world.one.backfills.start(window(concurrency=3), actor="user:a", cause=CAUSE)
    ended: set[str] = set()
    async with running(world.listening()):
        for _ in range(20):
            going = (await world.one.backfills.get("default", "b")).value.going
            assert len(going) <= 3
            if not going:
                break
            for item in going:
                await world.end(item.run)
                ended.add(item.run)

            async def heard(runs: frozenset[str] = frozenset(item.run for item in going)) -> bool:
                now = (await world.one.backfills.get("default", "b")).value.going
                return not runs & {item.run for item in now}

            await eventually(heard)
    await until(world, Progress.COMPLETED)
    starts = await world.starts()
    assert len(starts) == len(ended) == 12
    assert [start["trigger"]["at"][11:16] for start in starts[:3]] == ["10:00", "10:10", "10:20"]
    assert starts[0]["trigger"]["previous"][11:16] == "09:50"
    assert starts[0]["labels"]["tocsin.backfill"] == "b"
    assert (starts[0]["priority"], starts[0]["input"]) == (-50, {"a.b": {"$x": 1}})
    kinds = [event.type.split(".")[2:4] for event in await world.said("SIGNALS") if ".backfill." in event.type]
    assert kinds == [["backfill", "started"], ["backfill", "completed"]]


async def test_instants_that_had_a_run_are_known_from_the_signals(world: World) -> None:
    """The second backfill over the same window repeats only what failed; the schedule's own firings count too."""
    await world.put()
    async with running(world.listening()):
        await world.clock.advance(timedelta(minutes=10))
        await world.one.turn()
        first, second = START + timedelta(minutes=10), START + timedelta(minutes=20)

        async def known() -> bool:
            return first in await world.one.history.outcomes("default/s", START, second)

        await eventually(known)
        (start,) = await world.starts()
        failed = run_words.WorkflowFaulted(
            name=f"w-{start['run']}.default",
            faulted_at=world.clock.now(),
            error=run_words.ErrorObject(type="t", status=500, title="x"),
        )
        await world.end(start["run"], run_words.WORKFLOW_FAULTED, failed)

        async def ended() -> bool:
            return (await world.one.history.outcomes("default/s", START, second)).get(first) is Outcome.FAULTED

        await eventually(ended)
    ask = Window(schedule="s", since=START + timedelta(minutes=5), until=START + timedelta(minutes=15))
    plan = await world.one.backfills.plan(Asked(namespace="default", name="b", window=ask))
    assert (plan.items, len(plan.had)) == ([], 1)
    again = Window(schedule="s", since=ask.since, until=ask.until, reprocess=Reprocess.FAILED)
    assert len((await world.one.backfills.plan(Asked(namespace="default", name="b", window=again))).items) == 1
    (past,) = (await world.one.history.page("default/s", limit=10, cursor=None)).items
    assert (past.at, past.outcome) == (first, Outcome.FAULTED)


async def test_asking_twice_at_once_starts_it_once(world: World) -> None:
    """From two replicas, at the same moment."""
    await world.put()
    replicas = [world.one, world.replica(), world.replica()]
    asked = window(concurrency=5)
    found = await asyncio.gather(*(r.backfills.start(asked, actor="user:a", cause=CAUSE) for r in replicas))
    assert sum(is_new for _, is_new in found) == 1
    starts = await world.starts()
    assert len(starts) == len({start["run"] for start in starts}) == 5


async def test_cancelling_tells_its_runs_and_is_confirmed_by_their_end(world: World) -> None:
    """Nothing more starts; it is cancelled when nothing of it goes on."""
    await world.put()
    await world.one.backfills.start(window(concurrency=2), actor="user:a", cause=CAUSE)
    entry = await world.one.backfills.cancel("default", "b", "wrong version", actor="user:b", cause=CAUSE)
    assert entry.value.status is Progress.CANCELLING
    cancels = [event for event in await world.said("COMMANDS") if event.type.endswith("cancel.v1")]
    assert [event.data["actor"] for event in cancels] == ["user:b", "user:b"]
    async with running(world.listening()):
        for going in entry.value.going:
            payload = run_words.WorkflowCancelled(name=f"w-{going.run}.default", cancelled_at=world.clock.now())
            await world.end(going.run, run_words.WORKFLOW_CANCELLED, payload)
        await until(world, Progress.CANCELLED)
    assert (await world.one.backfills.get("default", "b")).value.cancelled == 2


async def test_another_service_asks_for_partitions_by_command(world: World) -> None:
    """Items with inputs of their own; a command that makes no sense is refused with the place."""
    hears = BackfillCommands(world.one.backfills)
    data = {
        "backfill": "b",
        "namespace": "default",
        "workflow": "w",
        "items": [{"key": "2024-01-01|eu", "input": {"day": 1}}, {"key": "2024-01-02|eu"}],
        "input": {"day": 0},
        "concurrency": 2,
        "actor": "service:lineage",
    }
    event = CloudEvent(id="c1", source="lineage", type=BACKFILL_START, data=data, datacontenttype="application/json")
    async with running(Consumer(world.bus, consumer("scheduler-commands"), handle=hears.hear)):
        await world.bus.publish_event(command("scheduler", "backfill", "b"), event)

        async def begun() -> bool:
            return (await world.one.of_backfills.load("default/b")).value is not None

        await eventually(begun)
    starts = [e.data for e in await world.said("COMMANDS") if e.type.endswith("run.start.v1")]
    assert [start["input"] for start in starts] == [{"day": 1}, {"day": 0}]
    assert starts[0]["labels"]["tocsin.partition"] == "2024-01-01|eu"


async def test_more_items_than_fit_in_one_document(world: World) -> None:
    """They are kept in pieces and read across their borders."""
    items = tuple(Item(f"p{number:04}", input={"n": number}) for number in range(1100))
    asked = Asked(namespace="default", name="b", items=items, start=Start(workflow="w"), concurrency=100)
    await world.one.backfills.start(asked, actor="user:a", cause=CAUSE)
    store = world.one.of_backfills
    found = await store.items("default/b", 1, 490, 20)
    assert [item.key for item in found] == [f"p{number:04}" for number in range(490, 510)]
    assert len(await world.starts()) == 100


@pytest.mark.parametrize(
    ("data", "place"),
    [
        ({"backfill": "b", "namespace": "default", "workflow": "w", "items": []}, "/items"),
        ({"backfill": "b", "namespace": "default", "workflow": "w", "items": [{"key": ""}]}, "/items/0/key"),
        ({"backfill": "b", "namespace": "default", "items": [{"key": "a"}]}, "/workflow"),
    ],
)
async def test_a_command_that_makes_no_sense_names_the_place(world: World, data: dict[str, object], place: str) -> None:
    """It becomes a dead letter with this text."""
    event = CloudEvent(id="c1", source="lineage", type=BACKFILL_START, data=data, datacontenttype="application/json")
    delivery = Delivery(
        subject=command("scheduler", "backfill", "b"),
        payload=encode(event),
        headers={},
        stream="COMMANDS",
        consumer="scheduler-commands",
        sequence=1,
        attempt=1,
        published=START,
        reply="",
    )
    with pytest.raises(Invalid, match=place):
        await BackfillCommands(world.one.backfills).hear(delivery)
