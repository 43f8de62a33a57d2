"""Runs the auth service in a test, on a clock that the test moves."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from aiohttp import ClientSession

from tocsin_auth.wiring import SERVICE
from tocsin_kit.chance import SystemChance
from tocsin_kit.chassis import assemble, read_settings
from tocsin_kit.clock import SystemClock
from tocsin_kit.testing.components import running
from tocsin_kit.web import HttpServer

KEY = "11" * 32


class ShiftedClock(SystemClock):
    """The real clock, as far ahead as a test says: drivers and sockets go on, tokens expire."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def now(self) -> Any:
        return super().now() + timedelta(seconds=self.ahead)

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


@dataclass
class Auth:
    """A running auth service."""

    url: str
    admin: dict[str, str]
    clock: ShiftedClock
    http: ClientSession
    server: HttpServer

    async def ask(self, method: str, path: str, token: str | None = None, **more: Any) -> tuple[int, Any]:
        """Send a request; the status and the decoded answer."""
        headers = {**({"Authorization": f"Bearer {token}"} if token else {}), **more.pop("headers", {})}
        async with self.http.request(method, self.url + path, headers=headers, **more) as response:
            raw = await response.read()
            return response.status, json.loads(raw) if raw else None

    async def login(self, user: str | None = None, password: str | None = None) -> dict[str, Any]:
        """Log in, the administrator by default."""
        body = {"user": user or self.admin["user"], "password": password or self.admin["password"]}
        status, answer = await self.ask("POST", "/api/v1/auth/login", json=body)
        assert status == 200, answer
        return answer

    async def token(self, user: str | None = None, password: str | None = None) -> str:
        """An access token."""
        return (await self.login(user, password))["access_token"]

    async def user(self, name: str, *bindings: tuple[str, str]) -> str:
        """Create a user with these (role, namespace) bindings; gives an access token."""
        body = {
            "name": name,
            "password": f"a long password of {name}",
            "bindings": [{"role": role, "namespace": namespace} for role, namespace in bindings],
        }
        status, answer = await self.ask("POST", "/api/v1/users", await self.token(), json=body)
        assert status == 201, answer
        return await self.token(name, body["password"])


@asynccontextmanager
async def started(environ: dict[str, str], folder: Path) -> AsyncIterator[Auth]:
    """The service with these settings; its first password is in ``folder``."""
    clock = ShiftedClock()
    settings = read_settings(SERVICE, environ=environ)
    chain = assemble(SERVICE, settings, clock=clock, chance=SystemChance())
    async with running(*chain.components), ClientSession() as http:
        server = next(c for c in chain.components if isinstance(c, HttpServer))
        admin = json.loads((folder / "admin.json").read_text())
        yield Auth(server.url, admin, clock, http, server)
