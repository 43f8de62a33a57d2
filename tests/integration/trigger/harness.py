"""Runs the trigger service in a test, with principals of the test's choosing."""

import base64
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from aiohttp import ClientSession

from tocsin.errors import Unauthenticated
from tocsin.signals import CloudEvent, decode
from tocsin_kit.bus import Bus
from tocsin_kit.bus.api import call
from tocsin_kit.chance import SystemChance
from tocsin_kit.chassis import Component, Part, assemble, read_settings
from tocsin_kit.clock import Clock, SystemClock
from tocsin_kit.store import Database
from tocsin_kit.testing.components import running
from tocsin_kit.web import Grant, HttpServer, Principal
from tocsin_trigger.wiring import SERVICE, parts

KEY = "k" * 40
PEOPLE = {
    "admin": [Grant("*:*")],
    "viewer": [Grant("trigger:read"), Grant("event:read")],
    "team": [Grant("trigger:*", "team"), Grant("event:*", "team")],
}


class Names(Part):
    """A credential is the name of a principal."""

    def __init__(self) -> None:
        super().__init__("authenticator")

    async def authenticate(self, credential: str) -> Principal:
        if credential not in PEOPLE:
            raise Unauthenticated
        return Principal(f"user:{credential}", credential, PEOPLE[credential])


@dataclass
class Service:
    """A running trigger service."""

    url: str
    http: ClientSession
    bus: Bus
    database: Database
    components: list[Component]

    def named(self, name: str) -> Component:
        """The component of this name."""
        return next(component for component in self.components if component.name == name)

    async def ask(self, method: str, path: str, who: str | None = "admin", **more: Any) -> tuple[int, Any]:
        """Send a request; the status and the decoded answer."""
        headers = {**({"Authorization": f"Bearer {who}"} if who else {}), **more.pop("headers", {})}
        async with self.http.request(method, self.url + path, headers=headers, **more) as response:
            raw = await response.read()
            return response.status, json.loads(raw) if raw else None

    async def webhook(self, name: str = "orders", **more: Any) -> dict[str, Any]:
        """Create a webhook; gives the answer with its secret."""
        body = {"kind": "webhook", "workflow": "fulfil", **more}
        status, answer = await self.ask("PUT", f"/api/v1/triggers/default/{name}", json=body)
        assert status == 201, answer
        return answer

    async def send(self, secret: str, body: bytes = b'{"sku":"a"}', *, name: str = "orders", **more: Any) -> tuple[int, Any]:
        """Send a webhook signed by Standard Webhooks; ``more`` goes to :func:`signed`."""
        headers = {"Content-Type": "application/json", **signed(secret, body, **more)}
        return await self.ask("POST", f"/hooks/default/{name}", None, data=body, headers=headers)

    async def said(self, subject: str) -> list[CloudEvent]:
        """All messages on subjects that begin so, in order."""
        found = []
        stream = "COMMANDS" if subject.startswith("commands") else "SIGNALS"
        last = (await call(self.bus, f"STREAM.INFO.{stream}"))["state"]["last_seq"]
        for sequence in range(1, last + 1):
            message = (await call(self.bus, f"STREAM.MSG.GET.{stream}", {"seq": sequence}))["message"]
            if message["subject"].startswith(subject):
                found.append(decode(base64.b64decode(message["data"])))
        return found


def signed(secret: str, body: bytes, *, message: str = "msg_1", at: datetime | None = None, ahead: float = 0) -> dict[str, str]:
    """The headers of Standard Webhooks, written independently of the service."""
    timestamp = str(int((at or SystemClock().now()).timestamp() + ahead))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.new(key, f"{message}.{timestamp}.".encode() + body, "sha256").digest()
    signature = "v1," + base64.b64encode(mac).decode()
    return {"webhook-id": message, "webhook-timestamp": timestamp, "webhook-signature": signature}


@asynccontextmanager
async def started(environ: dict[str, str], clock: Clock | None = None) -> AsyncIterator[Service]:
    """The service with these settings."""
    definition = replace(SERVICE, build=lambda context: parts(context, Names()))
    settings = read_settings(definition, environ=environ)
    chain = assemble(definition, settings, clock=clock or SystemClock(), chance=SystemChance())
    components = list(chain.components)
    async with running(*components), ClientSession() as http:
        server = next(c for c in components if isinstance(c, HttpServer))
        bus = next(c for c in components if isinstance(c, Bus))
        database = next(c for c in components if isinstance(c, Database))
        yield Service(server.url, http, bus, database, components)
