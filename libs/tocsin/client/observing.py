"""The observer's resources: the audit trail, webhooks that go out, alerts; a method is one request."""

from collections.abc import AsyncIterator
from urllib.parse import quote

from tocsin.client.resources import Filters
from tocsin.client.transport import Record, Transport

_AUDIT = "/api/v1/audit"
_EXPORT_SECONDS = 3600.0


class Audit:
    """Who did what, as a chain that can be proven."""

    def __init__(self, transport: Transport) -> None:
        """Over ``transport``."""
        self._http = transport

    def list(self, filters: Filters, *, limit: int | None = None) -> AsyncIterator[Record]:
        """Records, newest first; filters: namespace, actor, action, entity, id, outcome, address, request, since, until."""
        return self._http.pages(_AUDIT, filters, limit=limit)

    async def export(self, filters: Filters) -> bytes:
        """The trail: ``format`` (jsonl, csv), namespace, actor, since, until."""
        return await self._http.send("GET", f"{_AUDIT}/export", query=filters, seconds=_EXPORT_SECONDS)

    async def status(self) -> Record:
        """Where the chain ends, and the public keys that sign it."""
        return await self._http.get(f"{_AUDIT}/status")

    def holds(self) -> AsyncIterator[Record]:
        """Legal holds."""
        return self._http.pages(f"{_AUDIT}/holds", paged=False)

    async def hold(self, name: str, body: Record) -> Record:
        """Place a hold: ``reason``, ``held_namespace``, ``held_actor``, ``since``, ``until``."""
        return await self._http.put(f"{_AUDIT}/holds/{quote(name, safe='')}", body)

    async def release(self, name: str) -> Record:
        """Release a hold."""
        return await self._http.delete(f"{_AUDIT}/holds/{quote(name, safe='')}")
