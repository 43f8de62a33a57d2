"""The verifier of a service that is not the auth service: a component that owns the connection to it."""

from datetime import timedelta
from typing import Final

from aiohttp import ClientError, ClientSession, ClientTimeout
from pydantic import ValidationError

from tocsin.errors import Unauthenticated, Unavailable
from tocsin_kit.clock import Clock
from tocsin_kit.telemetry.health import Health
from tocsin_kit.web.access import Principal
from tocsin_kit.web.jwks import HttpKeySource, KeySet
from tocsin_kit.web.revocations import RevocationModel, Revocations
from tocsin_kit.web.tokens import CredentialVerifier, HttpExchange

_LOOK_EVERY: Final = timedelta(seconds=2)  # only without a bus, which tells at once
_PATIENCE: Final = ClientTimeout(total=1)  # a request waits for this, so it is short


class RemoteAuthenticator:
    """Verifies credentials with the keys of the auth service at ``auth_url``.

    Put it before the :class:`~tocsin_kit.web.server.HttpServer` in a service's components, and give it to the server as its
    ``authenticator``.

    Args:
        auth_url: Base URL of the auth service, without a slash at the end.
        clock: Time.
    """

    def __init__(self, auth_url: str, clock: Clock) -> None:
        """Nothing is opened yet."""
        self.name = "authenticator"
        self._auth_url, self._clock = auth_url.rstrip("/"), clock
        self.revocations = Revocations()
        self._looked = float("-inf")
        self._session: ClientSession | None = None
        self._verifier: CredentialVerifier | None = None

    async def start(self) -> None:
        """Open the connection pool; the auth service itself may come later."""
        self._session = ClientSession()
        keys = KeySet(HttpKeySource(self._session, f"{self._auth_url}/.well-known/jwks.json"), self._clock)
        exchange = HttpExchange(self._session, f"{self._auth_url}/api/v1/auth/token", keys, self._clock)
        self._verifier = CredentialVerifier(keys, exchange, self._clock, revocations=self.revocations)

    async def serve(self) -> None:
        """Nothing to do."""

    async def stop(self) -> None:
        """Close the connection pool."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def health(self) -> Health:
        """Ready: an auth service that is down keeps nobody with a valid token out."""
        return Health(ready=self._verifier is not None, detail=f"keys from {self._auth_url}")

    async def authenticate(self, credential: str) -> Principal:
        """The principal behind a bearer token or API key; see :class:`CredentialVerifier`."""
        if self._verifier is None:
            raise Unavailable("credentials cannot be verified yet")
        principal = await self._verifier.authenticate(credential)
        if self.revocations.fed or self._clock.monotonic() - self._looked < _LOOK_EVERY.total_seconds():
            return principal
        self._looked = self._clock.monotonic()
        await self._look(credential)
        return await self._verifier.authenticate(credential)

    async def _look(self, credential: str) -> None:
        """Fetch the list with the credential at hand; what is known stays known when nobody answers."""
        assert self._session is not None
        headers = {"Authorization": f"Bearer {credential}"}
        url = f"{self._auth_url}/api/v1/auth/revocations"
        try:
            async with self._session.get(url, headers=headers, timeout=_PATIENCE, allow_redirects=False) as response:
                raw = await response.read()
            if response.status == 401:
                raise Unauthenticated("the auth service refuses the credential", hint="log in again or refresh it")
            if response.status == 200:
                self.revocations.take(RevocationModel.model_validate_json(raw).read())
        except (ClientError, TimeoutError, OSError, ValidationError):
            return
