"""Puts lineage together."""

from collections.abc import Sequence

from tocsin_kit.chassis import Component, Part, ServiceContext, ServiceDefinition
from tocsin_kit.store import Relay
from tocsin_kit.web import HttpServer, Limits
from tocsin_kit.web.outside import RemoteAuthenticator
from tocsin_lineage.adapters.stores import ASSETS, MongoAssetStore, MongoEdgeStore, MongoEventStore
from tocsin_lineage.application import Assets, Graph, Intake
from tocsin_lineage.http.routes import routes
from tocsin_lineage.settings import LineageSettings


class Preparation(Part):
    """Makes the indexes."""

    def __init__(self, store: MongoAssetStore) -> None:
        super().__init__("preparation")
        self._store = store

    async def start(self) -> None:
        """Make them."""
        await self._store.prepare()


def build(context: ServiceContext[LineageSettings]) -> Sequence[Component]:
    """Lineage's components."""
    relay = Relay(context.database, context.bus, (ASSETS,))
    store, edges = MongoAssetStore(context.database, relay), MongoEdgeStore(context.database)
    assets = Assets(store, clock=context.clock)
    intake = Intake(MongoEventStore(context.database), edges, assets)
    authenticator = RemoteAuthenticator(context.platform.services.auth_url, context.clock)
    server = HttpServer(
        "lineage",
        routes(assets, intake, Graph(edges), clock=context.clock),
        host=context.host,
        port=context.port,
        authenticator=authenticator,
        clock=context.clock,
        chance=context.chance,
        limits=Limits(body_bytes=context.platform.http.max_body, drain=context.platform.http.drain),
        version=context.version,
        trusted_proxies=context.platform.http.trusted_proxies,
    )
    return (Preparation(store), relay, authenticator, server)


SERVICE = ServiceDefinition(name="lineage", settings=LineageSettings, build=build)
