"""What `up` was asked for, and the ports that follow from it."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tocsin_kit.config import EmbeddedSection
from tocsin_kit.embedded import free_ports, require_free

FIRST_PORT: Final = 7700
SERVICES: Final = ("gateway", "auth", "trigger", "scheduler", "executor", "lineage", "case", "observer")
"""In the order of their ports, from the first port upwards."""

_OPS_OFFSET, _NATS_OFFSET, _MONITOR_OFFSET, _MONGO_OFFSET = 90, 22, 23, 17


@dataclass(frozen=True, slots=True)
class Options:
    """The command line.

    Attributes:
        data: The data folder.
        port: The gateway's port; the other ports lie behind it at fixed distances. ``None`` for the defaults.
        examples: Whether example workflows and the example services are offered.
        ephemeral: Free ports, a temporary folder, one JSON line when ready, nothing left at the end.
        json_ready: One JSON line on standard output when ready, instead of the welcome.
        logs: Whether logs go to standard error instead of a file in the data folder.
        only: Entry points of the services to run; empty for all that are installed.
        parent: Process id of a program that started this one for itself, and without which it ends.
    """

    data: Path
    port: int | None
    examples: bool
    ephemeral: bool
    json_ready: bool
    logs: bool
    only: frozenset[str]
    parent: int | None = None


@dataclass(frozen=True, slots=True)
class Ports:
    """Every port the platform listens on.

    Attributes:
        services: Of each service's API.
        ops: The operations port.
        nats: Embedded NATS, for clients.
        monitor: Embedded NATS, its monitoring pages.
        mongo: Embedded MongoDB.
    """

    services: Mapping[str, int]
    ops: int
    nats: int
    monitor: int
    mongo: int


def parse(arguments: Sequence[str]) -> Options:
    """The options on the command line; exits with a usage message when they are wrong."""
    parser = argparse.ArgumentParser(prog="tocsin", description="Run the whole platform here until Ctrl-C.")
    up = parser.add_subparsers(required=True, metavar="up").add_parser("up", help="run the whole platform in one process")
    up.add_argument("--data", type=Path, default=Path(".tocsin"), metavar="DIR", help="data folder (default: .tocsin)")
    up.add_argument("--port", type=_port, help="the gateway's port (default: 7700); all others lie behind it")
    up.add_argument("--no-examples", action="store_true", help="load no example workflows")
    up.add_argument("--ephemeral", action="store_true", help="free ports and a temporary folder; nothing is left at the end")
    up.add_argument("--json-ready", action="store_true", help="print one JSON line when ready instead of the welcome")
    up.add_argument("--logs", action="store_true", help="logs to standard error instead of DIR/tocsin.log")
    up.add_argument("--only", default="", metavar="NAMES", help="run these services only, for example auth,gateway,trigger")
    up.add_argument("--parent", type=int, metavar="PID", help="end with this process, which has started this one")
    given = parser.parse_args(arguments)
    return Options(
        data=given.data,
        port=given.port,
        examples=not given.no_examples,
        ephemeral=given.ephemeral,
        json_ready=given.json_ready or given.ephemeral,
        logs=given.logs,
        only=frozenset(filter(None, given.only.split(","))),
        parent=given.parent,
    )


def choose_ports(options: Options, embedded: EmbeddedSection) -> Ports:
    """The ports: free ones when ephemeral, else the defaults, moved together by ``--port``."""
    if options.ephemeral:
        free = free_ports(len(SERVICES) + 4)
        return Ports(dict(zip(SERVICES, free, strict=False)), *free[len(SERVICES) :])
    first = options.port or FIRST_PORT
    given = embedded.model_fields_set
    return Ports(
        services={name: first + index for index, name in enumerate(SERVICES)},
        ops=first + _OPS_OFFSET,
        nats=embedded.nats_port if "nats_port" in given else first + _NATS_OFFSET,
        monitor=embedded.nats_monitor_port if "nats_monitor_port" in given else first + _MONITOR_OFFSET,
        mongo=embedded.mongo_port if "mongo_port" in given else first + _MONGO_OFFSET,
    )


def require_all_free(ports: Ports) -> None:
    """Refuse before anything starts when one of them is taken.

    Raises:
        PortTaken: Says which, for what, and how to choose others.
    """
    for name, port in ports.services.items():
        require_free(port, purpose=f"the {name} service", change="move all ports with --port")
    require_free(ports.ops, purpose="operations (/readyz, /metrics)", change="move all ports with --port")


def _port(text: str) -> int:
    number = int(text) if text.isdigit() else -1
    if not 1 <= number <= 65535 - _OPS_OFFSET:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port between 1 and {65535 - _OPS_OFFSET}")
    return number
