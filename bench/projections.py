"""How far the observer falls behind the load of `steps`, and how soon it has caught up: signals kept, audit trail, webhooks.

Everything runs on the same cores: engine, worker, observer, broker and database. The observer is a process of its own, with one
webhook that is told of the end of every run.
"""

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from aiohttp import web

from bench.cluster import Cluster, Service, environment
from bench.loads import Starter, Watch, sequence
from tocsin_kit.bus.api import call
from tocsin_kit.chance import SystemChance
from tocsin_kit.config import Secret
from tocsin_kit.embedded import free_ports
from tocsin_kit.store import Database, Entry, Relay
from tocsin_observer.adapters.keys import AesSeal
from tocsin_observer.adapters.webhook_store import WEBHOOKS, MongoWebhookStore
from tocsin_observer.domain.webhooks import SigningSecret, Webhook, WebhookSpec, WebhookState, new_secret

RUNS, TASKS = 500, 5
_LAG: Final = "tocsin_reader_lag_signals"
_LOOK: Final = 0.2  # seconds
_KEY: Final = Secret("k" * 40)


@dataclass
class Lags:
    """The furthest that each projection was behind, in signals."""

    most: dict[str, int] = field(default_factory=dict)
    now: dict[str, int] = field(default_factory=dict)

    def see(self, name: str, lag: int) -> None:
        """Take a measure."""
        self.now[name] = lag
        self.most[name] = max(lag, self.most.get(name, 0))


class Observed:
    """An observer beside a cluster, and its one webhook's endpoint."""

    def __init__(self, system: Cluster) -> None:
        self._system = system
        self.told = 0
        api, self._ops = free_ports(2)
        self.database = Database(system.mongo.url, name="tocsin_observer")
        self.service = Service(
            "observer",
            [sys.executable, "-m", "tocsin_observer"],
            environment(
                TOCSIN_NATS_URL=system.nats.url,
                TOCSIN_MONGO_URL=system.mongo.url,
                TOCSIN_SERVICES_AUTH_URL=system.issuer.url,
                TOCSIN_LOG_LEVEL="warning",
                TOCSIN_LOG_FORMAT="json",
                TOCSIN_OBSERVER_KEY=_KEY.reveal(),
                TOCSIN_OBSERVER_ALLOW_PRIVATE="true",
                TOCSIN_HTTP_PORT=str(api),
                TOCSIN_OPS_PORT=str(self._ops),
            ),
            f"http://127.0.0.1:{self._ops}/readyz",
            Path(tempfile.mkdtemp(prefix="tocsin-bench-")) / "observer.log",
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Observed"]:
        """Start it, and end it."""
        app = web.Application()
        app.router.add_post("/", self._take)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        await self.database.start()
        try:
            await self._subscribe(f"http://127.0.0.1:{runner.addresses[0][1]}/")
            self.service.spawn()
            await self.service.ready(self._system.session)
            yield self
        finally:
            self.service.stop()
            await self.database.stop()
            await runner.cleanup()

    async def look(self, lags: Lags) -> None:
        """How far it is behind now."""
        async with self._system.session.get(f"http://127.0.0.1:{self._ops}/metrics") as answer:
            for line in (await answer.text()).splitlines():
                if line.startswith(_LAG + "{"):
                    lags.see(line.partition('reader="')[2].partition('"')[0], int(float(line.rsplit(" ", 1)[1])))

    def processor(self) -> float:
        """Seconds of a core that it has used: comparable also when others keep the machine busy."""
        assert self.service.process is not None
        fields = Path(f"/proc/{self.service.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    async def _take(self, _: web.Request) -> web.Response:
        self.told += 1
        return web.Response(status=204)

    async def _subscribe(self, url: str) -> None:
        chance, now = SystemChance(), datetime.now(UTC)
        store = MongoWebhookStore(self.database, Relay(self.database, self._system.bus, (WEBHOOKS,)))
        await store.prepare()
        sealed = AesSeal(_KEY, chance).seal(Secret(new_secret(chance.token(32))), "webhook/bench/ends")
        webhook = Webhook(
            namespace="bench",
            name="ends",
            spec=WebhookSpec(url=url, subject="signals.bench.run.completed.*", ordered=False, parallel=16),
            state=WebhookState.ACTIVE,
            secrets=(SigningSecret(sealed=sealed, fingerprint="-", made_at=now),),
            created_at=now,
            changed_at=now,
        )
        await store.commit(Entry(webhook.id, None, 0, 0), webhook, [])


async def projections(system: Cluster, repeat: int) -> dict[str, object]:
    """Runs in rounds without a pause; lags meanwhile, and how long until nothing is behind any more."""
    digest = await system.publish(sequence(TASKS))
    watch, starter, lags = Watch(system), Starter(system), Lags()
    await watch.start()
    async with Observed(system).running() as observed:

        async def load() -> list[float]:
            rates = []
            for number in range(repeat + 1):
                runs = [starter.new_run() for _ in range(RUNS)]
                ends = [watch.expect(run) for run in runs]
                began = time.perf_counter()
                await starter.start(digest, runs)
                finished = max(await asyncio.gather(*ends))
                if number:
                    rates.append(RUNS * TASKS / (finished - began))
            return rates

        before, used = await _last(system), observed.processor()
        began = time.perf_counter()
        loading = asyncio.create_task(load())
        while not loading.done():
            await observed.look(lags)
            await asyncio.sleep(_LOOK)
        rates, ended = await loading, time.perf_counter()
        behind = dict(lags.now)
        async with asyncio.timeout(300):
            while any(lags.now.values()) or observed.told < RUNS * (repeat + 1):
                await asyncio.sleep(_LOOK)
                await observed.look(lags)
        caught_up, signals = time.perf_counter(), await _last(system) - before
        used = observed.processor() - used
    return {
        "value": round(statistics.median(rates)),
        "unit": "steps/s with an observer beside",
        "signals": signals,
        "signals_a_second": round(signals / (ended - began)),
        "projected_a_second": round(signals / (caught_up - began)),
        "most_behind": lags.most,
        "behind_at_the_end": behind,
        "caught_up_after_s": round(caught_up - ended, 1),
        "processor_us_a_signal": round(used / signals * 1e6),
        "n": repeat,
    }


async def _last(system: Cluster) -> int:
    return int((await call(system.bus, "STREAM.INFO.SIGNALS"))["state"]["last_seq"])
