"""Puts a service together: reads its settings, makes its connections, lets it build its components."""

from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import entry_points
from typing import Final

import structlog

from tocsin.errors import Unavailable
from tocsin_kit.bus import Bus
from tocsin_kit.bus.deadletters import STREAM as DEAD
from tocsin_kit.bus.permissions import SERVICES
from tocsin_kit.bus.topology import TopologyLimits, ensure_streams, streams_of
from tocsin_kit.chance import Chance
from tocsin_kit.chassis.aside import Aside
from tocsin_kit.chassis.beats import Beat
from tocsin_kit.chassis.components import Chain, Component, Part
from tocsin_kit.chassis.gauges import export, watch_dead_letters
from tocsin_kit.chassis.requests import RequestAudit
from tocsin_kit.chassis.revoking import RevocationFeed
from tocsin_kit.chassis.services import PORTS, Own, ServiceContext, ServiceDefinition, topology_limits
from tocsin_kit.clock import Clock
from tocsin_kit.config import Section, Settings, load
from tocsin_kit.store import Database
from tocsin_kit.telemetry import Metrics
from tocsin_kit.telemetry.setup import tocsin_version
from tocsin_kit.web import HttpServer, RemoteAuthenticator

log = structlog.get_logger()

GROUP: Final = "tocsin.services"
_PATIENCE: Final = 60.0  # seconds
_PAUSE: Final = 0.5  # seconds between tries


class Streams(Part):
    """Makes sure of the streams that a service uses, before anything of it publishes or consumes."""

    def __init__(self, bus: Bus, service: str, limits: TopologyLimits) -> None:
        super().__init__("streams")
        self._bus, self._names, self._limits = bus, streams_of(service), limits

    async def start(self) -> None:
        """Create or update them; a broker that has just begun itself, or whose disk is busy, may need longer than one answer.

        Raises:
            Unavailable: It did not answer for a minute.
        """
        until = self._bus.clock.monotonic() + _PATIENCE
        while self._names:
            try:
                await ensure_streams(self._bus, self._limits, *self._names)
            except Unavailable as error:
                if self._bus.clock.monotonic() > until:
                    raise
                log.info("streams.later", error=error.detail)
                await self._bus.clock.sleep(_PAUSE)
            else:
                return


def read_settings(
    definition: ServiceDefinition[Own],
    *,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, Mapping[str, object]] | None = None,
) -> Settings:
    """The settings of one service; sections of other services may stand beside its own.

    Raises:
        SettingsInvalid: Lists everything that is wrong.
    """
    kinds: tuple[type[Section], ...] = (definition.settings, *definition.more_settings)
    foreign = {*SERVICES, *(entry.name for entry in entry_points(group=GROUP))} - {kind.section for kind in kinds}
    return load(kinds, environ=environ, overrides=overrides, foreign=foreign)


def assemble(definition: ServiceDefinition[Own], settings: Settings, *, clock: Clock, chance: Chance) -> Chain:
    """The components of a service in the order of their start: connections first, then what the service built."""
    platform = settings.platform
    limits = topology_limits(platform.nats)
    bus = Bus(
        platform.nats.url,
        name=definition.name,
        user=platform.nats.user,
        password=platform.nats.password.reveal() if platform.nats.password else None,
        patience=platform.nats.patience,
        start_timeout=platform.nats.start_timeout,
        clock=clock,
        chance=chance,
    )
    database = Database(
        platform.mongo.url.reveal(),
        name=f"{platform.mongo.database_prefix}_{definition.name}",
        start_timeout=platform.mongo.start_timeout,
        clock=clock,
    )
    context = ServiceContext(
        name=definition.name,
        version=tocsin_version(),
        settings=settings.of(definition.settings),
        more=settings,
        platform=platform,
        host=platform.http.host,
        port=PORTS.get(definition.name, 0) if platform.http.port is None else platform.http.port,
        clock=clock,
        chance=chance,
        bus=bus,
        limits=limits,
        database=database,
        metrics=Metrics(definition.name),
        log=structlog.get_logger().bind(service=definition.name),
    )
    connections: list[Component] = []
    if definition.uses_bus and definition.needs_bus:
        connections += [bus, Streams(bus, definition.name, limits)]
    if definition.uses_database:
        connections.append(database)
    built = definition.build(context)
    companions = list(_companions(context, built)) if definition.uses_bus else []
    components = [*connections, *(companions if definition.needs_bus else []), *built]
    if definition.uses_bus:
        beat = Beat(definition.name, bus, version=context.version, port=context.port, clock=clock)
        beat.components = tuple(components)
        components.append(beat if definition.needs_bus else Aside([bus, *companions, beat], clock))
    export(context.metrics, components)
    return Chain(definition.name, components)


def _companions(context: ServiceContext[Own], built: Sequence[Component]) -> Iterator[Component]:
    """What the parts of a service need of the bus without knowing of it."""
    for component in built:
        if isinstance(component, HttpServer):
            yield RequestAudit(
                context.name, component, context.bus, metrics=context.metrics, clock=context.clock, chance=context.chance
            )
        if isinstance(component, RemoteAuthenticator):
            yield RevocationFeed(context.bus, component.revocations)
    if DEAD in streams_of(context.name):
        yield watch_dead_letters(context.name, context.bus, context.metrics)
