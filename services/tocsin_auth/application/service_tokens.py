"""Tokens for services that call one another over HTTP: each proves itself with a secret of its own from the settings.

The grants are in code, as few as the calls need. On the bus, services have NATS users of their own; this is not for that.
"""

import hmac
from collections.abc import Mapping
from typing import Final

from tocsin.errors import Unauthenticated
from tocsin_auth.application.tokens import Issued, Tokens
from tocsin_kit.config import Secret
from tocsin_kit.web.access import Grant

_GRANTS: Final[Mapping[str, tuple[Grant, ...]]] = {
    "gateway": (Grant("status:read"),),
    "trigger": (Grant("workflow:read"), Grant("run:read")),
    "scheduler": (Grant("workflow:read"),),
    "executor": (Grant("workflow:read"),),
    "case": (Grant("run:read"),),
    "lineage": (Grant("run:read"),),
    "observer": (Grant("signal:read"),),
}
_NOBODY: Final = Secret("")


class ServiceTokens:
    """Issues tokens to services.

    Args:
        secrets: By service; a service without one gets no token.
        tokens: Issues access tokens.
    """

    def __init__(self, secrets: Mapping[str, Secret], tokens: Tokens) -> None:
        self._secrets, self._tokens = secrets, tokens

    async def token_for(self, service: str, secret: str) -> Issued:
        """A token for a service.

        Raises:
            Unauthenticated: Unknown service or wrong secret: not said which.
        """
        known = self._secrets.get(service, _NOBODY).reveal()
        right = hmac.compare_digest(known.encode(), secret.encode())
        if not known or not right or service not in _GRANTS:
            raise Unauthenticated("the service or its secret is not known")
        return await self._tokens.issue(subject=f"service:{service}", name=service, grants=_GRANTS[service])
