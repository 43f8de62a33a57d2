"""Two schedulers as processes of their own, killed at random, over and over: each instant starts one run."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry

from tocsin.signals import decode, root
from tocsin.signals.catalogue import scheduler as words
from tocsin_kit.bus import Bus
from tocsin_kit.chance import SeededChance
from tocsin_kit.clock import SystemClock
from tocsin_kit.store import Database, Relay
from tocsin_kit.telemetry import Metrics
from tocsin_kit.testing.replicas import Replicas
from tocsin_scheduler.adapters.store import SCHEDULES, MongoScheduleStore
from tocsin_scheduler.application import Firer, Schedules, Timekeeper, Wanted
from tocsin_scheduler.domain.schedules import CatchUp, Policy, Start
from tocsin_scheduler.domain.timetables import When

SERVICE = "scheduler"
SCHEDULED = 20  # schedules that fire every second
SECONDS = 15.0
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


async def make(database: Database, bus: Bus, ends_at: datetime) -> None:
    """Schedules that fire every second until then, and catch up everything."""
    clock, relay = SystemClock(), Relay(database, bus, (SCHEDULES,))
    store = MongoScheduleStore(database, relay)
    await store.prepare()
    firer = Firer(store, clock=clock, metrics=Metrics("scheduler", CollectorRegistry()))
    schedules = Schedules(store, firer, Timekeeper(store, firer, clock=clock), clock=clock)
    for number in range(SCHEDULED):
        wanted = Wanted(
            namespace="default",
            name=f"s{number}",
            description="",
            when=When(expression="* * * * * *", anchor=EPOCH, ends_at=ends_at),
            start=Start(workflow="w"),
            policy=Policy(catch_up=CatchUp.ALL),
            input_bytes=4,
        )
        await schedules.put(wanted, expect=None, actor="user:a", cause=root("test"))
    await relay.stop()


@pytest.mark.slow
async def test_no_instant_is_lost_or_doubled_however_replicas_die(
    bus: Bus, database: Database, two_replicas: Callable[[], Replicas], seed: int
) -> None:
    """Twenty schedules, every second, two replicas, a SIGKILL every second or so: a ledger without gaps and doubles."""
    clock, chance = SystemClock(), SeededChance(seed)
    ends_at = (clock.now() + timedelta(seconds=SECONDS)).replace(microsecond=0)
    await make(database, bus, ends_at)

    async def finished() -> bool:
        schedules = database.collection(SCHEDULES)
        active = await schedules.count_documents({"v.status": "active"})
        unsaid = await schedules.count_documents({"_pending": {"$exists": True}})
        assert (active, unsaid) == (0, 0), "active, unsaid"
        return True

    async with two_replicas() as replicas:
        while clock.now() < ends_at:
            await clock.sleep(0.6 + chance.sample())
            await replicas.kill_one(chance)
        kills = len(replicas.story)
        await replicas.settled(finished, within=90)
    ledger, signals = await said(bus)
    assert kills >= 8
    assert [run for run, count in Counter(ledger.values()).items() if count > 1] == []
    for number in range(SCHEDULED):
        fired = sorted(at for name, at in ledger if name == f"s{number}")
        assert fired[-1] == ends_at
        assert fired == [fired[0] + timedelta(seconds=n) for n in range(len(fired))], "an instant is missing"
        numbers = sorted(signals[f"s{number}"])
        assert numbers == list(range(1, len(numbers) + 1)), "the signals of a schedule have a gap"


async def said(bus: Bus) -> tuple[dict[tuple[str, datetime], str], dict[str, set[int]]]:
    """The run of each schedule and instant, and the numbers of each schedule's signals; every message of both streams."""
    stream = bus.nats.jetstream()
    ledger: dict[tuple[str, datetime], str] = {}
    signals: dict[str, set[int]] = {}
    for name in ("COMMANDS", "SIGNALS"):
        last = (await stream.stream_info(name)).state.last_seq
        for sequence in range(1, last + 1):
            event = decode((await stream.get_msg(name, sequence)).data)
            if name == "SIGNALS":
                signals.setdefault(event.subject or "", set()).add(event.sequence or 0)
                continue
            data = event.payload
            at = datetime.fromisoformat(data["trigger"]["at"])
            known = ledger.setdefault((data["trigger"]["name"], at), data["run"])
            assert known == data["run"], "one instant started two runs"
    assert words.SCHEDULE_FIRED.entity == "schedule"
    return ledger, signals
