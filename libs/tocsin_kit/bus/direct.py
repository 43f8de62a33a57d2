"""A short way through the client library for the engine's hot path: bytes in, bytes out, no task and no object a message.

The connection, its authentication, TLS and reconnecting stay nats-py's. Only two things are done differently: the parser hands
messages of chosen subscriptions straight to a callback (about 3 µs a message instead of 25), and many commands are written as
one block. Everything else goes the library's way, and this module is the only one that touches the library's inside.
"""

import asyncio
from collections.abc import Awaitable, Callable

from nats import errors as nats_errors
from nats.aio.client import Client
from nats.aio.subscription import Subscription
from nats.protocol.parser import Parser

from tocsin.signals.subjects import InvalidSubject
from tocsin_kit.bus.connection import Bus
from tocsin_kit.bus.errors import BusUnavailable, translate
from tocsin_kit.bus.wire import carried, write_block, write_now

Handler = Callable[[bytes, bytes, bytes, bytes], None]
"""Gets subject, reply subject, raw headers (``b""`` without) and payload; must neither block nor raise."""

_M, _H = b"MH"
_RETIRE = 2  # seconds that the server has for its answer to the end of a subscription


class _Parser(Parser):
    """The library's parser with a fast lane."""

    def __init__(self, nats: Client) -> None:
        self.handlers: dict[bytes, Handler] = {}
        self.generation = 0
        self._rest = bytearray()
        self._need = 0
        super().__init__(nats)

    def reset(self) -> None:
        """A new connection begins: whatever was half received is gone."""
        self.generation += 1
        self._rest = bytearray()
        self._need = 0
        super().reset()

    async def parse(self, data: bytes = b"") -> None:
        """Take what the socket gave; whole messages are delivered, the rest waits."""
        if self._rest:
            self._rest += data
            if len(self._rest) < self._need:
                return
            data = bytes(self._rest)
            self._rest = bytearray()
        generation, at, size = self.generation, 0, len(data)
        self._need = 0
        while at < size:
            end = data.find(b"\r\n", at)
            if end < 0:
                break
            first = data[at]
            if first not in (_M, _H):
                await super().parse(data[at : end + 2])
                at = end + 2
            else:
                words = data[at:end].split()
                start = end + 2
                after = start + int(words[-1])
                if after + 2 > size:
                    self._need = after + 2 - at
                    break
                at = after + 2
                body = start + int(words[-2]) if first == _H else start
                reply = words[3] if len(words) == (6 if first == _H else 5) else b""
                handler = self.handlers.get(words[2])
                if handler is not None:
                    handler(words[1], reply, data[start:body], data[body:after])
                else:
                    headers = data[start:body] if first == _H else None
                    await self.nc._process_msg(int(words[2]), words[1], reply, data[body:after], headers)  # noqa: SLF001
            if generation != self.generation:
                return
        self._rest = bytearray(data[at:])


class Direct:
    """The hot path of one :class:`Bus`.

    Args:
        bus: A started bus, best one of its own: a block of thousands of messages must not hold up a health check.
    """

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self._client: Client | None = None
        self._wanted: dict[str, Handler] = {}
        self._live: dict[str, Subscription] = {}
        self._listeners: list[Callable[[], Awaitable[None]]] = []

    async def start(self) -> None:
        """Install the fast lane; the bus must be connected."""
        self.bus.on_connected(self._reattach)
        await self._attach()

    def on_connected(self, listener: Callable[[], Awaitable[None]]) -> None:
        """Call ``listener`` after each re-connection; subscriptions are back by then."""
        self._listeners.append(listener)

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self.bus.connected

    async def subscribe(self, subject: str, handler: Handler) -> None:
        """Deliver what arrives on ``subject`` to ``handler``; survives reconnects."""
        self._wanted[subject] = handler
        await self._subscribe(subject, handler)

    async def unsubscribe(self, subject: str) -> None:
        """Stop; nothing is delivered any more."""
        self._wanted.pop(subject, None)
        subscription = self._live.pop(subject, None)
        if subscription is None or self._client is None:
            return
        self._parser().handlers.pop(_sid(subscription), None)
        try:
            await subscription.unsubscribe()
        except nats_errors.Error:
            return  # the connection is gone, and the subscription with it

    async def retire(self, subject: str) -> None:
        """Stop, and deliver what was sent before the server knew; when this returns, nothing more comes."""
        self._wanted.pop(subject, None)
        subscription = self._live.pop(subject, None)
        if subscription is None or self._client is None:
            return
        parser = self._parser()
        try:
            await subscription.unsubscribe()
            await self._client.flush(_RETIRE)
        except (nats_errors.Error, TimeoutError, OSError):
            return  # the connection is gone, and the subscription with it
        finally:
            parser.handlers.pop(_sid(subscription), None)

    def write_now(self, block: bytes) -> bool:
        """Hand whole protocol commands to the socket before this returns, if that is possible; see :func:`wire.write_now`."""
        return self._client is not None and self.bus.connected and write_now(self._client, block)

    async def write(self, block: bytes) -> None:
        """Send whole protocol commands.

        Raises:
            BusUnavailable: There is no connection; nothing was sent.
        """
        if self._client is None or not self.bus.connected:
            raise BusUnavailable("No connection to NATS.")
        await write_block(self._client, block)

    def answer(self, block: bytes) -> None:
        """Send commands whose loss does no harm (acknowledgements, flow control), without waiting or failing."""
        client = self._client
        if client is None or not self.bus.connected or client._transport is None:  # noqa: SLF001
            return
        client._pending.append(block)  # noqa: SLF001
        client._pending_data_size += len(block)  # noqa: SLF001
        queue = client._flush_queue  # noqa: SLF001
        if queue is not None and queue.empty():
            queue.put_nowait(asyncio.get_running_loop().create_future())

    async def _reattach(self) -> None:
        if self._client is not self.bus.nats:
            await self._attach()
        for listener in self._listeners:
            await listener()

    async def _attach(self) -> None:
        client = self.bus.nats
        self._client = client
        self._live.clear()
        client._ps = _Parser(client)  # noqa: SLF001  # nothing has been half read: the connection answered a PING just now
        for subject, handler in self._wanted.items():
            await self._subscribe(subject, handler)

    async def _subscribe(self, subject: str, handler: Handler) -> None:
        client = self._client
        if client is None:
            return
        try:
            subscription = await client.subscribe(subject)
        except (nats_errors.Error, OSError) as error:
            raise translate(error, subject) from error
        self._live[subject] = subscription
        self._parser().handlers[_sid(subscription)] = handler

    def _parser(self) -> _Parser:
        assert self._client is not None
        parser = self._client._ps  # noqa: SLF001
        assert isinstance(parser, _Parser)
        return parser


def _sid(subscription: Subscription) -> bytes:
    return str(subscription._id).encode()  # noqa: SLF001  # the only handle that messages carry


def command(subject: str, reply: str, payload: bytes) -> bytes:
    """One publish without headers, as the wire wants it.

    Raises:
        InvalidSubject: What else stands in the subject would be a command of its own, or end the connection.
    """
    return b"PUB %b %b %d\r\n%b\r\n" % (_checked(subject), reply.encode(), len(payload), payload)


def command_with_headers(subject: str, reply: str, headers: bytes, payload: bytes) -> bytes:
    """One publish with headers; ``headers`` is the whole block, from ``NATS/1.0`` to the empty line.

    Raises:
        InvalidSubject: As :func:`command`.
    """
    size = len(headers)
    start = b"HPUB %b %b %d %d\r\n" % (_checked(subject), reply.encode(), size, size + len(payload))
    return b"%b%b%b\r\n" % (start, headers, payload)


def _checked(subject: str) -> bytes:
    if not carried(subject):
        raise InvalidSubject(f"{subject[:200]!r} is not a subject the bus can carry.")
    return subject.encode()
