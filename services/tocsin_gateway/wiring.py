"""Puts the gateway together."""

from collections.abc import Sequence

from yarl import URL

from tocsin_gateway.adapters.upstream import HttpUpstream
from tocsin_gateway.application import Gateway
from tocsin_gateway.domain.routing import SERVICES
from tocsin_gateway.http.routes import routes
from tocsin_gateway.settings import GatewaySettings
from tocsin_kit.chassis import Component, ServiceContext, ServiceDefinition
from tocsin_kit.web import HttpServer, Limits
from tocsin_kit.web.outside import RemoteAuthenticator


def build(context: ServiceContext[GatewaySettings]) -> Sequence[Component]:
    """The gateway's components."""
    settings = context.settings
    addresses = {service: context.platform.services.url_of(service) for service in SERVICES}
    operations = {service: str(URL(url).with_port(settings.ops_port).origin()) for service, url in addresses.items()}
    upstream = HttpUpstream(addresses, operations)
    authenticator = RemoteAuthenticator(addresses["auth"], context.clock)
    server = HttpServer(
        "gateway",
        routes(Gateway(upstream, version=context.version), examples=settings.examples, body_limit=settings.max_body),
        host=context.host,
        port=context.port,
        authenticator=authenticator,
        clock=context.clock,
        chance=context.chance,
        limits=Limits(drain=context.platform.http.drain),
        metrics=context.metrics,
        version=context.version,
        trusted_proxies=context.platform.http.trusted_proxies,
    )
    return (upstream, authenticator, server)


SERVICE = ServiceDefinition(name="gateway", settings=GatewaySettings, build=build, needs_bus=False, uses_database=False)
