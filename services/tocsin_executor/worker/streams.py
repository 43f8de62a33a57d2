"""What a call sends to its run while it goes on: messages in their order, as many as the run has room for.

A worker that is given the same attempt again opens another session, which counts from one; the run knows which it listens to.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from tocsin.errors import TocsinError, TooLarge
from tocsin_executor.application import wire
from tocsin_executor.application.apart import Apart
from tocsin_executor.domain.ops.credit import WINDOW
from tocsin_executor.domain.values import ErrorKind, Json
from tocsin_executor.worker.redaction import Redaction
from tocsin_executor.worker.tasks import Failed
from tocsin_executor.worker.writing import writable

Push: TypeAlias = Callable[[Sequence[wire.Outgoing]], None]
"""Publishes messages, in the order of the calls."""


@dataclass(slots=True)
class Sender:
    """One attempt's messages.

    Args:
        attempt: Whose.
        session: Name of this sender, unlike that of any other.
        reply: Subject of the run's inputs.
        push: Publishes.
        apart: Where large messages go.
        redaction: Knows what must not leave.
    """

    attempt: str
    session: str
    reply: str
    push: Push
    apart: Apart
    redaction: Redaction
    sent: int = 0
    allowed: int = WINDOW
    room: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, message: Json) -> None:
        """Send one, when there is room for it.

        Raises:
            Failed: It is too large, or cannot be stored.
        """
        while self.sent >= self.allowed:
            self.room.clear()
            await self.room.wait()
        try:
            message = writable(message)
            kept = await self.apart.keep(self.redaction.value(message) if self.redaction else message)
        except TooLarge as error:
            raise Failed(ErrorKind.VALIDATION, f"A message: {error.detail}", status=413) from error
        except TocsinError as error:
            raise Failed(ErrorKind.COMMUNICATION, f"A message cannot be stored: {error.detail}", status=503) from error
        self.sent += 1
        self.push([(self.reply, wire.streamed(self.attempt, self.session, self.sent, kept))])

    def allow(self, session: str, upto: int) -> None:
        """The run has gone through some of them."""
        if session == self.session and upto > self.allowed:
            self.allowed = upto
            self.room.set()
