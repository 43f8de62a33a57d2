"""Group commit: many messages stored with as few round trips and disk syncs as there can be.

A few messages go out pipelined, each acknowledged; many go as one atomic batch (ADR-50), which the server stores or refuses
as a whole with one acknowledgement. Measured with ``sync_interval: always`` a single pipelined message costs about 0.2 ms of the
server's time and a batch about 5 ms whatever its size, so the border is at some twenty messages; with lazy syncs both cost the
same from there on, and the batch spares the client the acknowledgements. Never a promise of more than "stored": a group that
failed may be stored in part or in whole, and is published again by whoever can do that without harm.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

import orjson

from tocsin.errors import TocsinError
from tocsin_kit.bus.direct import Direct, command, command_with_headers
from tocsin_kit.bus.errors import BusUnavailable, translate_code
from tocsin_kit.chance import Chance, SystemChance

BATCH_FROM = 24
"""Messages from which on one atomic batch is cheaper than single publishes; measured, see above and docs/adr/0005."""

BATCH_LIMIT = 1000
"""The server's limit of messages in one batch."""

_BATCH_BYTES = 4 * 1024 * 1024  # a batch is staged in the server's memory
_ABANDONED = frozenset({10176, 10208, 10210, 10211})  # a batch that did not come together: publish again

Outgoing: TypeAlias = tuple[str, bytes]
"""Subject and payload."""


@dataclass(slots=True)
class _Group:
    future: asyncio.Future[None]
    missing: int


class GroupPublisher:
    """Publishes groups of messages to streams.

    Args:
        direct: The hot path of a bus.
        batch_from: Size from which on a group goes as one atomic batch.
        within: How long a group may take before it counts as failed.
        chance: For the inbox's name.
    """

    def __init__(
        self,
        direct: Direct,
        *,
        batch_from: int = BATCH_FROM,
        within: timedelta = timedelta(seconds=10),
        chance: Chance | None = None,
    ) -> None:
        self._direct = direct
        self._batch_from = max(2, batch_from)
        self._within = within.total_seconds()
        self._name = (chance or SystemChance()).token(6).hex()
        self._prefix = ""
        self._next = 0
        self._groups: dict[bytes, _Group] = {}

    async def start(self) -> None:
        """Listen for acknowledgements."""
        self._prefix = f"{self._direct.bus.new_inbox()}.g"
        self._direct.on_connected(self._on_connected)
        await self._direct.subscribe(f"{self._prefix}.*", self._on_ack)

    async def publish_group(self, messages: Sequence[Outgoing]) -> None:
        """Store these messages, in this order, and return when all are stored. All subjects must belong to one stream.

        Raises:
            BusUnavailable: Not all acknowledged in time, or the connection was lost; any of them may be stored.
            TooLarge, Defect: The server refused one.
        """
        if not messages:
            return
        if len(messages) < self._batch_from:
            await self._publish(messages, batch=False)
            return
        at = 0
        while at < len(messages):
            upto, size = at, 0
            while upto < len(messages) and upto - at < BATCH_LIMIT and (size < _BATCH_BYTES or upto == at):
                size += len(messages[upto][1])
                upto += 1
            part = messages[at:upto]
            await self._publish(part, batch=len(part) >= self._batch_from)
            at = upto

    async def _publish(self, messages: Sequence[Outgoing], *, batch: bool) -> None:
        self._next += 1
        token = str(self._next)
        reply = f"{self._prefix}.{token}"
        key = reply.encode()
        group = _Group(asyncio.get_running_loop().create_future(), 1 if batch else len(messages))
        self._groups[key] = group
        try:
            async with asyncio.timeout(self._within):
                if batch:
                    block = _batch_block(messages, f"{self._name}{token}", reply)
                else:
                    block = b"".join([command(subject, reply, payload) for subject, payload in messages])
                await self._direct.write(block)
                await group.future
        except TimeoutError as error:
            raise BusUnavailable(f"The bus did not acknowledge a group within {self._within:g} s.") from error
        finally:
            self._groups.pop(key, None)

    def _on_ack(self, subject: bytes, _reply: bytes, _headers: bytes, payload: bytes) -> None:
        group = self._groups.get(subject)
        if group is None or group.future.done():
            return
        if not payload:
            group.future.set_exception(BusUnavailable("No stream takes these messages, or it has no leader now."))
        elif b'"error"' in payload:
            group.future.set_exception(_refusal(payload))
        else:
            group.missing -= 1
            if group.missing == 0:
                group.future.set_result(None)

    async def _on_connected(self) -> None:
        """Whatever was on its way when the connection broke is not acknowledged any more."""
        groups, self._groups = self._groups, {}
        for group in groups.values():
            if not group.future.done():
                group.future.set_exception(BusUnavailable("The connection to NATS was lost before the acknowledgement."))


def _batch_block(messages: Sequence[Outgoing], batch: str, reply: str) -> bytes:
    """All commands of one atomic batch; only the last asks for an answer."""
    head = f"NATS/1.0\r\nNats-Batch-Id: {batch}\r\nNats-Batch-Sequence: ".encode()
    last = len(messages)
    parts = [
        command_with_headers(subject, "", b"%b%d\r\n\r\n" % (head, number), payload)
        for number, (subject, payload) in enumerate(messages[:-1], 1)
    ]
    subject, payload = messages[-1]
    parts.append(command_with_headers(subject, reply, b"%b%d\r\nNats-Batch-Commit: 1\r\n\r\n" % (head, last), payload))
    return b"".join(parts)


def _refusal(payload: bytes) -> TocsinError:
    error = orjson.loads(payload).get("error", {})
    code, text = error.get("err_code", 0), error.get("description", "")
    if code in _ABANDONED:
        return BusUnavailable(f"The bus did not take a batch: {text}", nats_code=code)
    return translate_code(code, text, "a group of messages")
