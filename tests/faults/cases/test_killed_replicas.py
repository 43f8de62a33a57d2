"""Two case services, killed over and over: no clock missed or doubled, no level reached twice, no failure lost."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from tocsin.signals import CloudEvent, decode, derive, root
from tocsin.signals.catalogue import executor as words
from tocsin.signals.kinds import ErrorObject
from tocsin.signals.make import make_signal, subject_of
from tocsin_case.application import By, Opening
from tocsin_case.domain.escalation import Action, ActionKind, Level, Policy, Until
from tocsin_case.domain.rules import Rule
from tocsin_case.domain.types import CaseType, Targets
from tocsin_case.ports import CaseSearch
from tocsin_case.wiring import OUTBOXES, Parts, assemble
from tocsin_kit.bus import Bus, ensure_streams
from tocsin_kit.chance import SeededChance, SystemChance
from tocsin_kit.clock import SystemClock
from tocsin_kit.store import Database, Relay
from tocsin_kit.testing.waiting import eventually

CASES, FAILURES, KILLS, REPLICAS = 20, 60, 6, 2
SECOND = timedelta(seconds=1)
LEVELS = 5
ADA = By("user:ada", root("test"))
CHAIN = Policy(
    namespace="default",
    name="chain",
    until=Until.RESOLVED,
    levels=tuple(Level(after=2 * SECOND, actions=(Action(kind=ActionKind.NOTIFY, to=("user:ada",)),)) for _ in range(LEVELS)),
)
TARGETS = Targets(response=3 * SECOND, resolution=8 * SECOND)
KIND = CaseType(namespace="default", name="kill", escalation="chain", sla={"*": TARGETS}, open_fields=True)


class NoRuns:
    """No playbook runs here."""

    async def output(self, run: str) -> None:
        raise AssertionError(run)


@pytest.fixture
async def database(mongo_url: str, mongo_prefix: str) -> AsyncIterator[Database]:
    """The database of the case service."""
    database = Database(mongo_url, name=f"{mongo_prefix}_case")
    await database.start()
    yield database
    await database.stop()


async def begin(environ: dict[str, str]) -> asyncio.subprocess.Process:
    """A case service as an operator starts it."""
    nowhere = asyncio.subprocess.DEVNULL
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tocsin_case", env=environ, stdout=nowhere, stderr=nowhere
    )


def failure(number: int, clock: SystemClock) -> CloudEvent:
    """The end of a run of one of six workflows."""
    run, now = derive("run", number), clock.now()
    error = ErrorObject(type="https://example.com/boom", status=500, title="boom")
    payload = words.WorkflowFaulted(name=f"flow{number % 6}-{run}.default", faulted_at=now, error=error)
    return make_signal(
        words.WORKFLOW_FAULTED, namespace="default", entity_id=run, sequence=1, time=now, payload=payload, cause=root("test")
    )


@pytest.mark.slow
async def test_no_clock_level_or_failure_is_lost_or_doubled_however_replicas_die(
    nats_url: str, mongo_url: str, mongo_prefix: str, database: Database
) -> None:
    """Twenty cases with two clocks and five levels each, sixty failures meanwhile, a SIGKILL every second or so."""
    clock, chance = SystemClock(), SeededChance(11)
    bus = Bus(nats_url, name="case")
    await bus.start()
    await ensure_streams(bus)
    relay = Relay(database, bus, OUTBOXES)
    parts = assemble(database, relay, NoRuns(), clock=clock, chance=SystemChance())
    await parts.preparation.start()
    for value in (CHAIN, KIND, Rule(namespace="default", name="all")):
        await parts.settings.put(value, by=ADA, expect=None)
    opened = [await parts.openings.open(Opening(namespace="default", title=f"c{n}", kind="kill"), by=ADA) for n in range(CASES)]
    await relay.stop()
    environ = {
        "PATH": os.defpath,
        "TOCSIN_NATS_URL": nats_url,
        "TOCSIN_MONGO_URL": mongo_url,
        "TOCSIN_MONGO_DATABASE_PREFIX": mongo_prefix,
        "TOCSIN_HTTP_PORT": "0",
        "TOCSIN_OPS_PORT": "0",
    }
    replicas = [await begin(environ) for _ in range(REPLICAS)]
    try:
        for number in range(FAILURES):
            event = failure(number, clock)
            await bus.publish_event(subject_of(event), event)
            if number % (FAILURES // KILLS) == FAILURES // KILLS - 1:
                await clock.sleep(0.7 + chance.sample())
                victim = int(chance.sample() * REPLICAS)
                replicas[victim].send_signal(signal.SIGKILL)
                await replicas[victim].wait()
                replicas[victim] = await begin(environ)
        await eventually(lambda: settled(parts, database), within=150)
    finally:
        for replica in replicas:
            replica.kill()
            await replica.wait()
    told = await said(bus)
    await bus.stop()
    for entry in opened:
        assert entry.value is not None
        begun, own = entry.value.opened_at, told[entry.key]
        dues = sorted((e.data["clock"], e.data["due"]) for e in own if e.type == "io.tocsin.case.breached.v1")
        assert [name for name, _ in dues] == ["resolution", "response"]
        levels = [(e.data["level"], e.data["due"]) for e in own if e.type == "io.tocsin.case.escalated.v1"]
        expected = [(n, begun + 2 * n * SECOND) for n in range(1, LEVELS + 1)]
        assert [(n, due[:22]) for n, due in levels] == [(n, at.isoformat()[:22]) for n, at in expected]
        assert [e.sequence for e in own] == list(range(1, len(own) + 1)), "the signals of a case have a gap"
    page = await parts.cases.search(CaseSearch(kind="incident"), limit=50, cursor=None)
    found = [entry.value for entry in page.items if entry.value is not None]
    assert (len(found), sum(case.occurrences for case in found)) == (6, FAILURES)


async def settled(parts: Parts, database: Database) -> bool:
    """Whether nothing is due any more, nothing unsaid, and every failure counted."""
    left = await database.collection("cases").count_documents(
        {"$or": [{"v.next_due": {"$ne": None}}, {"_pending": {"$exists": True}}]}
    )
    page = await parts.cases.search(CaseSearch(kind="incident"), limit=50, cursor=None)
    return left == 0 and sum(entry.value.occurrences for entry in page.items if entry.value) >= FAILURES


async def said(bus: Bus) -> dict[str, list[CloudEvent]]:
    """What was said about each thing, in order, each signal once."""
    stream = bus.nats.jetstream()
    told: dict[str, dict[int, CloudEvent]] = {}
    last = (await stream.stream_info("SIGNALS")).state.last_seq
    for number in range(1, last + 1):
        event = decode((await stream.get_msg("SIGNALS", number)).data)
        known = told.setdefault(event.subject or "", {}).setdefault(event.sequence or 0, event)
        assert known.id == event.id, "two signals have one number"
    return {subject: [events[n] for n in sorted(events)] for subject, events in told.items()}
