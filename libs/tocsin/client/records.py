"""Further resources of the API: cases, assets and their lineage, messages that could not be handled.

As in :mod:`tocsin.client.resources`, a method is one request and answers are the API's JSON objects.
"""

from collections.abc import AsyncIterator
from urllib.parse import quote

from tocsin.client.cases import Cases
from tocsin.client.resources import Filters
from tocsin.client.transport import Record, Transport

_API = "/api/v1"


class Assets:
    """Data that runs read and write."""

    def __init__(self, transport: Transport) -> None:
        """Over ``transport``."""
        self._http = transport

    def list(self, filters: Filters, *, limit: int | None = None) -> AsyncIterator[Record]:
        """Assets; filters: namespace, prefix, group, tag, kind."""
        return self._http.pages(f"{_API}/assets", filters, limit=limit)

    async def show(self, namespace: str, key: str) -> Record:
        """One asset."""
        return await self._http.get(f"{_API}/assets/{quote(namespace, safe='')}/{quote(key, safe='/')}")

    def happenings(self, namespace: str, key: str, *, limit: int | None = None) -> AsyncIterator[Record]:
        """What happened to it, newest first."""
        return self._http.pages(f"{_API}/assets/happenings", {"namespace": namespace, "key": key}, limit=limit)

    async def graph(self, query: Filters) -> bytes:
        """Where it comes from and what depends on it: asset, namespace, direction, depth, format (json, dot, mermaid)."""
        return await self._http.send("GET", f"{_API}/lineage/graph", query=query, headers={"Accept": "*/*"})

    async def picture(self, query: Filters) -> Record:
        """The same as an object."""
        return await self._http.get(f"{_API}/lineage/graph", query)

    async def columns(self, query: Filters) -> Record:
        """Where a column comes from or goes to: asset, column, namespace, direction, depth."""
        return await self._http.get(f"{_API}/lineage/columns", query)

    def events(self, filters: Filters, *, limit: int | None = None) -> AsyncIterator[Record]:
        """OpenLineage events as they came, newest first; filters: namespace, job, run, since, until."""
        return self._http.pages(f"{_API}/lineage/events", filters, limit=limit)

    async def put(self, namespace: str, key: str, body: Record) -> Record:
        """Describe one."""
        return await self._http.put(f"{_API}/assets/{quote(namespace, safe='')}/{quote(key, safe='/')}", body)

    async def report(self, body: Record) -> Record:
        """Report that one was written, looked at, or read; the asset after it."""
        return await self._http.post(f"{_API}/assets/happenings", body)

    async def freshness(self, namespace: str, key: str) -> Record:
        """How fresh one is, and why."""
        return await self._http.get(f"{_API}/assets/freshness", {"namespace": namespace, "key": key})

    async def partitions(self, namespace: str, key: str, condition: str | None) -> Record:
        """Its partitions, and how many there are of each condition."""
        query = {"namespace": namespace, "key": key, "condition": condition}
        return await self._http.get(f"{_API}/assets/partitions", query)

    async def backfill(self, body: Record) -> Record:
        """Make missing or failed partitions."""
        return await self._http.post(f"{_API}/assets/backfills", body)

    async def moment(self, filters: Filters) -> Record:
        """One as of an instant: namespace, key, partition, at."""
        return await self._http.get(f"{_API}/assets/moment", filters)

    def schemas(self, namespace: str, key: str, *, limit: int | None = None) -> AsyncIterator[Record]:
        """Versions of its columns and what changed, newest first."""
        return self._http.pages(f"{_API}/assets/schemas", {"namespace": namespace, "key": key}, limit=limit)

    def checks(self, namespace: str, key: str, *, limit: int | None = None) -> AsyncIterator[Record]:
        """Results of its checks, newest first."""
        return self._http.pages(f"{_API}/assets/checks", {"namespace": namespace, "key": key}, limit=limit)

    def evaluations(self, namespace: str, key: str, *, limit: int | None = None) -> AsyncIterator[Record]:
        """Looks at its automation, newest first."""
        return self._http.pages(f"{_API}/assets/evaluations", {"namespace": namespace, "key": key}, limit=limit)


class DeadLetters:
    """Messages that a service could not handle."""

    def __init__(self, transport: Transport) -> None:
        """Over ``transport``."""
        self._http = transport

    def list(self, service: str, *, limit: int | None = None) -> AsyncIterator[Record]:
        """Oldest first, with the reasons."""
        return self._http.pages(f"{_API}/dead-letters/{quote(service, safe='')}", limit=limit)

    async def redrive(self, service: str, consumer: str | None, limit: int, sequence: int | None = None) -> Record:
        """Hand them, or one of them, to their handler again."""
        body: Record = {"limit": limit, **({"consumer": consumer} if consumer else {})}
        body |= {} if sequence is None else {"sequence": sequence}
        return await self._http.post(f"{_API}/dead-letters/{quote(service, safe='')}/redrive", body, seconds=310)

    async def discard(self, service: str, sequence: int) -> None:
        """Put one away for good."""
        await self._http.post(f"{_API}/dead-letters/{quote(service, safe='')}/discard", {"sequence": sequence})


__all__ = ["Assets", "Cases", "DeadLetters"]
