"""Messages that could not be handled: put aside with the reason, listed, and handed to their handler again by command.

A redrive gives a dead letter back to the one consumer that failed on it. It is not published on its original subject again,
where every other reader of that stream would see it twice.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import orjson

from tocsin.errors import Defect, NotFound, TocsinError
from tocsin.signals.subjects import dead
from tocsin_kit.bus.api import call
from tocsin_kit.bus.connection import Bus
from tocsin_kit.bus.delivery import REDRIVEN, Delivery

STREAM: Final = "DEAD"
CODE: Final = "Tocsin-Dead-Code"
REASON: Final = "Tocsin-Dead-Reason"
CONSUMER: Final = "Tocsin-Dead-Consumer"
ORIGIN: Final = "Tocsin-Dead-Origin"  # <stream>:<sequence>
ATTEMPTS: Final = "Tocsin-Dead-Attempts"
SUBJECT: Final = "Tocsin-Dead-Subject"
_REASON_LIMIT = 1000  # characters; enough for a sentence and a hint, bounded for headers


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message put aside.

    Attributes:
        sequence: Its place in the stream of dead letters; names it.
        subject: What it was published on.
        consumer: Which consumer failed on it.
        code: The code of the error.
        reason: Its text.
        origin: ``<stream>:<sequence>`` of the original.
        attempts: How often it was tried.
        died: When it was put aside.
        headers: The original headers.
        payload: The original bytes.
    """

    sequence: int
    subject: str
    consumer: str
    code: str
    reason: str
    origin: str
    attempts: int
    died: datetime
    headers: dict[str, str]
    payload: bytes

    def delivery(self) -> Delivery:
        """As the handler sees it when it is redriven."""
        stream, _, sequence = self.origin.partition(":")
        return Delivery(
            subject=self.subject,
            payload=self.payload,
            headers={**self.headers, REDRIVEN: str(self.sequence)},
            stream=stream,
            consumer=self.consumer,
            sequence=int(sequence or 0),
            attempt=1,
            published=self.died,
            reply="",
        )


async def bury(bus: Bus, service: str, delivery: Delivery, error: BaseException) -> None:
    """Put a message aside; returns when that is on disk, so that the original may be acknowledged.

    Raises:
        Unavailable: It could not be stored; the original must stay.
    """
    code = error.code if isinstance(error, TocsinError) else Defect.code
    reason = str(error) or type(error).__name__
    if isinstance(error, TocsinError) and error.violations:
        reason += "; " + "; ".join(f"{v.pointer}: {v.detail}" for v in error.violations[:5])
    kept = {name: value for name, value in delivery.headers.items() if not name.startswith("Nats-")}
    origin = f"{delivery.stream}:{delivery.sequence}"
    headers = {
        **kept,
        CODE: code,
        REASON: " ".join(reason[:_REASON_LIMIT].split()),
        CONSUMER: delivery.consumer,
        ORIGIN: origin,
        ATTEMPTS: str(delivery.attempt),
        SUBJECT: delivery.subject,
    }
    await bus.publish(
        dead(service, delivery.subject), delivery.payload, headers=headers, msg_id=f"{delivery.consumer}:{origin}"
    )


async def dead_letters(bus: Bus, service: str, *, after: int = 0) -> AsyncIterator[DeadLetter]:
    """The dead letters of a service, oldest first.

    Args:
        bus: A started bus.
        service: Whose.
        after: Begin behind this sequence.
    """
    sequence = after + 1
    while True:
        request = {"seq": sequence, "next_by_subj": f"dead.{service}.>"}
        reply = await bus.request(f"$JS.API.DIRECT.GET.{STREAM}", orjson.dumps(request))
        if "Nats-Sequence" not in reply.headers:
            return
        letter = _read(dict(reply.headers), reply.payload)
        yield letter
        sequence = letter.sequence + 1


async def dead_letter(bus: Bus, service: str, sequence: int) -> DeadLetter:
    """One dead letter of a service.

    Raises:
        NotFound: It is gone, or another service's.
    """
    async for letter in dead_letters(bus, service, after=sequence - 1):
        if letter.sequence == sequence:
            return letter
        break
    raise NotFound(f"{service} has no dead letter {sequence}", hint="it may have been handled or discarded meanwhile")


async def forget(bus: Bus, letter: DeadLetter) -> None:
    """Remove a dead letter that has been handled, or that somebody discards."""
    try:
        await call(bus, f"STREAM.MSG.DELETE.{STREAM}", {"seq": letter.sequence, "no_erase": True})
    except NotFound:
        return


def _read(headers: dict[str, str], payload: bytes) -> DeadLetter:
    own = {CODE, REASON, CONSUMER, ORIGIN, ATTEMPTS, SUBJECT}
    died = headers["Nats-Time-Stamp"]
    return DeadLetter(
        sequence=int(headers["Nats-Sequence"]),
        subject=headers.get(SUBJECT) or headers["Nats-Subject"].split(".", 2)[2],
        consumer=headers.get(CONSUMER, ""),
        code=headers.get(CODE, ""),
        reason=headers.get(REASON, ""),
        origin=headers.get(ORIGIN, ""),
        attempts=int(headers.get(ATTEMPTS, "0")),
        # Nanoseconds are more than datetime holds; the first 26 characters end with microseconds.
        died=datetime.fromisoformat(died[:26].rstrip("Z")).replace(tzinfo=UTC),
        headers={name: value for name, value in headers.items() if name not in own and not name.startswith("Nats-")},
        payload=payload,
    )
