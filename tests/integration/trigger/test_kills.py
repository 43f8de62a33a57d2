"""Real processes of the trigger service, killed without warning while partners and clients send."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession

from integration.trigger.harness import Service, signed, started
from tocsin.signals import CloudEvent, encode
from tocsin_kit.bus import Message
from tocsin_kit.embedded import free_ports
from tocsin_kit.testing.waiting import eventually


class Replica:
    """One process of the service; started again after each kill."""

    def __init__(self, environ: dict[str, str]) -> None:
        self.port, ops = free_ports(2)
        own = {"TOCSIN_HTTP_PORT": str(self.port), "TOCSIN_OPS_PORT": str(ops), "TOCSIN_LOG_LEVEL": "error"}
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("TOCSIN_")}  # noqa: TID251  # for a child process
        self._environ = {**inherited, **environ, **own}
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tocsin_trigger", env=self._environ)

    async def kill(self) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)
        await self._process.wait()


@asynccontextmanager
async def replicas(environ: dict[str, str], count: int) -> AsyncIterator[list[Replica]]:
    started_ones = [Replica(environ) for _ in range(count)]
    try:
        for replica in started_ones:
            await replica.start()
        yield started_ones
    finally:
        for replica in started_ones:
            await replica.kill()


async def prepare(environ: dict[str, str]) -> str:
    """Make the triggers with a replica that then goes away; gives the webhook's secret."""
    async with started(environ) as service:
        secret: str = (await service.webhook())["secret"]
        body = {"kind": "event", "workflow": "w", "event": {"type": "com.example.*"}}
        assert (await service.ask("PUT", "/api/v1/triggers/default/events", json=body))[0] == 201
        batch = {"mode": "batch", "most": 7, "within": "2s"}
        assert (await service.ask("PUT", "/api/v1/triggers/default/batched", json={**body, "when": batch}))[0] == 201
        return secret


async def send(http: ClientSession, replica: Replica, secret: str, message: str) -> dict[str, Any] | None:
    """One try; the answer when it was accepted."""
    body = b'{"id":"%s"}' % message.encode()
    headers = {"Content-Type": "application/json", **signed(secret, body, message=message)}
    try:
        async with http.post(f"http://127.0.0.1:{replica.port}/hooks/default/orders", data=body, headers=headers) as answer:
            return await answer.json() if answer.status in {200, 202} else None
    except (ClientError, OSError, TimeoutError):
        return None


@pytest.mark.slow
async def test_killing_replicas_at_random_loses_nothing_and_fires_nothing_twice(environ: dict[str, str]) -> None:
    """Two replicas, killed four times while 40 webhooks and 200 events come in: 240 runs are started, each once.

    And each of the 200 events is in exactly one batch of a trigger that remembers.
    """
    secret = await prepare(environ)
    promised: dict[str, str] = {}
    async with replicas(environ, 2) as both, ClientSession() as http:

        async def deliver(number: int) -> None:
            async def accepted() -> bool:
                answer = await send(http, both[number % 2], secret, f"msg_{number}")
                if answer is not None:
                    promised[f"msg_{number}"] = answer["run"]
                return answer is not None

            await eventually(accepted, within=60, what=f"webhook {number} is accepted")

        async with started(environ) as observer:
            relay = next(c for c in observer.components if c.name == "relay")
            await observer_only(observer)
            for block in range(4):
                events = [CloudEvent(id=f"e{block}-{n}", source="/x", type="com.example.a", data=n) for n in range(50)]
                messages = [Message(f"events.default.{e.type}", encode(e)) for e in events]
                await observer.bus.publish_many(messages)
                victim = both[block % 2]
                async with asyncio.TaskGroup() as group:
                    for n in range(10):
                        group.create_task(deliver(block * 10 + n))
                    group.create_task(restart(victim))

            async def settled() -> bool:
                commands = await observer.said("commands.executor.start")
                runs = [c.subject for c in commands if c.data["trigger"]["name"] != "batched"]
                assert len(runs) == len(set(runs)), "a run was started twice"
                batched = [
                    e["id"] for c in commands if c.data["trigger"]["name"] == "batched" for e in c.data["input"]["events"]
                ]
                assert len(batched) == len(set(batched)), "an event is in two batches"
                return len(runs) == 240 and set(promised.values()) <= set(runs) and len(batched) == 200

            await eventually(settled, within=90)
            assert len(promised) == 40
            assert relay is not None


async def observer_only(service: Service) -> None:
    """This replica takes no work: it only looks."""
    consumer = next(c for c in service.components if c.name.startswith("consumer:"))
    await consumer.stop()


async def restart(replica: Replica) -> None:
    await replica.kill()
    await replica.start()
