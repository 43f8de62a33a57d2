"""The one verifier of credentials: access tokens (JWT, EdDSA only) and API keys.

Every service proves identities here and nowhere else. What it refuses: ``none`` and every other algorithm, a token that is
too long, not canonically encoded, without a key id, of an unknown key (after one refresh), for another issuer or audience,
expired, from the future, with critical headers or with claims of a wrong shape. Refusals say which, without repeating the
token. A verified token is remembered by its digest until it expires, so that a warm verification costs microseconds.

API keys are exchanged at the auth service for a short token, and the answer, also a refusal, is remembered for seconds only:
that is how long a revoked key keeps working.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

import orjson
from aiohttp import ClientError, ClientSession, ClientTimeout

from tocsin.errors import Unauthenticated, Unavailable
from tocsin_kit.clock import Clock
from tocsin_kit.web.access import EVERYWHERE, Grant, Principal, Proof
from tocsin_kit.web.api_keys import PREFIX, parse_api_key
from tocsin_kit.web.jwks import KeySet
from tocsin_kit.web.jws import EDDSA, read_header, verified_claims
from tocsin_kit.web.revocations import Revocations

ISSUER: Final = "tocsin"
AUDIENCE: Final = "tocsin"
ALGORITHM: Final = EDDSA
_SKEW: Final = timedelta(seconds=10)  # clocks of machines in one cluster
_REMEMBERED: Final = 10_000  # principals; about 10 MB
_SUBJECTS: Final = ("user:", "service:", "key:", "run:")


class ApiKeyExchange(Protocol):
    """Turns an API key into a principal."""

    async def exchange(self, api_key: str) -> Principal:
        """Who holds the key.

        Raises:
            Unauthenticated: It is unknown, revoked or expired.
            Unavailable: The auth service does not answer.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What is known about a credential, until a moment of the monotonic clock or of the calendar."""

    until: datetime
    principal: Principal | None
    refusal: str = ""


class _Memory:
    """The latest verdicts, by digest of the credential, so that no credential is kept."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._verdicts: OrderedDict[bytes, _Verdict] = OrderedDict()

    def recall(self, digest: bytes, now: datetime) -> _Verdict | None:
        verdict = self._verdicts.get(digest)
        if verdict is None:
            return None
        if verdict.until <= now:
            del self._verdicts[digest]
            return None
        self._verdicts.move_to_end(digest)
        return verdict

    def forget(self, digest: bytes) -> None:
        self._verdicts.pop(digest, None)

    def keep(self, digest: bytes, verdict: _Verdict) -> None:
        self._verdicts[digest] = verdict
        if len(self._verdicts) > self._size:
            self._verdicts.popitem(last=False)


class CredentialVerifier:
    """Proves who sends a credential.

    Args:
        keys: Public keys of the auth service.
        exchange: For API keys.
        clock: Time.
        api_key_memory: How long an answer about an API key is believed; revocation takes at most that long.
        revocations: What was withdrawn before it expired.
    """

    def __init__(
        self,
        keys: KeySet,
        exchange: ApiKeyExchange,
        clock: Clock,
        *,
        api_key_memory: timedelta = timedelta(seconds=10),
        revocations: Revocations | None = None,
    ) -> None:
        """Nothing is fetched until the first credential comes."""
        self._revocations = revocations or Revocations()
        self._keys, self._exchange, self._clock = keys, exchange, clock
        self._api_key_memory = api_key_memory
        self._tokens = _Memory(_REMEMBERED)
        self._api_keys = _Memory(_REMEMBERED)

    async def authenticate(self, credential: str) -> Principal:
        """The principal behind a bearer token or API key.

        Raises:
            Unauthenticated: It proves nothing; the text says why.
            Unavailable: It cannot be decided now.
        """
        now = self._clock.now()
        digest = hashlib.blake2b(credential.encode("utf-8", "surrogateescape"), digest_size=20).digest()
        if credential.startswith(PREFIX):
            principal = await self._by_api_key(credential, digest, now)
            if self._revocations.current.refuses(principal):  # it holds something else by now: ask again
                self._api_keys.forget(digest)
                principal = await self._by_api_key(credential, digest, now)
            return self._still_good(principal)
        verdict = self._tokens.recall(digest, now)
        if verdict is not None and verdict.principal is not None:
            return self._still_good(verdict.principal)
        principal = await self._by_token(credential, now)
        assert principal.expires is not None
        self._tokens.keep(digest, _Verdict(principal.expires, principal))
        return self._still_good(principal)

    def _still_good(self, principal: Principal) -> Principal:
        if self._revocations.current.refuses(principal):
            raise Unauthenticated("the token was withdrawn before it expired", hint="log in again or refresh it")
        return principal

    async def _by_api_key(self, text: str, digest: bytes, now: datetime) -> Principal:
        if parse_api_key(text) is None:
            raise Unauthenticated("the API key is mistyped or cut off", hint="paste the whole key, tcn_..._...")
        verdict = self._api_keys.recall(digest, now)
        if verdict is None:
            verdict = await self._ask(text, now)
            self._api_keys.keep(digest, verdict)
        if verdict.principal is None:
            raise Unauthenticated(verdict.refusal)
        return verdict.principal

    async def _ask(self, text: str, now: datetime) -> _Verdict:
        until = now + self._api_key_memory
        try:
            principal = await self._exchange.exchange(text)
        except Unauthenticated as error:
            return _Verdict(until, None, error.detail)
        return _Verdict(min(until, principal.expires) if principal.expires else until, principal)

    async def _by_token(self, token: str, now: datetime) -> Principal:
        header = read_header(token, self._keys.offered)
        if not header.kid:
            raise Unauthenticated("the token does not say which key signed it")
        key = await self._keys.find(header.kid)
        if key is None:
            raise Unauthenticated("the token was signed with a key that is not known here", hint="log in again")
        claims = verified_claims(token, header, key, audience=AUDIENCE, issuer=ISSUER, required=("exp", "iss", "aud", "sub"))
        return principal_of(claims, now)


def principal_of(claims: Mapping[str, object], now: datetime) -> Principal:
    """The principal that verified claims speak of.

    Raises:
        Unauthenticated: Expired, from the future, or of a wrong shape.
    """
    expires = _instant(claims, "exp")
    if expires is None or expires <= now:
        raise Unauthenticated("the token has expired", hint="log in again or refresh it")
    for claim in ("nbf", "iat"):
        if claim in claims and (instant := _instant(claims, claim)) and instant > now + _SKEW:
            raise Unauthenticated("the token is from the future", hint="are the clocks set?")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject.startswith(_SUBJECTS):
        raise Unauthenticated("the token does not say whom it stands for")
    name = claims.get("name")
    grants = claims.get("grants", [])
    try:
        return Principal(
            subject=subject,
            name=name if isinstance(name, str) else subject.partition(":")[2],
            grants=tuple(_grant(grant) for grant in (grants if isinstance(grants, list) else [None])),
            expires=expires,
            proof=_proof(claims, subject),
            run=_text(claims, "run"),
        )
    except ValueError as error:
        raise Unauthenticated("the token's grants cannot be read") from error


def _proof(claims: Mapping[str, object], subject: str) -> Proof:
    return Proof(
        holder=_text(claims, "own") or (subject if subject.startswith("user:") else ""),
        session=_text(claims, "sid"),
        revision=_number(claims, "rev"),
        policy=_number(claims, "pol"),
    )


def _text(claims: Mapping[str, object], claim: str) -> str:
    value = claims.get(claim, "")
    if not isinstance(value, str):
        raise Unauthenticated(f"the token's {claim} cannot be read")
    return value


def _number(claims: Mapping[str, object], claim: str) -> int:
    value = claims.get(claim, 0)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Unauthenticated(f"the token's {claim} cannot be read")
    return value


def _instant(claims: Mapping[str, object], claim: str) -> datetime | None:
    value = claims.get(claim)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unauthenticated(f"the token's {claim} is not a time")
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise Unauthenticated(f"the token's {claim} is not a time") from error


def _grant(value: object) -> Grant:
    if not isinstance(value, dict):
        raise ValueError("a grant is an object")  # noqa: TRY004 - one kind of refusal for every wrong shape
    permission, namespace = value.get("permission"), value.get("namespace", "")
    name, deny = value.get("name", EVERYWHERE), value.get("deny", False)
    if not isinstance(permission, str) or not isinstance(namespace, str) or not isinstance(name, str):
        raise ValueError("a grant has a permission, a namespace and a name")  # noqa: TRY004 - as above
    if not isinstance(deny, bool):
        raise ValueError("a grant denies or does not")  # noqa: TRY004 - as above
    return Grant(permission, namespace, name, deny)


def grant_claim(grant: Grant) -> dict[str, str | bool]:
    """A grant as tokens carry it; what is usual is left out."""
    claim: dict[str, str | bool] = {"permission": grant.permission, "namespace": grant.namespace}
    if grant.name != EVERYWHERE:
        claim["name"] = grant.name
    if grant.deny:
        claim["deny"] = True
    return claim


class HttpExchange:
    """Asks the auth service about API keys.

    Args:
        session: For the calls.
        url: Of ``POST /api/v1/auth/token``.
        verifier_keys: Verify what comes back, so that only the auth service can say who holds a key.
        clock: Time.
        seconds: It must answer within.
    """

    def __init__(self, session: ClientSession, url: str, verifier_keys: KeySet, clock: Clock, *, seconds: float = 5.0) -> None:
        """Nothing is called yet."""
        self._session, self._url, self._timeout = session, url, ClientTimeout(total=seconds)
        self._tokens = CredentialVerifier(verifier_keys, _NoExchange(), clock)

    async def exchange(self, api_key: str) -> Principal:
        """Who holds the key.

        Raises:
            Unauthenticated: It is unknown, revoked or expired.
            Unavailable: The auth service does not answer.
        """
        return await self._tokens.authenticate(await self.token_for(api_key))

    async def token_for(self, api_key: str) -> str:
        """A short access token for the key; see :meth:`exchange` for the errors."""
        try:
            async with self._session.post(
                self._url, json={"api_key": api_key}, timeout=self._timeout, allow_redirects=False
            ) as response:
                answer = orjson.loads(await response.read())
        except (ClientError, TimeoutError, ValueError, OSError) as error:
            raise Unavailable("the auth service does not answer about API keys") from error
        token = answer.get("access_token") if isinstance(answer, dict) else None
        if response.status == 200 and isinstance(token, str):
            return token
        if response.status in {400, 401, 403, 404, 422}:
            raise Unauthenticated("the API key is unknown, revoked or expired")
        raise Unavailable("the auth service cannot tell about API keys now")


class _NoExchange:
    """Behind an exchange there is no other."""

    async def exchange(self, api_key: str) -> Principal:
        """Never."""
        raise Unauthenticated("an API key cannot stand for an API key")
