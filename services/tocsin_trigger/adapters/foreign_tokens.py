"""Tokens (JWT) that somebody else's issuer made, for webhooks that take them instead of a signature.

Issuer, audience and algorithms are those that the trigger names; keys come from it, or from an address of its own through the
guard that keeps calls out of the inside. A token is never asked where its keys are.
"""

from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import orjson

from tocsin.errors import Rejected, Unauthenticated, Unavailable
from tocsin_kit.clock import Clock
from tocsin_kit.web.jwks import KeySet
from tocsin_kit.web.jws import read_header, verified_claims
from tocsin_trigger.adapters.polling import Fetching
from tocsin_trigger.domain.errors import SignatureInvalid
from tocsin_trigger.domain.triggers import JwtScheme

_KEPT: Final = 1000  # key sets; the least lately used is fetched again


class _Fetched:
    """A key set at an address."""

    def __init__(self, fetching: Fetching, url: str) -> None:
        self._fetching, self._url = fetching, url

    async def fetch(self) -> Mapping[str, object]:
        """The JWKS document."""
        try:
            status, body, _ = await self._fetching.get(self._url, {"Accept": "application/json"})
            document = orjson.loads(body) if status == 200 else None
        except (Rejected, orjson.JSONDecodeError) as error:
            raise Unavailable("The issuer's keys cannot be read.") from error
        if not isinstance(document, dict):
            raise Unavailable(f"The issuer's keys cannot be read: its address answered {status}.")
        return document


class _Inline:
    """A key set that the trigger has itself."""

    def __init__(self, text: str) -> None:
        self._text = text

    async def fetch(self) -> Mapping[str, object]:
        """The JWKS document."""
        document: Mapping[str, object] = orjson.loads(self._text)
        return document


class ForeignTokens:
    """Verifies.

    Args:
        fetching: The connections.
        clock: Time.
    """

    def __init__(self, fetching: Fetching, clock: Clock) -> None:
        self._fetching, self._clock = fetching, clock
        self._sets: OrderedDict[JwtScheme, KeySet] = OrderedDict()

    async def verify(self, scheme: JwtScheme, token: str) -> str:
        """Who sends, as the token proves it: ``issuer#subject``.

        Raises:
            SignatureInvalid: It proves nothing here, and why.
            Unavailable: The issuer's keys cannot be had now.
        """
        try:
            header = read_header(token, scheme.algorithms)
            keys = self._keys(scheme)
            key = await keys.find(header.kid) if header.kid else await keys.sole()
            if key is None:
                raise SignatureInvalid("The token's issuer has no such key.")
            claims = verified_claims(
                token, header, key, audience=scheme.audience, issuer=scheme.issuer, required=("exp", "iss", "aud", "sub")
            )
        except Unauthenticated as error:
            raise SignatureInvalid(error.detail) from error
        self._check_times(scheme, claims)
        for name, wanted in scheme.claims:
            if claims.get(name) != wanted:
                raise SignatureInvalid(f"The token's claim {name} is not the one that is wanted.")
        return f"{scheme.issuer}#{claims['sub']}"[:512]

    def _check_times(self, scheme: JwtScheme, claims: Mapping[str, object]) -> None:
        now, tolerance = self._clock.now(), scheme.tolerance
        expires = _time(claims, "exp")
        if expires is None or expires + tolerance <= now:
            raise SignatureInvalid("The token has expired.")
        begins = _time(claims, "nbf")
        if begins is not None and begins - tolerance > now:
            raise SignatureInvalid("The token is not valid yet.")

    def _keys(self, scheme: JwtScheme) -> KeySet:
        known = self._sets.get(scheme)
        if known is None:
            source = _Inline(scheme.keys) if scheme.keys is not None else _Fetched(self._fetching, scheme.keys_url or "")
            known = self._sets[scheme] = KeySet(source, self._clock, offered=scheme.algorithms)
        self._sets.move_to_end(scheme)
        if len(self._sets) > _KEPT:
            self._sets.popitem(last=False)
        return known


def _time(claims: Mapping[str, object], name: str) -> datetime | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e11:
        raise SignatureInvalid(f"The token's {name} is no time.")
    return datetime.fromtimestamp(value, UTC)
