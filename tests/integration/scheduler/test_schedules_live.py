"""Schedules on a real database and bus: one firing for each instant, whoever looks, through changes, kills and conflicts."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import orjson
import pytest

from integration.scheduler.world import CAUSE, START, Replica
from tocsin.errors import NotFound, PreconditionFailed
from tocsin.signals import encode
from tocsin.signals.catalogue import executor as run_words
from tocsin.signals.make import make_signal, subject_of
from tocsin_kit.bus import Consumer
from tocsin_kit.bus.delivery import Delivery
from tocsin_kit.bus.topology import consumer
from tocsin_kit.store import Relay
from tocsin_kit.testing.components import running
from tocsin_kit.testing.faults import Fault, at, faulty
from tocsin_kit.testing.waiting import eventually
from tocsin_scheduler.adapters.store import SCHEDULES, MongoScheduleStore
from tocsin_scheduler.application import Reconciler, Wanted
from tocsin_scheduler.application.definitions import DefinitionSchedules, definition_key
from tocsin_scheduler.domain.schedules import CatchUp, Concurrency, NotNow, Policy, Start, Status
from tocsin_scheduler.domain.timetables import Follows, When
from tocsin_scheduler.ports import ScheduleSearch


async def test_an_instant_starts_one_run_with_any_number_of_replicas(world):
    """Four replicas decide about twelve instants of five schedules: sixty runs, each once."""
    for number in range(5):
        await world.put(f"s{number}")
    replicas = [world.one, *(world.replica() for _ in range(3))]
    for _ in range(12):
        await world.clock.advance(timedelta(minutes=10))
        await asyncio.gather(*(replica.turn() for replica in replicas))
    starts = await world.starts()
    assert len(starts) == 60
    assert len({start["run"] for start in starts}) == 60
    assert len({(start["trigger"]["name"], start["trigger"]["at"]) for start in starts}) == 60
    assert starts[0]["input"] == {"a.b": {"$x": 1}}
    signals = [event for event in await world.said("SIGNALS") if event.subject == "s0"]
    assert [event.sequence for event in signals] == list(range(1, 14))


async def test_a_commit_that_was_done_but_reported_as_failed_fires_once(world):
    """The cruellest fault: the next look sees what really happened."""
    store = faulty(MongoScheduleStore(world.database, world.relay), at("commit", 1, fault=Fault.DONE_BUT_TIMED_OUT))
    await world.put()
    await world.clock.advance(timedelta(minutes=10))
    unlucky = world.replica(store=store)
    await unlucky.turn()
    await unlucky.turn()
    assert len(await world.starts()) == 1


async def test_the_command_and_the_signal_leave_with_the_commit(world, monkeypatch):
    """A scheduler that is killed between deciding and saying loses nothing: the next relay finds what is unsaid."""
    silent = Relay(world.database, world.bus, (SCHEDULES,))  # never served: as if killed
    await world.put()
    await world.clock.advance(timedelta(minutes=10))
    await Replica(world.database, silent, world.clock).turn()
    assert await world.starts() == []
    monkeypatch.setattr("tocsin_kit.store.relay.ORPHAN_AFTER", timedelta(milliseconds=100))

    async def found():
        return len(await world.starts()) == 1

    async with running(Relay(world.database, world.bus, (SCHEDULES,))):
        await eventually(found)


async def test_a_change_costs_no_instant_and_doubles_none(world):
    """What is due when a schedule is changed fires by the old timetable; the new one begins behind it."""
    await world.put(expression="0 * * * *", workflow="old")
    await world.clock.advance(timedelta(hours=1))
    entry = await world.put(expression="*/30 * * * *", workflow="new")
    assert entry.value.next_at == START + timedelta(minutes=90)
    await world.clock.advance(timedelta(minutes=30))
    await world.one.turn()
    assert [(s["workflow"], s["trigger"]["at"][11:16]) for s in await world.starts()] == [("old", "13:00"), ("new", "13:30")]


async def test_redeploying_the_same_schedule_again_and_again_changes_nothing(world):
    """Before, at and after the instant."""
    for _ in range(30):
        await world.put()
        await world.clock.advance(timedelta(minutes=1))
        await world.one.turn()
    assert len(await world.starts()) == 3
    assert await world.transitions() == ["created", "fired", "fired", "fired"]


async def test_a_schedule_that_was_deleted_and_made_again_is_another(world):
    """Its signals go on counting, its runs have other ids."""
    await world.put()
    await world.one.schedules.delete("default", "s", expect=None, actor="user:a", cause=CAUSE)
    with pytest.raises(NotFound):
        await world.one.schedules.get("default", "s")
    again = await world.put()
    assert again.value.generation > 1
    assert await world.transitions() == ["created", "deleted", "created"]
    assert [event.sequence for event in await world.said("SIGNALS")] == [1, 2, 3]


async def test_pausing_says_why_and_resuming_goes_on_from_now(world):
    """A paused schedule is not in the timekeeper's index at all."""
    await world.put()
    await world.one.schedules.pause("default", "s", "holiday", actor="user:b", cause=CAUSE)
    await world.clock.advance(timedelta(hours=1))
    await world.one.turn()
    assert await world.starts() == []
    entry = await world.one.schedules.resume("default", "s", actor="user:b", cause=CAUSE)
    assert entry.value.next_at == START + timedelta(minutes=70)
    assert await world.transitions() == ["created", "paused", "resumed"]


async def test_an_instant_that_waited_when_its_schedule_was_paused_is_told(world):
    """It was accepted, so it is said that it will not fire."""
    await world.put(policy=Policy(concurrency=Concurrency.BUFFER_ALL))
    for _ in range(3):
        await world.clock.advance(timedelta(minutes=10))
        await world.one.turn()
    await world.one.schedules.pause("default", "s", None, actor="user:b", cause=CAUSE)
    assert await world.transitions() == ["created", "fired", "skipped", "skipped", "paused"]


async def test_what_was_missed_is_told(world):
    """Nobody looked for an hour: the latest is caught up, the signal says how many went by."""
    await world.put(policy=Policy(catch_up=CatchUp.LATEST))
    await world.clock.advance(timedelta(minutes=65))
    await world.one.turn()
    signals = await world.said("SIGNALS")
    assert [event.type.split(".")[3] for event in signals] == ["created", "missed", "fired"]
    assert (signals[1].data["count"], signals[1].data["action"], signals[2].data["late"]) == (6, "fired once", True)


async def test_the_end_of_a_run_lets_the_next_instant_fire(world):
    """A schedule that does not want two runs at a time hears when the first has ended."""
    await world.put(policy=Policy(concurrency=Concurrency.SKIP))
    async with running(world.listening()):
        await world.clock.advance(timedelta(minutes=10))
        await world.one.turn()
        await world.clock.advance(timedelta(minutes=10))
        await world.one.turn()
        (start,) = await world.starts()
        await world.end(start["run"])

        async def free():
            return (await world.one.schedules.get("default", "s")).value.going == ()

        await eventually(free)
        await world.clock.advance(timedelta(minutes=10))
        await world.one.turn()
    assert [s["trigger"]["at"][11:16] for s in await world.starts()] == ["12:10", "12:30"]
    assert "skipped" in await world.transitions()


async def test_it_fires_by_itself_when_the_time_comes(world):
    """The heap wakes at the instant, also for a schedule that was made a moment before."""
    async with running(world.one.timekeeper):
        await world.put(expression="*/2 * * * * *")
        for _ in range(4):
            await world.clock.advance(1)

        async def twice():
            await world.clock.advance(0)
            return len(await world.starts()) == 2

        await eventually(twice)
        assert world.one.timekeeper.health().ready


async def test_editing_needs_the_edition_that_was_seen(world):
    """Firing is no change that a person has to know of; somebody else's edit is."""
    entry = await world.put()
    await world.clock.advance(timedelta(minutes=10))
    await world.one.turn()
    assert (await world.one.schedules.get("default", "s")).value.edition == entry.value.edition
    await world.put(workflow="other")
    with pytest.raises(PreconditionFailed):
        await world.one.schedules.delete("default", "s", expect=entry.value.edition, actor="user:a", cause=CAUSE)


async def test_lists_are_paged_and_filtered(world):
    """By namespace and status, in the order of names."""
    for name in ("a", "b", "c"):
        await world.put(name)
    await world.one.schedules.pause("default", "b", None, actor="user:a", cause=CAUSE)
    search = ScheduleSearch(namespaces=frozenset({"default"}), status=Status.ACTIVE.value)
    first = await world.one.schedules.search(search, limit=1, cursor=None)
    second = await world.one.schedules.search(search, limit=5, cursor=first.next_cursor)
    assert [entry.value.name for entry in (*first.items, *second.items)] == ["a", "c"]


async def test_a_wrong_next_instant_is_corrected(world):
    """As after a release with new time zone data."""
    await world.put()
    collection = world.database.collection(SCHEDULES)
    await collection.update_one({"_id": "default/s"}, {"$set": {"v.next_at": START + timedelta(days=3)}})
    assert await Reconciler(world.one.store).check() == 1
    assert (await world.one.schedules.get("default", "s")).value.next_at == START + timedelta(minutes=10)
    assert orjson.dumps(await Reconciler(world.one.store).check()) == b"0"


async def test_a_crowd_fires_once_each_with_any_number_of_replicas(world):
    """Hundreds in the same second are committed in bulk; replicas that race for them double none, and none is out of order."""
    for number in range(40):
        await world.put(f"s{number}")
    replicas = [world.one, *(world.replica() for _ in range(2))]
    for _ in range(5):
        await world.clock.advance(timedelta(minutes=10))
        await asyncio.gather(*(replica.turn() for replica in replicas))
        await asyncio.gather(*(replica.turn() for replica in replicas))
    starts = await world.starts()
    assert len({start["run"] for start in starts}) == 200
    assert len({(start["trigger"]["name"], start["trigger"]["at"]) for start in starts}) == 200
    numbers: dict[str, list[int]] = {}
    for event in await world.said("SIGNALS"):
        if event.sequence not in numbers.setdefault(event.subject, []):
            numbers[event.subject].append(event.sequence)
    assert all(found == list(range(1, 7)) for found in numbers.values())


async def test_a_definition_makes_its_schedules_and_takes_them_away(world):
    """Whatever order its signals are heard in, and however often, the last word holds; a person cannot edit what it made."""
    hearers = [DefinitionSchedules(replica.store, replica.schedules) for replica in (world.one, world.replica())]
    spoken = [
        _definition(1, every="PT5M", cron="0 9 * * MON"),
        _definition(2, after="PT30S"),
        _definition(3),
        _definition(4, every="PT5M"),
    ]
    for order, expected in (
        ([0], ["definition.w.cron", "definition.w.every"]),
        ([1, 0], ["definition.w.after"]),
        ([2, 1, 0, 2], []),
        ([3, 2, 1], ["definition.w.every"]),
    ):
        for turn, number in enumerate(order):
            await hearers[turn % 2].hear(spoken[number])
        page = await world.one.schedules.search(ScheduleSearch(), limit=10, cursor=None)
        assert [entry.value.name for entry in page.items] == expected
    with pytest.raises(NotNow):
        await world.put("definition.w.every")
    with pytest.raises(NotNow):
        await world.one.schedules.delete("default", "definition.w.every", expect=None, actor="user:a", cause=CAUSE)
    await world.clock.advance(timedelta(minutes=5))
    await world.one.turn()
    (start,) = await world.starts()
    assert (start["workflow"], start["input"], start["trigger"]["at"][11:16]) == ("w", {}, "12:05")


async def test_definition_signals_come_over_the_bus(world):
    """The consumer of the topology hears them."""
    hearer = DefinitionSchedules(world.one.store, world.one.schedules)
    listening = Consumer(world.bus, consumer("scheduler-definitions"), handle=hearer.hear, key=definition_key)
    async with running(listening):
        for number, words in ((1, {"after": "PT30S"}), (2, {})):
            delivery = _definition(number, **words)
            await world.bus.publish(delivery.subject, delivery.payload)

            async def settled(number=number):
                wish = (await world.one.store.load_wish("default/w")).value
                names = (await world.one.schedules.search(ScheduleSearch(), limit=10, cursor=None)).items
                return wish is not None and wish.number == number and len(names) == 2 - number

            await eventually(settled)


def _definition(number: int, **words: str) -> Delivery:
    """A signal about definition ``w`` as it is delivered."""
    payload = run_words.DefinitionPublished(
        namespace="default",
        name="w",
        version=f"1.0.{number}",
        digest="d",
        schedule=run_words.DefinitionSchedule(**words) if words else None,
    )
    event = make_signal(
        run_words.DEFINITION_PUBLISHED,
        namespace="default",
        entity_id="w",
        sequence=number,
        time=START,
        payload=payload,
        cause=CAUSE,
    )
    return Delivery(
        subject=subject_of(event),
        payload=encode(event),
        headers={},
        stream="SIGNALS",
        consumer="c",
        sequence=number,
        attempt=1,
        published=START,
        reply="",
    )


async def test_an_instant_that_waited_starts_when_the_run_has_ended(world):
    """And a replaced run is told to cancel."""
    await world.put("b", policy=Policy(concurrency=Concurrency.BUFFER_ONE))
    await world.put("c", policy=Policy(concurrency=Concurrency.TERMINATE_OTHER))
    for _ in range(2):
        await world.clock.advance(timedelta(minutes=10))
        await world.one.turn()
    commands = await world.said("COMMANDS")
    cancelled = [event.subject for event in commands if "cancel" in event.type]
    started = [(event.data["trigger"]["name"], event.data["run"]) for event in commands if "start" in event.type]
    assert sorted(name for name, _ in started) == ["b", "c", "c"]
    assert cancelled == [run for name, run in started if name == "c"][:1]
    (first,) = [run for name, run in started if name == "b"]
    ending = replace(_definition(1), subject=f"signals.default.run.completed.{first}")
    await world.one.ends.hear([ending])
    await world.one.ends.hear([ending])
    assert [s["trigger"]["at"][11:16] for s in await world.starts() if s.get("trigger", {}).get("name") == "b"] == [
        "12:10",
        "12:20",
    ]


async def test_the_end_of_a_run_starts_what_follows_its_workflow(world):
    """Heard from the signals of runs, by whichever replica; a repeat starts nothing."""
    wanted = Wanted(
        namespace="default",
        name="follower",
        description="",
        when=When(expression="", anchor=START, follows=Follows(workflow="w", delay=timedelta(minutes=5))),
        start=Start(workflow="after"),
        policy=Policy(),
        input_bytes=4,
    )
    await world.one.schedules.put(wanted, expect=None, actor="user:a", cause=CAUSE)
    async with running(world.listening()):
        await world.end("r1")

        async def set_() -> bool:
            return (await world.one.schedules.get("default", "follower")).value.next_at == START + timedelta(minutes=5)

        await eventually(set_)
        await world.end("r1")
        await world.clock.advance(timedelta(minutes=5))
        await world.one.turn()
    assert [(start["workflow"], start["trigger"]["at"][11:16]) for start in await world.starts()] == [("after", "12:05")]
