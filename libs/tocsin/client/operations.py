"""What operators do besides starting runs: pools, repairs of runs that did not go well, answers to what runs ask."""

from collections.abc import AsyncIterator
from urllib.parse import quote

import orjson

from tocsin.client.transport import Record, Transport
from tocsin.signals import Json

_POOLS = "/api/v1/pools"
_RUNS = "/api/v1/runs"
_APPROVALS = "/api/v1/approvals"


class Pools:
    """How many runs go on at once, over all workflows that name the pool."""

    def __init__(self, transport: Transport) -> None:
        """Over ``transport``."""
        self._http = transport

    async def put(self, namespace: str, name: str, body: Record) -> Record:
        """Make or change one: ``limit``, ``rate``."""
        return await self._http.put(_pool(namespace, name), body)

    def list(self, namespace: str | None = None, *, limit: int | None = None) -> AsyncIterator[Record]:
        """All of them in a namespace."""
        return self._http.pages(_POOLS, {"namespace": namespace}, limit=limit)

    async def show(self, namespace: str, name: str) -> Record:
        """One, with the runs in it."""
        return await self._http.get(_pool(namespace, name))

    async def delete(self, namespace: str, name: str) -> Record:
        """Delete one that nobody waits for."""
        return await self._http.delete(_pool(namespace, name))


def _pool(namespace: str, name: str) -> str:
    return f"{_POOLS}/{quote(namespace, safe='')}/{quote(name, safe='')}"


class Repairs:
    """Running again, and hands on live runs."""

    def __init__(self, transport: Transport) -> None:
        """Over ``transport``."""
        self._http = transport

    async def rerun(self, run: str, body: Record, *, dry_run: bool = False) -> Record:
        """Run again: ``from``, ``version``, ``input``, ``labels``; the new run is under ``run``, with what is taken."""
        return await self._http.post(f"{_RUNS}/{run}/rerun", body, {"dry_run": True} if dry_run else None)

    async def migration(self, namespace: str, name: str, version: str | None = None, *, limit: int = 200) -> Record:
        """Which live runs of other versions could be moved to this one; ``limit`` of them are listed."""
        path = f"/api/v1/workflows/{quote(namespace, safe='')}/{quote(name, safe='')}/migration"
        return await self._http.get(path, {"version": version, "limit": limit})

    async def migrate(self, run: str, version: str | None = None, reason: str | None = None) -> Record:
        """Move a live run to another version."""
        body: Record = {name: value for name, value in (("version", version), ("reason", reason)) if value}
        return await self._http.post(f"{_RUNS}/{run}/migrate", body)

    async def ask(self, run: str, verb: str, body: Record) -> Record:
        """``output`` or ``skip`` of a live ``task``, or ``terminate``."""
        return await self._http.post(f"{_RUNS}/{run}/{verb}", body)


class Workers:
    """Processes that run tasks."""

    def __init__(self, transport: Transport) -> None:
        """Over ``transport``."""
        self._http = transport

    def list(self) -> AsyncIterator[Record]:
        """Those that were heard of in the last seconds, by name."""
        return self._http.pages("/api/v1/workers", {})

    async def drain(self, name: str, *, within: str | None = None, reason: str | None = None) -> Record:
        """Let one take no new task; what is not finished within that time is handed back."""
        body: Record = {"within": within, "reason": reason}
        return await self._http.post(f"/api/v1/workers/{quote(name, safe='')}/drain", body)

    async def resume(self, name: str, *, reason: str | None = None) -> Record:
        """Let one take tasks again."""
        return await self._http.post(f"/api/v1/workers/{quote(name, safe='')}/resume", {"reason": reason})


class Logs:
    """What tasks print, live."""

    def __init__(self, transport: Transport) -> None:
        """Over ``transport``."""
        self._http = transport

    async def follow(self, run: str) -> AsyncIterator[Record]:
        """Lines as they are printed, each once, until the run has ended."""
        async for event in self._http.stream(f"{_RUNS}/{run}/logs/stream"):
            if event.event == "end":
                return
            if event.event == "lines":
                for line in orjson.loads(event.data)["lines"]:
                    yield line


class Approvals:
    """Questions of runs to people."""

    def __init__(self, transport: Transport) -> None:
        """Over ``transport``."""
        self._http = transport

    def list(self, namespace: str | None = None, assignee: str | None = None) -> AsyncIterator[Record]:
        """Open ones, newest first."""
        return self._http.pages(_APPROVALS, {"namespace": namespace, "assignee": assignee})

    async def show(self, approval: str) -> Record:
        """One, with the form of its answer."""
        return await self._http.get(f"{_APPROVALS}/{quote(approval, safe='')}")

    async def delegate(self, approval: str, to: str, instead_of: str | None = None, reason: str | None = None) -> Record:
        """Let somebody else be asked instead of oneself, or of whom one names."""
        body: Record = {"to": to, "instead_of": instead_of, "reason": reason}
        return await self._http.post(f"{_APPROVALS}/{quote(approval, safe='')}/delegate", body)

    async def answer(self, approval: str, answer: Json, reason: str | None = None) -> Record:
        """Answer one; the run goes on with the answer."""
        body: Record = {"answer": answer, **({"reason": reason} if reason else {})}
        return await self._http.post(f"{_APPROVALS}/{quote(approval, safe='')}/answer", body)
