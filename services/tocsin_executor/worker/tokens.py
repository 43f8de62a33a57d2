"""Access tokens of OAuth 2 and OpenID Connect: asked for once, kept until shortly before they expire, renewed.

In memory only, and only for the same authority, client, grant and scopes with the same credentials: the key is a hash of
all of them. Many tasks that need the same token wait for one request, and hear the same failure if it fails. A cached token
that a service does not take is replaced once, however many tasks found that out.
"""

import asyncio
import base64
import hashlib
import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias
from urllib.parse import quote, urlencode

import jwt
import orjson

from tocsin_executor.domain.values import ErrorKind
from tocsin_executor.worker.policies import Grant
from tocsin_executor.worker.tasks import Failed
from tocsin_kit.chance import Chance
from tocsin_kit.clock import Clock

Ask: TypeAlias = Callable[[str, str, Mapping[str, str], bytes | None], Awaitable[tuple[int, bytes]]]
"""Method, URL, headers, body -> status, content."""

_EARLY: Final = 10.0  # seconds before its end from which on a token is not used any more; a fifth of a short life
_BEARERS: Final = frozenset({"", "bearer", "n_a"})  # types of tokens; a token exchange may say N_A
_UNSAID: Final = 60.0  # seconds that a token is kept whose server does not say when it expires
_DISCOVERY: Final = 3600.0  # seconds that a server's configuration is kept
_KEPT: Final = 1000  # tokens
_ASSERTION: Final = 60  # seconds that a signed assertion is good for
_JWT_BEARER: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True, slots=True, repr=False)
class _Held:
    token: str
    until: float
    refresh: str | None


@dataclass(frozen=True, slots=True, repr=False)
class Granted:
    """A token, and whether it was asked for just now."""

    token: str
    fresh: bool


class Tokens:
    """Gets tokens and keeps them.

    Args:
        ask: Sends a request.
        clock: Time.
        chance: For the ids of assertions.
    """

    def __init__(self, ask: Ask, clock: Clock, chance: Chance) -> None:
        self._ask = ask
        self._clock = clock
        self._chance = chance
        self._held: OrderedDict[str, _Held] = OrderedDict()
        self._asking: dict[str, asyncio.Lock] = {}
        self._failed: OrderedDict[str, tuple[int, Failed]] = OrderedDict()
        self._tries = 0
        self._endpoints: dict[str, tuple[str, float]] = {}

    async def token(self, grant: Grant) -> Granted:
        """A token that is good for a moment yet.

        Raises:
            Failed: ``authentication`` when the server refuses, ``communication`` when it does not answer as it should.
        """
        key, came = _key(grant), self._tries
        lock = self._asking.setdefault(key, asyncio.Lock())
        try:
            async with lock:
                held = self._held.get(key)
                if held is not None and held.until > self._clock.monotonic():
                    return Granted(held.token, fresh=False)
                tried, failure = self._failed.get(key, (0, None))
                if failure is not None and tried > came:
                    raise failure  # somebody asked while this one waited
                held = await self._noted(grant, held, key)
                return Granted(held.token, fresh=True)
        finally:
            if not lock.locked():
                self._asking.pop(key, None)

    async def _noted(self, grant: Grant, held: _Held | None, key: str) -> _Held:
        """Ask, and keep what came of it for those who wait."""
        self._tries += 1
        try:
            held = await self._renewed(grant, held)
        except Failed as failure:
            self._failed[key] = (self._tries, failure)
            while len(self._failed) > _KEPT:
                self._failed.popitem(last=False)
            raise
        self._failed.pop(key, None)
        self._held[key] = held
        while len(self._held) > _KEPT:
            self._held.popitem(last=False)
        return held

    def forget(self, grant: Grant, token: str) -> None:
        """A service did not take this token: do not use it again. Another one that came meanwhile is left alone."""
        key = _key(grant)
        held = self._held.get(key)
        if held is not None and held.token == token:
            self._held[key] = replace(held, until=0.0)

    async def _renewed(self, grant: Grant, held: _Held | None) -> _Held:
        if held is not None and held.refresh is not None:
            again = replace(grant, parameters=(("grant_type", "refresh_token"), ("refresh_token", held.refresh)))
            try:
                return await self._request(again)
            except Failed:
                pass  # the refresh token has ended too: begin anew
        return await self._request(grant)

    async def _request(self, grant: Grant) -> _Held:
        url = grant.token_url or await self._discovered(grant.discovery or "")
        pairs, headers = list(grant.parameters), {"Accept": "application/json"}
        match grant.method:
            case "client_secret_basic":
                pair = f"{quote(grant.client, safe='')}:{quote(grant.secret, safe='')}"
                headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
            case "client_secret_jwt" | "private_key_jwt":
                assertion = grant.assertion or self._assertion(grant, url)
                pairs += [("client_assertion_type", _JWT_BEARER), ("client_assertion", assertion)]
                pairs += [("client_id", grant.client)] if grant.client else []
            case "client_secret_post":
                pairs += [("client_id", grant.client), ("client_secret", grant.secret)]
            case _:
                pairs += [("client_id", grant.client)] if grant.client else []
        if grant.as_json:
            headers["Content-Type"], body = "application/json", orjson.dumps(_folded(pairs))
        else:
            headers["Content-Type"], body = "application/x-www-form-urlencoded", urlencode(pairs).encode()
        return self._taken(grant, *await self._ask("POST", url, headers, body))

    def _taken(self, grant: Grant, status: int, content: bytes) -> _Held:
        try:
            found: Any = orjson.loads(content)  # the codec's edge
        except orjson.JSONDecodeError:
            found = {}
        if status in {400, 401, 403}:
            code = found.get("error") if isinstance(found, dict) else None
            said = code if isinstance(code, str) and len(code) <= 64 and code.isprintable() else "no reason given"
            raise Failed(ErrorKind.AUTHENTICATION, f"The authorization server gives no token: {said}.", status=401)
        if not 200 <= status < 300:
            raise Failed(ErrorKind.COMMUNICATION, f"The authorization server answered {status}.", status=_told(status))
        token = found.get("access_token") if isinstance(found, dict) else None
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise Failed(ErrorKind.COMMUNICATION, "The authorization server answered without a token.", status=502)
        if grant.issuers and _issuer(token) not in grant.issuers and _issuer(found.get("id_token")) not in grant.issuers:
            raise Failed(ErrorKind.AUTHENTICATION, "The token is not from one of the issuers that the definition names.")
        kind, refresh = found.get("token_type"), found.get("refresh_token")
        if isinstance(kind, str) and kind.lower() not in _BEARERS:
            said = kind[:20] if kind.isprintable() else "another kind"
            raise Failed(ErrorKind.AUTHENTICATION, f"The token is of the type {said!r}; bearer tokens are offered.")
        seconds = _seconds(found.get("expires_in"))
        return _Held(token, self._clock.monotonic() + seconds, refresh if isinstance(refresh, str) else None)

    async def _discovered(self, url: str) -> str:
        known = self._endpoints.get(url)
        if known is not None and known[1] > self._clock.monotonic():
            return known[0]
        status, content = await self._ask("GET", url, {"Accept": "application/json"}, None)
        try:
            found: Any = orjson.loads(content)
        except orjson.JSONDecodeError:
            found = None
        endpoint = found.get("token_endpoint") if isinstance(found, dict) else None
        if status != 200 or not isinstance(endpoint, str):
            raise Failed(ErrorKind.COMMUNICATION, "The authority has no OpenID Connect configuration.", status=502)
        if len(self._endpoints) >= _KEPT:
            self._endpoints.clear()
        self._endpoints[url] = endpoint, self._clock.monotonic() + _DISCOVERY
        return endpoint

    def _assertion(self, grant: Grant, url: str) -> str:
        """The client says who it is with a signature made of its secret (RFC 7523)."""
        now = int(self._clock.now().timestamp())
        claims = {
            "iss": grant.client,
            "sub": grant.client,
            "aud": url,
            "iat": now,
            "exp": now + _ASSERTION,
            "jti": self._chance.token(16).hex(),
        }
        return jwt.encode(claims, grant.secret, algorithm="HS256")


def _told(status: int) -> int:
    """Whether to come again is what a status says that is passed on."""
    return status if status == 429 or status >= 500 else 502


def _seconds(lasts: object) -> float:
    """How long a token is used, of what its server says; some say it as text."""
    try:
        stated = float(lasts) if isinstance(lasts, int | float | str) else math.nan
    except ValueError:
        stated = math.nan
    return max(stated - min(_EARLY, stated / 5), 0.0) if math.isfinite(stated) else _UNSAID


def _folded(pairs: list[tuple[str, str]]) -> dict[str, str | list[str]]:
    """Pairs as an object; what is there several times as a list."""
    found: dict[str, str | list[str]] = {}
    for name, value in pairs:
        held = found.get(name)
        if held is None:
            found[name] = value
        elif isinstance(held, list):
            held.append(value)
        else:
            found[name] = [held, value]
    return found


def _issuer(token: object) -> str | None:
    """Who a JWT says it is from. Not verified: the server that gave it was asked over its own connection."""
    try:
        claims = jwt.decode(str(token), options={"verify_signature": False})
    except jwt.InvalidTokenError:
        return None
    issuer = claims.get("iss")
    return issuer if isinstance(issuer, str) else None


def _key(grant: Grant) -> str:
    parts = [grant.token_url or "", grant.discovery or "", grant.client, grant.secret, grant.assertion, grant.method]
    parts += [f"{name}={value}" for name, value in grant.parameters]
    parts += [f"issuer={issuer}" for issuer in grant.issuers]
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()
