"""Keeps a service's list of revocations fresh: at once when the auth service says so, and every few seconds anyway.

While the auth service does not answer, what is known stays known, and tokens go on until they expire.
"""

import asyncio
from datetime import timedelta
from typing import Final, Protocol

import structlog
from pydantic import ValidationError

from tocsin.errors import TocsinError
from tocsin_kit.bus import Bus, Subscription
from tocsin_kit.chassis.components import Part
from tocsin_kit.telemetry.health import Health
from tocsin_kit.web.revocations import CHANGED, SUBJECT, RevocationModel, Revocations

LOOK_EVERY: Final = timedelta(seconds=5)
_PATIENCE: Final = timedelta(seconds=2)

log = structlog.get_logger()


class _Said(Protocol):
    """A message, whatever is in it."""


class RevocationFeed(Part):
    """Fetches the list over the bus.

    Args:
        bus: Of the service.
        revocations: What the verifier looks at.
    """

    def __init__(self, bus: Bus, revocations: Revocations) -> None:
        super().__init__("revocations")
        self._bus, self._revocations = bus, revocations
        self._changed = asyncio.Event()
        self._subscription: Subscription | None = None
        self._missed = 0

    async def start(self) -> None:
        """Listen for changes; the list itself comes as soon as the auth service answers."""
        self._subscription = await self._bus.subscribe(CHANGED, self._hear)

    async def serve(self) -> None:
        """Fetch until cancelled."""
        while True:
            self._changed.clear()
            await self._fetch()
            try:
                async with asyncio.timeout(self._pause()):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def stop(self) -> None:
        """Listen no more."""
        if self._subscription is not None:
            await self._subscription.unsubscribe()

    def health(self) -> Health:
        """Ready: without the auth service nobody with a valid token is kept out."""
        return Health(ready=True, detail="fresh" if not self._missed else "as last known", facts={"missed": self._missed})

    def _pause(self) -> float:
        """Seconds until all services ask, which they do at the same time: the auth service then looks once for all of them."""
        every = LOOK_EVERY.total_seconds()
        return every - self._bus.clock.now().timestamp() % every

    async def _hear(self, _: _Said) -> None:
        self._changed.set()

    async def _fetch(self) -> None:
        try:
            reply = await self._bus.request(SUBJECT, b"", within=_PATIENCE)
            self._revocations.take(RevocationModel.model_validate_json(reply.payload).read())
            self._missed = 0
            self._revocations.fed = True
        except (TocsinError, ValidationError) as error:
            self._missed += 1
            self._revocations.fed = self._bus.connected  # who is cut off from NATS may still reach the auth service
            if self._missed == 3:  # the first ones belong to a start or a deployment
                log.warning("revocations.not_fresh", error=getattr(error, "detail", "not a list"))
