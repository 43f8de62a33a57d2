"""Reaches endpoints over HTTP: only where the operator allows, following nothing, bounded in time and size."""

import asyncio
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from aiohttp import ClientError, ClientResponse, ClientResponseError, ClientSession, ClientTimeout, InvalidURL
from yarl import URL

from tocsin.errors import Forbidden
from tocsin_kit.chassis import Part
from tocsin_kit.clock import Clock
from tocsin_kit.web.outgoing import OutgoingGuard, open_session
from tocsin_observer.domain.deliveries import EXCERPT, Answer

CONNECTIONS: Final = 500  # all endpoints together; each has a bound of its own
_MOST_READ: Final = 64 * 1024  # bytes of an answer that are read at all; only the beginning is kept
_PATIENCE: Final = timedelta(seconds=3)  # with a body whose status is known already
_DIGITS: Final = 9  # of a number of seconds that can be meant
_HIDDEN: Final = frozenset({"authorization", "proxy-authorization", "cookie", "x-api-key"})


class HttpSender(Part):
    """Sends (``ports.WebhookSender``).

    Args:
        clock: Time.
        allow_private: Whether loopback and private networks may be called.
    """

    def __init__(self, clock: Clock, *, allow_private: bool) -> None:
        super().__init__("outgoing")
        self._clock = clock
        self._guard = OutgoingGuard(allow_private=allow_private, setting="observer.allow_private")
        self._session: ClientSession | None = None

    async def stop(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def post(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        within: timedelta,
        method: str = "POST",
        hidden: Collection[str] = (),
    ) -> tuple[Answer, Mapping[str, str]]:
        """One request: what came of it, and the headers of the answer in lower case."""
        if self._session is None:
            self._session = open_session(self._guard, connections=CONNECTIONS, timeout=ClientTimeout(total=30))
        began, now = self._clock.monotonic(), self._clock.now()
        kept = {*_HIDDEN, *(name.lower() for name in hidden)}
        shown = tuple((name, "(hidden)" if name.lower() in kept else value) for name, value in headers.items())
        request = body[:EXCERPT].decode("utf-8", "replace")
        status, text, error, given = None, bytearray(), None, dict[str, str]()
        try:
            self._guard.check(URL(url).host)
            limit = ClientTimeout(total=within.total_seconds())
            async with self._session.request(
                method, url, data=body or None, headers=headers, allow_redirects=False, timeout=limit
            ) as response:
                status, given = response.status, {name.lower(): value for name, value in response.headers.items()}
                await _beginning(response, text)
        except TimeoutError:
            error = f"no answer within {within.total_seconds():g} s"
        except Forbidden as refused:
            error = refused.detail
        except (ClientError, OSError, ValueError) as failure:
            cause = failure.__cause__ or failure.__context__
            error = cause.detail if isinstance(cause, Forbidden) else _described(failure)
        if status is not None:
            error = None  # it was answered; that the rest of a body came slowly, broken or never says nothing against that
        answer = Answer(
            status=status,
            seconds=self._clock.monotonic() - began,
            error=error,
            retry_after=retry_after(given.get("retry-after"), now),
            headers=shown,
            request=request,
            answer=text[:EXCERPT].decode("utf-8", "replace"),
        )
        return answer, given


async def _beginning(response: ClientResponse, read: bytearray) -> None:
    """Read the beginning of a body; the rest of a long or a slow one is not waited for."""
    try:
        async with asyncio.timeout(_PATIENCE.total_seconds()):
            async for chunk in response.content.iter_chunked(8192):
                read += chunk
                if len(read) >= _MOST_READ:
                    break
            else:
                return
    except TimeoutError:
        pass
    response.close()  # what still comes would be in the way of the next request


def _described(failure: Exception) -> str:
    """What went wrong, without the URL, which aiohttp adds to some of its errors: it is a secret of whoever gave it to us."""
    if isinstance(failure, ClientResponseError):
        return f"{type(failure).__name__}: {failure.message}"[:300]
    if isinstance(failure, InvalidURL):
        return f"{type(failure).__name__}: the URL cannot be called"
    return f"{type(failure).__name__}: {failure}"[:300]


def retry_after(text: str | None, now: datetime) -> timedelta | None:
    """How long to wait by a ``Retry-After``, which is a number of seconds or a date (RFC 9110, section 10.2.3)."""
    if text is None or not text.isascii():
        return None
    given = text.strip()
    if given.isdecimal():
        return timedelta(seconds=int(given)) if len(given) <= _DIGITS else None
    try:
        at = parsedate_to_datetime(given)
    except ValueError:
        return None
    return max(at.replace(tzinfo=at.tzinfo or UTC) - now, timedelta(0))
