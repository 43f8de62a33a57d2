"""What a service declares about itself, and what it is given to build its components from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Generic, TypeVar

from structlog.typing import FilteringBoundLogger

from tocsin_kit.bus import Bus
from tocsin_kit.bus.topology import TopologyLimits
from tocsin_kit.chance import Chance
from tocsin_kit.chassis.components import Component
from tocsin_kit.clock import Clock
from tocsin_kit.config import NatsSection, PlatformSettings, Section, Settings
from tocsin_kit.store import Database
from tocsin_kit.telemetry import Metrics

Own = TypeVar("Own", bound=Section)

PORTS: Final = {
    "gateway": 7700,
    "auth": 7701,
    "trigger": 7702,
    "scheduler": 7703,
    "executor": 7704,
    "lineage": 7705,
    "case": 7706,
    "observer": 7707,
}
"""The port of each service's API where ``http.port`` is not given."""


@dataclass(frozen=True, slots=True)
class ServiceContext(Generic[Own]):
    """Everything a service is given; its ``build`` passes on to each part what that part needs, and not this object.

    Attributes:
        name: The service's short name.
        version: Of the distribution.
        settings: The service's own section.
        more: Its further sections, see ``ServiceDefinition.more_settings``.
        platform: The shared sections.
        host: Where its API listens.
        port: The same; 0 for a free port.
        clock: Time.
        chance: Chance.
        bus: The connection to NATS; started before the service's components.
        limits: Replicas and retention of the streams.
        database: Its database; started before the service's components.
        metrics: Makes its metrics.
        log: Its logger.
    """

    name: str
    version: str
    settings: Own
    more: Settings
    platform: PlatformSettings
    host: str
    port: int
    clock: Clock
    chance: Chance
    bus: Bus
    limits: TopologyLimits
    database: Database
    metrics: Metrics
    log: FilteringBoundLogger


@dataclass(frozen=True, slots=True)
class ServiceDefinition(Generic[Own]):
    """A service, as ``wiring.py`` declares it and the entry point ``tocsin.services`` names it.

    Attributes:
        name: Short name: NATS user, database suffix, metrics label.
        settings: Its own section.
        build: Makes its components, in the order of their start, from what it is given; connects nothing yet.
        more_settings: Further sections it reads.
        uses_bus: Whether it connects to NATS.
        needs_bus: Whether it is of no use without; otherwise it connects in the background.
        uses_database: Whether it has a database.
        leaves_in: How long its orderly stop may take, by its settings, if that may be longer than the deadline of the process.
    """

    name: str
    settings: type[Own]
    build: Callable[[ServiceContext[Own]], Sequence[Component]]
    more_settings: tuple[type[Section], ...] = ()
    uses_bus: bool = True
    needs_bus: bool = True
    uses_database: bool = True
    leaves_in: Callable[[Settings], timedelta] | None = None


def topology_limits(nats: NatsSection) -> TopologyLimits:
    """What an operator chose about the streams."""
    chosen: dict[str, timedelta | None] = {
        "SIGNALS": nats.signals_max_age,
        "EVENTS": nats.events_max_age,
        "DEAD": nats.dead_max_age,
    }
    return TopologyLimits(replicas=nats.replicas, max_age={name: age for name, age in chosen.items() if age is not None})
