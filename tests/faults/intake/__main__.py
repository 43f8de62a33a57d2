"""`python -m tests.faults.intake --events 10000 --kills 40`: events and instants start runs while everything is killed.

Two triggers' and two schedulers' processes, a broker and a database, killed at random with SIGKILL. Events are published again
until they are acknowledged, under the same id, as any careful client does; schedules fire every second. The ledger is what lies
in the stream of commands in the end: for every event and for every instant one run, whatever was said twice on the way.

Prints one JSON line and exits with 1 unless lost and doubled are 0.
"""

# ruff: noqa: TID251  # chaos is outside of the platform: it has no clock to be given

import argparse
import asyncio
import logging
import math
import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import structlog
import uvloop
from bench.cluster import Issuer, Service, Sync, environment

from tocsin.signals import decode
from tocsin_kit.bus import Bus
from tocsin_kit.embedded import DataFolder, MongoOptions, MongoServer, NatsOptions, NatsServer, free_ports

SCHEDULES = 100
REPLICAS = 2
EVENT = "load.tick"
SETTLE = 90.0  # seconds after the last kill
_BETWEEN = (0.5, 2.0)  # seconds between kills
_DOWN = (0.0, 0.6)
_READ = 500  # messages of the ledger at once


@dataclass
class Intake:
    """Everything that runs."""

    nats: NatsServer
    mongo: MongoServer
    services: list[Service]
    apis: dict[str, list[str]]
    issuer: Issuer
    session: aiohttp.ClientSession
    bus: Bus
    kills: Counter[str] = field(default_factory=Counter)

    async def put(self, service: str, path: str, body: dict[str, Any]) -> None:
        """One request of an administrator, until it has worked."""
        headers = {"Authorization": f"Bearer {self.issuer.token()}"}
        async with self.session.put(self.apis[service][0] + path, json=body, headers=headers) as answer:
            if answer.status not in {200, 201}:
                raise RuntimeError(f"{path}: {answer.status} {await answer.text()}")

    def revive(self) -> None:
        """What has ended runs again, as under any supervisor."""
        for service in self.services:
            if service.process is not None and service.process.poll() is not None:
                service.spawn()

    async def kill(self, kills: int, chance: random.Random) -> None:
        """So many of them."""
        victims = [*(service.name for service in self.services), "nats", "mongo"]
        for number in range(kills):
            await asyncio.sleep(chance.uniform(*_BETWEEN))
            victim = victims[number] if number < len(victims) else chance.choice(victims)
            self.kills[victim] += 1
            await self._kill(victim, chance.uniform(*_DOWN))
            self.revive()

    async def _kill(self, victim: str, down: float) -> None:
        if victim in {"nats", "mongo"}:
            server = self.nats if victim == "nats" else self.mongo
            server.child.kill()
            await asyncio.sleep(down)
            server.spawn()
            await server.ready()
            return
        service = next(service for service in self.services if service.name == victim)
        service.kill()
        await asyncio.sleep(down)
        service.spawn()


async def begun(stack: AsyncExitStack, sync: Sync) -> Intake:
    """Start everything; the stack ends it."""
    folder = DataFolder.temporary().open()
    stack.callback(folder.close)
    nats_port, mongo_port, auth_port, *ports = free_ports(3 + 4 * REPLICAS)
    nats = NatsServer(folder.sub("nats"), NatsOptions(port=nats_port, sync=sync))
    mongo = MongoServer(folder.sub("mongo"), MongoOptions(port=mongo_port))
    nats.spawn()
    mongo.spawn()
    stack.push_async_callback(nats.stop)
    stack.push_async_callback(mongo.stop)
    issuer = Issuer(auth_port)
    await asyncio.gather(nats.ready(), mongo.ready(), issuer.start())
    stack.push_async_callback(issuer.stop)
    shared = {
        "TOCSIN_NATS_URL": nats.url,
        "TOCSIN_MONGO_URL": mongo.url,
        "TOCSIN_SERVICES_AUTH_URL": issuer.url,
        "TOCSIN_LOG_LEVEL": "warning",
        "TOCSIN_TRIGGER_KEY": "k" * 40,
    }
    logs = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tocsin-intake-")))
    services, apis = [], {"trigger": [], "scheduler": []}
    for number, name in enumerate([*["trigger"] * REPLICAS, *["scheduler"] * REPLICAS]):
        http, ops = ports[2 * number], ports[2 * number + 1]
        own = {name_: value for name_, value in shared.items() if name == "trigger" or "TRIGGER" not in name_}
        values = environment(**own, TOCSIN_HTTP_PORT=str(http), TOCSIN_OPS_PORT=str(ops))
        label = f"{name}-{number % REPLICAS}"
        command = [sys.executable, "-m", f"tocsin_{name}"]
        services.append(Service(label, command, values, f"http://127.0.0.1:{ops}/readyz", logs / f"{label}.log"))
        apis[name].append(f"http://127.0.0.1:{http}")
        stack.callback(services[-1].stop)
    session = await stack.enter_async_context(aiohttp.ClientSession())
    for service in services:
        service.spawn()
    for service in services:
        await service.ready(session)
    bus = Bus(nats.url, name="bench")
    await bus.start()
    stack.push_async_callback(bus.stop)
    return Intake(nats, mongo, services, apis, issuer, session, bus)


async def publish(intake: Intake, events: int, seconds: float) -> None:
    """Events, evenly; each again under its id until it is acknowledged."""
    began = time.monotonic()

    async def one(number: int) -> None:
        event = {"specversion": "1.0", "id": f"tick-{number}", "source": "/load", "type": EVENT, "data": {"number": number}}
        while True:
            with suppress(Exception):  # the broker may be away
                async with asyncio.timeout(5):
                    await intake.bus.publish(f"events.default.{EVENT}", orjson.dumps(event))
                return
            await asyncio.sleep(0.1)

    async with asyncio.TaskGroup() as group:
        for number in range(events):
            group.create_task(one(number))
            await asyncio.sleep(max(0.0, began + seconds * number / events - time.monotonic()))


@dataclass
class Ledger:
    """The runs that were asked for, by what caused them."""

    events: dict[str, set[str]] = field(default_factory=dict)
    instants: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    read: int = 0

    async def look(self, bus: Bus) -> None:
        """Read on in the stream of commands."""
        stream = bus.nats.jetstream()
        last = (await stream.stream_info("COMMANDS")).state.last_seq
        while self.read < last:
            wanted = range(self.read + 1, min(last, self.read + _READ) + 1)
            for message in await asyncio.gather(*(stream.get_msg("COMMANDS", sequence) for sequence in wanted)):
                self._note(decode(message.data).payload)
            self.read = wanted[-1]

    def _note(self, data: Any) -> None:
        trigger = data["trigger"]
        if trigger["kind"] == "schedule":
            self.instants.setdefault((trigger["name"], trigger["at"]), set()).add(data["run"])
        else:
            self.events.setdefault(str(data["input"]["number"]), set()).add(data["run"])

    @property
    def doubled(self) -> int:
        """Causes with more than one run."""
        return sum(len(runs) > 1 for runs in (*self.events.values(), *self.instants.values()))


async def intake(events: int, kills: int, seed: int, sync: Sync) -> dict[str, Any]:
    """One round."""
    began, ledger = time.monotonic(), Ledger()
    seconds = max(kills * (sum(_BETWEEN) + sum(_DOWN)) / 2, 10.0)
    firings = math.ceil(seconds)
    async with AsyncExitStack() as stack:
        it = await begun(stack, sync)
        body = {"kind": "event", "workflow": "w", "event": {"type": EVENT}, "input": {"number": "${ .data.number }"}}
        await it.put("trigger", "/api/v1/triggers/default/ticks", body)
        ends_at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=firings + 15)
        starts_at = ends_at - timedelta(seconds=firings)
        for number in range(SCHEDULES):
            times = {"starts_at": starts_at.isoformat(), "ends_at": ends_at.isoformat(), "catch_up": "all"}
            body = {"workflow": "w", "cron": "* * * * * *", **times}
            await it.put("scheduler", f"/api/v1/schedules/default/s{number}", body)
        await asyncio.sleep(max(0.0, (starts_at - datetime.now(UTC)).total_seconds()))
        async with asyncio.TaskGroup() as group:
            group.create_task(publish(it, events, seconds))
            group.create_task(it.kill(kills, random.Random(seed)))
        expected = SCHEDULES * (firings + 1)
        until = time.monotonic() + SETTLE
        while (len(ledger.events), len(ledger.instants)) < (events, expected) and time.monotonic() < until:
            it.revive()
            await asyncio.sleep(1)
            with suppress(Exception):  # a broker that was just killed answers in a moment
                await ledger.look(it.bus)
            if len(ledger.events) == events and len(ledger.instants) == expected:
                break
        await asyncio.sleep(3)  # and nothing more may come
        await ledger.look(it.bus)
    return {
        "events": events,
        "events_lost": events - len(ledger.events),
        "instants": expected,
        "instants_lost": expected - len(ledger.instants),
        "lost": events - len(ledger.events) + expected - len(ledger.instants),
        "doubled": ledger.doubled,
        "said_twice": ledger.read - len(ledger.events) - len(ledger.instants),
        "kills": sum(it.kills.values()),
        "killed": dict(sorted(it.kills.items())),
        "seconds": round(time.monotonic() - began, 1),
        "sync": sync,
        "seed": seed,
    }


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.intake", description=__doc__)
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=64)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--sync", choices=["lazy", "always"], default="always")
    chosen = parser.parse_args()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(intake(chosen.events, chosen.kills, chosen.seed, chosen.sync))
    sys.stdout.write(orjson.dumps(result).decode() + "\n")
    return 1 if result["lost"] or result["doubled"] else 0


if __name__ == "__main__":
    sys.exit(main())
