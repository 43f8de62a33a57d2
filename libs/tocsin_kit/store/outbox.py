"""What a commit wants said to the world, kept in the document until it has been said.

An :class:`Outgoing` is stored as bytes, so that the relay never has to understand it, also when a newer version wrote it. Its
id is derived from its cause; publishing it twice says one thing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tocsin.errors import Defect, TooLarge
from tocsin.signals import CloudEvent, encode

LIMIT = 256 * 1024  # bytes of one message; larger values travel by reference (dataref)

PENDING = "_pending"
OUTBOX = "_outbox"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message that leaves with a commit.

    Attributes:
        subject: Where to.
        payload: Its bytes, a structured CloudEvent.
        id: The event's id; JetStream's message id.
        sequence: The entity's running number, if it is a signal; commands have none.
    """

    subject: str
    payload: bytes
    id: str
    sequence: int | None = None

    @classmethod
    def of(cls, subject: str, event: CloudEvent, *, counted: bool = True) -> "Outgoing":
        """The message that carries ``event``.

        Args:
            subject: Where to.
            event: A signal of the entity that is committed; or, with ``counted=False``, something else: a command, a signal of
                another entity.
            counted: Whether its sequence is the committed entity's.

        Raises:
            TooLarge: Above 256 KiB; put the value apart and refer to it.
        """
        payload = encode(event)
        if len(payload) > LIMIT:
            raise TooLarge(f"A signal of {len(payload)} bytes is above the limit of {LIMIT}.", size=len(payload), limit=LIMIT)
        return cls(subject, payload, event.id, event.sequence if counted else None)

    def document(self) -> dict[str, Any]:
        """As it lies in the entity's document."""
        return {"s": self.subject, "p": self.payload, "i": self.id}

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> "Outgoing":
        """The reverse."""
        return cls(document["s"], bytes(document["p"]), document["i"])


class Transport(Protocol):
    """What the relay needs of a bus."""

    async def deliver(self, items: Sequence[Outgoing]) -> None:
        """Publish in this order, and return when all are stored.

        Raises:
            Unavailable: Not all were acknowledged; deliver all again.
        """
        ...


def last_sequence(outbox: Sequence[Outgoing], before: int) -> int:
    """The entity's running number after these signals.

    Args:
        outbox: In order.
        before: The running number that was read with the entity.

    Raises:
        Defect: A gap or a repeat; the caller counted wrong.
    """
    for item in outbox:
        if item.sequence is None:
            continue
        if item.sequence != before + 1:
            raise Defect(f"Signal {item.id} has sequence {item.sequence} where {before + 1} is next.", subject=item.subject)
        before = item.sequence
    return before
