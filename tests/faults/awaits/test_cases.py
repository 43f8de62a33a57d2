"""The way from a failure to its case, killed at every await."""

from faults.awaits.ground import Remembered, as_delivered_again, freed, swept
from tocsin.signals import derive, encode, root
from tocsin.signals.catalogue import executor as words
from tocsin.signals.kinds import ErrorObject
from tocsin.signals.make import make_signal, subject_of
from tocsin_case.application import By
from tocsin_case.domain.rules import Rule
from tocsin_case.domain.types import Stage
from tocsin_case.ports import CaseSearch
from tocsin_case.wiring import OUTBOXES, assemble
from tocsin_kit.bus.delivery import Delivery
from tocsin_kit.chance import SystemChance
from tocsin_kit.store import Database, Relay
from tocsin_kit.testing.clocks import ManualClock
from tocsin_kit.testing.killing import killed_everywhere

SERVICE = "case"


class NoRuns:
    """No playbook runs here."""

    async def output(self, run: str) -> None:
        raise AssertionError(run)


class Process:
    """A case service without its HTTP, as it begins after a kill."""

    def __init__(self, database: Database, bus: Remembered, clock: ManualClock) -> None:
        self.relay = Relay(database, bus, OUTBOXES)
        self.parts = assemble(database, self.relay, NoRuns(), clock=clock, chance=SystemChance())

    async def work(self, deliveries: list[Delivery]) -> None:
        """Open, append, say."""
        for delivery in deliveries:
            await self.parts.intake.hear(delivery)
        await self.relay.stop()


def end(number: int, turn: int, clock: ManualClock, *, faulted: bool) -> Delivery:
    """The end of a run of the workflow that only this life hears of."""
    run, now, position = derive("run", number, turn), clock.now(), number * 3 + turn
    error = ErrorObject(type="https://example.com/boom", status=500, title="boom")
    name = f"flow{number}-{run}.default"
    if faulted:
        kind, payload = words.WORKFLOW_FAULTED, words.WorkflowFaulted(name=name, faulted_at=now, error=error)
    else:
        kind, payload = words.WORKFLOW_COMPLETED, words.WorkflowCompleted(name=name, completed_at=now)
    event = make_signal(kind, namespace="default", entity_id=run, sequence=1, time=now, payload=payload, cause=root("test"))
    return Delivery(subject_of(event), encode(event), {}, "SIGNALS", "case-signals", position, 1, now, "")


async def test_failures_are_one_case_whenever_the_process_dies(database: Database, clock: ManualClock) -> None:
    """One opens it, one is appended, a run that completes resolves it: each once, whatever await was the last."""
    bus = Remembered()
    first = Process(database, bus, clock)
    await first.parts.preparation.start()
    await first.parts.settings.put(Rule(namespace="default", name="all"), by=By("user:ada", root("test")), expect=None)
    processes, heard = {1: first}, dict[int, list[Delivery]]()

    async def live(number: int) -> None:
        heard[number] = [end(number, turn, clock, faulted=turn < 2) for turn in range(3)]
        await processes[number].work(heard[number])

    async def after(number: int) -> None:
        await freed(database)
        processes[number + 1] = Process(database, bus, clock)
        await as_delivered_again(lambda: processes[number + 1].work(heard[number]))
        await swept(database, processes[number + 1].relay, clock, *OUTBOXES)

    awaits = await killed_everywhere(live, after)
    assert awaits > 20
    page = await first.parts.cases.search(CaseSearch(kind="incident"), limit=500, cursor=None)
    cases = [entry.value for entry in page.items if entry.value is not None]
    assert [(case.occurrences, len(case.links), case.stage) for case in cases] == [(2, 2, Stage.RESOLVED)] * (awaits + 1)
    opened = bus.once("signals.default.case.opened")
    assert len(opened) == awaits + 1
    assert bus.whole()
