"""What operators do besides starting runs: pools that runs share."""

from collections.abc import AsyncIterator
from urllib.parse import quote

from tocsin.client.transport import Record, Transport

_POOLS = "/api/v1/pools"


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
