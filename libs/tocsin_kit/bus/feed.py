"""Standing pulls from a durable consumer: messages arrive the moment they are stored, never more than there is room for.

For workers: no polling, no task a message, acknowledgements written without waiting. At least once, as the server's consumer
promises: an unacknowledged message comes again after its ``ack_wait`` unless :meth:`Delivery.in_progress` was sent meanwhile.

A server that was started anew may have lost the last messages of a stream that is not synced, and gives their numbers to
others. What settles a delivery names it by its number. So a delivery of an earlier server settles nothing until
:meth:`PullFeed.confirm` has found its message.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import orjson

from tocsin.errors import NotFound
from tocsin_kit.bus.api import call
from tocsin_kit.bus.direct import Direct, command
from tocsin_kit.clock import Clock, SystemClock

_EXPIRES = 30  # seconds a pull stands; renewed before it ends
_NANO = 1_000_000_000


@dataclass(slots=True)
class Delivery:
    """One message in hand.

    Attributes:
        subject: Where it was published.
        payload: Its bytes.
        deliveries: How often it was delivered, this time included.
        token: The reply subject that settles it.
        server: Who delivered it.
    """

    subject: str
    payload: bytes
    deliveries: int
    token: str
    server: str

    @property
    def stored_ns(self) -> int:
        """When the stream stored it, nanoseconds since the epoch."""
        return int(self._words()[3])

    @property
    def stored_ms(self) -> int:
        """The same in milliseconds."""
        return self.stored_ns // 1_000_000

    @property
    def position(self) -> int:
        """Its number in the stream."""
        return int(self._words()[1])

    def _words(self) -> list[str]:
        """As in OrderedLog: ``<deliveries>.<stream seq>.<consumer seq>.<ns>.<pending>``."""
        words = self.token.split(".")
        return words[4:] if len(words) == 9 else words[6:]


class PullFeed:
    """Deliveries of one durable pull consumer.

    Args:
        direct: The hot path of a bus.
        stream: The stream's name.
        consumer: Its durable consumer, which exists.
        receive: Called for each delivery; must neither block nor raise.
        idle: Called when a pull ended without enough: time to :meth:`want` again. Must neither block nor raise.
        doubt: Called when the server may have lost messages: time to :meth:`confirm` what is in hand. ``None``: it loses none.
        clock: Time.
    """

    def __init__(
        self,
        direct: Direct,
        stream: str,
        consumer: str,
        *,
        receive: Callable[[Delivery], None],
        idle: Callable[[], None],
        doubt: Callable[[], None] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._direct = direct
        self._stream = stream
        self._doubt = doubt
        self._server = ""
        self._next = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._receive = receive
        self._idle = idle
        self._clock = clock or SystemClock()
        self._asked: dict[str, tuple[int, float]] = {}
        self._inbox = ""
        self._count = 0
        self._listening = False

    @property
    def outstanding(self) -> int:
        """Deliveries asked for and not arrived."""
        return sum(left for left, _ in self._asked.values())

    async def start(self) -> None:
        """Listen; nothing arrives before :meth:`want`."""
        if not self._listening:
            self._listening = True
            self._direct.on_connected(self._on_connected)
        self._server = self._direct.bus.server
        self._inbox = f"{self._direct.bus.new_inbox()}.f"
        await self._direct.subscribe(f"{self._inbox}.*", self._on_message)

    async def stop(self) -> None:
        """Ask for nothing more; what is in hand can still be settled. What was on its way is received before this returns."""
        self._asked.clear()
        await self._direct.retire(f"{self._inbox}.*")

    def want(self, room: int) -> None:
        """See to it that up to ``room`` deliveries are asked for; call it often, it is cheap."""
        now = self._clock.monotonic()
        for token in [token for token, (_, until) in self._asked.items() if until < now]:
            del self._asked[token]
        missing = room - self.outstanding
        if missing <= 0 or (self._asked and missing * 2 < room):
            return
        self._count += 1
        token = str(self._count)
        request = orjson.dumps({"batch": missing, "expires": _EXPIRES * _NANO, "idle_heartbeat": 0})
        self._asked[token] = (missing, now + _EXPIRES)
        self._direct.answer(command(self._next, f"{self._inbox}.{token}", request))

    def ack(self, delivery: Delivery) -> None:
        """It is done; do not deliver it again."""
        self._settle(delivery, b"+ACK")

    def in_progress(self, delivery: Delivery) -> None:
        """It is being worked on; wait another ``ack_wait``."""
        self._settle(delivery, b"+WPI")

    def retry(self, delivery: Delivery, delay: float = 0.0) -> None:
        """Deliver it again after ``delay`` seconds."""
        self._settle(delivery, b'-NAK {"delay": %d}' % int(delay * _NANO))

    def _settle(self, delivery: Delivery, how: bytes) -> None:
        if not self.doubts(
            delivery
        ):  # or it would be somebody else's task that is settled; this one comes again, if it is there
            self._direct.answer(command(delivery.token, "", how))

    def doubts(self, delivery: Delivery) -> bool:
        """Whether the server was started anew since this was delivered, and nobody has looked whether it has the message."""
        return self._doubt is not None and delivery.server != self._server

    async def confirm(self, delivery: Delivery) -> bool:
        """Look whether the server still has the message; what it has can be settled as before.

        Raises:
            Unavailable: The server does not answer.
        """
        server = self._server
        try:
            answer = await call(self._direct.bus, f"STREAM.MSG.GET.{self._stream}", {"seq": delivery.position})
        except NotFound:
            return False
        if _nanoseconds(answer["message"]["time"]) != delivery.stored_ns:
            return False
        delivery.server = server
        return True

    def _on_message(self, subject: bytes, reply: bytes, headers: bytes, payload: bytes) -> None:
        if not reply and headers:  # a status: this pull is over
            self._asked.pop(subject.rsplit(b".", 1)[1].decode(), None)
            self._idle()
            return
        for token, (left, until) in self._asked.items():  # the server serves the oldest pull first
            if left > 1:
                self._asked[token] = (left - 1, until)
            else:
                del self._asked[token]
            break
        text = reply.decode()
        words = text.split(".")
        deliveries = int(words[4] if len(words) == 9 else words[6])
        self._receive(Delivery(subject.decode(), payload, deliveries, text, self._server))

    async def _on_connected(self) -> None:
        """The server has forgotten the pulls of the connection before."""
        self._asked.clear()
        before, self._server = self._server, self._direct.bus.server
        if self._doubt is not None and self._server != before:
            self._doubt()
        self._idle()


def _nanoseconds(time: str) -> int:
    """Of a time as the server writes it: RFC 3339 with up to nine digits of a second."""
    whole, _, fraction = time.removesuffix("Z").partition(".")
    return int(datetime.fromisoformat(f"{whole}+00:00").timestamp()) * _NANO + int(fraction.ljust(9, "0") or 0)
