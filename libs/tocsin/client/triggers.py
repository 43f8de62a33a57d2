"""Triggers over the API: what only they can do beside being things with a name."""

from urllib.parse import quote

from tocsin.client.resources import Named
from tocsin.client.transport import Record, Transport
from tocsin.signals import Json

_API = "/api/v1/triggers"


class Triggers(Named):
    """What starts workflows from outside."""

    def __init__(self, transport: Transport) -> None:
        """Over ``transport``."""
        super().__init__(transport, "triggers")

    async def fire(self, namespace: str, name: str, data: Json, request: str | None = None) -> Record:
        """Start a manual one; the same request again starts nothing twice."""
        body: Record = {"data": data, **({"id": request} if request else {})}
        return await self._http.post(f"{_one(namespace, name)}/fire", body)

    async def state(self, namespace: str, name: str) -> Record:
        """What it holds, and how far it has read what it watches."""
        return await self._http.get(f"{_one(namespace, name)}/state")

    async def move(self, namespace: str, name: str, grace: str) -> Record:
        """Give a webhook a new address that nobody can guess; the private one of before works for ``grace`` more."""
        return await self._http.post(f"{_one(namespace, name)}/address", {"grace": grace})

    async def move_back(self, namespace: str, name: str) -> Record:
        """Give a webhook its plain address again."""
        return await self._http.delete(f"{_one(namespace, name)}/address")

    async def backtest(self, trigger: Record, since: str, until: str) -> Record:
        """What a draft would have done with the events of a window, beside what was done."""
        return await self._http.post(f"{_API}/backtest", {"trigger": trigger, "window": {"since": since, "until": until}})


def _one(namespace: str, name: str) -> str:
    return f"{_API}/{quote(namespace, safe='')}/{quote(name, safe='')}"
