"""Vault and OpenBao over HTTP: two verbs, bounded, no redirects, and nothing of an answer in an error."""

from collections.abc import Mapping
from typing import Any, Final

import orjson
from aiohttp import ClientError, ClientSession, ClientTimeout

from tocsin.errors import Defect, Unavailable
from tocsin_kit.chassis import Part
from tocsin_kit.config import Secret

_LARGEST: Final = 1024 * 1024
_HINTS: Final = {
    307: "this one stands by: auth.vault_url is to name the active one, or what finds it",
    403: "may auth.vault_token do this, and is it still good?",
    503: "is the vault sealed?",
}
_PATIENCE: Final = ClientTimeout(total=4)  # below that of those who ask for secrets

Answer = Mapping[str, Any]  # JSON of a foreign server; the edge of the codec


class VaultClient(Part):
    """One server; a component that owns the connection pool.

    Args:
        url: Of the server.
        token: That may do what is asked, and no more.
    """

    def __init__(self, url: str, token: Secret) -> None:
        super().__init__("vault")
        self._url, self._token = url.rstrip("/"), token
        self._session: ClientSession | None = None

    async def start(self) -> None:
        """Open the pool; the server itself may come later."""
        self._session = ClientSession()

    async def stop(self) -> None:
        """Close the pool."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def read(self, path: str) -> Answer | None:
        """The ``data`` of an answer; ``None`` when there is nothing.

        Raises:
            Unavailable: The server does not answer, or refuses.
        """
        return await self._ask("GET", path, None)

    async def write(self, path: str, body: Mapping[str, str]) -> Answer:
        """The ``data`` of the answer.

        Raises:
            Unavailable: The server does not answer, or refuses.
            Defect: There is no such path: the settings name an engine or key that is not there.
        """
        answer = await self._ask("POST", path, orjson.dumps(body))
        if answer is None:
            raise Defect("the vault has no such engine or key", hint="auth.vault_transit_key names it", path=path)
        return answer

    async def _ask(self, method: str, path: str, body: bytes | None) -> Answer | None:
        if self._session is None:
            raise Unavailable("the vault is not connected yet")
        headers = {"X-Vault-Token": self._token.reveal(), "X-Vault-Request": "true"}
        try:
            async with self._session.request(
                method, f"{self._url}/v1/{path}", data=body, headers=headers, timeout=_PATIENCE, allow_redirects=False
            ) as response:
                if response.status == 404:
                    return None
                if response.status != 200:
                    hint = _HINTS.get(response.status, "its own log says why")
                    raise Unavailable(f"the vault answered with {response.status}", hint=hint)
                raw = b""
                async for chunk in response.content.iter_any():
                    raw += chunk
                    if len(raw) > _LARGEST:
                        raise Unavailable(f"the vault answered with more than {_LARGEST} bytes")
                answer = orjson.loads(raw)
        except (ClientError, TimeoutError, ValueError, OSError) as error:
            raise Unavailable("the vault does not answer") from error
        data = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(data, dict):
            raise Unavailable("the vault answered with something else than data")
        return data
