"""HTTP to the gateway: authentication, problems, pages and streams; the one module of the client that knows aiohttp.

A request is sent once. The only thing done again by itself is what changes nothing: a request refused for its expired token
after the token was renewed, and a broken stream, which goes on behind the last event it had.
"""

import asyncio
import errno
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Protocol, Self

import aiohttp
import orjson
from yarl import URL

from tocsin.client.problems import as_error
from tocsin.client.sse import Parser, ServerEvent
from tocsin.errors import Defect, Invalid, Unauthenticated, Unavailable
from tocsin.signals import Json

Record = dict[str, Json]
Query = Mapping[str, str | int | bool | list[str] | None]

PAGE_SIZE: Final = 100
_TIMEOUT_SECONDS: Final = 30.0
_PIECE: Final = 64 * 1024  # bytes of a long answer at once
_RECONNECT_SECONDS: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
_REASONS: Final = {"ECONNREFUSED": "nothing listens there", "ECONNRESET": "the connection was cut"}
_LINE_LIMIT: Final = 16 * 1024 * 1024  # twice the largest message of the bus


class Credentials(Protocol):
    """Who is asking."""

    async def token(self) -> str | None:
        """A bearer token or API key; ``None`` to ask as nobody."""
        ...

    async def renew(self, transport: "Transport", refused: str | None) -> bool:
        """Called once after a 401 with the token that was refused; whether it is worth asking again."""
        ...


class StaticToken:
    """An API key or a token that is used as it is."""

    def __init__(self, value: str | None) -> None:
        """``None`` asks as nobody."""
        self._value = value

    async def token(self) -> str | None:
        """The value."""
        return self._value

    async def renew(self, transport: "Transport", refused: str | None) -> bool:
        """It cannot be renewed."""
        return False


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    url: URL
    content: bytes | None
    headers: Mapping[str, str]
    seconds: float


class Transport:
    """A connection to one platform; an async context manager.

    Args:
        url: Of the gateway, such as ``http://127.0.0.1:7700``.
        credentials: Who asks.

    Raises:
        Invalid: The URL is none.
    """

    def __init__(self, url: str, credentials: Credentials) -> None:
        """Nothing is connected before the first request."""
        if not url.startswith(("http://", "https://")):
            raise Invalid(f"{url!r} is not the URL of a platform", hint="use one such as http://127.0.0.1:7700")
        self.url = url.rstrip("/")
        self._credentials = credentials
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            headers={"User-Agent": "tocsin-client"}, read_bufsize=256 * 1024, max_line_size=_LINE_LIMIT, trust_env=True
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def get(self, path: str, query: Query | None = None, *, seconds: float = _TIMEOUT_SECONDS) -> Record:
        """GET a JSON object, within ``seconds``."""
        return _object(await self.send("GET", path, query=query, seconds=seconds), path)

    async def post(
        self, path: str, body: Json = None, query: Query | None = None, *, seconds: float = _TIMEOUT_SECONDS
    ) -> Record:
        """POST a JSON value (``{}`` unless given), within ``seconds``."""
        content = orjson.dumps(body if body is not None else {})
        return _object(await self.send("POST", path, query=query, content=content, seconds=seconds), path)

    async def put(self, path: str, body: Json, query: Query | None = None) -> Record:
        """PUT a JSON value."""
        return _object(await self.send("PUT", path, query=query, content=orjson.dumps(body)), path)

    async def patch(self, path: str, body: Json) -> Record:
        """PATCH with a JSON value."""
        return _object(await self.send("PATCH", path, content=orjson.dumps(body)), path)

    async def delete(self, path: str, query: Query | None = None) -> Record:
        """DELETE; the answer may be empty."""
        return _object(await self.send("DELETE", path, query=query), path)

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        authenticated: bool = True,
        seconds: float = _TIMEOUT_SECONDS,
    ) -> bytes:
        """One request; the body of its answer.

        Args:
            method: HTTP method.
            path: Begins with a slash; already escaped.
            query: Parameters; ``None`` values are left out.
            content: Body; JSON unless ``headers`` say otherwise.
            headers: Further headers.
            authenticated: ``False`` sends no credentials.
            seconds: At most, for all of it.

        Raises:
            Unavailable: Nothing answers at the URL, or not in time.
            TocsinError: The platform refused; see :mod:`tocsin.client.problems`.
        """
        request = _Request(method, self._url(path, query), content, headers or {}, seconds)
        token = await self._credentials.token() if authenticated else None
        status, body, retry_after = await self._once(request, token)
        if status == 401 and authenticated and await self._credentials.renew(self, token):
            status, body, retry_after = await self._once(request, await self._credentials.token())
        if status >= 400:
            raise as_error(status, body, url=self.url + path, retry_after=retry_after)
        return body

    async def download(self, path: str, query: Query | None = None, *, seconds: float) -> AsyncIterator[bytes]:
        """A long answer, piece by piece, within ``seconds``.

        Raises:
            Unavailable: Nothing answers, or the answer broke off: what came of it is not all there is.
        """
        token = await self._credentials.token()
        for again in (True, False):
            try:
                async with self._open().get(
                    self._url(path, query),
                    headers=_bearer(token),
                    timeout=aiohttp.ClientTimeout(total=seconds, sock_connect=10),
                ) as response:
                    if response.status == 401 and again and await self._credentials.renew(self, token):
                        token = await self._credentials.token()
                        continue
                    if response.status >= 400:
                        raise as_error(response.status, await response.read(), url=self.url + path)
                    async for chunk in response.content.iter_chunked(_PIECE):
                        yield chunk
                    return
            except (aiohttp.ClientError, TimeoutError) as exc:
                raise Unavailable(f"the answer of {self.url} broke off: {_reason(exc)}") from exc

    async def pages(
        self, path: str, query: Query | None = None, *, limit: int | None = None, paged: bool = True
    ) -> AsyncIterator[Record]:
        """The items of a list, page after page; at most ``limit`` of them. Short lists that are whole are not ``paged``."""
        cursor: str | None = None
        left = limit
        while left is None or left > 0:
            size = PAGE_SIZE if left is None else min(PAGE_SIZE, left)
            page = await self.get(path, {**(query or {}), **({"limit": size, "cursor": cursor} if paged else {})})
            items = page.get("items")
            for item in items if isinstance(items, list) else []:
                if isinstance(item, dict):
                    yield item
                    left = None if left is None else left - 1
            following = page.get("next_cursor")
            if not isinstance(following, str):
                return
            cursor = following

    async def stream(self, path: str, query: Query | None = None, *, last_id: str | None = None) -> AsyncIterator[ServerEvent]:
        """Server-sent events for ever; once it was open, it reconnects behind the last event. Ends only with an error.

        Yields an event of the kind ``open`` whenever the stream is (again) connected: what happens from then on will be seen.
        """
        failures, opened = 0, False
        while True:
            try:
                async for event in self._events(path, query, last_id):
                    failures, opened = 0, True
                    last_id = event.id or last_id
                    yield event
            except Unavailable:
                failures += 1
                if not opened or failures > 3 * len(_RECONNECT_SECONDS):
                    raise
            delay = _RECONNECT_SECONDS[min(failures, len(_RECONNECT_SECONDS) - 1)]
            await asyncio.sleep(delay)  # noqa: TID251 - this library has no Clock; it is the client's one wait

    async def _events(self, path: str, query: Query | None, last_id: str | None) -> AsyncIterator[ServerEvent]:
        token = await self._credentials.token()
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last_id} if last_id else {}), **_bearer(token)}
        try:
            async with self._open().get(
                self._url(path, query),
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=90),
            ) as response:
                if response.status == 401 and await self._credentials.renew(self, token):
                    return
                if response.status >= 400:
                    raise as_error(response.status, await response.read(), url=self.url + path)
                yield ServerEvent(last_id, "open", "")
                parser = Parser()
                async for line in response.content:
                    event = parser.feed(line.decode(errors="replace").rstrip("\r\n"))
                    if event is not None:
                        yield event
        except (aiohttp.ClientError, TimeoutError) as exc:
            raise Unavailable(f"the stream from {self.url} broke: {_reason(exc)}") from exc

    async def _once(self, request: _Request, token: str | None) -> tuple[int, bytes, str | None]:
        content_type = {"Content-Type": "application/json"} if request.content is not None else {}
        try:
            async with self._open().request(
                request.method,
                request.url,
                data=request.content,
                headers={"Accept": "application/json", **content_type, **_bearer(token), **request.headers},
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=request.seconds, sock_connect=10),
            ) as response:
                return response.status, await response.read(), response.headers.get("Retry-After")
        except TimeoutError as exc:
            raise Unavailable(f"{self.url} did not answer within {request.seconds:g} s") from exc
        except aiohttp.ClientError as exc:
            hint = "is the platform running (`make up`), and is the URL right?"
            raise Unavailable(f"cannot connect to {self.url}: {_reason(exc)}", hint=hint) from exc

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise Defect("the client is used outside of its `async with`")
        return self._session

    def _url(self, path: str, query: Query | None) -> URL:
        given = [
            (name, _query_value(each))
            for name, value in (query or {}).items()
            if value is not None
            for each in (value if isinstance(value, list) else [value])
        ]
        return URL(self.url + path, encoded=True).update_query(given)


def _query_value(value: str | int | bool | None) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _bearer(token: str | None) -> dict[str, str]:
    if token is None:
        return {}
    if not token.isascii() or not token.isprintable() or " " in token:
        raise Unauthenticated("the token holds characters that no token has", hint="log in again, or check TOCSIN_TOKEN")
    return {"Authorization": f"Bearer {token}"}


def _reason(exc: BaseException) -> str:
    number = getattr(exc, "errno", None) or getattr(getattr(exc, "os_error", None), "errno", None)
    named = errno.errorcode.get(number) if isinstance(number, int) else None
    return _REASONS.get(named or "", str(exc) or type(exc).__name__).rstrip(".")


def _object(body: bytes, path: str) -> Record:
    if not body:
        return {}
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        raise Unavailable(f"{path} did not answer with JSON; is this the URL of a platform?") from exc
    return value if isinstance(value, dict) else {"items": value}
