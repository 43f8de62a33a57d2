"""One message as a handler sees it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from nats.aio.msg import Msg

from tocsin.signals import CloudEvent, decode_nats

REDRIVEN = "Tocsin-Redriven"
_ATTRIBUTE = b'"traceparent":"'
_LENGTH = 55  # of a traceparent of version 00


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message that has to be handled.

    Attributes:
        subject: What it was published on.
        payload: Its bytes.
        headers: Its headers.
        stream: The stream it is in.
        consumer: The durable consumer that delivers it.
        sequence: Its place in the stream, from 1.
        attempt: 1 for the first delivery.
        published: When the stream stored it.
        reply: Where it is settled; only for the consumer loop.
        waiting: How many messages waited for the consumer behind this one.
    """

    subject: str
    payload: bytes
    headers: Mapping[str, str]
    stream: str
    consumer: str
    sequence: int
    attempt: int
    published: datetime
    reply: str
    waiting: int = 0

    @property
    def traceparent(self) -> str | None:
        """W3C trace context: of a header, or of the structured event, which is looked for without decoding it."""
        sent = self.headers.get("traceparent") or self.headers.get("ce-traceparent")
        if sent is not None:
            return sent
        at = self.payload.find(_ATTRIBUTE)
        if at < 0:
            return None
        begin = at + len(_ATTRIBUTE)
        return self.payload[begin : begin + _LENGTH].decode("ascii", "replace")

    def event(self) -> CloudEvent:
        """The CloudEvent in it, structured or binary.

        Raises:
            InvalidEvent: It is none.
        """
        return decode_nats(self.headers, self.payload)

    @classmethod
    def of(cls, msg: Msg) -> "Delivery":
        """Read the place from the reply subject: ``$JS.ACK.[domain.account.]stream.consumer.attempt.sequence.*.time.*``."""
        tokens = msg.reply.split(".")
        first = 2 if len(tokens) == 9 else 4
        stream, consumer, attempt, sequence, _, nanoseconds, waiting = tokens[first : first + 7]
        return cls(
            subject=msg.subject,
            payload=msg.data,
            headers=msg.headers or {},
            stream=stream,
            consumer=consumer,
            sequence=int(sequence),
            attempt=int(attempt),
            published=datetime.fromtimestamp(int(nanoseconds) / 1e9, UTC),
            reply=msg.reply,
            waiting=int(waiting),
        )
