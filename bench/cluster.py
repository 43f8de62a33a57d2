"""A platform for benchmarks and chaos: real servers, the executor and workers as processes of their own, all on free ports.

Who may call the API is decided by keys of this process: it plays the auth service's public part, so that nothing else runs
beside what is measured.
"""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import aiohttp
import jwt
import orjson
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tocsin_kit.bus import Bus
from tocsin_kit.embedded import DataFolder, MongoOptions, MongoServer, NatsOptions, NatsServer, free_ports

Sync = Literal["lazy", "always"]
ROOT = Path(__file__).parents[1]


class Issuer:
    """Keys and tokens: the public part of an auth service."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._port = port
        self._key = Ed25519PrivateKey.generate()
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Serve the key set."""
        app = web.Application()
        app.router.add_get("/.well-known/jwks.json", self._jwks)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()

    async def stop(self) -> None:
        """Close the port."""
        if self._runner is not None:
            await self._runner.cleanup()

    def token(self) -> str:
        """A token for everything, good for a quarter of an hour."""
        now = int(time.time())
        claims = {
            "iss": "tocsin",
            "aud": "tocsin",
            "sub": "service:bench",
            "name": "bench",
            "grants": [{"permission": "*:*", "namespace": "*"}],
            "iat": now,
            "exp": now + 900,
        }
        return jwt.encode(claims, self._key, algorithm="EdDSA", headers={"kid": "bench"})

    async def _jwks(self, _: web.Request) -> web.Response:
        raw = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        x = urlsafe_b64encode(raw).decode().rstrip("=")
        key = {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "bench", "x": x}
        return web.json_response({"keys": [key]})


@dataclass
class Service:
    """One process of the platform that can be killed and started again."""

    name: str
    command: list[str]
    environment: dict[str, str]
    ready_url: str
    log: Path
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0

    def spawn(self) -> None:
        """Start the process, unless it runs."""
        if self.process is not None and self.process.poll() is None:
            return
        self.starts += 1
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, env=self.environment, stdout=log, stderr=log, cwd=ROOT, start_new_session=True
            )

    def kill(self) -> None:
        """SIGKILL, for it and all it started."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def stop(self) -> None:
        """SIGTERM, and SIGKILL if that does not help."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()

    async def ready(self, session: aiohttp.ClientSession, within: float = 30) -> None:
        """Return when it says that it is ready."""
        until = time.monotonic() + within
        while True:
            if self.process is not None and self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended with {self.process.returncode}:\n{self.tail()}")
            try:
                async with session.get(self.ready_url, timeout=aiohttp.ClientTimeout(total=1)) as answer:
                    if answer.status == 200:
                        return
            except (aiohttp.ClientError, OSError, TimeoutError):
                pass
            if time.monotonic() > until:
                raise RuntimeError(f"{self.name} is not ready after {within} s:\n{self.tail()}")
            await asyncio.sleep(0.02)

    def tail(self) -> str:
        """Its last words."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:]) if self.log.exists() else ""


class Plain:
    """One connection that sends each request as one piece: the client with which the peers were measured, too.

    A client with more comfort takes a millisecond of its own for a request, which is not the platform's.
    """

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        self._host, _, port = url.removeprefix("http://").partition(":")
        self._port = int(port)
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, body: bytes) -> tuple[int, Any]:
        """Status and JSON of the answer."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        head = f"POST {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/json\r\n{self._headers}"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        length = int(answer.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        return int(answer.split(b" ", 2)[1]), orjson.loads(await reader.readexactly(length))

    def close(self) -> None:
        """Close the connection."""
        if self._streams is not None:
            self._streams[1].close()


@dataclass
class Cluster:
    """Everything that runs."""

    folder: DataFolder
    nats: NatsServer
    mongo: MongoServer
    issuer: Issuer
    executors: list[Service]
    workers: list[Service]
    apis: list[str]
    session: aiohttp.ClientSession
    bus: Bus
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def executor(self) -> Service:
        """The only engine, or the first of them."""
        return self.executors[0]

    @property
    def api(self) -> str:
        """Where its API is."""
        return self.apis[0]

    async def call(self, method: str, path: str, *, replica: int = 0, **options: Any) -> tuple[int, Any]:
        """Status and JSON of one request to the API of one of the engines."""
        api = self.apis[replica % len(self.apis)]
        async with self.session.request(method, api + path, headers=self.headers, **options) as answer:
            body = await answer.read()
            return answer.status, orjson.loads(body) if body else None

    async def publish(self, document: dict[str, Any]) -> str:
        """Publish a workflow; its digest."""
        headers = {**self.headers, "Content-Type": "application/json"}
        async with self.session.post(self.api + "/api/v1/workflows", data=orjson.dumps(document), headers=headers) as answer:
            body = await answer.json()
            if answer.status not in {200, 201}:
                raise RuntimeError(f"publish: {answer.status} {body}")
            return str(body["digest"])


def processor_seconds() -> dict[str, float]:
    """Processor time of each process that this one started, by what it is: it says more than the clock on a busy machine."""
    used: dict[str, float] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
            command = (stat.parent / "cmdline").read_text()
        except OSError:  # it has ended
            continue
        if int(fields[1]) == os.getpid():
            named = {"nats-server": "nats", "mongod": "mongo", "worker": "worker", "tocsin_executor": "engine"}
            name = next((short for word, short in named.items() if word in command), "other")
            seconds = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            used[name] = used.get(name, 0.0) + seconds
    return used


def environment(**values: str) -> dict[str, str]:
    """A clean environment for a process of the platform."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "PYTHONPATH": f"{ROOT / 'libs'}:{ROOT / 'services'}", **values}


@asynccontextmanager
async def cluster(
    sync: Sync,
    *,
    engines: int = 1,
    workers: int = 1,
    slots: int = 1000,
    own_worker: bool = False,
    via: Callable[[int], Awaitable[dict[str, int]]] | None = None,
) -> AsyncIterator[Cluster]:
    """Start everything, and end it all.

    Args:
        sync: Durability of JetStream.
        engines: Executor processes.
        workers: Worker processes.
        slots: Of each.
        own_worker: Also a worker inside the executor process.
        via: Told the port of the broker; answers with the ports at which services, by name, reach it instead.
    """
    folder = DataFolder.temporary().open()
    nats_port, mongo_port, auth_port, *ports = free_ports(3 + 2 * engines + workers)
    api_ports, ops_ports, worker_ports = ports[:engines], ports[engines : 2 * engines], ports[2 * engines :]
    nats = NatsServer(folder.sub("nats"), NatsOptions(port=nats_port, sync=sync))
    mongo = MongoServer(folder.sub("mongo"), MongoOptions(port=mongo_port))
    logs = Path(tempfile.mkdtemp(prefix="tocsin-bench-"))
    nats.spawn()
    mongo.spawn()
    issuer = Issuer(auth_port)
    await asyncio.gather(nats.ready(), mongo.ready(), issuer.start())
    shared = {
        "TOCSIN_NATS_URL": nats.url,
        "TOCSIN_MONGO_URL": mongo.url,
        "TOCSIN_SERVICES_AUTH_URL": issuer.url,
        "TOCSIN_LOG_LEVEL": "warning",
        "TOCSIN_LOG_FORMAT": "json",
    }
    ways = await via(nats_port) if via is not None else {}

    def around(name: str, ops: int, **values: str) -> dict[str, str]:
        own = {**shared, "TOCSIN_OPS_PORT": str(ops), **values}
        if name in ways:
            own["TOCSIN_NATS_URL"] = nats.url.replace(str(nats_port), str(ways[name]))
        return environment(**own)

    executors = [
        _executor(
            name := "executor" if engines == 1 else f"executor-{number}",
            around(name, ops, TOCSIN_HTTP_PORT=str(api), TOCSIN_EXECUTOR_WORKER="true" if own_worker else "false"),
            ops,
            logs,
        )
        for number, (api, ops) in enumerate(zip(api_ports, ops_ports, strict=True))
    ]
    processes = [
        _worker(
            name := f"worker-{number}", around(name, port, TOCSIN_WORKER_SLOTS=str(slots), TOCSIN_WORKER_NAME=name), port, logs
        )
        for number, port in enumerate(worker_ports)
    ]
    bus = Bus(nats.url, name="bench")
    session = aiohttp.ClientSession()
    apis = [f"http://127.0.0.1:{port}" for port in api_ports]
    made = Cluster(folder, nats, mongo, issuer, executors, processes, apis, session, bus)
    made.headers = {"Authorization": f"Bearer {issuer.token()}"}
    try:
        for engine in executors:
            engine.spawn()
        for engine in executors:
            await engine.ready(session)
        for process in processes:
            process.spawn()
        for process in processes:
            await process.ready(session)
        await bus.start()
        yield made
    finally:
        for process in [*processes, *executors]:
            process.stop()
        await bus.stop()
        await session.close()
        await issuer.stop()
        await asyncio.gather(nats.stop(), mongo.stop(), return_exceptions=True)
        folder.close()


def _executor(name: str, own: dict[str, str], ops: int, logs: Path) -> Service:
    command = [sys.executable, "-m", "tocsin_executor"]
    return Service(name, command, own, f"http://127.0.0.1:{ops}/readyz", logs / f"{name}.log")


def _worker(name: str, own: dict[str, str], ops: int, logs: Path) -> Service:
    command = [sys.executable, "-m", "tocsin_executor.worker"]
    return Service(name, command, own, f"http://127.0.0.1:{ops}/readyz", logs / f"{name}.log")
