"""Secrets of the platform's store, for endpoints that name them: asked for when they are used, which the audit trail records.

A value is kept for half a minute, in memory only: a busy endpoint would otherwise ask for every message. A secret that is
rotated in the store is therefore used within that time, and nothing here has to be told of it.
"""

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Final, Protocol

from tocsin.errors import Forbidden, Invalid, NotFound
from tocsin_kit.bus.secrets import secret_text
from tocsin_kit.clock import Clock
from tocsin_kit.config import Secret

KEPT: Final = timedelta(seconds=30)
_MOST: Final = 10_000  # values


class SecretUnusable(Invalid):
    """An endpoint names a secret that it cannot have."""

    code = "endpoint_secret_unusable"


class SecretStore(Protocol):
    """Gives secrets (``tocsin_kit.bus.secrets.SecretsClient``)."""

    async def resolve(self, namespace: str, names: Collection[str], *, used_by: Mapping[str, str]) -> Mapping[str, Secret]:
        """The present values; raises what the store says where there are none."""
        ...


class NamedSecrets:
    """Gives endpoints the secrets that they name.

    Args:
        store: Gives them.
        clock: Time.
    """

    def __init__(self, store: SecretStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._known: dict[tuple[str, str], tuple[float, Mapping[str, Secret]]] = {}

    async def texts(self, endpoint: str, names: Collection[str]) -> Mapping[str, str]:
        """The values of these secrets as text.

        Args:
            endpoint: ``webhook/<namespace>/<name>`` or ``channel/<namespace>/<name>``: who uses them.
            names: Of the secrets, looked up in the namespace of the endpoint.

        Raises:
            SecretUnusable: One does not exist, or is not for this use.
            Unavailable: The store does not answer.
        """
        if not names:
            return {}
        kind, namespace, name = endpoint.split("/", 2)
        place, now = (endpoint, "\0".join(sorted(names))), self._clock.monotonic()
        at, values = self._known.get(place, (float("-inf"), {}))
        if now - at > KEPT.total_seconds():
            try:
                values = await self._store.resolve(namespace, names, used_by={kind: name})
            except (NotFound, Forbidden) as error:
                self._known.pop(place, None)
                raise SecretUnusable(error.detail, hint="store it with `tocsin secret set`, or name another one") from error
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[place] = (now, values)
        return {one: secret_text(value) for one, value in values.items()}
