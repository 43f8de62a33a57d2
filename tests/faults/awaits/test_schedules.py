"""The way from an instant to its start command, killed at every await."""

from collections import defaultdict
from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry

from faults.awaits.ground import Remembered, as_delivered_again, freed, swept
from tocsin.signals import root
from tocsin_kit.store import Database, Relay
from tocsin_kit.telemetry import Metrics
from tocsin_kit.testing.clocks import ManualClock
from tocsin_kit.testing.killing import killed_everywhere
from tocsin_scheduler.adapters.store import SCHEDULES, MongoScheduleStore
from tocsin_scheduler.application import Firer, Schedules, Timekeeper, Wanted
from tocsin_scheduler.domain.schedules import CatchUp, Policy, Start
from tocsin_scheduler.domain.timetables import When

SERVICE = "scheduler"
EVERY = timedelta(seconds=5)
FEW, CROWD = 3, 12  # schedules that share each instant: a few are committed by themselves, a crowd in bulk


class Process:
    """A scheduler without its HTTP, as it begins after a kill."""

    def __init__(self, database: Database, bus: Remembered, clock: ManualClock) -> None:
        self.relay = Relay(database, bus, (SCHEDULES,))
        self.store = MongoScheduleStore(database, self.relay)
        self.firer = Firer(self.store, clock=clock, metrics=Metrics("scheduler", CollectorRegistry()))
        self.timekeeper = Timekeeper(self.store, self.firer, clock=clock)
        self.schedules = Schedules(self.store, self.firer, self.timekeeper, clock=clock)

    async def work(self) -> None:
        """Look, fire, dispatch."""
        await self.timekeeper.look()
        await self.timekeeper.fire_due()
        await self.relay.stop()


async def fired(database: Database, clock: ManualClock, schedules: int) -> int:
    """Let so many schedules fire, kill at every await, and check the ledger."""
    bus, first = Remembered(), clock.now()
    process = Process(database, bus, clock)
    await process.store.prepare()
    for number in range(schedules):
        wanted = Wanted(
            namespace="default",
            name=f"s{number}",
            description="",
            when=When(expression="*/5 * * * * *", anchor=first),
            start=Start(workflow="w"),
            policy=Policy(catch_up=CatchUp.ALL),
            input_bytes=4,
        )
        await process.schedules.put(wanted, expect=None, actor="user:ada", cause=root("test"))
    await process.relay.stop()
    processes = {1: process}

    async def live(number: int) -> None:
        clock.jump(EVERY)
        await processes[number].work()

    async def after(number: int) -> None:
        await freed(database)
        processes[number + 1] = Process(database, bus, clock)
        await as_delivered_again(processes[number + 1].work)
        await swept(database, processes[number + 1].relay, clock, SCHEDULES)

    awaits = await killed_everywhere(live, after)
    await as_delivered_again(Process(database, bus, clock).work)
    instants: dict[str, dict[datetime, str]] = defaultdict(dict)
    for command in bus.once("commands.executor.start").values():
        trigger = command.data["trigger"]
        at = datetime.fromisoformat(trigger["at"])
        assert instants[trigger["name"]].setdefault(at, command.data["run"]) == command.data["run"], "one instant, two runs"
    assert len(instants) == schedules
    for ledger in instants.values():
        expected = [first + number * EVERY for number in range(1, len(ledger) + 1)]
        assert sorted(ledger) == expected, "an instant is missing"
        assert expected[-1] > clock.now() - EVERY
    assert bus.whole()
    return awaits


async def test_an_instant_starts_one_run_whenever_the_process_dies(database: Database, clock: ManualClock) -> None:
    """A few schedules: each decision is a commit of its own."""
    assert await fired(database, clock, FEW) >= 5


async def test_a_crowd_at_one_instant_starts_one_run_each_whenever_the_process_dies(
    database: Database, clock: ManualClock
) -> None:
    """Many schedules: the decisions are committed together."""
    assert await fired(database, clock, CROWD) >= 5
