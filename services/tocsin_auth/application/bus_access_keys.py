"""Credentials for NATS: an API key, and what a client has to know beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tocsin_auth.application.api_keys import ApiKeys
from tocsin_auth.application.bus_logins import access_of
from tocsin_auth.application.saying import Asker
from tocsin_auth.domain.api_keys import Scope
from tocsin_auth.domain.bus_access import BusAccess, inbox_prefix
from tocsin_kit.web.api_keys import ApiKey


@dataclass(frozen=True, slots=True)
class BusKey:
    """How to connect.

    Attributes:
        url: Where to.
        user: For people to recognise; the key alone decides.
        key: The password.
        inbox_prefix: For the client.
        access: What the connection may do.
    """

    url: str
    user: str
    key: ApiKey
    inbox_prefix: str
    access: BusAccess


class BusKeys:
    """Makes credentials.

    Args:
        keys: Makes the API keys.
        url: Of NATS, as people reach it.
    """

    def __init__(self, keys: ApiKeys, url: str) -> None:
        self._keys, self._url = keys, url

    async def create(self, *, name: str, scopes: Sequence[Scope], expires_at: datetime | None, asker: Asker) -> BusKey:
        """A key for the asker; see :meth:`ApiKeys.create` for what is refused."""
        made = await self._keys.create(name=name, scopes=scopes, expires_at=expires_at, asker=asker)
        principal = await self._keys.exchange(made.key.text)
        return BusKey(self._url, asker.principal.name, made.key, inbox_prefix(principal.subject), access_of(principal))
