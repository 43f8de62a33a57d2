"""`python -m bench.firing [--schedules N] [--profile]`: how long a crowd of schedules with one instant takes to be dispatched.

One JSON line. ``committed_s`` is when every firing is decided and on disk, ``dispatched_s`` when every start command is in the
stream, both from the instant. Database, broker and scheduler share the machine, as they do on a laptop.
"""

import argparse
import asyncio
import cProfile
import pstats
import sys
from datetime import UTC, datetime, timedelta

import orjson
import uvloop
from prometheus_client import CollectorRegistry

from bench.machine import machine
from tocsin_kit.bus import Bus, ensure_streams
from tocsin_kit.clock import SystemClock
from tocsin_kit.store import Creation, Database, Relay, Repository
from tocsin_kit.telemetry import Metrics
from tocsin_kit.testing.servers import embedded_mongo, embedded_nats
from tocsin_scheduler.adapters.documents import read_schedule, schedule_document
from tocsin_scheduler.adapters.store import SCHEDULES, MongoScheduleStore
from tocsin_scheduler.application import Firer, Timekeeper
from tocsin_scheduler.domain.schedules import Schedule, Start, planned
from tocsin_scheduler.domain.timetables import When

AHEAD = timedelta(seconds=8)  # between the last schedule made and the instant
PATIENCE = 60.0  # seconds


async def crowd(database: Database, relay: Relay, count: int) -> datetime:
    """Make schedules; the instant that they share."""
    repository: Repository[Schedule] = Repository(
        database, SCHEDULES, encode=schedule_document, decode=read_schedule, wake=relay.wake
    )
    now = SystemClock().now()
    instant = (now + AHEAD + timedelta(seconds=count / 2000)).replace(microsecond=0)
    when = When(expression=f"{instant:%S %M %H} * * *", anchor=datetime(2020, 1, 1, tzinfo=UTC))
    start = Start(workflow="w", input={"name": "x" * 50}, labels={"team": "a"})
    for begin in range(0, count, 500):
        made = [
            planned(
                Schedule(
                    namespace="default",
                    name=f"s{number}",
                    generation=1,
                    when=when,
                    start=start,
                    settled=now,
                    created_at=now,
                    updated_at=now,
                    actor="user:a",
                )
            )
            for number in range(begin, min(begin + 500, count))
        ]
        await repository.create_many([Creation(schedule.key, schedule) for schedule in made])
    return instant


async def measure(nats_url: str, mongo_url: str, count: int, profile: cProfile.Profile | None) -> dict[str, object]:
    """Let a crowd fire."""
    clock = SystemClock()
    bus, database = Bus(nats_url, name="scheduler"), Database(mongo_url, name="bench_scheduler")
    relay = Relay(database, bus, (SCHEDULES,))
    store = MongoScheduleStore(database, relay)
    timekeeper = Timekeeper(store, Firer(store, clock=clock, metrics=Metrics("scheduler", CollectorRegistry())), clock=clock)
    parts = (database, bus, relay, timekeeper)
    async with asyncio.TaskGroup() as group:
        serving: list[asyncio.Task[None]] = []
        for part in parts:
            await part.start()
            if part is bus:
                await ensure_streams(bus)
                await store.prepare()
                instant = await crowd(database, relay, count)
            serving.append(group.create_task(part.serve()))
        while clock.now() < instant:
            await clock.sleep(max(0.0, (instant - clock.now()).total_seconds()))
        if profile is not None:
            profile.enable()
        committed = await _until(database, clock, instant, count)
        dispatched = await _commands(bus, clock, instant, count)
        if profile is not None:
            profile.disable()
        for task in serving:
            task.cancel()
    for part in reversed(parts):
        await part.stop()
    return {"schedules": count, "committed_s": committed, "dispatched_s": dispatched}


async def _until(database: Database, clock: SystemClock, instant: datetime, count: int) -> float:
    """Seconds from the instant until all have been decided."""
    collection = database.collection(SCHEDULES)
    async with asyncio.timeout(PATIENCE):
        while await collection.count_documents({"v.next_at": {"$lte": instant}}, limit=1):
            await clock.sleep(0.05)
    return round((clock.now() - instant).total_seconds(), 2)


async def _commands(bus: Bus, clock: SystemClock, instant: datetime, count: int) -> float:
    """Seconds from the instant until all commands are in the stream."""
    js = bus.nats.jetstream()
    async with asyncio.timeout(PATIENCE):
        while (await js.stream_info("COMMANDS")).state.messages < count:
            await clock.sleep(0.05)
    return round((clock.now() - instant).total_seconds(), 2)


def main() -> None:
    """Measure, and print one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schedules", type=int, default=10_000)
    parser.add_argument("--profile", action="store_true", help="also say on standard error what the time goes into")
    options = parser.parse_args()
    profile = cProfile.Profile() if options.profile else None
    with embedded_nats() as nats_url, embedded_mongo() as mongo_url:
        facts = uvloop.run(measure(nats_url, mongo_url, options.schedules, profile))
    sys.stdout.write(orjson.dumps({"bench": "firing", **facts, "machine": machine()}).decode() + "\n")
    if profile is not None:
        pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(22)


if __name__ == "__main__":
    main()
