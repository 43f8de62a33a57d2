"""One replica of lineage, with everything but HTTP and the bus; what it says is caught."""

from datetime import UTC, datetime
from typing import Any

import orjson

from tocsin.signals import CloudEvent, decode, root
from tocsin.signals.kinds import Payload, SignalType
from tocsin.signals.make import make_signal, subject_of
from tocsin_kit.bus.delivery import Delivery
from tocsin_kit.clock import Clock
from tocsin_kit.store import Database, Relay
from tocsin_lineage.adapters.assets import ASSETS, SLOTS, MongoAssetStore
from tocsin_lineage.adapters.facts import MongoFactStore
from tocsin_lineage.adapters.graph import MongoEventStore, MongoGraphStore
from tocsin_lineage.adapters.journals import MongoEvaluationStore
from tocsin_lineage.application import Assets, Automation, Backfills, FreshnessKeeper, Graph, Hearing, Intake, Recorder
from tocsin_lineage.application.graph import View
from tocsin_lineage.application.recording import Report, happening_of
from tocsin_lineage.domain.assets import Act, Asset
from tocsin_lineage.domain.causes import Wait
from tocsin_lineage.domain.graph import Direction
from tocsin_lineage.domain.policy import read_policy

CAUSE = root("test")
NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class Caught:
    """A bus that takes everything and keeps it."""

    def __init__(self) -> None:
        self.items: list[tuple[str, CloudEvent]] = []

    async def deliver(self, items):
        """Keep them."""
        self.items += [(item.subject, decode(item.payload)) for item in items]


class Told:
    """An executor that says what it was told to say about waiting runs."""

    def __init__(self) -> None:
        self.waits: list[Wait] = []

    async def of(self, workflows):
        """Those of these workflows."""
        return [one for one in self.waits if (one.namespace, one.workflow) in workflows]


class World:
    """A replica."""

    def __init__(self, mongo_url: str, prefix: str, clock: Clock) -> None:
        self.clock = clock
        self.database = Database(mongo_url, name=f"{prefix}_lineage")
        self.bus = Caught()
        self.relay = Relay(self.database, self.bus, (ASSETS, SLOTS))
        self.store = MongoAssetStore(self.database, self.relay)
        self.edges, self.facts = MongoGraphStore(self.database), MongoFactStore(self.database)
        self.evaluations = MongoEvaluationStore(self.database)
        self.assets = Assets(self.store, clock=clock)
        self.recorder = Recorder(self.store, clock=clock)
        self.intake = Intake(MongoEventStore(self.database), self.edges, self.recorder)
        self.graph = Graph(self.edges, self.store)
        self.backfills = Backfills(self.assets, self.store, clock=clock)
        self.waits = Told()
        self.keeper = FreshnessKeeper(self.store, self.facts, self.edges, self.waits, clock=clock)
        self.automation = Automation(self.store, self.evaluations, clock=clock)
        self.hearing = Hearing(self.facts, self.edges, self.recorder, followers=[self.automation.hear])
        self._heard = 0
        self._sequence = 0

    async def start(self) -> None:
        """Connect, and make the indexes."""
        await self.database.start()
        for part in (self.store, self.edges, self.facts, self.evaluations):
            await part.prepare()
        await self.relay.start()

    async def stop(self) -> None:
        """Disconnect."""
        await self.relay.stop()
        await self.database.stop()

    async def take(self, event: dict[str, Any]) -> str:
        """An OpenLineage event comes in."""
        return await self.intake.take(event, namespace="default", actor="key:spark", cause=CAUSE)

    async def describe(self, key: str, *, code_version: str | None = None, **policy: Any) -> Asset:
        """A person declares something about an asset."""
        asset = Asset(namespace="default", key=key, declared=True, code_version=code_version, policy=read_policy(policy))
        entry = await self.assets.describe(asset, expect=None, actor="user:ada", cause=CAUSE)
        assert entry.value is not None
        return entry.value

    async def write(self, key: str, partition: str = "", *, at: datetime | None = None, run: str | None = None) -> None:
        """A program reports that it wrote an asset; its signals are heard."""
        self._sequence += 1
        at = at or self.clock.now()
        cause_id = f"write-{self._sequence}"
        happening = happening_of(Act.MATERIALIZED, cause_id=cause_id, key=key, at=at, actor="key:etl", partition=partition)
        await self.recorder.record([Report(namespace="default", key=key, happening=happening, cause=root(cause_id))])
        await self.settle()

    async def say(self, kind: SignalType[Any], payload: Payload, entity: str, **extensions: Any) -> Delivery:
        """A signal of another service comes."""
        self._sequence += 1
        signal = make_signal(
            kind,
            namespace="default",
            entity_id=entity,
            sequence=self._sequence,
            time=self.clock.now(),
            payload=payload,
            cause=CAUSE,
            extensions=extensions,
        )
        delivery = delivered(subject_of(signal), signal)
        await self.hearing.hear(delivery)
        await self.settle()
        return delivery

    async def settle(self) -> None:
        """Say what is to be said, and hear one's own signals, until nothing follows."""
        while True:
            await self.relay.stop()  # says what waits
            news = self.bus.items[self._heard :]
            self._heard = len(self.bus.items)
            if not news:
                return
            for subject, event in news:
                if subject.startswith("signals."):
                    await self.hearing.hear(delivered(subject, event))

    def said(self, transition: str) -> list[dict[str, Any]]:
        """The data of our signals of a kind, in order."""
        return [event.payload for subject, event in self.bus.items if f".asset.{transition}." in subject]

    def commands(self, service: str) -> list[dict[str, Any]]:
        """The data of the commands for a service, in order."""
        return [event.payload for subject, event in self.bus.items if subject.startswith(f"commands.{service}.")]

    async def picture(self, key: str, direction: Direction = Direction.BOTH, depth: int = 5) -> set[str]:
        """The nodes around an asset."""
        view = View(namespace="default", key=key, direction=direction, depth=depth)
        return set((await self.graph.around(view)).nodes)


def delivered(subject: str, event: CloudEvent) -> Delivery:
    """A signal as the bus brings it."""
    document = {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "subject": event.subject,
        "time": event.time.isoformat() if event.time else None,
        "datacontenttype": "application/json",
        "data": event.payload,
        **event.extensions,
    }
    return Delivery(
        subject=subject,
        payload=orjson.dumps({name: value for name, value in document.items() if value is not None}),
        headers={"Content-Type": "application/cloudevents+json"},
        stream="SIGNALS",
        consumer="lineage-signals",
        sequence=1,
        attempt=1,
        published=event.time or NEVER,
        reply="",
    )
