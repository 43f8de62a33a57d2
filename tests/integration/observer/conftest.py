"""The observer's parts on a real stream and database, without its HTTP."""

import json
from collections.abc import AsyncIterator

import pytest

from tocsin.signals import root
from tocsin.signals.catalogue import case as words
from tocsin.signals.make import make_signal, subject_of
from tocsin_kit.bus import Bus, ensure_streams
from tocsin_kit.bus.direct import Direct
from tocsin_kit.bus.secrets import SecretNotFound
from tocsin_kit.chassis import Part
from tocsin_kit.clock import SystemClock
from tocsin_kit.config import Secret
from tocsin_kit.store import Database
from tocsin_kit.telemetry import Metrics
from tocsin_kit.testing.components import running
from tocsin_observer.adapters.place_store import MongoPlaces
from tocsin_observer.adapters.signal_store import MongoSignalStore
from tocsin_observer.adapters.signal_stream import BusSignalStream
from tocsin_observer.application import Observer
from tocsin_observer.application.named_secrets import NamedSecrets
from tocsin_observer.application.reading import Reader


class Secrets:
    """The platform's store of secrets, as the observer meets it; counts what it was asked."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []

    async def resolve(self, namespace, names, *, used_by):
        """What is stored."""
        self.asked.append((namespace, dict(used_by)))
        missing = sorted(set(names) - self.values.keys())
        if missing:
            raise SecretNotFound(f"there is no secret {missing[0]}")
        return {name: Secret(json.dumps(self.values[name])) for name in names}


class Keeping(Part):
    """The duty of keeping signals, without leases."""

    def __init__(self, observer: Observer, reader: Reader) -> None:
        super().__init__("keeping")
        self.observer, self.reader = observer, reader

    async def serve(self) -> None:
        """Keep until cancelled."""
        await self.observer.work(self.reader)


class Ground:
    """What every part of the observer stands on."""

    def __init__(self, bus: Bus, database: Database) -> None:
        self.bus = bus
        self.database = database
        self.direct = Direct(bus)
        self.stream = BusSignalStream(bus, self.direct)
        self.signals = MongoSignalStore(database)
        self.clock = SystemClock()
        self.places = MongoPlaces(database)
        self.secrets = Secrets()
        self.named = NamedSecrets(self.secrets, self.clock)

    def reader(self, name: str, **more) -> Reader:
        """One of the observer's readers."""
        return Reader(name, self.stream, self.places, clock=self.clock, metrics=Metrics("observer"), **more)

    def keeping(self, observer: Observer) -> "Keeping":
        """What keeps signals, as long as it runs."""
        return Keeping(observer, self.reader("search"))

    async def say(self, *signals) -> None:
        """Publish signals."""
        for one in signals:
            await self.bus.publish_event(subject_of(one), one)

    def signal(self, number: int, namespace: str = "default", actor: str | None = "user:ada", **more):
        """A signal of a case."""
        return make_signal(
            words.CASE_OPENED,
            namespace=namespace,
            entity_id=f"c{number}",
            sequence=more.pop("sequence", 1),
            time=self.clock.now(),
            payload=words.CaseOpened(title=more.pop("title", f"case {number}")),
            cause=root(f"cause{number}"),
            actor=actor,
        )


@pytest.fixture
async def ground(nats_url, mongo_url, mongo_prefix) -> AsyncIterator[Ground]:
    """Bus, streams and database."""
    database = Database(mongo_url, name=f"{mongo_prefix}_observer")
    await database.start()
    try:
        ground = Ground(Bus(nats_url, name="observer"), database)
        async with running(ground.bus):
            await ensure_streams(ground.bus)
            await ground.direct.start()
            await ground.signals.prepare()
            yield ground
    finally:  # also where the bus does not start, or does not end well
        await database.stop()
