"""Alerts of an observer that was away: judged as of the time in which things were said, then by the present."""

from datetime import timedelta

from tocsin.signals import derive, encode, root
from tocsin.signals.catalogue import executor as words
from tocsin.signals.make import make_signal, subject_of
from tocsin_kit.store import Entry
from tocsin_kit.testing.clocks import START, ManualClock
from tocsin_observer.application.alerting import Alerting
from tocsin_observer.domain.alert_rules import AlertRule, Kind, Promise, promised
from tocsin_observer.domain.alerts import AlertState
from tocsin_observer.domain.audit import Heard

MINUTE = timedelta(minutes=1)


class Tape:
    """The stream as it is when the engine begins; ``more`` is called when all of it was heard."""

    def __init__(self, *heard, more):
        self.heard, self.more = list(heard), more

    async def now(self):
        return len(self.heard)

    goal = now

    async def begins_anew(self, _place):
        return False

    async def each(self, handle, *, after):
        for one in self.heard:
            await handle([one])
        await self.more()


class Memory:
    """Rules, alerts and what rules remember."""

    def __init__(self, *rules):
        self.rules, self.alerts, self.steps = rules, {}, []

    async def stamp(self):
        return 1

    async def enabled(self):
        return self.rules

    async def trackers(self):
        return [], 0

    async def remember(self, *_):
        pass

    async def load(self, key):
        return Entry(key, self.alerts.get(key), 1, 1)

    async def commit(self, entry, alert, _outbox):
        self.alerts[entry.key] = alert
        self.steps.append((alert.run, alert.state, alert.resolved_at or alert.fired_at))

    async def hear(self, *_):
        pass


def said(position, number, transition, at):
    """A signal of a run, stored when it was said."""
    run, time = derive("run", number), START + at
    name = f"orders-{run}.default"
    kind, payload = words.WORKFLOW_COMPLETED, words.WorkflowCompleted(name=name, completed_at=time)
    if transition == "started":
        definition = words.DefinitionReference(name="orders", namespace="default", version="1.0.0")
        kind, payload = words.WORKFLOW_STARTED, words.WorkflowStarted(name=name, definition=definition, started_at=time)
    signal = make_signal(
        kind, namespace="default", entity_id=run, sequence=position, time=time, payload=payload, cause=root("r")
    )
    return Heard(position, time, subject_of(signal), encode(signal))


async def test_what_ended_in_time_while_nobody_looked_is_no_broken_promise():
    """An hour later: one run was in time, one too late, one still goes on; only the last two are told, each as of its time."""
    clock = ManualClock(START + timedelta(hours=1))
    rule = promised(Promise.ENDS_IN_TIME, AlertRule(namespace="default", name="r", kind=Kind.COUNT, window=10 * MINUTE))
    memory = Memory(rule)

    async def more():
        assert [state for _, state, _ in memory.steps] == [AlertState.FIRING, AlertState.RESOLVED]
        await clock.advance(timedelta(seconds=1))  # the engine looks every half second

    tape = Tape(
        said(1, 1, "started", 0 * MINUTE),
        said(2, 2, "started", 1 * MINUTE),
        said(3, 1, "completed", 2 * MINUTE),
        said(4, 2, "completed", 20 * MINUTE),
        said(5, 3, "started", 21 * MINUTE),
        more=more,
    )
    engine = Alerting(memory, memory, tape, memory, measures=dict, clock=clock)
    await engine.work()
    late, living = derive("run", 2), derive("run", 3)
    assert [step[:2] for step in memory.steps] == [
        (late, AlertState.FIRING),
        (late, AlertState.RESOLVED),
        (living, AlertState.FIRING),
    ]
    assert memory.steps[0][2] == START + 20 * MINUTE
