"""The public keys that tokens are verified with: where they come from, and when to ask again.

Which keys of a set are fit is decided in :mod:`tocsin_kit.web.jws`. A known key outlives an auth service that is down; an
unknown one is asked for, at most every few seconds, so that forged key ids cannot be used to hammer the auth service.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from typing import Final, Protocol

import orjson
from aiohttp import ClientError, ClientSession, ClientTimeout

from tocsin.errors import Unavailable
from tocsin_kit.clock import Clock
from tocsin_kit.web.jws import EDDSA, VerifyingKey, fit_keys

_MAX_JWKS_BYTES: Final = 64 * 1024  # two hundred keys; a set has two or three


class KeySource(Protocol):
    """Where the present key set comes from."""

    async def fetch(self) -> Mapping[str, object]:
        """The JWKS document.

        Raises:
            Unavailable: Nobody answers.
        """
        ...


class KeySet:
    """Keys by id, fetched when an unknown id comes.

    Args:
        source: Where they come from.
        clock: Time.
        pause: At least this long between two fetches.
        lifetime: A key set older than this is fetched anew, so that a withdrawn key does not stay valid here.
        offered: Algorithms that tokens may be signed with.
    """

    def __init__(
        self,
        source: KeySource,
        clock: Clock,
        *,
        pause: timedelta = timedelta(seconds=5),
        lifetime: timedelta = timedelta(minutes=5),
        offered: Collection[str] = (EDDSA,),
    ) -> None:
        """Nothing is fetched yet: the auth service may start later than this."""
        self.offered = tuple(offered)
        self._source, self._clock = source, clock
        self._pause, self._lifetime = pause.total_seconds(), lifetime.total_seconds()
        self._keys: dict[str, VerifyingKey] = {}
        self._fetched = float("-inf")
        self._tried = float("-inf")
        self._lock = asyncio.Lock()

    def known(self) -> Iterable[str]:
        """Ids of the keys at hand."""
        return tuple(self._keys)

    async def sole(self) -> VerifyingKey | None:
        """The only key of the set, for tokens that name none; ``None`` when there are several.

        Raises:
            Unavailable: None is at hand and the source does not answer.
        """
        if not self._keys or self._clock.monotonic() - self._fetched >= self._lifetime:
            await self.find("")
        return next(iter(self._keys.values())) if len(self._keys) == 1 else None

    async def find(self, kid: str) -> VerifyingKey | None:
        """The key with that id, or ``None`` when even a fresh set does not have it.

        Raises:
            Unavailable: It is not at hand and the source does not answer.
        """
        if kid in self._keys and self._clock.monotonic() - self._fetched < self._lifetime:
            return self._keys[kid]
        async with self._lock:  # one fetch for all who wait
            now = self._clock.monotonic()
            fresh = kid in self._keys and now - self._fetched < self._lifetime
            if not fresh and now - self._tried >= self._pause:
                await self._refresh(now, needed=kid not in self._keys)
            elif not self._keys:
                raise Unavailable("the keys to verify tokens with are not known yet", hint="is the auth service running?")
        return self._keys.get(kid)

    async def _refresh(self, now: float, *, needed: bool) -> None:
        self._tried = now
        try:
            self._keys = fit_keys(await self._source.fetch(), self.offered)
        except Unavailable:
            if needed:
                self._tried = float("-inf") if not self._keys else now
                raise
            return  # tokens of known keys keep working while the auth service is away
        self._fetched = now


class HttpKeySource:
    """The key set of the auth service.

    Args:
        session: For the calls.
        url: Of ``/.well-known/jwks.json``.
        seconds: It must answer within.
    """

    def __init__(self, session: ClientSession, url: str, *, seconds: float = 3.0) -> None:
        """Nothing is called yet."""
        self._session, self._url, self._timeout = session, url, ClientTimeout(total=seconds)

    async def fetch(self) -> Mapping[str, object]:
        """The JWKS document.

        Raises:
            Unavailable: The auth service does not answer, or not with a key set.
        """
        try:
            async with self._session.get(self._url, timeout=self._timeout, allow_redirects=False) as response:
                raw = b""
                async for chunk in response.content.iter_any():
                    raw += chunk
                    if len(raw) > _MAX_JWKS_BYTES:
                        raise Unavailable("the auth service answers with too much for a key set", hint=f"looked at {self._url}")
                document = orjson.loads(raw) if response.status == 200 else None
        except (ClientError, TimeoutError, ValueError, OSError) as error:
            raise Unavailable("the auth service does not answer for its keys", hint=f"looked at {self._url}") from error
        if not isinstance(document, dict):
            raise Unavailable("the auth service did not answer with a key set", hint=f"looked at {self._url}")
        return document
