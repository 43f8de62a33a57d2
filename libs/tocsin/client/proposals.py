"""Publishing that takes two people: what one proposes, another one publishes."""

from collections.abc import AsyncIterator
from urllib.parse import quote

import orjson

from tocsin.client.transport import Record, Transport

_PATH = "/api/v1/proposals"


class Proposals:
    """Proposals to publish or delete definitions."""

    def __init__(self, transport: Transport) -> None:
        """Over ``transport``."""
        self._http = transport

    async def publish(self, document: bytes, note: str = "", *, media_type: str = "application/yaml") -> Record:
        """Propose to publish a definition, as YAML or JSON."""
        headers = {"Content-Type": media_type}
        body = await self._http.send("POST", _PATH, query={"note": note or None}, content=document, headers=headers)
        value: Record = orjson.loads(body)
        return value

    async def delete(self, body: Record) -> Record:
        """Propose to delete ``version`` of the workflow ``namespace``, ``name``; all of it unless given."""
        return await self._http.post(f"{_PATH}/deletions", body)

    def list(self, namespace: str | None = None, stand: str | None = None) -> AsyncIterator[Record]:
        """Newest first."""
        return self._http.pages(_PATH, {"namespace": namespace, "stand": stand})

    async def show(self, proposal: str) -> Record:
        """One as ``proposal``, and the ``document`` that would be published."""
        return await self._http.get(f"{_PATH}/{quote(proposal, safe='')}")

    async def decide(self, proposal: str, verb: str, reason: str | None = None) -> Record:
        """``approve``, ``decline`` or ``withdraw`` one."""
        return await self._http.post(f"{_PATH}/{quote(proposal, safe='')}/{verb}", {"reason": reason} if reason else {})
