"""Hosts a service, with the auth service that it trusts, in a thread of its own, so that synchronous tools can call it."""

import asyncio
import importlib
import json
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tocsin_kit.bus import Bus, ensure_streams
from tocsin_kit.bus.topology import TopologyLimits
from tocsin_kit.chance import SystemChance
from tocsin_kit.chassis import ServiceDefinition, assemble, read_settings
from tocsin_kit.clock import SystemClock
from tocsin_kit.config import Secret
from tocsin_kit.testing.components import running
from tocsin_kit.web import HttpServer


@dataclass(frozen=True)
class Hosted:
    """A running service.

    Attributes:
        url: Of the service.
        auth_url: Of the auth service.
        admin: What the first administrator logs in with.
        document: Its OpenAPI document.
    """

    url: str
    auth_url: str
    admin: dict[str, str]
    document: dict[str, Any]


def definition_of(service: str) -> ServiceDefinition[Any]:
    """What ``tocsin_<service>.wiring`` declares."""
    definition: ServiceDefinition[Any] = importlib.import_module(f"tocsin_{service}.wiring").SERVICE
    return definition


@contextmanager
def hosted(service: str, *, nats_url: str, mongo_url: str, prefix: str, folder: Path) -> Iterator[Hosted]:
    """Run ``service`` until the block ends."""
    ready: Future[Hosted] = Future()
    ended = threading.Event()

    async def main() -> None:
        try:
            await host(service, ready, ended, _environ(nats_url, mongo_url, prefix, folder), folder)
        except BaseException as error:
            if not ready.done():
                ready.set_exception(error)
            raise

    thread = threading.Thread(target=lambda: asyncio.run(main()), name=f"host-{service}")
    thread.start()
    try:
        yield ready.result(timeout=60)
    finally:
        ended.set()
        thread.join(timeout=30)


async def host(service: str, ready: "Future[Hosted]", ended: threading.Event, environ: dict[str, str], folder: Path) -> None:
    """Start auth and, if it is another, ``service``; say where they are; wait for the end."""
    bus = Bus(environ["TOCSIN_NATS_URL"], name="trigger")
    await bus.start()
    await ensure_streams(bus, TopologyLimits())  # a platform has all of them
    await bus.stop()
    async with AsyncExitStack() as stack:
        auth = await _start(stack, "auth", environ)
        other = auth if service == "auth" else await _start(stack, service, {**environ, "TOCSIN_SERVICES_AUTH_URL": auth.url})
        admin = json.loads((folder / "admin.json").read_text())
        ready.set_result(Hosted(other.url, auth.url, admin, dict(other.document)))
        await asyncio.to_thread(ended.wait)


async def _start(stack: AsyncExitStack, service: str, environ: dict[str, str]) -> HttpServer:
    definition = definition_of(service)
    required = {
        f"TOCSIN_{kind.section}_{name}".upper(): "A" * 43
        for kind in (definition.settings, *definition.more_settings)
        for name, field in kind.model_fields.items()
        if field.is_required() and field.annotation is Secret
    }
    settings = read_settings(definition, environ={**required, **environ})
    chain = assemble(definition, settings, clock=SystemClock(), chance=SystemChance())
    await stack.enter_async_context(running(*chain.components))
    return next(component for component in chain.components if isinstance(component, HttpServer))


def _environ(nats_url: str, mongo_url: str, prefix: str, folder: Path) -> dict[str, str]:
    return {
        "TOCSIN_NATS_URL": nats_url,
        "TOCSIN_MONGO_URL": mongo_url,
        "TOCSIN_MONGO_DATABASE_PREFIX": prefix,
        "TOCSIN_HTTP_PORT": "0",
        "TOCSIN_AUTH_ADMIN_FILE": str(folder / "admin.json"),
        "TOCSIN_AUTH_PASSWORD_MEMORY": "1024",
        "TOCSIN_AUTH_PASSWORD_ROUNDS": "1",
    }
