"""The way from an accepted event to its start command, killed at every await."""

from collections import Counter
from datetime import timedelta

from prometheus_client import CollectorRegistry

from faults.awaits.ground import Remembered, as_delivered_again, freed, swept
from tocsin.signals import CloudEvent, encode
from tocsin_kit.bus.delivery import Delivery
from tocsin_kit.chance import SystemChance
from tocsin_kit.config import Secret
from tocsin_kit.store import Database, Entry, Relay
from tocsin_kit.telemetry import Metrics
from tocsin_kit.testing.clocks import ManualClock
from tocsin_kit.testing.killing import killed_everywhere
from tocsin_trigger.adapters.memory import MongoGroups
from tocsin_trigger.adapters.sealing import AesCipher
from tocsin_trigger.adapters.stores import COLLECTIONS, EVENTS, GATHERINGS, Indexes, MongoEvents, MongoTriggers
from tocsin_trigger.application.bus_events import BusEvents
from tocsin_trigger.application.intake import Intake
from tocsin_trigger.application.loops import LoopGuard
from tocsin_trigger.application.refusals import Refusals
from tocsin_trigger.application.registry import Registry
from tocsin_trigger.domain.events import Channel, Outcome
from tocsin_trigger.domain.rules import Batch, Gather
from tocsin_trigger.domain.sources import EventSource
from tocsin_trigger.domain.triggers import Target, Trigger

SERVICE = "trigger"
TOGETHER = 4  # events of one delivery


class Process:
    """A trigger service without its HTTP, as it begins after a kill."""

    def __init__(self, database: Database, bus: Remembered, clock: ManualClock) -> None:
        self.relay = Relay(database, bus, COLLECTIONS)
        events, groups = MongoEvents(database, self.relay), MongoGroups(database, self.relay)
        self.triggers = MongoTriggers(database, self.relay)
        metrics = Metrics("trigger", CollectorRegistry())
        channels, outcomes = [channel.value for channel in Channel], [outcome.value for outcome in Outcome]
        decided = metrics.counter("trigger_decisions", "Decisions.", channel=channels, outcome=outcomes)
        refused = metrics.counter("trigger_refused", "Refused.", code=16)
        self.registry = Registry(self.triggers, AesCipher(Secret("k" * 40), SystemChance()), clock)
        intake = Intake(events, groups, LoopGuard(clock, 1000), decided)
        self.bus_events = BusEvents(self.registry, intake, Refusals(events, clock, refused), clock)

    async def work(self, deliveries: list[Delivery]) -> None:
        """Accept, decide, store, dispatch."""
        await self.bus_events.handle_many(deliveries)
        await self.relay.stop()


def deliveries(number: int, clock: ManualClock) -> list[Delivery]:
    """What the bus delivers to one life, and again to the next."""
    events = [CloudEvent(id=f"e{number}-{n}", source="/x", type="a.b", data={"life": number}) for n in range(TOGETHER)]
    at = number * TOGETHER
    return [
        Delivery("events.default.a.b", encode(e), {}, "EVENTS", "trigger-events", at + n, 1, clock.now(), "")
        for n, e in enumerate(events)
    ]


async def test_an_event_starts_one_run_of_each_trigger_whenever_the_process_dies(
    database: Database, clock: ManualClock
) -> None:
    """One trigger starts a run for each event, the other one for all four of a life; both once, whatever await was the last."""
    bus, now = Remembered(), clock.now()
    await Indexes(database, timedelta(days=1)).start()
    first = Process(database, bus, clock)
    source, target = EventSource("a.*"), Target("w")
    batch = Gather(Batch(TOGETHER, timedelta(hours=1)), ".data.life")
    for name, gather in (("each", None), ("batched", batch)):
        trigger = Trigger(f"id-{name}", "default", name, source, target, now, now, gather=gather)
        await first.triggers.commit(Entry(trigger.key, None, 0, 0), trigger, [])
    processes: dict[int, Process] = {}

    async def live(number: int) -> None:
        await processes[number].work(deliveries(number, clock))

    async def begin(number: int) -> Process:
        processes[number] = Process(database, bus, clock)
        await processes[number].registry.start()
        return processes[number]

    async def after(number: int) -> None:
        await freed(database)
        process = await begin(number + 1)
        await as_delivered_again(lambda: process.work(deliveries(number, clock)))
        await swept(database, process.relay, clock, EVENTS, GATHERINGS)

    await begin(1)
    awaits = await killed_everywhere(live, after)
    assert awaits > 10
    starts = [event.data for event in bus.once("commands.executor.start").values()]
    runs = Counter(start["run"] for start in starts)
    assert set(runs.values()) == {1}
    events = Counter(start["trigger"]["name"] for start in starts)
    assert events == {"each": (awaits + 1) * TOGETHER, "batched": awaits + 1}
    assert all(len(start["input"]["events"]) == TOGETHER for start in starts if start["trigger"]["name"] == "batched")
    assert bus.whole()
