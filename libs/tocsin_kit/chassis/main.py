"""The main function of every service: settings, telemetry, operations port, components, exit code."""

import asyncio
import sys
from datetime import timedelta
from typing import NoReturn

import structlog
import uvloop

from tocsin.errors import Rejected, TocsinError
from tocsin_kit.chance import SystemChance
from tocsin_kit.chassis.assembly import assemble, read_settings
from tocsin_kit.chassis.components import Chain
from tocsin_kit.chassis.leaving import leave_soon
from tocsin_kit.chassis.process import Process
from tocsin_kit.chassis.services import Own, ServiceDefinition
from tocsin_kit.clock import SystemClock
from tocsin_kit.config import OpsSection, Settings, SettingsInvalid
from tocsin_kit.telemetry.setup import start_telemetry, stop_telemetry, tocsin_version
from tocsin_kit.web.ops import OpsServer

log = structlog.get_logger()

MISCONFIGURED = 2


def service_main(definition: ServiceDefinition[Own]) -> NoReturn:
    """Run a service until SIGTERM or SIGINT, and exit: 0 after an orderly stop, 1 after a failure, 2 for wrong settings."""
    try:
        settings = read_settings(definition)
    except SettingsInvalid as error:
        report(error)
        sys.exit(MISCONFIGURED)
    recorder = start_telemetry(f"tocsin-{definition.name}", settings.platform)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            code = runner.run(_run(definition, settings))
            leave_soon(code)
    finally:
        stop_telemetry(recorder)
    sys.exit(code)


def report(error: TocsinError) -> None:
    """Say on standard error, in plain sentences, why nothing was started."""
    lines = [f"{violation.pointer}: {violation.detail}" for violation in error.violations] or [error.detail]
    hints = [violation.hint for violation in error.violations] or [error.hint]
    for line, hint in zip(lines, hints, strict=True):
        sys.stderr.write(f"{line}{f' ({hint})' if hint else ''}\n")


def operations(process: Process, ops: OpsSection) -> Chain:
    """The operations port of a process; to be the first stage, so that it answers from the start to the very end."""
    server = OpsServer(host=ops.host, port=ops.port, components=process.components, ready=lambda: process.ready)
    return Chain("process", [server])


async def _run(definition: ServiceDefinition[Own], settings: Settings) -> int:
    clock, chance, platform = SystemClock(), SystemChance(), settings.platform
    stages: list[list[Chain]] = []
    ops = platform.ops
    leaves_in = timedelta(0) if definition.leaves_in is None else definition.leaves_in(settings)
    stop_within = max(ops.stop_within, leaves_in)
    process = Process(stages, clock=clock, start_within=ops.start_within, stop_within=stop_within, lame=ops.lame)
    try:
        own = assemble(definition, settings, clock=clock, chance=chance)
    except Rejected as error:  # a setting that has the right form and makes no sense, such as a key that is none
        report(error)
        return MISCONFIGURED
    stages += [[operations(process, ops)], [own]]

    async def ready() -> None:
        log.info("service.ready", service=definition.name, version=tocsin_version())

    code = await process.run(ready)
    log.info("service.stopped", service=definition.name, code=code)
    return code
