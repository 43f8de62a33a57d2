"""What is done to the platform: killed, paused, cut off. Always one thing at a time, and always undone after a while."""

# ruff: noqa: TID251  # chaos is outside of the platform: it has no clock to be given

import asyncio
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.cluster import Cluster, Service

BETWEEN = (0.3, 1.5)  # seconds between faults
DOWN = (0.0, 0.6)  # seconds that what was killed stays down
PAUSED = (0.5, 8.0)  # seconds; the longest are longer than a lease of a partition
CUT = (0.5, 8.0)  # the same for the connection to the broker


@dataclass
class Proxy:
    """A connection that can be cut: passes bytes on to a port until it is told not to."""

    target: int
    port: int = 0
    is_cut: bool = False
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _passing: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close everything."""
        if self._server is not None:
            self._server.close()
        self.cut()
        await asyncio.gather(*self._passing, return_exceptions=True)

    def cut(self) -> None:
        """Nothing passes any more, and nobody is told politely."""
        self.is_cut = True
        for writer in self._open:
            writer.transport.abort()

    def mend(self) -> None:
        """Connections pass again."""
        self.is_cut = False

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_cut:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, far_writer}
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(self._pass(source, sink))
            self._passing.add(task)
            task.add_done_callback(self._passing.discard)

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(1 << 16):
                sink.write(data)
                await sink.drain()
        except OSError:
            pass
        finally:
            self._open.discard(sink)
            sink.transport.abort()


class Faults:
    """Does something to the platform, again and again.

    Args:
        system: The platform.
        proxies: Connections to the broker that can be cut, by whose they are.
        chance: Draws.
        only: A part of the names of those faults that are wanted; all without one.
    """

    def __init__(self, system: Cluster, proxies: dict[str, Proxy], chance: random.Random, only: str = "") -> None:
        self._system = system
        self._proxies = proxies
        self._chance = chance
        self._only = only
        self._stopped: set[str] = set()
        self.done: Counter[str] = Counter()

    @property
    def services(self) -> list[Service]:
        """Processes that are started again when they end."""
        return [*self._system.executors, *self._system.workers]

    async def rain(self, count: int) -> None:
        """So many faults; the first round takes each in turn, so that every kind is met however few there are."""
        everything = self._everything()
        for number in range(count):
            await asyncio.sleep(self._chance.uniform(*BETWEEN))
            name, fault = everything[number] if number < len(everything) else self._chance.choice(everything)
            self.done[name] += 1
            await fault()
            self.revive()

    async def supervise(self) -> None:
        """Start again what gave up because another part was away, as any supervisor would; until cancelled."""
        while True:
            self.revive()
            await asyncio.sleep(0.3)

    def revive(self) -> None:
        """What has ended runs again."""
        for service in self.services:
            if service.process is not None and service.process.poll() is not None:
                service.spawn()

    def _everything(self) -> list[tuple[str, Callable[[], "asyncio.Future[None] | object"]]]:
        found: list[tuple[str, Callable[[], object]]] = []
        for service in self.services:
            found += [(f"kill {service.name}", self._killing(service)), (f"pause {service.name}", self._pausing(service))]
        for name in ("nats", "mongo"):
            found += [(f"kill {name}", self._killing_server(name)), (f"pause {name}", self._pausing_server(name))]
        found += [(f"cut {name}", self._cutting(proxy)) for name, proxy in self._proxies.items()]
        found.append(("kill everything", self._killing_everything))
        self._chance.shuffle(found)
        return [(name, fault) for name, fault in found if self._only in name]

    def _killing(self, service: Service) -> Callable[[], object]:
        async def kill() -> None:
            service.kill()
            await asyncio.sleep(self._chance.uniform(*DOWN))
            service.spawn()

        return kill

    def _pausing(self, service: Service) -> Callable[[], object]:
        async def pause() -> None:
            process = service.process
            if process is None or process.poll() is not None:
                return
            os.killpg(process.pid, signal.SIGSTOP)
            await asyncio.sleep(self._chance.uniform(*PAUSED))
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGCONT)

        return pause

    def _killing_server(self, name: str) -> Callable[[], object]:
        server = self._system.nats if name == "nats" else self._system.mongo

        async def kill() -> None:
            server.child.kill()
            await asyncio.sleep(self._chance.uniform(*DOWN))
            server.spawn()
            await server.ready()

        return kill

    async def _killing_everything(self) -> None:
        """As when the machine is reset."""
        servers = (self._system.nats, self._system.mongo)
        for service in self.services:
            service.kill()
        for server in servers:
            server.child.kill()
        await asyncio.sleep(self._chance.uniform(*DOWN))
        for server in servers:
            server.spawn()
        for server in servers:
            await server.ready()
        self.revive()

    def _pausing_server(self, name: str) -> Callable[[], object]:
        server = self._system.nats if name == "nats" else self._system.mongo

        async def pause() -> None:
            pid = server.child.pid
            os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(self._chance.uniform(*PAUSED))
            os.kill(pid, signal.SIGCONT)

        return pause

    def _cutting(self, proxy: Proxy) -> Callable[[], object]:
        async def cut() -> None:
            proxy.cut()
            await asyncio.sleep(self._chance.uniform(*CUT))
            proxy.mend()

        return cut


def say(text: str) -> None:
    """For people who wait."""
    sys.stderr.write(text + "\n")
