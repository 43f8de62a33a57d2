"""Standing pull requests: the server sends as soon as there is something, and never more than was asked for.

A request for many messages stays open at the server; it is renewed when half of it is used up, when it ends, when heartbeats
stop and when the connection was made anew. Nothing is polled, and a slow handler is never flooded.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import orjson
import structlog
from nats import errors as nats_errors
from nats.aio.msg import Msg

from tocsin.errors import TocsinError
from tocsin_kit.bus.connection import Bus
from tocsin_kit.bus.delivery import Delivery
from tocsin_kit.bus.subscription import Subscription

log = structlog.get_logger()

EXPIRES = timedelta(seconds=60)
HEARTBEAT = timedelta(seconds=5)
# A pull that the server ended with one of these has to be made again after something else is repaired.
_GONE = frozenset({"404", "503"})


class StandingPull:
    """Asks for messages of one durable consumer and hands them over.

    Args:
        bus: A started bus.
        stream: The stream.
        consumer: The durable consumer; must exist.
        size: How many messages may be on their way or unhandled.
        receive: Called for each message; must not wait.
        repair: Called when the server says that the consumer is gone; makes it again.
    """

    def __init__(
        self,
        bus: Bus,
        *,
        stream: str,
        consumer: str,
        size: int,
        receive: Callable[[Delivery], None],
        repair: Callable[[], None],
    ) -> None:
        self._bus = bus
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._size = size
        self._receive = receive
        self._repair = repair
        self._inbox = ""
        self._asked = 0  # messages that the server still may send
        self._held = 0  # messages received and not yet released
        self._last_heard = 0.0
        self._subscription: Subscription | None = None
        self._paused = False
        self._wanted = asyncio.Event()

    async def start(self) -> None:
        """Listen and ask for the first messages."""
        self._inbox = self._bus.new_inbox()
        self._subscription = await self._bus.subscribe(self._inbox, self._on_message)
        self._bus.on_connected(self.renew)
        await self.renew()

    async def serve(self) -> None:
        """Keep a request open until cancelled."""
        while True:
            try:
                async with asyncio.timeout(HEARTBEAT.total_seconds()):
                    await self._wanted.wait()
            except TimeoutError:
                silent = self._bus.clock.monotonic() - self._last_heard
                if self._asked and self._bus.connected and silent > 2.5 * HEARTBEAT.total_seconds():
                    log.info("bus.pull_silent", subject=self._subject, seconds=round(silent, 1))
                    self._asked = 0
            self._wanted.clear()
            await self._ask()

    async def stop(self) -> None:
        """Take nothing more; what was received stays with the caller."""
        self._paused = True
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            await subscription.unsubscribe()

    def release(self, count: int) -> None:
        """``count`` messages have been settled; as many more may come."""
        self._held -= count
        if self._asked + self._held <= self._size // 2 or self._asked == 0:
            self._wanted.set()

    async def renew(self) -> None:
        """Ask anew: whatever was asked before is void (new connection, new consumer)."""
        self._asked = 0
        await self._ask()

    async def _ask(self) -> None:
        missing = self._size - self._asked - self._held
        if self._paused or not self._bus.connected or missing <= 0 or self._subscription is None:
            return
        request = {
            "batch": missing,
            "expires": EXPIRES // timedelta(microseconds=1) * 1000,
            "idle_heartbeat": HEARTBEAT // timedelta(microseconds=1) * 1000,
        }
        self._asked += missing
        self._last_heard = self._bus.clock.monotonic()
        try:
            await self._bus.nats.publish(self._subject, orjson.dumps(request), reply=self._inbox)
        except (nats_errors.Error, OSError, TocsinError) as error:
            self._asked -= missing
            log.info("bus.pull_failed", subject=self._subject, error=type(error).__name__)

    async def _on_message(self, msg: Msg) -> None:
        self._last_heard = self._bus.clock.monotonic()
        if msg.headers and not msg.reply and "Status" in msg.headers:
            self._on_status(msg.headers["Status"], msg.headers)
            return
        if not msg.reply:
            return
        self._asked = max(0, self._asked - 1)
        self._held += 1
        if self._asked + self._held <= self._size // 2 or self._asked == 0:
            self._wanted.set()
        self._receive(Delivery.of(msg))

    def _on_status(self, status: str, headers: dict[str, str]) -> None:
        if status == "100":
            return
        unused = headers.get("Nats-Pending-Messages")
        self._asked = max(0, self._asked - int(unused)) if unused is not None else 0
        if status in _GONE or "Deleted" in headers.get("Description", ""):
            self._asked = 0
            self._repair()  # asks again when the consumer is back; asking at once would spin
            return
        self._wanted.set()
