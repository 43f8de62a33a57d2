"""What goes over the bus and what comes back: plain values without a vendor's type in them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

MSG_ID = "Nats-Msg-Id"
EXPECTED_STREAM = "Nats-Expected-Stream"
EXPECTED_LAST_SUBJECT_SEQUENCE = "Nats-Expected-Last-Subject-Sequence"


@dataclass(frozen=True, slots=True)
class Message:
    """One message to publish.

    Attributes:
        subject: Where to, without wildcards.
        payload: Its bytes.
        headers: Further headers; ``None`` is cheapest.
        msg_id: The id by which JetStream recognises a repeat within the stream's (short) window. Consumers are idempotent
            anyway; this only spares them most repeats.
    """

    subject: str
    payload: bytes
    headers: Mapping[str, str] | None = None
    msg_id: str | None = None

    def wire_headers(self) -> dict[str, str] | None:
        """The headers as they are sent, or ``None`` when there are none."""
        if self.msg_id is None:
            return dict(self.headers) if self.headers else None
        return {**(self.headers or {}), MSG_ID: self.msg_id}


@dataclass(frozen=True, slots=True)
class Ack:
    """JetStream has the message.

    Attributes:
        stream: The stream that stored it.
        sequence: Its position there, from 1.
        duplicate: It was there before, recognised by its ``msg_id``.
    """

    stream: str
    sequence: int
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer to a request.

    Attributes:
        subject: The inbox it came to.
        payload: Its bytes.
        headers: Its headers; empty when there were none.
    """

    subject: str
    payload: bytes
    headers: Mapping[str, str]


class Deliverable(Protocol):
    """What an outbox holds; the store has its own class for it and does not know the bus."""

    @property
    def subject(self) -> str:
        """Where to."""
        ...

    @property
    def payload(self) -> bytes:
        """Its bytes."""
        ...

    @property
    def id(self) -> str:
        """The message id."""
        ...
