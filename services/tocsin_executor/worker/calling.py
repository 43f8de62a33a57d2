"""HTTP requests of tasks: through the guard, with their authentication, bounded, their failures as errors of the language.

Every runner that speaks HTTP comes here. Nothing of a credential is in an error's text, and a URL is told without its user,
query and fragment.
"""

import asyncio
import base64
import os
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import Final

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from tocsin_executor.domain.values import ErrorKind
from tocsin_executor.worker.digests import Asked, answered, is_stale
from tocsin_executor.worker.policies import Basic, Bearer, Digest, Grant, Policy
from tocsin_executor.worker.tasks import VALUE_LIMIT, Failed, Task
from tocsin_executor.worker.tokens import Granted, Tokens
from tocsin_kit.chance import Chance
from tocsin_kit.clock import Clock
from tocsin_kit.telemetry import current_traceparent, span
from tocsin_kit.web.outgoing import OutgoingGuard, OutgoingRefused, open_session

LONGEST: Final = 300.0  # seconds of a call whose task has no timeout of its own: this bounds a mistake
_BEHIND: Final = 5.0  # seconds behind a task's own timeout, which is the engine's to see to
_CONNECT: Final = 10  # seconds
_PROBE: Final = 2.0  # seconds for one of several addresses to take a connection
# How a connection carries requests is its own business: a length that is not the body's would cut it off.
_FRAMING: Final = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
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
        self._clock = clock
        self._chance = chance
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
        within = None if request.streams else self.within(task)
        if isinstance(policy, Digest):
            async with self._digested(task, request, policy, within) as response:
                yield response
            return
        granted = None
        if isinstance(policy, Grant):
            granted = await self.granted(task, policy)
            request.headers["Authorization"] = f"Bearer {granted.token}"
        elif policy is not None:
            request.headers["Authorization"] = await self.authorization(task, policy)
        async with self._opened(request, within, task.redaction.shown) as response:
            if response.status != 401 or not isinstance(policy, Grant) or granted is None or granted.fresh:
                yield response
                return
            response.release()  # a cached token may have been revoked: one more try with another one
            self.forget(policy, granted.token)
        request.headers["Authorization"] = f"Bearer {(await self.granted(task, policy)).token}"
        async with self._opened(request, within, task.redaction.shown) as response:
            yield response

    def within(self, task: Task) -> float:
        """Seconds that a call may take: as long as its task's own timeout says, or five minutes."""
        if task.deadline is None:
            return LONGEST
        return max(LONGEST, task.deadline / 1000 - self._clock.now().timestamp() + _BEHIND)

    @asynccontextmanager
    async def _digested(
        self, task: Task, request: Request, policy: Digest, within: float | None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """With the answer to the server's challenge; to one more, if it says that the first was only too old."""
        task.redaction.hide(policy.password)
        for further in (2, 1, 0):
            async with self._opened(request, within, task.redaction.shown) as response:
                challenges = response.headers.getall("WWW-Authenticate", [])
                answer = None
                if response.status == 401 and (further == 2 or (further == 1 and is_stale(challenges))):
                    asked = Asked(request.method, response.url.raw_path_qs, request.body or b"")
                    answer = answered(policy, challenges, asked, self._chance.token(16).hex())
                if answer is None:
                    yield response
                    return
                response.release()
                request.headers["Authorization"] = answer

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
                if any(ord(letter) < 32 for letter in token):
                    raise Failed(ErrorKind.CONFIGURATION, "The bearer token holds a line break or another control character.")
                return f"Bearer {token}"
            case Grant():
                return f"Bearer {(await self.granted(task, policy)).token}"
            case Digest():
                raise Failed(ErrorKind.CONFIGURATION, "Digest authentication is for HTTP only.")

    async def address(self, host: str, port: int) -> str:
        """An address of a host, as the guard saw it; for what is not HTTP.

        Raises:
            Failed: It may not be called, or there is none.
        """
        with told(f"{host}:{port}"):
            self.guard.check(host)
            found = [one["host"] for one in await self.guard.resolve(host, port)]
        for one in found[:-1]:  # `localhost` may be two machines' worth of addresses, with a server on one of them
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(_PROBE):
                    _, writer = await asyncio.open_connection(one, port)
                writer.close()
                return one
        return found[-1]

    def forget(self, policy: Grant, token: str) -> None:
        """A service did not take this token."""
        self._tokens.forget(policy, token)

    async def granted(self, task: Task, policy: Grant) -> Granted:
        """A token, and whether it was asked for just now.

        Raises:
            Failed: There is none to be had.
        """
        private = [value for name, value in policy.parameters if name in _PRIVATE]
        task.redaction.hide([policy.secret, policy.assertion, *private])
        granted = await self._tokens.token(policy)
        task.redaction.hide(granted.token)
        return granted

    @asynccontextmanager
    async def _opened(
        self, request: Request, within: float | None = LONGEST, shown: Callable[[str], str] = _nothing
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        with told(request.url):
            url = URL(request.url)
            headers, host = {n: v for n, v in request.headers.items() if n.lower() not in _FRAMING}, url.host
            if url.scheme not in {"http", "https"} or not host:
                raise ValueError("no address of the web")
        # The parent is the task's span; outside of any trace nothing is begun, and nothing sent along.
        facts = {"server.address": shown(host or "")}  # a secret may be part of a name
        tracing = span(request.method, kind="client", **facts) if current_traceparent() else nullcontext()
        with tracing as trace, told(request.url, within):
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
                skip_auto_headers=("Content-Type",),  # of a body that there is not
                timeout=aiohttp.ClientTimeout(total=within, sock_connect=_CONNECT),
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
            # As many as there are tasks: they are bounded, and none may wait for one that waits for its service.
            self._session = open_session(self.guard, connections=0, timeout=aiohttp.ClientTimeout(total=LONGEST))
        return self._session


class told:  # noqa: N801  # reads as a phrase: `with told(url):`
    """Says failures of a call as errors of the language.

    Args:
        url: What is called.
        within: Seconds that it may take, if it ends at all.
    """

    def __init__(self, url: str, within: float | None = None) -> None:
        self._url = url
        self._within = within

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Translate."""
        match error:
            case OutgoingRefused():
                raise Failed(ErrorKind.AUTHORIZATION, error.detail, status=error.status) from error
            case aiohttp.ClientSSLError():  # before ValueError, which a certificate's error is, too
                detail = f"No encrypted connection to {where(self._url)}: {_certificate(error)}."
                raise Failed(ErrorKind.COMMUNICATION, detail, status=502) from error
            case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError() | ValueError():
                raise Failed(ErrorKind.CONFIGURATION, f"{where(self._url)[:200]!r} is not a URL that can be called.") from error
            case aiohttp.ConnectionTimeoutError():
                raise Failed(ErrorKind.TIMEOUT, f"No connection to {where(self._url)} within {_CONNECT} s.") from error
            case TimeoutError():
                said = "in time" if self._within is None else f"within {self._within:.0f} s"
                raise Failed(ErrorKind.TIMEOUT, f"No answer from {where(self._url)} {said}.") from error
            case aiohttp.ClientPayloadError():
                raise Failed(ErrorKind.COMMUNICATION, f"The answer of {where(self._url)} breaks off.", status=502) from error
            case aiohttp.ClientResponseError() | HttpProcessingError():
                raise Failed(ErrorKind.COMMUNICATION, f"The answer of {where(self._url)} is not HTTP.", status=502) from error
            case aiohttp.ClientError() | OSError():
                detail = f"{where(self._url)} cannot be reached: {_reason(error)}."
                raise Failed(ErrorKind.COMMUNICATION, detail, status=503) from error
            case _:
                pass


def _certificate(error: aiohttp.ClientSSLError) -> str:
    """Why there is none."""
    inner = error.certificate_error if isinstance(error, aiohttp.ClientConnectorCertificateError) else error.os_error
    if isinstance(inner, ssl.SSLCertVerificationError):
        return inner.verify_message.rstrip(".") or "its certificate is not trusted"
    return "the two sides do not understand each other"


def _reason(error: Exception) -> str:
    """Why, in a few words."""
    match error:
        case aiohttp.ClientConnectorDNSError() | socket.gaierror():
            return "there is no address for its name"
        case aiohttp.ServerDisconnectedError():
            return "it ended the connection without an answer"
        case aiohttp.ClientConnectorError():
            number = error.os_error.errno  # not its text, which tells the address behind a name
            return os.strerror(number).lower() if number else type(error.os_error).__name__
        case _:
            return type(error).__name__


async def _read(request: Request, response: aiohttp.ClientResponse) -> Answer:
    content = bytearray()  # which grows in place, in however many pieces the answer comes
    if request.method != "HEAD":
        while len(content) <= request.limit and not response.content.at_eof():
            content += await response.content.read(request.limit + 1 - len(content))
    if len(content) > request.limit:
        detail = f"The answer of {where(request.url)} is above the limit of {request.limit} bytes."
        raise Failed(ErrorKind.COMMUNICATION, detail, status=413)
    media = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    sent = dict(response.request_info.headers)
    url = str(response.request_info.url)
    headers: dict[str, str] = {}
    for name, value in response.headers.items():  # several of one name are one with commas
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return Answer(response.status, response.reason or "", url, sent, headers, media, bytes(content))


def where(url: str) -> str:
    """A URL without what may be secret in it: user, query, fragment."""
    scheme, separator, rest = url.rpartition("://")
    host = rest.partition("?")[0].partition("#")[0].rpartition("@")[2]
    return f"{scheme}{separator}{host}"
