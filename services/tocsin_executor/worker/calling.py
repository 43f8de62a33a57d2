"""HTTP requests of tasks: through the guard, with their authentication, bounded, their failures as errors of the language.

Every runner that speaks HTTP comes here. Nothing of a credential is in an error's text, and a URL is told without its user,
query and fragment.
"""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Final

import aiohttp
from yarl import URL

from tocsin_executor.domain.values import ErrorKind
from tocsin_executor.worker.policies import Basic, Bearer, Digest, Grant, Policy
from tocsin_executor.worker.tasks import VALUE_LIMIT, Failed, Task
from tocsin_executor.worker.tokens import Granted, Tokens
from tocsin_kit.chance import Chance
from tocsin_kit.clock import Clock
from tocsin_kit.telemetry import current_traceparent, span
from tocsin_kit.web.outgoing import OutgoingGuard, OutgoingRefused, open_session

TIMEOUT: Final = aiohttp.ClientTimeout(total=300, connect=10)  # the task's own timeout is the engine's; this bounds a mistake
_STREAM: Final = aiohttp.ClientTimeout(total=None, connect=10)
_TOKEN_LIMIT: Final = 64 * 1024  # bytes of a token's answer
_TOKEN_SECONDS: Final = 30  # that an authorization server may take: all who need the token wait
_PRIVATE: Final = frozenset({"password", "refresh_token", "subject_token", "actor_token"})


@dataclass(slots=True)
class Request:
    """What is sent.

    Attributes:
        method: Upper case.
        url: Absolute.
        headers: By name.
        query: More pairs for the URL.
        body: Bytes, or ``None``.
        limit: Bytes that the answer may have.
        streams: The answer may take as long as it likes; the task's own timeout is what ends it.
    """

    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    query: list[tuple[str, str]] = field(default_factory=list)
    body: bytes | None = None
    limit: int = VALUE_LIMIT
    streams: bool = False


@dataclass(slots=True)
class Answer:
    """What came back.

    Attributes:
        status: Code.
        reason: Its phrase.
        url: What was asked, in full.
        sent: Headers that were sent.
        headers: Headers that came; names as they were sent.
        content_type: Media type without parameters, lower case.
        content: Bytes.
    """

    status: int
    reason: str
    url: str
    sent: Mapping[str, str]
    headers: Mapping[str, str]
    content_type: str
    content: bytes


def _nothing(_: str) -> str:
    """Of a place that asks for tokens: whose secrets are in its name is not known there."""
    return ""


class Caller:
    """Sends requests with one pool of connections.

    Args:
        guard: Says where it may call.
        clock: Time.
        chance: For the ids of signed assertions.
    """

    def __init__(self, guard: OutgoingGuard, clock: Clock, chance: Chance) -> None:
        self.guard = guard
        self._session: aiohttp.ClientSession | None = None
        self._tokens = Tokens(self._ask, clock, chance)

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def send(self, task: Task, request: Request, policy: Policy | None = None) -> Answer:
        """One request with its whole answer, whatever the status.

        Raises:
            Failed: No answer, too large an answer, no token, or a place that may not be called.
        """
        async with self.open(task, request, policy) as response:
            return await _read(request, response)

    @asynccontextmanager
    async def open(self, task: Task, request: Request, policy: Policy | None = None) -> AsyncIterator[aiohttp.ClientResponse]:
        """The same, with an answer that is still to be read."""
        digest = granted = None
        if isinstance(policy, Digest):
            task.redaction.hide(policy.password)
            digest = aiohttp.DigestAuthMiddleware(policy.username, policy.password)
        elif isinstance(policy, Grant):
            granted = await self._token(task, policy)
            request.headers["Authorization"] = f"Bearer {granted.token}"
        elif policy is not None:
            request.headers["Authorization"] = await self.authorization(task, policy)
        async with self._opened(request, digest, task.redaction.shown) as response:
            if response.status != 401 or not isinstance(policy, Grant) or granted is None or granted.fresh:
                yield response
                return
            response.release()  # a cached token may have been revoked: one more try with another one
            self._tokens.forget(policy, granted.token)
        request.headers["Authorization"] = f"Bearer {(await self._token(task, policy)).token}"
        async with self._opened(request, digest, task.redaction.shown) as response:
            yield response

    async def authorization(self, task: Task, policy: Policy) -> str:
        """The value of an ``Authorization`` header.

        Raises:
            Failed: No token, or a scheme that needs a challenge first.
        """
        match policy:
            case Basic(username, password):
                pair = base64.b64encode(f"{username}:{password}".encode()).decode()
                task.redaction.hide([password, pair])
                return f"Basic {pair}"
            case Bearer(token):
                task.redaction.hide(token)
                return f"Bearer {token}"
            case Grant():
                return f"Bearer {(await self._token(task, policy)).token}"
            case Digest():
                raise Failed(ErrorKind.CONFIGURATION, "Digest authentication is for HTTP only.")

    async def address(self, host: str, port: int) -> str:
        """An address of a host, as the guard saw it; for what is not HTTP.

        Raises:
            Failed: It may not be called, or there is none.
        """
        with told(f"{host}:{port}"):
            self.guard.check(host)
            found = await self.guard.resolve(host, port)
            return found[0]["host"]

    async def _token(self, task: Task, policy: Grant) -> Granted:
        private = [value for name, value in policy.parameters if name in _PRIVATE]
        task.redaction.hide([policy.secret, policy.assertion, *private])
        granted = await self._tokens.token(policy)
        task.redaction.hide(granted.token)
        return granted

    @asynccontextmanager
    async def _opened(
        self, request: Request, digest: aiohttp.DigestAuthMiddleware | None = None, shown: Callable[[str], str] = _nothing
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        with told(request.url):
            headers, host = dict(request.headers), URL(request.url).host
        # The parent is the task's span; outside of any trace nothing is begun, and nothing sent along.
        facts = {"server.address": shown(host or "")}  # a secret may be part of a name
        tracing = span(request.method, kind="client", **facts) if current_traceparent() else nullcontext()
        with tracing as trace, told(request.url):
            if trace is not None:
                headers.setdefault("traceparent", trace.traceparent)
            self.guard.check(host)
            async with self._pool().request(
                request.method,
                request.url,
                params=request.query,
                headers=headers,
                data=request.body,
                allow_redirects=False,
                timeout=_STREAM if request.streams else TIMEOUT,
                middlewares=(digest,) if digest is not None else None,
            ) as response:
                yield response

    async def _ask(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> tuple[int, bytes]:
        request = Request(method, url, dict(headers), body=body, limit=_TOKEN_LIMIT)
        try:
            async with asyncio.timeout(_TOKEN_SECONDS), self._opened(request) as response:
                answer = await _read(request, response)
                return answer.status, answer.content
        except TimeoutError as error:
            raise Failed(ErrorKind.TIMEOUT, f"No token from {where(url)} within {_TOKEN_SECONDS:g} s.") from error

    def _pool(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = open_session(self.guard, connections=200, timeout=TIMEOUT)
        return self._session


class told:  # noqa: N801  # reads as a phrase: `with told(url):`
    """Says failures of a call as errors of the language.

    Args:
        url: What is called.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Translate."""
        match error:
            case OutgoingRefused():
                raise Failed(ErrorKind.AUTHORIZATION, error.detail, status=error.status) from error
            case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError() | ValueError():
                raise Failed(ErrorKind.CONFIGURATION, f"{where(self._url)[:200]!r} is not a URL that can be called.") from error
            case TimeoutError():
                raise Failed(ErrorKind.TIMEOUT, f"No answer from {where(self._url)} within {TIMEOUT.total:g} s.") from error
            case aiohttp.ClientError() | OSError():
                detail = f"{where(self._url)} cannot be reached: {type(error).__name__}."
                raise Failed(ErrorKind.COMMUNICATION, detail, status=503) from error
            case _:
                pass


async def _read(request: Request, response: aiohttp.ClientResponse) -> Answer:
    content = b""
    if request.method != "HEAD":
        while len(content) <= request.limit and not response.content.at_eof():
            content += await response.content.read(request.limit + 1 - len(content))
    if len(content) > request.limit:
        detail = f"The answer of {where(request.url)} is above the limit of {request.limit} bytes."
        raise Failed(ErrorKind.COMMUNICATION, detail, status=413)
    media = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    sent = dict(response.request_info.headers)
    url = str(response.request_info.url)
    return Answer(response.status, response.reason or "", url, sent, dict(response.headers), media, content)


def where(url: str) -> str:
    """A URL without what may be secret in it: user, query, fragment."""
    scheme, separator, rest = url.rpartition("://")
    host = rest.partition("?")[0].partition("#")[0].rpartition("@")[2]
    return f"{scheme}{separator}{host}"
