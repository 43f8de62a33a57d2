"""Real processes of the trigger service, killed without warning while partners and clients send."""

import asyncio
import base64
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession

from integration.trigger.harness import signed, started
from tocsin.signals import CloudEvent, decode, encode
from tocsin_kit.bus import Bus, Message
from tocsin_kit.bus.api import call
from tocsin_kit.chance import SeededChance
from tocsin_kit.clock import SystemClock
from tocsin_kit.embedded import free_ports
from tocsin_kit.testing.replicas import Replicas

KILLS = 8


async def prepare(environ: dict[str, str]) -> str:
    """Make the triggers with a replica that then goes away; gives the webhook's secret."""
    async with started(environ) as service:
        secret: str = (await service.webhook())["secret"]
        body = {"kind": "event", "workflow": "w", "event": {"type": "com.example.*"}}
        assert (await service.ask("PUT", "/api/v1/triggers/default/events", json=body))[0] == 201
        batch = {"mode": "batch", "most": 7, "within": "2s"}
        assert (await service.ask("PUT", "/api/v1/triggers/default/batched", json={**body, "when": batch}))[0] == 201
        return secret


class Told:
    """The commands in the stream; each is read once."""

    def __init__(self, bus: Bus) -> None:
        self._bus, self._known = bus, list[CloudEvent]()

    async def all(self) -> list[CloudEvent]:
        last = (await call(self._bus, "STREAM.INFO.COMMANDS"))["state"]["last_seq"]
        for sequence in range(len(self._known) + 1, last + 1):
            message = (await call(self._bus, "STREAM.MSG.GET.COMMANDS", {"seq": sequence}))["message"]
            self._known.append(decode(base64.b64decode(message["data"])))
        return self._known


async def send(http: ClientSession, port: int, secret: str, message: str) -> dict[str, Any] | None:
    """One try; the answer when it was accepted."""
    body = b'{"id":"%s"}' % message.encode()
    headers = {"Content-Type": "application/json", **signed(secret, body, message=message)}
    try:
        async with http.post(f"http://127.0.0.1:{port}/hooks/default/orders", data=body, headers=headers) as answer:
            return await answer.json() if answer.status in {200, 202} else None
    except (ClientError, OSError, TimeoutError):
        return None


@pytest.mark.slow
async def test_killing_replicas_at_random_loses_nothing_and_fires_nothing_twice(
    environ: dict[str, str], tmp_path: Path, seed: int
) -> None:
    """Two replicas, killed eight times while 40 webhooks and 200 events come in: 240 runs are started, each once.

    And each of the 200 events is in exactly one batch of a trigger that remembers.
    """
    secret, chance, clock = await prepare(environ), SeededChance(seed), SystemClock()
    promised: dict[str, str] = {}
    ports = free_ports(2)
    own = [{"TOCSIN_HTTP_PORT": str(port), "TOCSIN_LOG_LEVEL": "info"} for port in ports]
    bus = Bus(environ["TOCSIN_NATS_URL"], name="trigger")
    await bus.start()

    started_runs = Told(bus)

    async def settled() -> bool:
        commands = await started_runs.all()
        runs = [c.subject for c in commands if c.data["trigger"]["name"] != "batched"]
        batched = [e["id"] for c in commands if c.data["trigger"]["name"] == "batched" for e in c.data["input"]["events"]]
        twice = [thing for thing, times in Counter([*runs, *batched]).items() if times > 1]
        assert (len(runs), len(batched), twice) == (KILLS * 30, KILLS * 25, []), "runs, events in batches, twice"
        return True

    async with Replicas("trigger", environ, tmp_path, own) as replicas, ClientSession() as http:

        async def deliver(number: int) -> None:
            async def accepted() -> bool:
                answer = await send(http, ports[int(chance.sample() * 2)], secret, f"msg_{number}")
                if answer is not None:
                    promised[f"msg_{number}"] = answer["run"]
                return answer is not None

            await replicas.settled(accepted, within=60)

        for block in range(KILLS):
            events = [CloudEvent(id=f"e{block}-{n}", source="/x", type="com.example.a", data=n) for n in range(25)]
            await bus.publish_many([Message(f"events.default.{e.type}", encode(e)) for e in events])
            async with asyncio.TaskGroup() as group:
                for n in range(5):
                    group.create_task(deliver(block * 5 + n))
                await clock.sleep(0.5 + chance.sample())
                await replicas.kill_one(chance)
        await replicas.settled(settled, within=90)
    assert len(promised) == KILLS * 5
    assert set(promised.values()) <= {command.subject for command in await started_runs.all()}
    await bus.stop()
