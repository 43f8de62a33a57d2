"""The frame of every process: components, their life, and how a service is put together.

A service's ``wiring.py`` declares a :class:`ServiceDefinition`, its ``__main__.py`` calls :func:`service_main`.
"""

from tocsin_kit.chassis.assembly import GROUP, assemble, read_settings
from tocsin_kit.chassis.components import Chain, Component, Part
from tocsin_kit.chassis.main import operations, report, service_main
from tocsin_kit.chassis.process import Process
from tocsin_kit.chassis.services import PORTS, ServiceContext, ServiceDefinition, topology_limits
from tocsin_kit.telemetry.health import Health

__all__ = [
    "GROUP",
    "PORTS",
    "Chain",
    "Component",
    "Health",
    "Part",
    "Process",
    "ServiceContext",
    "ServiceDefinition",
    "assemble",
    "operations",
    "read_settings",
    "report",
    "service_main",
    "topology_limits",
]
