"""Everything in one process: NATS, the services, the operations port; started together, stopped in reverse."""

import asyncio
import gc
import importlib
import time
from collections.abc import Collection
from datetime import timedelta
from pathlib import Path

import orjson
import structlog
import uvloop

from tocsin_kit.chance import SystemChance
from tocsin_kit.chassis import Chain, Process, assemble, operations, read_settings
from tocsin_kit.chassis.leaving import leave_soon
from tocsin_kit.clock import SystemClock
from tocsin_kit.embedded import NatsOptions, NatsServer
from tocsin_kit.platform.installation import Installation, installed_services
from tocsin_kit.platform.journal import Journal
from tocsin_kit.platform.screen import say_why
from tocsin_kit.platform.servers import ServerPart, callout, nats_users
from tocsin_kit.platform.start import Start
from tocsin_kit.platform.welcome import welcome
from tocsin_kit.telemetry.logs import configure_logging
from tocsin_kit.telemetry.setup import start_telemetry, stop_telemetry, tocsin_version

log = structlog.get_logger()

_TITLES = {"nats": "NATS JetStream", "mongo": "MongoDB"}


def run(start: Start) -> int:
    """Start everything that is not running yet, work until asked to stop, stop.

    Returns:
        The exit code.

    Raises:
        ServerFailed: NATS could not be started, or no service is installed.
        SettingsInvalid: Those of a service.
    """
    journal = None if start.options.logs else Journal(start.options.data / "tocsin.log")
    recorder = start_telemetry("tocsin", start.settings)
    if journal is not None:
        configure_logging(start.settings.log.level, "json", journal)
    nats = _spawn_nats(start)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            code = runner.run(_live(start, nats))
            leave_soon(code)
            return code
    finally:
        if nats is not None and nats.child.running:  # only when the start failed before anyone took care of it
            nats.child.kill()
        stop_telemetry(recorder)
        if journal is not None:
            journal.close()


def _spawn_nats(start: Start) -> NatsServer | None:
    if "url" in start.settings.nats.model_fields_set:
        return None
    options = NatsOptions(
        port=start.ports.nats,
        monitor_port=start.ports.monitor,
        sync=start.settings.embedded.sync,
        users=nats_users(start.folder),
        callout=callout(start.folder),
    )
    nats = NatsServer(start.folder.sub("nats"), options)
    nats.spawn_anew()
    return nats


async def _live(start: Start, nats: NatsServer | None) -> int:
    installation = Installation(
        folder=start.folder,
        ports=start.ports,
        nats_url=nats.url if nats else start.settings.nats.url,
        mongo_url=start.mongo.url if start.mongo else start.settings.mongo.url.reveal(),
        own_nats=nats is not None,
        examples=start.options.examples,
    )
    start.screen.doing("The services are loaded ...")
    clock = SystemClock()
    servers = [
        Chain(name, [ServerPart(name, server, clock)])
        for name, server in (("nats", nats), ("mongo", start.mongo))
        if server is not None
    ]
    services = _assembled(installation, start.options.only)
    stages: list[list[Chain]] = []
    process = Process(
        stages,
        clock=clock,
        start_within=start.settings.ops.start_within,
        stop_within=max(start.settings.ops.stop_within, _leaves_in(installation, start.options.only)),
        started=_Progress(start, [*servers, *services]),
        stopping=start.screen.stopping,
    )
    ops = start.settings.ops.model_copy(update={"host": "127.0.0.1", "port": start.ports.ops})
    stages += [[operations(process, ops)], servers, services]

    async def ready() -> None:
        await _ready(start, installation)

    code = await process.run(ready)
    if process.failure is not None:
        start.screen.close()
        say_why(process.failure, start.options.data / "tocsin.log")
    start.screen.stopped(None if start.options.ephemeral else _shown(start.options.data))
    log.info("platform.stopped", code=code)
    return code


def _assembled(installation: Installation, only: Collection[str]) -> list[Chain]:
    clock, chance = SystemClock(), SystemChance()
    gc.disable()  # what is loaded now stays: looking through it for garbage, again and again, took a sixth of the time
    try:
        return [
            assemble(
                definition,
                read_settings(definition, overrides=installation.overrides(definition)),
                clock=clock,
                chance=chance,
            )
            for definition in installed_services(only)
        ]
    finally:
        gc.freeze()
        gc.enable()


def _leaves_in(installation: Installation, only: Collection[str]) -> timedelta:
    """How long the slowest service may take to stop."""
    told = [
        definition.leaves_in(read_settings(definition, overrides=installation.overrides(definition)))
        for definition in installed_services(only)
        if definition.leaves_in is not None
    ]
    return max(told, default=timedelta(0))


class _Progress:
    """Tells the screen when all components of a chain have started."""

    def __init__(self, start: Start, chains: list[Chain]) -> None:
        self._start = start
        self._left = {chain.name: len(chain.components) for chain in chains}

    def __call__(self, chain: str, _name: str) -> None:
        if chain not in self._left:  # operations: the first to start
            return
        self._left[chain] -= 1
        if self._left[chain] == 0:
            self._start.screen.works(_TITLES.get(chain, f"{chain} service"), time.monotonic() - self._start.began)
        waiting = [_TITLES.get(name, name) for name, left in self._left.items() if left]
        self._start.screen.doing(f"Waiting for {', '.join(waiting)} ...")


async def _ready(start: Start, installation: Installation) -> None:
    """Everything has started."""
    seconds = time.monotonic() - start.began
    log.info("platform.ready", seconds=round(seconds, 3), version=tocsin_version())
    installation.renew_admin_url()
    loaded = 0
    if installation.wants_examples:
        # By name: only a first start reads YAML and calls the API.
        loaded = await importlib.import_module("tocsin_kit.platform.examples").load_examples(installation)
    if start.options.json_ready:
        line = {
            "url": installation.url,
            "services": {name: f"http://127.0.0.1:{port}" for name, port in start.ports.services.items()},
            "nats": installation.nats_url,
            "admin_file": str(installation.admin_file),
            "ops": f"http://127.0.0.1:{start.ports.ops}",
            "data": str(installation.folder.path),
            "ready_s": round(seconds, 3),
        }
        print(orjson.dumps(line).decode(), flush=True)  # noqa: T201 - the one thing that belongs on standard output
    start.screen.welcome(welcome(installation, seconds=seconds, sync=start.settings.embedded.sync, loaded=loaded))


def _shown(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
