"""Signals out to a thousand webhooks with a dead endpoint among them; how fast the audit trail and the signal store keep up.

The observer is a process of its own; this one publishes, is all endpoints, and watches the database.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
from aiohttp import web

from bench.cluster import Issuer, Service, Sync, environment
from tocsin.signals import derive, encode, root
from tocsin.signals.catalogue import case as words
from tocsin.signals.make import make_signal, subject_of
from tocsin_kit.bus import Bus, ensure_streams
from tocsin_kit.bus.messages import Message
from tocsin_kit.chance import SystemChance
from tocsin_kit.config import Secret
from tocsin_kit.embedded import DataFolder, MongoOptions, MongoServer, NatsOptions, NatsServer, free_ports
from tocsin_kit.store import Database, Entry, Relay
from tocsin_observer.adapters.keys import AesSeal
from tocsin_observer.adapters.webhook_store import WEBHOOKS, MongoWebhookStore
from tocsin_observer.domain.webhooks import SigningSecret, Webhook, WebhookSpec, WebhookState, new_secret

SUBSCRIPTIONS = 1000
RATE, SECONDS = 100, 10  # signals a second
KEPT = 20_000  # signals for the projections, one in seventeen by somebody: a run of five tasks has as many
_KEY = Secret("k" * 40)


class Endpoints:
    """All endpoints: ``/n`` takes what comes, ``/dead`` never answers."""

    def __init__(self) -> None:
        self.lags: list[float] = []
        self.sent: dict[str, float] = {}
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen."""
        app = web.Application()
        app.router.add_post("/{path}", self._take)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Close."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        if request.path == "/dead":
            await asyncio.Event().wait()
        now = time.perf_counter()
        body = await request.json()
        self.lags.append((now - self.sent[body["id"]]) * 1000)
        return web.Response(status=204)


@asynccontextmanager
async def observing(sync: Sync) -> AsyncIterator[tuple[Bus, Database, Endpoints]]:
    """The servers, the endpoints, and the observer with its webhooks."""
    folder = DataFolder.temporary().open()
    nats_port, mongo_port, auth_port, api_port, ops_port = free_ports(5)
    nats = NatsServer(folder.sub("nats"), NatsOptions(port=nats_port, sync=sync))
    mongo = MongoServer(folder.sub("mongo"), MongoOptions(port=mongo_port))
    nats.spawn()
    mongo.spawn()
    issuer, endpoints = Issuer(auth_port), Endpoints()
    await asyncio.gather(nats.ready(), mongo.ready(), issuer.start(), endpoints.start())
    database, bus = Database(mongo.url, name="tocsin_observer"), Bus(nats.url, name="bench")
    service = Service(
        "observer",
        [sys.executable, "-m", "tocsin_observer"],
        environment(
            TOCSIN_NATS_URL=nats.url,
            TOCSIN_MONGO_URL=mongo.url,
            TOCSIN_SERVICES_AUTH_URL=issuer.url,
            TOCSIN_LOG_LEVEL="warning",
            TOCSIN_LOG_FORMAT="json",
            TOCSIN_OBSERVER_KEY=_KEY.reveal(),
            TOCSIN_OBSERVER_ALLOW_PRIVATE="true",
            TOCSIN_HTTP_PORT=str(api_port),
            TOCSIN_OPS_PORT=str(ops_port),
        ),
        f"http://127.0.0.1:{ops_port}/readyz",
        Path(tempfile.mkdtemp(prefix="tocsin-bench-")) / "observer.log",
    )
    try:
        await database.start()
        await bus.start()
        await ensure_streams(bus)
        await subscribe(database, bus, endpoints.url)
        service.spawn()
        async with aiohttp.ClientSession() as session:
            await service.ready(session)
        yield bus, database, endpoints
    finally:
        service.stop()
        await bus.stop()
        await database.stop()
        await asyncio.gather(issuer.stop(), endpoints.stop())
        await asyncio.gather(nats.stop(), mongo.stop(), return_exceptions=True)
        folder.close()


async def subscribe(database: Database, bus: Bus, url: str) -> None:
    """A thousand webhooks that each want one case, and a dead one that wants everything."""
    chance, now = SystemChance(), datetime.now(UTC)
    store, seal = MongoWebhookStore(database, Relay(database, bus, (WEBHOOKS,))), AesSeal(_KEY, chance)
    await store.prepare()
    wanted = [(f"hook-{n}", f"signals.default.case.opened.c{n}", f"{url}/{n}") for n in range(SUBSCRIPTIONS)]
    for name, subject, where in [*wanted, ("dead", "signals.default.>", f"{url}/dead")]:
        sealed = seal.seal(Secret(new_secret(chance.token(32))), f"webhook/default/{name}")
        webhook = Webhook(
            namespace="default",
            name=name,
            spec=WebhookSpec(url=where, subject=subject),
            state=WebhookState.ACTIVE,
            secrets=(SigningSecret(sealed=sealed, fingerprint="-", made_at=now),),
            created_at=now,
            changed_at=now,
        )
        await store.commit(Entry(webhook.id, None, 0, 0), webhook, [])


def _message(number: int, case: str, actor: str | None, namespace: str = "default") -> tuple[str, Message]:
    signal = make_signal(
        words.CASE_OPENED,
        namespace=namespace,
        entity_id=case,
        sequence=number + 1,
        time=datetime.now(UTC),
        payload=words.CaseOpened(title="bench"),
        cause=root(derive("bench", number)),
        actor=actor,
    )
    return signal.id, Message(subject_of(signal), encode(signal), None, signal.id)


async def deliveries(bus: Bus, endpoints: Endpoints) -> None:
    """Publish at the rate, and wait until everything has arrived."""
    for number in range(RATE * SECONDS):
        id_, message = _message(number, f"c{number % SUBSCRIPTIONS}", None)
        endpoints.sent[id_] = time.perf_counter()
        await bus.publish_many([message])
        await asyncio.sleep(1 / RATE)
    async with asyncio.timeout(60):
        while len(endpoints.lags) < RATE * SECONDS:  # noqa: ASYNC110  # arrivals are many and this is one look
            await asyncio.sleep(0.05)


async def keeping_up(bus: Bus, database: Database) -> tuple[float, float]:
    """Publish many signals at once: a second so many are kept for searches, and so many are read by the audit trail."""
    messages = [_message(n, f"k{n}", "user:ada" if n % 17 == 0 else None, "bench")[1] for n in range(KEPT)]
    state = database.collection("audit_chain")
    before = await database.collection("signals").count_documents({})
    recorded = (await state.find_one({"_id": "chain"}) or {})["number"]
    began = time.perf_counter()
    await bus.publish_many(messages)
    kept = audited = 0.0
    async with asyncio.timeout(120):
        while not (kept and audited):
            if not audited and (await state.find_one({"_id": "chain"}) or {})["number"] >= recorded + KEPT // 17:
                audited = time.perf_counter() - began
            if not kept and await database.collection("signals").count_documents({}) >= before + KEPT:
                kept = time.perf_counter() - began
            await asyncio.sleep(0.05)
    return KEPT / kept, KEPT / audited


async def webhooks(sync: Sync) -> dict[str, object]:
    """The lag from publish to arrival, and what the projections keep up with."""
    async with observing(sync) as (bus, database, endpoints):
        await deliveries(bus, endpoints)
        kept, audited = await keeping_up(bus, database)
    lags = sorted(endpoints.lags)
    return {
        "p50": round(lags[len(lags) // 2], 1),
        "p99": round(lags[int(len(lags) * 0.99)], 1),
        "unit": "ms from publish to arrival",
        "n": len(lags),
        "subscriptions": SUBSCRIPTIONS + 1,
        "signals_a_second": RATE,
        "kept": round(kept),
        "audited": round(audited),
    }
