"""Reaches endpoints over HTTP: only where the operator allows, following nothing, bounded in time and size."""

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Final

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout
from yarl import URL

from tocsin.errors import Forbidden
from tocsin_kit.chassis import Part
from tocsin_kit.clock import Clock
from tocsin_kit.web.outgoing import OutgoingGuard, open_session
from tocsin_observer.domain.deliveries import EXCERPT, Answer

CONNECTIONS: Final = 500  # all endpoints together; each has a bound of its own
_MOST_READ: Final = 64 * 1024  # bytes of an answer that are read at all; only the beginning is kept
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
        began = self._clock.monotonic()
        kept = {*_HIDDEN, *(name.lower() for name in hidden)}
        shown = tuple((name, "(hidden)" if name.lower() in kept else value) for name, value in headers.items())
        request = body[:EXCERPT].decode("utf-8", "replace")
        status, text, error, given = None, "", None, dict[str, str]()
        try:
            self._guard.check(URL(url).host)
            limit = ClientTimeout(total=within.total_seconds())
            async with self._session.request(
                method, url, data=body or None, headers=headers, allow_redirects=False, timeout=limit
            ) as response:
                status, given = response.status, {name.lower(): value for name, value in response.headers.items()}
                text = (await _beginning(response)).decode("utf-8", "replace")
        except TimeoutError:
            error = f"no answer within {within.total_seconds():g} s"
            status = None
        except Forbidden as refused:
            error = refused.detail
        except (ClientError, OSError, ValueError) as failure:
            cause = failure.__cause__ or failure.__context__
            error = cause.detail if isinstance(cause, Forbidden) else f"{type(failure).__name__}: {failure}"[:300]
            status = None
        answer = Answer(
            status=status,
            seconds=self._clock.monotonic() - began,
            error=error,
            retry_after=_seconds(given.get("retry-after")),
            headers=shown,
            request=request,
            answer=text[:EXCERPT],
        )
        return answer, given


async def _beginning(response: ClientResponse) -> bytes:
    """The beginning of a body; the rest of a long one is not waited for."""
    read = b""
    async for chunk in response.content.iter_chunked(8192):
        read += chunk
        if len(read) >= _MOST_READ:
            response.close()
            break
    return read[:EXCERPT]


def _seconds(text: str | None) -> timedelta | None:
    if text is None or not text.strip().isdecimal() or len(text) > 9:
        return None
    return timedelta(seconds=int(text))
