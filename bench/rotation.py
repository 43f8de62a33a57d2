"""Every key changed while 200 requests a second go through two replicas of the auth service: how many requests fail.

Signing keys, API keys and data keys are changed by requests, each once a second or as often as it can be; the key-encryption
key by restarting the replicas one after another, as an operator would: the new one given to both, then made the first, then all
data keys wrapped anew, then the old one taken away. Requests go to whichever replica says that it is ready, as a load balancer
does.
"""

import asyncio
import contextlib
import itertools
import json
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from bench.cluster import Service, Sync, environment
from tocsin.errors import TocsinError
from tocsin_kit.bus import Bus
from tocsin_kit.bus.secrets import SecretsClient
from tocsin_kit.embedded import DataFolder, MongoOptions, MongoServer, NatsOptions, NatsServer, free_ports

RATE, SECONDS = 200, 30
_SECRETS = 20
_USED_BY = {"run": "bench"}


class Replicas:
    """Two processes, and which of them takes requests.

    Args:
        services: The processes.
        urls: Of their APIs.
        http: For all requests.
    """

    def __init__(self, services: list[Service], urls: list[str], http: aiohttp.ClientSession) -> None:
        self.services, self.urls, self.http = services, urls, http
        self.restarts = 0
        self._ready = [True] * len(urls)
        self._turn = itertools.count()

    async def watch(self) -> None:
        """Ask each whether it is ready, as a load balancer does."""
        while True:
            for number, service in enumerate(self.services):
                self._ready[number] = await self._is_ready(service)
            await asyncio.sleep(0.05)

    async def _is_ready(self, service: Service) -> bool:
        try:
            async with self.http.get(service.ready_url, timeout=aiohttp.ClientTimeout(total=1)) as answer:
                return answer.status == 200
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False

    async def ask(self, method: str, path: str, token: str | None = None, body: object = None) -> Any:
        """One request to one that is ready; where nobody listens any more, to the other, because nothing was sent yet."""
        able = [number for number, ready in enumerate(self._ready) if ready] or [0, 1]
        first = able[next(self._turn) % len(able)]
        try:
            return await self._ask(self.urls[first], method, path, token, body)
        except aiohttp.ClientConnectorError:
            self._ready[first] = False
            return await self._ask(self.urls[1 - first], method, path, token, body)

    async def _ask(self, base: str, method: str, path: str, token: str | None, body: object) -> Any:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with self.http.request(method, base + path, headers=headers, json=body) as answer:
            raw = await answer.read()
            if answer.status >= 300:
                raise RuntimeError(f"{answer.status} {path} {raw[:200]!r}")
            return json.loads(raw) if raw else None

    async def restart(self, **settings: str | None) -> None:
        """One after the other, with other settings; ``None`` takes one away."""
        for service in self.services:
            service.environment = {name: value for name, value in (service.environment | settings).items() if value is not None}
            await asyncio.to_thread(service.stop)
            service.spawn()
            await service.ready(self.http)
            await asyncio.sleep(0.2)  # until the balancer has seen it
            self.restarts += 1


@asynccontextmanager
async def replicated(sync: Sync) -> AsyncIterator[tuple[Replicas, Bus, str, str]]:
    """The servers and two replicas; their key, and a token of the administrator."""
    folder = DataFolder.temporary().open()
    nats_port, mongo_port, *ports = free_ports(6)
    nats = NatsServer(folder.sub("nats"), NatsOptions(port=nats_port, sync=sync))
    mongo = MongoServer(folder.sub("mongo"), MongoOptions(port=mongo_port))
    nats.spawn()
    mongo.spawn()
    await asyncio.gather(nats.ready(), mongo.ready())
    logs, key = Path(tempfile.mkdtemp(prefix="tocsin-bench-")), secrets.token_hex(32)
    shared = environment(
        TOCSIN_NATS_URL=nats.url,
        TOCSIN_MONGO_URL=mongo.url,
        TOCSIN_LOG_LEVEL="warning",
        TOCSIN_LOG_FORMAT="json",
        TOCSIN_OPS_LAME="1s",
        TOCSIN_AUTH_KEY=key,
        TOCSIN_AUTH_ADMIN_FILE=str(logs / "admin.json"),
    )
    services = [
        Service(
            f"auth-{number}",
            [sys.executable, "-m", "tocsin_auth"],
            shared | {"TOCSIN_HTTP_PORT": str(ports[number]), "TOCSIN_OPS_PORT": str(ports[2 + number])},
            f"http://127.0.0.1:{ports[2 + number]}/readyz",
            logs / f"auth-{number}.log",
        )
        for number in range(2)
    ]
    bus = Bus(nats.url, name="worker")
    async with aiohttp.ClientSession() as http:
        try:
            for service in services:
                service.spawn()
                await service.ready(http)
            await bus.start()
            replicas = Replicas(services, [f"http://127.0.0.1:{port}" for port in ports[:2]], http)
            admin = json.loads((logs / "admin.json").read_text())
            login = {"user": admin["user"], "password": admin["password"]}
            token = (await replicas.ask("POST", "/api/v1/auth/login", body=login))["access_token"]
            yield replicas, bus, key, token
        finally:
            await asyncio.gather(*(asyncio.to_thread(service.stop) for service in services))
            await bus.stop()
            await asyncio.gather(nats.stop(), mongo.stop(), return_exceptions=True)
            folder.close()


class Load:
    """200 requests a second of four kinds, and what became of them."""

    def __init__(self, replicas: Replicas, bus: Bus, token: str) -> None:
        self.replicas, self.token, self.api_key = replicas, token, ""
        self.resolver = SecretsClient(bus)
        self.taken: list[float] = []
        self.failed: Counter[str] = Counter()
        self.going = True
        self.seconds = 0.0  # for which requests were sent

    async def run(self) -> None:
        """Send until told to end; a slow answer delays no other request."""
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number in itertools.count():
                if not self.going:
                    self.seconds = time.perf_counter() - began
                    return
                await asyncio.sleep(max(0.0, began + number / RATE - time.perf_counter()))
                group.create_task(self._one(number))

    async def _one(self, number: int) -> None:
        began = time.perf_counter()
        try:
            match number % 4:
                case 0:
                    await self.replicas.ask("GET", "/api/v1/auth/me", self.token)
                case 1:
                    await self.replicas.ask("GET", "/api/v1/auth/me", self.api_key)
                case 2:
                    issued = await self.replicas.ask("POST", "/api/v1/auth/token", body={"api_key": self.api_key})
                    await self.replicas.ask("GET", "/api/v1/auth/me", issued["access_token"])
                case _:
                    names = [f"s{number % _SECRETS}"]
                    await self.resolver.resolve("default", names, used_by=_USED_BY)
        except (RuntimeError, aiohttp.ClientError, OSError, TimeoutError, TocsinError) as error:
            self.failed[f"{type(error).__name__}: {error}"[:120]] += 1
        self.taken.append((time.perf_counter() - began) * 1000)


async def rotate_on_request(load: Load, made: dict[str, Any], counts: Counter[str]) -> None:
    """Signing keys, API keys and data keys, over and over."""
    ask, token = load.replicas.ask, load.token
    while load.going:
        await ask("POST", "/api/v1/auth/signing-keys/rotate", token)
        made = await ask("POST", f"/api/v1/api-keys/{made['id']}/rotate", token, {"overlap_seconds": 60})
        load.api_key = made["api_key"]
        await ask("POST", "/api/v1/auth/data-keys/rotate", token)
        counts.update({"signing_keys": 1, "api_keys": 1, "data_keys": 1})
        await asyncio.sleep(1)


async def rotate_by_restart(replicas: Replicas, key: str, token: str) -> None:
    """The key-encryption key, as its setting says."""
    new = secrets.token_hex(32)
    await replicas.restart(TOCSIN_AUTH_PREVIOUS_KEY=new)
    await replicas.restart(TOCSIN_AUTH_KEY=new, TOCSIN_AUTH_PREVIOUS_KEY=key)
    await replicas.ask("POST", "/api/v1/auth/data-keys/rewrap", token)
    await replicas.restart(TOCSIN_AUTH_PREVIOUS_KEY=None)


async def rotation(sync: Sync) -> dict[str, object]:
    """Requests, failures, times, and how many keys of each kind were changed meanwhile."""
    async with replicated(sync) as (replicas, bus, key, token):
        for number in range(_SECRETS):
            body = {"namespace": "default", "value": f"value {number}"}
            await replicas.ask("PUT", f"/api/v1/secrets/s{number}", token, body)
        load, counts = Load(replicas, bus, token), Counter[str]()
        made = await replicas.ask("POST", "/api/v1/api-keys", token, {"name": "bench"})
        load.api_key = made["api_key"]
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(replicas.watch())
            group.create_task(load.run())
            rotating = group.create_task(rotate_on_request(load, made, counts))
            await asyncio.sleep(5)
            await rotate_by_restart(replicas, key, token)
            await asyncio.sleep(max(0.0, began + SECONDS - time.perf_counter()))
            load.going = False
            with contextlib.suppress(asyncio.CancelledError):
                await rotating
            watching.cancel()
    taken = sorted(load.taken)
    return {
        "requests": len(taken),
        "per_second": round(len(taken) / load.seconds, 1),
        "failed": sum(load.failed.values()),
        "failures": dict(load.failed.most_common(5)),
        "p50_ms": round(taken[len(taken) // 2], 1),
        "p99_ms": round(taken[int(len(taken) * 0.99)], 1),
        **counts,
        "key_encryption_keys": 1,
        "restarts": replicas.restarts,
    }
