"""Two case services, killed over and over: no clock missed or doubled, no level reached twice, no failure lost."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from tocsin.signals import CloudEvent, decode, derive, root
from tocsin.signals.catalogue import executor as words
from tocsin.signals.codec import parse_time
from tocsin.signals.kinds import ErrorObject
from tocsin.signals.make import make_signal, subject_of
from tocsin_case.application import By, Opening
from tocsin_case.domain.escalation import Action, ActionKind, Level, Policy, Until
from tocsin_case.domain.rules import Rule
from tocsin_case.domain.types import CaseType, Targets
from tocsin_case.ports import CaseSearch
from tocsin_case.wiring import OUTBOXES, Parts, assemble
from tocsin_kit.bus import Bus
from tocsin_kit.chance import SeededChance, SystemChance
from tocsin_kit.clock import SystemClock
from tocsin_kit.store import Database, Relay
from tocsin_kit.testing.replicas import Replicas

SERVICE = "case"
CASES, FAILURES, KILLS = 20, 60, 6
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
    bus: Bus, database: Database, two_replicas: Callable[[], Replicas], seed: int
) -> None:
    """Twenty cases with two clocks and five levels each, sixty failures meanwhile, a SIGKILL every second or so."""
    clock, chance = SystemClock(), SeededChance(seed)
    relay = Relay(database, bus, OUTBOXES)
    parts = assemble(database, relay, NoRuns(), clock=clock, chance=SystemChance())
    await parts.preparation.start()
    for value in (CHAIN, KIND, Rule(namespace="default", name="all")):
        await parts.settings.put(value, by=ADA, expect=None)
    opened = [await parts.openings.open(Opening(namespace="default", title=f"c{n}", kind="kill"), by=ADA) for n in range(CASES)]
    await relay.stop()
    async with two_replicas() as replicas:
        for number in range(FAILURES):
            event = failure(number, clock)
            await bus.publish_event(subject_of(event), event)
            if number % (FAILURES // KILLS) == FAILURES // KILLS - 1:
                await clock.sleep(0.7 + chance.sample())
                await replicas.kill_one(chance)
        await replicas.settled(lambda: settled(parts, database), within=150)
    told = await said(bus)
    for entry in opened:
        assert entry.value is not None
        begun, own = entry.value.opened_at, told[entry.key]
        dues = sorted((e.data["clock"], e.data["due"]) for e in own if e.type == "io.tocsin.case.breached.v1")
        assert [name for name, _ in dues] == ["resolution", "response"]
        levels = [(e.data["level"], parse_time(e.data["due"])) for e in own if e.type == "io.tocsin.case.escalated.v1"]
        expected = [(n, begun + 2 * n * SECOND) for n in range(1, LEVELS + 1)]
        assert [n for n, _ in levels] == [n for n, _ in expected]
        assert all(abs(due - at) < timedelta(milliseconds=10) for (_, due), (_, at) in zip(levels, expected, strict=True))
        assert [e.sequence for e in own] == list(range(1, len(own) + 1)), "the signals of a case have a gap"
    page = await parts.cases.search(CaseSearch(kind="incident"), limit=50, cursor=None)
    found = [entry.value for entry in page.items if entry.value is not None]
    assert (len(found), sum(case.occurrences for case in found)) == (6, FAILURES)


async def settled(parts: Parts, database: Database) -> bool:
    """Whether nothing is due any more, nothing unsaid, and every failure counted."""
    cases = database.collection("cases")
    due = await cases.count_documents({"v.next_due": {"$ne": None}})
    unsaid = await cases.count_documents({"_pending": {"$exists": True}})
    page = await parts.cases.search(CaseSearch(kind="incident"), limit=50, cursor=None)
    counted = sum(entry.value.occurrences for entry in page.items if entry.value)
    assert (due, unsaid, counted) == (0, 0, FAILURES), "due, unsaid, failures counted"
    return True


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
