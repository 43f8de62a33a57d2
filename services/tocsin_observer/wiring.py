"""Puts the observer together."""

from collections.abc import Sequence

from tocsin_kit.bus.consumer import Consumer
from tocsin_kit.bus.direct import Direct
from tocsin_kit.bus.topology import consumer
from tocsin_kit.chassis import Component, Part, ServiceContext, ServiceDefinition
from tocsin_kit.chassis.dead_letters import dead_letter_routes
from tocsin_kit.chassis.housekeeping import Housekeeping
from tocsin_kit.web import HttpServer, Limits
from tocsin_kit.web.outside import RemoteAuthenticator
from tocsin_observer.adapters.signal_store import MongoSignalStore
from tocsin_observer.adapters.signal_stream import BusSignalStream
from tocsin_observer.application import Observer
from tocsin_observer.http.routes import routes
from tocsin_observer.settings import ObserverSettings

TIDY = "17 * * * *"  # once an hour, not on the full hour when everyone else tidies


class Preparation(Part):
    """Makes ready what the observer reads and writes through."""

    def __init__(self, store: MongoSignalStore, direct: Direct) -> None:
        super().__init__("preparation")
        self._store, self._direct = store, direct

    async def start(self) -> None:
        """Make the indexes and open the short way to the bus."""
        await self._store.prepare()
        await self._direct.start()


def build(context: ServiceContext[ObserverSettings]) -> Sequence[Component]:
    """The observer's components."""
    direct = Direct(context.bus)
    store = MongoSignalStore(context.database)
    stream = BusSignalStream(context.bus, direct)
    observer = Observer(store, stream, clock=context.clock, retention=context.settings.retention)
    authenticator = RemoteAuthenticator(context.platform.services.auth_url, context.clock)
    listening = Consumer(context.bus, consumer("observer-signals"), handle_many=observer.keep, limits=context.limits)
    server = HttpServer(
        "observer",
        (*routes(observer), *dead_letter_routes("observer", context.bus, [listening])),
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
        Preparation(store, direct),
        listening,
        authenticator,
        server,
        Housekeeping("observer.tidy", TIDY, observer.tidy),
    )


SERVICE = ServiceDefinition(name="observer", settings=ObserverSettings, build=build)
