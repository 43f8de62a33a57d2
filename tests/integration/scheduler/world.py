"""A scheduler without its HTTP, on a real database and bus, in a time that the test moves."""

from datetime import UTC, datetime

from prometheus_client import CollectorRegistry

from tocsin.signals import decode, root
from tocsin.signals.catalogue import executor as run_words
from tocsin.signals.make import make_signal, subject_of
from tocsin_kit.bus import Bus, Consumer
from tocsin_kit.bus.topology import consumer
from tocsin_kit.store import Database, Relay
from tocsin_kit.telemetry import Metrics
from tocsin_kit.testing.clocks import ManualClock
from tocsin_scheduler.adapters.backfills import BACKFILLS, MongoBackfillStore
from tocsin_scheduler.adapters.history import MongoHistory
from tocsin_scheduler.adapters.store import SCHEDULES, MongoScheduleStore
from tocsin_scheduler.application import Firer, RunEnds, Schedules, Timekeeper, Wanted
from tocsin_scheduler.application.backfilling import Backfills
from tocsin_scheduler.domain.schedules import Policy, Start
from tocsin_scheduler.domain.timetables import When

CAUSE = root("test")  # why the tests do things
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Replica:
    """One scheduler without its HTTP."""

    def __init__(self, database: Database, relay: Relay, clock: ManualClock, *, store=None) -> None:
        self.store = store or MongoScheduleStore(database, relay)
        self.firer = Firer(self.store, clock=clock, metrics=Metrics("scheduler", CollectorRegistry()))
        self.timekeeper = Timekeeper(self.store, self.firer, clock=clock)
        self.history, self.of_backfills = MongoHistory(database, clock), MongoBackfillStore(database, relay)
        self.backfills = Backfills(self.of_backfills, self.store, self.history, clock=clock)
        self.ends = RunEnds(self.store, self.timekeeper, self.backfills, self.history, clock=clock)
        self.schedules = Schedules(self.store, self.firer, self.timekeeper, clock=clock)

    async def turn(self) -> None:
        """Look, and fire what is due."""
        await self.timekeeper.look()
        await self.timekeeper.fire_due()


class World:
    """A database, a bus, and what was said on it."""

    def __init__(self, nats_url: str, mongo_url: str, prefix: str, clock: ManualClock) -> None:
        self.clock = clock
        self.bus = Bus(nats_url, name="scheduler")
        self.database = Database(mongo_url, name=f"{prefix}_scheduler")
        self.relay = Relay(self.database, self.bus, (SCHEDULES, BACKFILLS))
        self.one = self.replica()

    def replica(self, **kwargs) -> Replica:
        return Replica(self.database, self.relay, self.clock, **kwargs)

    async def put(
        self, name: str = "s", expression: str = "*/10 * * * *", *, policy: Policy | None = None, workflow: str = "w"
    ):
        wanted = Wanted(
            namespace="default",
            name=name,
            description="",
            when=When(expression=expression, anchor=START),
            start=Start(workflow=workflow, input={"a.b": {"$x": 1}}, labels={"team": "a"}),
            policy=policy or Policy(),
            input_bytes=20,
        )
        entry, _ = await self.one.schedules.put(wanted, expect=None, actor="user:a", cause=CAUSE)
        return entry

    async def said(self, stream: str) -> list:
        """All messages of a stream, in order."""
        await self.relay.drained()
        js = self.bus.nats.jetstream()
        info = await js.stream_info(stream)
        found = []
        for sequence in range(max(1, info.state.first_seq), info.state.last_seq + 1):
            message = await js.get_msg(stream, sequence)
            found.append(decode(message.data))
        return found

    async def starts(self) -> list[dict]:
        return [event.data for event in await self.said("COMMANDS")]

    def listening(self) -> Consumer:
        """What hears of runs and firings."""
        return Consumer(self.bus, consumer("scheduler-runs"), handle_many=self.one.ends.hear)

    async def end(self, run: str, kind=run_words.WORKFLOW_COMPLETED, payload=None) -> None:
        """The executor says that a run has ended."""
        payload = payload or run_words.WorkflowCompleted(name=f"w-{run}.default", completed_at=self.clock.now())
        now = self.clock.now()
        signal = make_signal(kind, namespace="default", entity_id=run, sequence=1, time=now, payload=payload, cause=CAUSE)
        await self.bus.publish_event(subject_of(signal), signal)

    async def transitions(self) -> list[str]:
        return [event.type.removeprefix("io.tocsin.schedule.").removesuffix(".v1") for event in await self.said("SIGNALS")]
