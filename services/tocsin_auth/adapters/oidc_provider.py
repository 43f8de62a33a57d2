"""An OpenID Connect provider over HTTP: discovery, keys, codes for ID tokens. Bounded, without redirects, and pinned.

Issuer, audience and algorithms come from the settings, never from a token or from the discovery document.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import orjson
from aiohttp import ClientError, ClientSession, ClientTimeout

from tocsin.errors import Invalid, Unauthenticated, Unavailable
from tocsin_auth.domain.oidc import Provider, provider_of
from tocsin_kit.chassis import Part
from tocsin_kit.clock import Clock
from tocsin_kit.config import Secret
from tocsin_kit.web.jwks import HttpKeySource, KeySet
from tocsin_kit.web.jws import read_header, verified_claims

_LARGEST: Final = 256 * 1024
_PATIENCE: Final = ClientTimeout(total=10)
_BELIEVED: Final = 3600.0  # seconds that discovery is believed


class HttpProvider(Part):
    """The provider (``ports.IdentityProvider``); a component that owns the connection pool.

    Args:
        issuer: As the provider calls itself.
        client: Our id there.
        secret: Ours there; ``None`` for a public client.
        algorithms: That its ID tokens may be signed with.
        clock: Time.
    """

    def __init__(self, issuer: str, client: str, secret: Secret | None, algorithms: Sequence[str], clock: Clock) -> None:
        super().__init__("identity-provider")
        self._issuer, self._client, self._secret = issuer, client, secret
        self._algorithms, self._clock = tuple(algorithms), clock
        self._session: ClientSession | None = None
        self._found: Provider | None = None
        self._found_at = float("-inf")
        self._keys: KeySet | None = None

    async def start(self) -> None:
        """Open the pool; the provider is asked when somebody logs in."""
        self._session = ClientSession()

    async def stop(self) -> None:
        """Close the pool."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def discover(self) -> Provider:
        """What the provider says of itself.

        Raises:
            Unavailable: It does not answer, or not as it should.
        """
        now = self._clock.monotonic()
        if self._found is None or now - self._found_at >= _BELIEVED:
            document = await self._ask("GET", f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
            try:
                found = provider_of(document, self._issuer)
            except Invalid as error:
                raise Unavailable(error.detail) from error
            if self._found is None or found.keys != self._found.keys:
                self._keys = KeySet(HttpKeySource(self._pool, found.keys), self._clock, offered=self._algorithms)
            self._found, self._found_at = found, now
        return self._found

    async def redeem(self, code: str, *, verifier: str, redirect_uri: str) -> Mapping[str, object]:
        """The claims of the ID token that a code is worth; its signature, issuer and audience are right.

        Raises:
            Unauthenticated: The provider refuses the code, or the token is not its own for us.
            Unavailable: It does not answer.
        """
        found = await self.discover()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
            "client_id": self._client,
        }
        headers = {}
        if self._secret is not None:
            pair = f"{quote(self._client, safe='')}:{quote(self._secret.reveal(), safe='')}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        answer = await self._ask("POST", found.token, form=form, headers=headers)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise Unauthenticated("the identity provider gave no ID token")
        header = read_header(token, self._algorithms)
        assert self._keys is not None
        key = await (self._keys.find(header.kid) if header.kid else self._keys.sole())
        if key is None:
            raise Unauthenticated("the identity provider's token was signed with a key that it does not publish")
        return verified_claims(
            token, header, key, audience=self._client, issuer=self._issuer, required=("exp", "iat", "iss", "aud", "sub")
        )

    @property
    def _pool(self) -> ClientSession:
        if self._session is None:
            raise Unavailable("the identity provider is not connected yet")
        return self._session

    async def _ask(
        self, method: str, url: str, *, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> Mapping[str, Any]:
        try:
            async with self._pool.request(
                method,
                url,
                data=form,
                headers={"Accept": "application/json", **(headers or {})},
                timeout=_PATIENCE,
                allow_redirects=False,
            ) as response:
                raw = b""
                async for chunk in response.content.iter_any():
                    raw += chunk
                    if len(raw) > _LARGEST:
                        raise Unavailable("the identity provider answers with too much")
                status = response.status
            answer = orjson.loads(raw) if raw else None
        except (ClientError, TimeoutError, ValueError, OSError) as error:
            raise Unavailable("the identity provider does not answer") from error
        if form is not None and 400 <= status < 500:
            raise Unauthenticated("the identity provider refuses this login", hint="begin again")
        if status != 200 or not isinstance(answer, dict):
            raise Unavailable(f"the identity provider answers with {status}")
        return answer
