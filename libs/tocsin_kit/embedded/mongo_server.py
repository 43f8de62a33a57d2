"""MongoDB as a child process: a replica set of one node, so that transactions and change streams exist as in production.

It listens on loopback only, without users: whoever can open a socket on this machine can reach it, which is right for a laptop
and for tests and for nothing else.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from tocsin_kit.clock import Clock, SystemClock
from tocsin_kit.embedded.binaries import find_mongod
from tocsin_kit.embedded.ports import LOOPBACK, require_free
from tocsin_kit.embedded.processes import Child

SET_NAME: Final = "tocsin"
READY_WITHIN: Final = 60.0  # seconds; a start takes 0.3 s, recovery of a large journal takes longer
STOP_WITHIN: Final = 15.0  # seconds; a clean stop writes a checkpoint
_LOOK: Final = 0.02  # seconds between looks
_NOT_INITIATED: Final = 94  # server error NotYetInitialized


@dataclass(frozen=True, slots=True)
class MongoOptions:
    """How the server runs.

    Attributes:
        port: For clients.
        cache_gb: WiredTiger cache; its least is 0.25.
        change: How a person chooses another port, for the sentence when it is taken.
    """

    port: int
    cache_gb: float = 0.25
    change: str = "choose another port with TOCSIN_EMBEDDED_MONGO_PORT"


class MongoServer:
    """One server on one data folder.

    Args:
        folder: Holds data and logs. The caller owns it exclusively.
        options: How it runs.
        clock: Time.
    """

    def __init__(self, folder: Path, options: MongoOptions, clock: Clock | None = None) -> None:
        self.options = options
        self._clock = clock or SystemClock()
        self._folder = folder
        self._address = f"{LOOPBACK}:{options.port}"
        command = [
            str(find_mongod()),
            *("--dbpath", str(folder / "data")),
            *("--logpath", str(folder / "mongod.log")),
            "--logappend",
            *("--port", str(options.port)),
            *("--bind_ip", LOOPBACK),
            *("--replSet", SET_NAME),
            *("--oplogSize", "128"),  # MB; one node needs no long history, and the least default takes 5 % of the disk
            *("--wiredTigerCacheSizeGB", f"{options.cache_gb:g}"),
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
            "--quiet",
            "--nounixsocket",
        ]
        self.child = Child("MongoDB", command, folder, self._clock)

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"mongodb://{self._address}/?replicaSet={SET_NAME}"

    async def start(self) -> None:
        """Start and wait until the node is primary.

        Raises:
            ServerFailed: In one sentence why not.
        """
        self.spawn_anew()
        await self.ready()

    def spawn_anew(self) -> None:
        """End what a killed owner of this folder left behind, then start the process; see :meth:`spawn`."""
        self.child.end_leftover(STOP_WITHIN)
        self.spawn()

    def spawn(self) -> None:
        """Start the process, in the main thread; :meth:`ready` waits for it.

        Raises:
            PortTaken: Somebody else listens there.
            ServerFailed: It cannot be started.
        """
        require_free(self.options.port, purpose="MongoDB", change=self.options.change)
        (self._folder / "data").mkdir(mode=0o700, exist_ok=True)
        self._rotate_log()
        self.child.spawn()

    async def ready(self) -> None:
        """Wait until the node accepts writes; make the replica set on the first start.

        Raises:
            ServerFailed: It ended, or did not get there in time.
        """
        try:
            async with asyncio.timeout(READY_WITHIN):
                await self._listening()
                await self._primary()
        except TimeoutError as error:
            raise self.child.failure(f"look at {self._folder / 'mongod.log'}") from error

    async def stop(self) -> None:
        """Stop with a checkpoint."""
        await self.child.stop(STOP_WITHIN)

    async def _listening(self) -> None:
        while True:
            try:
                _, writer = await asyncio.open_connection(LOOPBACK, self.options.port)
            except OSError:
                if not self.child.running:
                    raise self.child.failure(self._last_log()) from None
                await self._clock.sleep(_LOOK)
            else:
                writer.close()
                return

    async def _primary(self) -> None:
        # The driver's own monitoring is slow to notice; a direct connection asked again and again is not.
        client: MongoClient[dict[str, object]] = MongoClient(
            self._address, directConnection=True, serverSelectionTimeoutMS=2000, socketTimeoutMS=10_000
        )
        try:
            while not await asyncio.to_thread(self._is_primary, client):
                if not self.child.running:
                    raise self.child.failure(self._last_log())
                await self._clock.sleep(_LOOK)
        finally:
            await asyncio.to_thread(client.close)

    def _is_primary(self, client: MongoClient[dict[str, object]]) -> bool:
        """Whether the node is primary; when the set has to be made or moved to our port first, that is done."""
        try:
            hello = client.admin.command("hello")
            if hello.get("isWritablePrimary") and hello.get("me") == self._address:
                return True
            if hello.get("setName") is None or hello.get("me") != self._address:
                self._configure(client)
        except PyMongoError:
            return False
        return False

    def _configure(self, client: MongoClient[dict[str, object]]) -> None:
        try:
            config = client.admin.command("replSetGetConfig")["config"]
        except OperationFailure as error:
            if error.code == _NOT_INITIATED:
                members = [{"_id": 0, "host": self._address}]
                client.admin.command("replSetInitiate", {"_id": SET_NAME, "members": members})
            return
        if config["members"][0]["host"] != self._address:
            # The data was last used on another port: the set would look for its only member there.
            config["members"][0]["host"] = self._address
            config["version"] += 1
            client.admin.command("replSetReconfig", config, force=True)

    def _rotate_log(self) -> None:
        log = self._folder / "mongod.log"
        if log.is_file() and log.stat().st_size > 16 * 1024 * 1024:
            log.replace(self._folder / "mongod.log.1")

    def _last_log(self) -> str:
        try:
            lines = (self._folder / "mongod.log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        except OSError:
            return ""
        return next((line for line in reversed(lines) if '"s":"F"' in line or '"s":"E"' in line), lines[-1] if lines else "")[
            :400
        ]
