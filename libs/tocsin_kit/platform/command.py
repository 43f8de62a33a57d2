"""The command `up`: refuses early with one sentence, starts MongoDB first because it takes longest, then loads the rest.

Modules that take long to import (services, drivers, the bus) are loaded by name while MongoDB starts; that overlap is a third
of the start. Nothing here survives the process: servers end with it, however it ends.
"""

import importlib
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from tocsin.errors import Rejected, TocsinError
from tocsin_kit.config import PlatformSettings, SettingsInvalid, load
from tocsin_kit.embedded.errors import ServerFailed
from tocsin_kit.embedded.folders import DataFolder
from tocsin_kit.embedded.mongo_server import MongoOptions, MongoServer
from tocsin_kit.embedded.processes import end_with
from tocsin_kit.platform.options import SERVICES, Options, Ports, choose_ports, parse, require_all_free
from tocsin_kit.platform.screen import Screen, say_why
from tocsin_kit.platform.start import Start

FAILED: Final = 1
MISCONFIGURED: Final = 2
_FOREIGN: Final = (*SERVICES, "worker")


def main(arguments: Sequence[str]) -> int:
    """Run until Ctrl-C or SIGTERM.

    Returns:
        0 after an orderly stop, 1 when something failed, 2 when settings or arguments are wrong.
    """
    options = parse(arguments)
    if options.parent is not None and not end_with(options.parent):
        return FAILED
    screen = Screen(quiet=options.json_ready)
    try:
        settings = load(foreign=_FOREIGN).platform
        ports = choose_ports(options, settings.embedded)
        require_all_free(ports)
        folder = (DataFolder.temporary() if options.ephemeral else DataFolder(options.data)).open()
    except SettingsInvalid as error:
        say_why(error)
        return MISCONFIGURED
    except TocsinError as error:
        say_why(error)
        return FAILED
    try:
        return _run(replace(options, data=folder.path), settings, ports, folder, screen)
    except ServerFailed as error:
        screen.close()
        say_why(error)
        return FAILED
    except Rejected as error:  # a setting that has the right form and makes no sense, such as a key that is none
        screen.close()
        say_why(error)
        return MISCONFIGURED
    finally:
        folder.close()


def _run(options: Options, settings: PlatformSettings, ports: Ports, folder: DataFolder, screen: Screen) -> int:
    began = time.monotonic()
    screen.begin(_shown(options.data))
    mongo: MongoServer | None = None
    if "url" not in settings.mongo.model_fields_set:
        mongo = MongoServer(folder.sub("mongo"), MongoOptions(port=ports.mongo))
        mongo.spawn_anew()
    try:
        start = Start(options, settings, ports, folder, screen, mongo, began)
        code: int = importlib.import_module("tocsin_kit.platform.whole").run(start)
    finally:
        if mongo is not None and mongo.child.running:  # only when the start failed before anyone took care of it
            mongo.child.kill()
    return code


def _shown(path: Path) -> str:
    """The path as a person would write it."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
