"""Puts the observer together."""

from collections.abc import Sequence
from typing import Protocol

from tocsin_kit.bus.consumer import Consumer
from tocsin_kit.bus.direct import Direct
from tocsin_kit.bus.lease import PartitionLeases
from tocsin_kit.bus.topology import consumer
from tocsin_kit.chassis import Component, Part, ServiceContext, ServiceDefinition
from tocsin_kit.chassis.dead_letters import dead_letter_routes
from tocsin_kit.chassis.housekeeping import Housekeeping
from tocsin_kit.store import Relay
from tocsin_kit.web import HttpServer, Limits
from tocsin_kit.web.outside import RemoteAuthenticator
from tocsin_observer.adapters.audit_store import MongoAuditStore
from tocsin_observer.adapters.hold_store import HOLDS, MongoHoldStore
from tocsin_observer.adapters.keys import Ed25519Signer
from tocsin_observer.adapters.signal_store import MongoSignalStore
from tocsin_observer.adapters.signal_stream import BusSignalStream
from tocsin_observer.application import Observer
from tocsin_observer.application.audit import Audit
from tocsin_observer.application.chaining import ChainWriter
from tocsin_observer.application.duties import Duties
from tocsin_observer.http.audit_routes import audit_routes
from tocsin_observer.http.routes import routes
from tocsin_observer.settings import ObserverSettings

TIDY = "17 * * * *"  # once an hour, not on the full hour when everyone else tidies
TIDY_AUDIT = "47 3 * * *"


DUTIES = 1
CHAIN = 0  # the duty of writing the audit chain


class Prepared(Protocol):
    """A store that makes ready."""

    async def prepare(self) -> None:
        """Make its indexes."""
        ...


class Preparation(Part):
    """Makes ready what the observer reads and writes through."""

    def __init__(self, stores: Sequence[Prepared], direct: Direct) -> None:
        super().__init__("preparation")
        self._stores, self._direct = stores, direct

    async def start(self) -> None:
        """Make the indexes and open the short way to the bus."""
        for store in self._stores:
            await store.prepare()
        await self._direct.start()


def build(context: ServiceContext[ObserverSettings]) -> Sequence[Component]:
    """The observer's components."""
    direct = Direct(context.bus)
    store = MongoSignalStore(context.database)
    stream = BusSignalStream(context.bus, direct)
    observer = Observer(store, stream, clock=context.clock, retention=context.settings.retention)
    authenticator = RemoteAuthenticator(context.platform.services.auth_url, context.clock)
    relay = Relay(context.database, context.bus, (HOLDS,))
    trail, signer = MongoAuditStore(context.database, context.chance), Ed25519Signer(context.settings.key)
    holds = MongoHoldStore(context.database, relay)
    audit = Audit(trail, holds, signer, clock=context.clock, retention=context.settings.audit_retention)
    writer = ChainWriter(trail, stream, signer, clock=context.clock)
    duties = _duties(context, writer)
    listening = Consumer(context.bus, consumer("observer-signals"), handle_many=observer.keep, limits=context.limits)
    server = HttpServer(
        "observer",
        (*routes(observer), *audit_routes(audit, context.clock), *dead_letter_routes("observer", context.bus, [listening])),
        host=context.host,
        port=context.port,
        authenticator=authenticator,
        clock=context.clock,
        chance=context.chance,
        limits=Limits(body_bytes=context.platform.http.max_body, drain=context.platform.http.drain),
        version=context.version,
        trusted_proxies=context.platform.http.trusted_proxies,
    )
    return (
        Preparation((store, trail), direct),
        relay,
        listening,
        duties,
        authenticator,
        server,
        Housekeeping("observer.tidy", TIDY, observer.tidy),
        Housekeeping("observer.tidy-audit", TIDY_AUDIT, audit.tidy),
    )


def _duties(context: ServiceContext[ObserverSettings], writer: ChainWriter) -> Duties:
    """What only one replica does at a time."""
    name = context.chance.token(8).hex()
    leases = PartitionLeases(
        context.bus, "OBSERVER", partitions=DUTIES, replica=name, instance=name, lease=context.settings.lease
    )

    async def work(duty: int) -> None:
        if duty == CHAIN:
            await writer.work()

    return Duties(leases, work, lease=context.settings.lease, clock=context.clock)


SERVICE = ServiceDefinition(name="observer", settings=ObserverSettings, build=build)
