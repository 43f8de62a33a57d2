"""The receiver of our OpenLineage events: one HTTP POST each."""

from collections.abc import Callable
from datetime import timedelta

from aiohttp import ClientError, ClientSession, ClientTimeout
from yarl import URL

from tocsin.errors import Invalid, Unavailable
from tocsin_kit.config import Secret
from tocsin_kit.web.outgoing import OutgoingGuard, open_session

TIMEOUT = timedelta(seconds=10)
_LATER = frozenset({408, 425, 429})


class NotWanted(Invalid):
    """The receiver of OpenLineage events does not take this one."""

    code = "lineage.emission_refused"


class HttpReceiver:
    """Posts events to one URL.

    Args:
        url: Where to.
        token: Bearer token, if the receiver wants one.
        guard: Where calls may go.
    """

    def __init__(self, url: str, token: Secret | None, guard: OutgoingGuard) -> None:
        self._url = URL(url)
        self._token = token
        self._guard = guard
        self._session: ClientSession | None = None
        self._open: Callable[[], ClientSession] = lambda: open_session(
            guard, connections=4, timeout=ClientTimeout(total=TIMEOUT.total_seconds())
        )

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(self, body: bytes) -> None:
        """Send one event."""
        if self._session is None:
            self._session = self._open()
        self._guard.check(self._url.host)
        headers = {"Content-Type": "application/json"}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token.reveal()}"
        try:
            async with self._session.post(self._url, data=body, headers=headers, allow_redirects=False) as answer:
                status = answer.status
        except (ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"the receiver of OpenLineage events does not answer: {type(error).__name__}") from error
        if status >= 500 or status in _LATER:
            raise Unavailable(f"the receiver of OpenLineage events answers {status}")
        if status >= 300:
            raise NotWanted(f"the receiver of OpenLineage events answers {status}")
