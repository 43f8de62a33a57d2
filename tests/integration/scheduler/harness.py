"""Runs the scheduler in a test, with principals of the test's choosing."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import ClientSession

from tocsin.errors import Unauthenticated
from tocsin_kit.chance import SystemChance
from tocsin_kit.chassis import assemble, read_settings
from tocsin_kit.clock import SystemClock
from tocsin_kit.testing.components import running
from tocsin_kit.web import Grant, HttpServer, Principal
from tocsin_scheduler.wiring import SERVICE, parts

PEOPLE = {
    "admin": [Grant("*:*")],
    "viewer": [Grant("schedule:read"), Grant("backfill:read")],
    "operator": [Grant("schedule:read"), Grant("schedule:pause"), Grant("backfill:*")],
    "team": [Grant("schedule:*", "team"), Grant("backfill:*", "team")],
}


class Names:
    """A credential is the name of a principal."""

    async def authenticate(self, credential: str) -> Principal:
        if credential not in PEOPLE:
            raise Unauthenticated
        return Principal(f"user:{credential}", credential, PEOPLE[credential])


@dataclass
class Service:
    """A running scheduler."""

    url: str
    http: ClientSession

    async def ask(self, method: str, path: str, who: str | None = "admin", **more: Any) -> tuple[int, Any]:
        """Send a request; the status and the decoded answer."""
        status, _, answer = await self.ask_all(method, path, who, **more)
        return status, answer

    async def ask_all(self, method: str, path: str, who: str | None = "admin", **more: Any) -> tuple[int, Any, Any]:
        """The same, with the headers of the answer."""
        headers = {**({"Authorization": f"Bearer {who}"} if who else {}), **more.pop("headers", {})}
        async with self.http.request(method, self.url + path, headers=headers, **more) as response:
            raw = await response.read()
            return response.status, response.headers, json.loads(raw) if raw else None


@asynccontextmanager
async def started(environ: dict[str, str]) -> AsyncIterator[Service]:
    """The service with these settings."""
    definition = replace(SERVICE, build=lambda context: parts(context, Names()))
    chain = assemble(definition, read_settings(definition, environ=environ), clock=SystemClock(), chance=SystemChance())
    components = list(chain.components)
    async with running(*components), ClientSession() as http:
        yield Service(next(c for c in components if isinstance(c, HttpServer)).url, http)
