"""Reading a stream in order from a position: the engine's inputs, strictly by stream sequence, without a gap.

An ephemeral, unacknowledged push consumer of the server delivers; when its count shows a gap, when it falls silent or when the
connection was lost, a new one is made at the next position. Nothing is acknowledged and nothing redelivered: where to begin is
the reader's own memory (the saved position of each partition), never the server's. The server stops sending when the
reader does not keep up.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from tocsin.errors import TocsinError
from tocsin_kit.bus.api import call
from tocsin_kit.bus.direct import Direct, command
from tocsin_kit.clock import Clock, SystemClock

log = structlog.get_logger()

HEARTBEAT = 2.0  # seconds between signs of life from the server while nothing is published
_NANO = 1_000_000_000


@dataclass(slots=True)
class Entry:
    """One message of the log.

    Attributes:
        position: Its stream sequence.
        time_ms: The broker's timestamp, milliseconds since the epoch.
        subject: Where it was published.
        payload: Its bytes.
        headers: As they came, or nothing; :func:`header_fields` reads them.
    """

    position: int
    time_ms: int
    subject: str
    payload: bytes
    headers: bytes = b""


def header_fields(raw: bytes) -> dict[str, str]:
    """The fields of a NATS header block."""
    lines = raw.decode("utf-8", "replace").split("\r\n")[1:]
    return {name: value.strip() for name, mark, value in (line.partition(":") for line in lines) if mark}


class OrderedLog:
    """An ordered reader of some subjects of one stream.

    Args:
        direct: The hot path of a bus.
        stream: The stream's name.
        clock: Time, for the pause between attempts.
    """

    def __init__(self, direct: Direct, stream: str, clock: Clock | None = None) -> None:
        self._direct = direct
        self._stream = stream
        self._clock = clock or SystemClock()
        self._subjects: list[str] = []
        self._position = 0
        self._expected = 1
        self._inbox = ""
        self._consumer = ""
        self._waiting: deque[Entry] = deque()
        self._pauses: list[str] = []
        self._arrived = asyncio.Event()
        self._broken = False
        self._alive = 0.0
        self._listening = False
        self._since: int | None = None
        self._interrupted = False
        self.generation = 0
        """How often this was opened."""

    @property
    def position(self) -> int:
        """The last position that was delivered to the reader's queue."""
        return self._position

    async def open(self, subjects: Sequence[str], after: int, *, since_ms: int | None = None) -> None:
        """Read these subjects from position ``after + 1`` on; replaces what was read before.

        Args:
            subjects: Which.
            after: A position.
            since_ms: Instead of a position, the broker's time from which on messages count.

        Raises:
            Unavailable: The server did not make the consumer.
        """
        if not self._listening:
            self._listening = True
            self._direct.on_connected(self._on_connected)
        await self.close()
        self._subjects = list(subjects)
        self._position, self._since = after, since_ms
        self._waiting.clear()
        self.generation += 1
        if self._subjects:
            try:
                await self._consume()
            except TocsinError:
                self._break()  # whoever takes tries again
                raise

    async def close(self) -> None:
        """Stop reading."""
        inbox, consumer, self._inbox, self._consumer = self._inbox, self._consumer, "", ""
        if inbox:
            await self._direct.unsubscribe(inbox)
        if consumer and self._direct.connected:
            try:
                await call(self._direct.bus, f"CONSUMER.DELETE.{self._stream}.{consumer}", within=timedelta(seconds=1))
            except TocsinError:
                log.debug("log.consumer_left", consumer=consumer)  # the server deletes it when nobody listens

    async def take(self, limit: int = 500) -> list[Entry]:
        """What waits, at least one entry and at most ``limit``, in order; none after :meth:`interrupt`."""
        while not self._waiting:
            if self._interrupted:
                self._interrupted = False
                return []
            self._arrived.clear()
            self._resume()
            try:
                async with asyncio.timeout(HEARTBEAT * 2):
                    await self._arrived.wait()
            except TimeoutError:
                pass
            if self._broken or (self._subjects and self._clock.monotonic() - self._alive > HEARTBEAT * 3):
                await self._repair()
        waiting = self._waiting
        if len(waiting) <= limit:
            entries = list(waiting)
            waiting.clear()
            self._resume()
            return entries
        return [waiting.popleft() for _ in range(limit)]

    def interrupt(self) -> None:
        """Let whoever waits in :meth:`take` look around."""
        self._interrupted = True
        self._arrived.set()

    def _resume(self) -> None:
        """Tell the server that what it sent has been taken; it pauses until then."""
        if self._pauses and not self._waiting:
            pauses, self._pauses = self._pauses, []
            for subject in pauses:
                self._direct.answer(command(subject, "", b""))

    async def _repair(self) -> None:
        while True:
            try:
                await self._direct.bus.wait_connected()
                await self.close()
                await self._consume()
            except TocsinError as error:
                log.warning("log.not_reading", stream=self._stream, error=error.detail)
                await self._clock.sleep(0.2)
            else:
                return

    async def _consume(self) -> None:
        self._broken = False
        self._expected = 1
        self._pauses.clear()
        self._alive = self._clock.monotonic()
        inbox = self._direct.bus.new_inbox()
        await self._direct.subscribe(inbox, self._receive)
        self._inbox = inbox
        config = {
            "deliver_subject": inbox,
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": self._position + 1,
            "ack_policy": "none",
            "max_deliver": 1,
            "replay_policy": "instant",
            "flow_control": True,
            "idle_heartbeat": int(HEARTBEAT * _NANO),
            "inactive_threshold": 30 * _NANO,
            "num_replicas": 1,
            "mem_storage": True,
        }
        verb = f"CONSUMER.CREATE.{self._stream}"
        if len(self._subjects) == 1:  # then the filter is in the API's subject too, where the server's permissions see it
            config["filter_subject"] = self._subjects[0]
            config["name"] = inbox.rsplit(".", 1)[1]
            verb += f".{config['name']}.{self._subjects[0]}"
        else:
            config["filter_subjects"] = self._subjects
        if self._since is not None:
            del config["opt_start_seq"]
            config["deliver_policy"] = "by_start_time"
            config["opt_start_time"] = datetime.fromtimestamp(self._since / 1000, UTC).isoformat().replace("+00:00", "Z")
        answer = await call(self._direct.bus, verb, {"stream_name": self._stream, "config": config})
        self._consumer = answer["name"]
        log.debug("log.reading", stream=self._stream, after=self._position, subjects=len(self._subjects))

    def _receive(self, subject: bytes, reply: bytes, headers: bytes, payload: bytes) -> None:
        self._alive = self._clock.monotonic()
        if headers.startswith(b"NATS/1.0 100"):
            self._control(reply, headers)
            return
        # $JS.ACK.(<domain>.<account>.)<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<ns>.<pending>(.<random>)
        words = reply.rsplit(b".", 4) if reply.count(b".") == 8 else reply.rsplit(b".", 5)[:-1]
        if int(words[2]) != self._expected:
            self._break()
            return
        self._expected += 1
        self._since = None
        self._position = position = int(words[1])
        self._waiting.append(Entry(position, int(words[3]) // 1_000_000, subject.decode(), payload, headers))
        self._arrived.set()

    def _control(self, reply: bytes, headers: bytes) -> None:
        if reply:  # flow control: the server waits for this answer
            self._pauses.append(reply.decode())
        stalled = headers.find(b"Nats-Consumer-Stalled: ")
        if stalled >= 0:
            self._pauses.append(headers[stalled + 23 :].split(b"\r\n", 1)[0].decode())
        last = headers.find(b"Nats-Last-Consumer: ")
        if last >= 0 and int(headers[last + 20 :].split(b"\r\n", 1)[0]) >= self._expected:
            self._break()
        self._resume()

    def _break(self) -> None:
        self._broken = True
        self._arrived.set()

    async def _on_connected(self) -> None:
        self._break()
