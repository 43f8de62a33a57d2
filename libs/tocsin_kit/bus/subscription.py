"""Core NATS subscriptions that outlive the connection they were made on."""

from collections.abc import Awaitable, Callable

import structlog
from nats import errors as nats_errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription as NatsSubscription

log = structlog.get_logger()

Callback = Callable[[Msg], Awaitable[None]]


class Subscription:
    """One subscription; the bus attaches it again to a new connection.

    Args:
        subject: What to listen to.
        queue: Queue group, or empty.
        callback: Gets each message; must neither block nor raise.
        forget: Tells the bus that it has ended.
    """

    def __init__(self, subject: str, queue: str, callback: Callback, *, forget: Callable[["Subscription"], None]) -> None:
        self.subject = subject
        self._queue = queue
        self._callback = callback
        self._forget = forget
        self._inner: NatsSubscription | None = None

    async def attach(self, nats: Client) -> None:
        """Subscribe on this connection."""
        self._inner = await nats.subscribe(
            self.subject, queue=self._queue, cb=self._callback, pending_msgs_limit=0, pending_bytes_limit=0
        )

    async def drain(self) -> None:
        """Stop, and return when every message that came before has been given to the callback."""
        self._forget(self)
        inner, self._inner = self._inner, None
        if inner is not None:
            try:
                await inner.drain()  # type: ignore[no-untyped-call]
            except (nats_errors.Error, TimeoutError):
                log.debug("bus.drain_skipped", subject=self.subject)

    async def unsubscribe(self) -> None:
        """Stop; messages already received may still be delivered once."""
        self._forget(self)
        inner, self._inner = self._inner, None
        if inner is not None:
            try:
                await inner.unsubscribe()
            except nats_errors.Error:
                log.debug("bus.unsubscribe_skipped", subject=self.subject)
