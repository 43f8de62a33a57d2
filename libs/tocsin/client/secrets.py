"""Secrets of workflows over the API: values go in and never come back."""

from collections.abc import AsyncIterator
from urllib.parse import quote

from tocsin.client.transport import Record, Transport

_PATH = "/api/v1/secrets"
_KEYS = "/api/v1/auth/data-keys"


def _one(name: str, *more: str) -> str:
    return "/".join([_PATH, quote(name, safe=""), *more])


class Secrets:
    """Secrets and the keys that they are sealed with."""

    def __init__(self, transport: Transport) -> None:
        """Over ``transport``."""
        self._http = transport

    async def put(self, name: str, body: Record) -> Record:
        """Store ``body["value"]``, or say where it is: ``provider`` and ``reference``; with ``namespace`` and ``workflows``."""
        return await self._http.put(_one(name), body)

    def list(self, namespace: str | None = None, *, limit: int | None = None) -> AsyncIterator[Record]:
        """Secrets of a namespace (``*``: the global ones), or all that one may see."""
        return self._http.pages(_PATH, {"namespace": namespace}, limit=limit)

    async def show(self, namespace: str, name: str) -> Record:
        """One secret, without its value."""
        return await self._http.get(_one(name), {"namespace": namespace})

    async def rotate(self, namespace: str, name: str, value: str | Record) -> Record:
        """Give an existing secret another value."""
        return await self._http.post(_one(name, "rotate"), {"namespace": namespace, "value": value})

    async def restore(self, namespace: str, name: str, version: int) -> Record:
        """Give out an earlier value again, as a new version."""
        return await self._http.post(_one(name, "restore"), {"namespace": namespace, "version": version})

    async def delete(self, namespace: str, name: str) -> Record:
        """Delete it with all its versions."""
        return await self._http.delete(_one(name), {"namespace": namespace})

    async def rotate_data_key(self) -> Record:
        """Seal all secrets under a new data key."""
        return await self._http.post(f"{_KEYS}/rotate")

    async def rewrap(self) -> Record:
        """Wrap all keys with the present key-encryption key."""
        return await self._http.post(f"{_KEYS}/rewrap")
