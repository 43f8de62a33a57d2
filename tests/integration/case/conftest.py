"""Replicas of the case service without its HTTP, over a real database and bus."""

from collections.abc import AsyncIterator, Mapping

import pytest

from tocsin.signals import CloudEvent, decode, derive, root
from tocsin.signals.catalogue import executor as words
from tocsin.signals.kinds import ErrorObject
from tocsin.signals.make import make_signal, subject_of
from tocsin_case.application import By
from tocsin_case.ports import CaseSearch, Unreadable
from tocsin_case.wiring import OUTBOXES, assemble, order
from tocsin_kit.bus import Bus, Consumer, ensure_streams
from tocsin_kit.bus.topology import consumer
from tocsin_kit.chance import SystemChance
from tocsin_kit.store import Database, Relay
from tocsin_kit.testing.clocks import ManualClock
from tocsin_kit.testing.components import running
from tocsin_kit.testing.waiting import eventually

ADA = By("user:ada", root("test"))


class KnownRuns:
    """Outputs of runs, as a test gives them."""

    def __init__(self) -> None:
        self.outputs: dict[str, object] = {}

    async def output(self, run: str) -> object:
        found = self.outputs.get(run)
        if isinstance(found, Unreadable):
            raise found
        return found


class World:
    """One replica."""

    def __init__(self, nats_url: str, mongo_url: str, prefix: str, clock: ManualClock) -> None:
        self.bus = Bus(nats_url, name="case")
        self.database = Database(mongo_url, name=f"{prefix}_case")
        self.relay = Relay(self.database, self.bus, OUTBOXES)
        self.runs = KnownRuns()
        self.parts = assemble(self.database, self.relay, self.runs, clock=clock, chance=SystemChance())
        self.cases, self.openings, self.keeper = self.parts.cases, self.parts.openings, self.parts.keeper
        self.consumer = Consumer(self.bus, consumer("case-signals"), self.parts.intake.hear, key=order)
        self.clock = clock
        self._said = 0

    async def open(self, **said):
        return await self.openings.open(opening(**said), by=ADA)

    async def put(self, value):
        return await self.parts.settings.put(value, by=ADA, expect=None)

    async def get(self, key: str):
        return (await self.cases.get(key)).value

    async def end(self, run: str, *, faulted: bool, workflow: str = "orders") -> None:
        """Publish the end of a run, as the executor would."""
        name, now = f"{workflow}-{run}.default", self.clock.now()
        if faulted:
            error = ErrorObject(type="https://example.com/boom", status=500, title="boom")
            payload, kind = words.WorkflowFaulted(name=name, faulted_at=now, error=error), words.WORKFLOW_FAULTED
        else:
            payload, kind = words.WorkflowCompleted(name=name, completed_at=now), words.WORKFLOW_COMPLETED
        signal = make_signal(
            kind, namespace="default", entity_id=run, sequence=1, time=now, payload=payload, cause=root("test")
        )
        await self.bus.publish_event(subject_of(signal), signal)

    async def signal(self, entity: str, transition: str, subject: str, data: Mapping[str, object]) -> None:
        """Publish a signal of another service as it lies on the bus."""
        self._said += 1
        event = CloudEvent(
            id=derive("test", self._said),
            source=f"/namespaces/default/{entity}s/{subject}",
            type=f"io.tocsin.{entity}.{transition}.v1",
            subject=subject,
            time=self.clock.now(),
            datacontenttype="application/json",
            data=dict(data),
            extensions={"namespace": "default"},
        )
        await self.bus.publish_event(f"signals.default.{entity}.{transition}.{subject}", event)

    async def heard(self) -> None:
        """Return when everything that was published has been taken."""

        async def all_taken():
            await self.relay.drained()
            info = await self.bus.nats.jetstream().stream_info("SIGNALS")
            return self.consumer.health().facts["handled"] >= info.state.messages

        await eventually(all_taken)

    async def all(self):
        page = await self.cases.search(CaseSearch(), limit=50, cursor=None)
        return [entry.value for entry in page.items]

    async def said(self, key: str) -> list[CloudEvent]:
        """What was said about a case, in order."""
        await self.relay.drained()
        return [event for event in await self.stored("signals.>") if event.subject == key]

    async def stored(self, subject: str) -> list[CloudEvent]:
        """Everything in the streams under a subject."""
        stream = "COMMANDS" if subject.startswith("commands") else "SIGNALS"
        jetstream = self.bus.nats.jetstream()
        subscription = await jetstream.subscribe(subject, stream=stream, ordered_consumer=True)
        found: list[CloudEvent] = []
        info = await jetstream.stream_info(stream)
        for _ in range(info.state.messages):
            try:
                found.append(decode((await subscription.next_msg(timeout=0.5)).data))
            except TimeoutError:
                break
        await subscription.unsubscribe()
        return found


async def emptied(database: Database) -> None:
    """A database that holds nothing but its indexes."""
    for name in await database.raw.list_collection_names():
        await database.collection(name).delete_many({})


def opening(**said):
    from tocsin_case.application import Opening

    return Opening(**{"namespace": "default", "title": "It broke", **said})


@pytest.fixture
async def world(nats_url, mongo_url, clock) -> AsyncIterator[World]:
    world = World(nats_url, mongo_url, "one_for_case_tests", clock)
    await world.database.start()
    await emptied(world.database)  # and not a new one: indexes take longer to make than most tests take
    await world.parts.preparation.start()
    async with running(world.bus):
        await ensure_streams(world.bus)
        async with running(world.relay, world.consumer):
            yield world
    await world.database.stop()
