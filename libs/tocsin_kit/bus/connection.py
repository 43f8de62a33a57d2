"""The one connection of a process to NATS: publish, request, subscribe, and reconnect for ever without a human.

While there is no connection, health is not ready and publishing waits a bounded moment, then raises :class:`BusUnavailable`;
nothing is buffered behind the caller's back, because what a caller was told has failed must not be sent a minute later. Even
a connection that the server closed for good (credentials rotated, lame duck) is replaced by a new one, with the subscriptions
made again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import timedelta

import structlog
from nats import errors as nats_errors
from nats.aio.client import Client
from nats.js import JetStreamContext

from tocsin.errors import Defect
from tocsin.signals import CloudEvent, encode
from tocsin_kit.bus.cancelling import CancellableClient
from tocsin_kit.bus.errors import BusUnavailable, translate
from tocsin_kit.bus.messages import Ack, Deliverable, Message, Reply
from tocsin_kit.bus.publisher import AckInbox
from tocsin_kit.bus.subscription import Callback, Subscription
from tocsin_kit.chance import Chance, SystemChance
from tocsin_kit.clock import Clock, SystemClock
from tocsin_kit.telemetry.health import Health

log = structlog.get_logger()

RECONNECT_WAIT = 0.25  # seconds between attempts; a restarted server is found again within this
PING_INTERVAL = 10  # seconds; two unanswered pings mean that the connection is dead, so at most 30 s of not knowing
BLOCK = 500  # messages on their way at once; bounds memory and the time that one acknowledgement may take
BATCH_FROM = 24  # messages from which on an atomic batch is cheaper, see batch.py
OUT_BUFFER = 8 * 1024 * 1024  # bytes before a publisher waits for the socket; above the server's payload limit

Listener = Callable[[], Awaitable[None]]

_LOST = "the server does not answer"  # until an error says more


class Bus:
    """Connection to NATS with JetStream.

    Args:
        url: ``nats://host:port``, several separated by commas.
        name: The service's name; names the connection and its inbox (``_INBOX_<name>``), which its permissions allow.
        user: User name, or ``None`` for a server without users.
        password: Its password.
        patience: How long a publish or request waits for a connection, and then for its answer.
        start_timeout: How long :meth:`start` waits for the first connection.
        clock: Time.
        chance: Chance, for the inbox's name.
    """

    name = "bus"

    def __init__(
        self,
        url: str,
        *,
        name: str,
        user: str | None = None,
        password: str | None = None,
        patience: timedelta = timedelta(seconds=5),
        start_timeout: timedelta = timedelta(seconds=10),
        clock: Clock | None = None,
        chance: Chance | None = None,
    ) -> None:
        self.service = name
        self.clock = clock or SystemClock()
        self._servers = [part.strip() for part in url.split(",") if part.strip()]
        self._user = user
        self._password = password
        self._patience = patience.total_seconds()
        self._start_timeout = start_timeout.total_seconds()
        self._inbox = f"_INBOX_{name}"
        self._acks = AckInbox(f"{self._inbox}.acks.{(chance or SystemChance()).token(9).hex()}")
        self._nats: Client | None = None
        self._jetstream: JetStreamContext | None = None
        self._connected = asyncio.Event()
        self._closed = asyncio.Event()
        self._stopping = False
        self._subscriptions: list[Subscription] = []
        self._listeners: list[Listener] = []
        self._last_error = "not started"
        self._down_since: float | None = None
        self._reconnects = 0

    # -- life ---------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Connect.

        Raises:
            BusUnavailable: No connection within the start timeout; says what the last attempt met.
        """
        try:
            async with asyncio.timeout(self._start_timeout):
                await self._open()
        except TimeoutError as error:
            where = ", ".join(self._servers)
            raise BusUnavailable(
                f"No connection to NATS at {where} within {self._start_timeout:g} s: {self._last_error}.",
                hint="Check nats.url, nats.user and nats.password, and that the server runs.",
            ) from error

    async def serve(self) -> None:
        """Replace a connection that was closed for good, until cancelled."""
        while True:
            await self._closed.wait()
            self._closed.clear()
            if self._stopping:
                return
            log.warning("bus.connection_replaced", error=self._last_error)
            await self._open()
            for subscription in list(self._subscriptions):
                await subscription.attach(self.nats)
            await self._tell_listeners()

    async def stop(self) -> None:
        """Send what is buffered, then close."""
        self._stopping = True
        nats = self._nats
        if nats is None or nats.is_closed:
            return
        try:
            if nats.is_connected:
                async with asyncio.timeout(2):
                    await nats.flush()
        except (nats_errors.Error, TimeoutError, OSError):
            log.info("bus.flush_skipped")
        finally:
            await nats.close()

    def health(self) -> Health:
        """Ready while connected."""
        facts = {"reconnects": self._reconnects, "pending": self._acks.pending}
        if self._connected.is_set():
            return Health(ready=True, detail="connected", facts=facts)
        since = "" if self._down_since is None else f" since {self.clock.monotonic() - self._down_since:.0f} s"
        return Health(ready=False, detail=f"no connection to NATS{since}: {self._last_error}", facts=facts)

    @property
    def server(self) -> str:
        """Which process of the server this is connected to, or was last: another one after a restart."""
        return str(self.nats._server_info.get("server_id", ""))  # noqa: SLF001  # the library keeps it to itself

    @property
    def clustered(self) -> bool:
        """Whether the server is one of several."""
        return bool(self.nats._server_info.get("cluster"))  # noqa: SLF001  # as above

    # -- for the modules of this package ------------------------------------------------------------------------------

    @property
    def nats(self) -> Client:
        """The vendor's client; only for modules of ``tocsin_kit.bus``. Another object after a replacement: do not keep it."""
        if self._nats is None:
            raise BusUnavailable("The bus is not started.")
        return self._nats

    @property
    def jetstream(self) -> JetStreamContext:
        """The vendor's JetStream context; only for modules of ``tocsin_kit.bus``. Do not keep it."""
        if self._jetstream is None:
            raise BusUnavailable("The bus is not started.")
        return self._jetstream

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._connected.is_set()

    def on_connected(self, listener: Listener) -> None:
        """Call ``listener`` after each re-connection (not the first); core subscriptions are already back by then."""
        self._listeners.append(listener)

    def new_inbox(self) -> str:
        """A fresh reply subject that this service may subscribe to."""
        return self.nats.new_inbox()

    async def wait_connected(self) -> None:
        """Return when there is a connection, at once if there is one; waits without limit."""
        await self._connected.wait()

    # -- publish ------------------------------------------------------------------------------------------------------

    async def send(self, message: Message) -> asyncio.Future[Ack]:
        """Publish to JetStream without waiting for the acknowledgement.

        Returns:
            Its future. The caller bounds the wait (:meth:`settle` does).

        Raises:
            BusUnavailable: No connection within the patience.
            TooLarge: Above the server's payload limit.
        """
        nats = await self._ready(message.subject)
        return (await self._acks.send_block(nats, [message]))[0]

    async def settle(self, futures: Sequence[asyncio.Future[Ack]], *, within: timedelta | None = None) -> list[Ack]:
        """Wait for acknowledgements.

        Returns:
            They, in the order of ``futures``.

        Raises:
            BusUnavailable: One did not come in time, or the connection was lost. Any of them may have been stored.
            WrongSequence: The server refused an expectation.
        """
        seconds = self._patience if within is None else within.total_seconds()
        try:
            async with asyncio.timeout(seconds):
                return [await future for future in futures]
        except TimeoutError as error:
            raise BusUnavailable(f"The bus did not acknowledge within {seconds:g} s.") from error
        finally:
            if any(not future.done() for future in futures):
                self._acks.forget(list(futures))

    async def publish(
        self,
        subject: str,
        payload: bytes,
        *,
        headers: Mapping[str, str] | None = None,
        msg_id: str | None = None,
        within: timedelta | None = None,
    ) -> Ack:
        """Publish one message to JetStream and wait until it is stored.

        Raises:
            BusUnavailable: Not acknowledged in time; it may have been stored all the same.
            WrongSequence: An expectation in the headers did not hold.
            BusForbidden: This service may not publish there.
        """
        future = await self.send(Message(subject, payload, headers, msg_id))
        return (await self.settle([future], within=within))[0]

    async def publish_many(self, messages: Iterable[Message], *, within: timedelta | None = None) -> list[Ack]:
        """Publish pipelined, in order, and wait until all are stored.

        Raises:
            BusUnavailable: At least one was not acknowledged; publish all again (ids make that harmless).
        """
        block = list(messages)
        acks: list[Ack] = []
        for at in range(0, len(block), BLOCK):
            part = block[at : at + BLOCK]
            nats = await self._ready(part[0].subject)
            acks += await self.settle(await self._acks.send_block(nats, part), within=within)
        return acks

    async def publish_event(self, subject: str, event: CloudEvent, *, within: timedelta | None = None) -> Ack:
        """Publish a CloudEvent in structured mode, with its id as the message id, and wait until it is stored."""
        return await self.publish(subject, encode(event), msg_id=event.id, within=within)

    async def deliver(self, items: Sequence[Deliverable]) -> None:
        """Publish a store's outbox; returns when all are stored (``tocsin_kit.store.Transport``).

        Order holds among the messages of one stream. Many for one stream go as atomic batches: one disk sync for hundreds.
        """
        by_stream: dict[str, list[Message]] = {}
        for item in items:
            stream = item.subject.partition(".")[0]
            by_stream.setdefault(stream, []).append(Message(item.subject, item.payload, None, item.id))
        for messages in by_stream.values():
            for at in range(0, len(messages), BLOCK):
                part = messages[at : at + BLOCK]
                if len(part) < BATCH_FROM or not await self._stored_as_batch(part):
                    await self.publish_many(part)

    async def _stored_as_batch(self, messages: Sequence[Message]) -> bool:
        """Whether an atomic batch was stored; no, when one of the messages is a repeat, or the stream takes no batches."""
        nats = await self._ready(messages[0].subject)
        try:
            await self.settle([await self._acks.send_batch(nats, messages)])
        except Defect as error:
            log.debug("bus.batch_refused", code=error.fields.get("nats_code"), error=error.detail)
            return False
        return True

    async def announce(self, subject: str, payload: bytes, *, headers: Mapping[str, str] | None = None) -> None:
        """Publish on core NATS: whoever listens now gets it, nobody stores it."""
        nats = await self._ready(subject)
        try:
            await nats.publish(subject, payload, headers=dict(headers) if headers else None)
        except (nats_errors.Error, OSError) as error:
            raise translate(error, subject) from error

    # -- request and subscribe ----------------------------------------------------------------------------------------

    async def request(
        self, subject: str, payload: bytes, *, headers: Mapping[str, str] | None = None, within: timedelta | None = None
    ) -> Reply:
        """Ask whoever serves ``subject`` and wait for one answer.

        Raises:
            BusUnavailable: Nobody serves it, or no answer in time.
        """
        nats = await self._ready(subject)
        seconds = self._patience if within is None else within.total_seconds()
        try:
            answer = await nats.request(subject, payload, timeout=seconds, headers=dict(headers) if headers else None)
        except (nats_errors.Error, OSError) as error:
            raise translate(error, subject) from error
        return Reply(answer.subject, answer.data, answer.headers or {})

    async def subscribe(self, subject: str, callback: Callback, *, queue: str = "") -> Subscription:
        """Listen on core NATS; survives reconnects. The callback must not block and must not raise."""
        nats = await self._ready(subject)
        subscription = Subscription(subject, queue, callback, forget=self._forget)
        await subscription.attach(nats)
        self._subscriptions.append(subscription)
        return subscription

    def _forget(self, subscription: Subscription) -> None:
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)

    # -- inside -------------------------------------------------------------------------------------------------------

    async def _ready(self, subject: str) -> Client:
        if not self._connected.is_set():
            try:
                async with asyncio.timeout(self._patience):
                    await self._connected.wait()
            except TimeoutError as error:
                raise BusUnavailable(f"No connection to NATS: {self._last_error}.", subject=subject) from error
        return self.nats

    async def _open(self) -> None:
        nats = CancellableClient()
        try:
            await nats.connect(
                servers=self._servers,
                name=f"tocsin-{self.service}",
                user=self._user,
                password=self._password,
                inbox_prefix=self._inbox,
                max_reconnect_attempts=-1,
                reconnect_time_wait=RECONNECT_WAIT,
                connect_timeout=2,
                ping_interval=PING_INTERVAL,
                pending_size=OUT_BUFFER,
                error_cb=self._on_error,
                disconnected_cb=self._on_disconnected,
                reconnected_cb=self._on_reconnected,
                closed_cb=self._on_closed,
            )
            await self._acks.attach(nats)
        except (nats_errors.Error, OSError) as error:
            raise translate(error, "the first connection") from error
        self._nats = nats
        self._jetstream = nats.jetstream(timeout=self._patience)
        self._last_error = _LOST
        self._down_since = None
        self._connected.set()

    async def _on_error(self, error: Exception) -> None:
        text = str(error) or type(error).__name__
        if self._acks.fail_refused(text):
            log.error("bus.refused", detail=text)
            return
        if text != self._last_error:
            log.info("bus.error", error=text)
        if "uthorization" in self._last_error and not self.connected:
            return  # the reset that follows a refused login says less than the refusal
        self._last_error = text

    async def _on_disconnected(self) -> None:
        if not self._connected.is_set():
            return
        self._connected.clear()
        self._down_since = self.clock.monotonic()
        self._acks.fail_all(BusUnavailable("The connection to NATS was lost before the acknowledgement."))
        if not self._stopping:
            log.warning("bus.disconnected", error=self._last_error)

    async def _on_reconnected(self) -> None:
        self._reconnects += 1
        self._last_error = _LOST
        self._down_since = None
        self._connected.set()
        log.info("bus.reconnected", times=self._reconnects)
        await self._tell_listeners()

    async def _on_closed(self) -> None:
        self._connected.clear()
        self._acks.fail_all(BusUnavailable("The connection to NATS was closed."))
        self._closed.set()

    async def _tell_listeners(self) -> None:
        for listener in self._listeners:
            await listener()
