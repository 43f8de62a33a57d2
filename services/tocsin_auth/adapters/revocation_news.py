"""The list of revocations on the bus: given to services that ask, and announced when there is something new."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final, Protocol

import structlog

from tocsin.errors import TocsinError
from tocsin_kit.bus import Bus, Subscription
from tocsin_kit.chassis import Health, Part
from tocsin_kit.web.revocations import CHANGED, SUBJECT, RevocationList, RevocationModel

_QUEUE: Final = "auth"
_TOGETHER: Final = timedelta(milliseconds=10)  # services ask at the same time, also when something was withdrawn

log = structlog.get_logger()


class _Asked(Protocol):
    """A request as the bus hands it over."""

    @property
    def reply(self) -> str:
        """Where the answer goes."""
        ...


class RevocationNews(Part):
    """Answers and announces.

    Args:
        bus: Connected as the auth service.
        current: Computes the list.
    """

    def __init__(self, bus: Bus, current: Callable[[], Awaitable[RevocationList]]) -> None:
        super().__init__("revocation-news")
        self._bus, self._current = bus, current
        self._waiting: asyncio.Queue[str] = asyncio.Queue(maxsize=1000)
        self._subscription: Subscription | None = None

    async def start(self) -> None:
        """Listen."""
        self._subscription = await self._bus.subscribe(SUBJECT, self._take, queue=_QUEUE)

    async def serve(self) -> None:
        """Answer all who wait with one look, until cancelled."""
        while True:
            replies = [await self._waiting.get()]
            await self._bus.clock.sleep(_TOGETHER)
            while not self._waiting.empty():
                replies.append(self._waiting.get_nowait())
            try:
                answer = RevocationModel.of(await self._current()).model_dump_json().encode()
                for reply in replies:
                    await self._bus.announce(reply, answer)
            except TocsinError as error:
                log.warning("revocations.unanswered", code=error.code, error=error.detail)

    async def stop(self) -> None:
        """Leave the rest to other replicas."""
        if self._subscription is not None:
            await self._subscription.unsubscribe()

    def health(self) -> Health:
        """Ready while it listens."""
        return Health(ready=self._subscription is not None, detail="listening" if self._subscription else "not started")

    async def _take(self, message: _Asked) -> None:
        if message.reply:
            with contextlib.suppress(asyncio.QueueFull):  # whoever asked asks again
                self._waiting.put_nowait(message.reply)


class BusTeller:
    """Tells all services at once (``ports.Teller``); those who miss it look by themselves.

    Args:
        bus: Connected as the auth service.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def tell(self) -> None:
        """There is something new."""
        try:
            await self._bus.announce(CHANGED, b"")
        except TocsinError as error:
            log.info("revocations.not_announced", error=error.detail)
