"""Group commit: many messages stored with as few round trips and disk syncs as there can be.

A few messages go out pipelined, each acknowledged; many go as one atomic batch (ADR-50), which the server stores or refuses
as a whole with one acknowledgement. Where the border is depends on the server: with ``sync_interval: always`` a pipelined
message costs about 0.2 ms and a batch 5 ms whatever its size, so it is at some twenty messages; with lazy syncs a message costs
0.02 ms and the border is in the hundreds. So it is measured while publishing. Never a promise of more than "stored": a group
that failed may be stored in part or in whole, and is published again by whoever can do that without harm.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

import orjson

from tocsin.errors import TocsinError
from tocsin.signals.subjects import InvalidSubject
from tocsin_kit.bus.direct import Direct, command, command_with_headers
from tocsin_kit.bus.errors import BusUnavailable, translate_code
from tocsin_kit.bus.wire import AT_ONCE
from tocsin_kit.chance import Chance, SystemChance

BATCH_LIMIT = 1000
"""The server's limit of messages in one batch."""

_SINGLE_MS, _BATCH_MS = 0.02, 5.0  # what a message and a batch cost before anything is measured: as with lazy syncs
_LEAST, _MOST = 12, 400  # bounds of the border
_LEARN = 0.1  # weight of a measurement; a hiccup must not decide
_FORGET = 0.01  # how much of what is not measured any more is forgotten with each group, so that it is tried again
_BATCH_BYTES = 4 * 1024 * 1024  # a batch is staged in the server's memory
_AROUND = 150  # bytes of a message beside its payload, about
_ABANDONED = frozenset({10176, 10208, 10210, 10211})  # a batch that did not come together: publish again

Outgoing: TypeAlias = tuple[str, bytes]
"""Subject and payload."""


@dataclass(slots=True)
class _Group:
    key: bytes
    future: asyncio.Future[None]
    size: int
    batch: bool
    missing: int
    began: float


class SentGroup:
    """A group that is on its way."""

    def __init__(self, publisher: "GroupPublisher", group: _Group) -> None:
        self._publisher = publisher
        self._group = group

    async def stored(self) -> None:
        """Return when all of it is stored.

        Raises:
            BusUnavailable, TooLarge, Defect: As :meth:`GroupPublisher.publish_group`.
        """
        await self._publisher.settle(self._group)


class GroupPublisher:
    """Publishes groups of messages to streams.

    Args:
        direct: The hot path of a bus.
        batch_from: Size from which on a group goes as one atomic batch; ``None`` measures.
        atomic: Whether the streams take atomic batches at all.
        within: How long a group may take before it counts as failed.
        chance: For the inbox's name.
    """

    def __init__(
        self,
        direct: Direct,
        *,
        batch_from: int | None = None,
        atomic: bool = True,
        within: timedelta = timedelta(seconds=10),
        chance: Chance | None = None,
    ) -> None:
        self._direct = direct
        self._fixed = batch_from
        self._atomic = atomic
        self._single_ms, self._batch_ms = _SINGLE_MS, _BATCH_MS
        self._measured = 0
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

    @property
    def batch_from(self) -> int:
        """Size from which on a group goes as one atomic batch now."""
        if self._fixed is not None:
            return max(2, self._fixed)
        return max(_LEAST, min(_MOST, int(self._batch_ms / self._single_ms)))

    async def publish_group(self, messages: Sequence[Outgoing]) -> None:
        """Store these messages, in this order, and return when all are stored. All subjects must belong to one stream.

        Raises:
            BusUnavailable: Not all acknowledged in time, or the connection was lost; any of them may be stored.
            TooLarge, Defect: The server refused one.
        """
        if not messages:
            return
        border = self.batch_from
        if len(messages) < border or not self._atomic:
            await self._publish(messages, batch=False)
            return
        at = 0
        while at < len(messages):
            upto, size = at, 0
            while upto < len(messages) and upto - at < BATCH_LIMIT and (size < _BATCH_BYTES or upto == at):
                size += len(messages[upto][1])
                upto += 1
            part = messages[at:upto]
            await self._publish(part, batch=len(part) >= border)
            at = upto

    def begin_group(self, messages: Sequence[Outgoing]) -> SentGroup | None:
        """Send a group that is not large before this returns, if the connection takes it at once.

        Returns:
            What to wait for; ``None`` when nothing was sent, which is then for :meth:`publish_group`.
        """
        size = sum([len(payload) + _AROUND for _, payload in messages])
        if not messages or len(messages) > BATCH_LIMIT or size > AT_ONCE:  # it would be put together for nothing
            return None
        batch = self._atomic and len(messages) >= self.batch_from
        group, reply = self._register(len(messages), batch=batch)
        with suppress(InvalidSubject):  # which publish_group says
            if self._direct.write_now(self._block(messages, reply, batch=batch)):
                return SentGroup(self, group)
        self._groups.pop(group.key)
        return None

    async def settle(self, group: _Group, block: bytes = b"") -> None:
        """Write ``block``, if there is one, and return when the group is stored; see :meth:`SentGroup.stored`."""
        try:
            async with asyncio.timeout(self._within):
                if block:
                    await self._direct.write(block)
                await group.future
        except TimeoutError as error:
            raise BusUnavailable(f"The bus did not acknowledge a group within {self._within:g} s.") from error
        finally:
            self._groups.pop(group.key, None)
        self._learn(group.size, (self._direct.bus.clock.monotonic() - group.began) * 1000, batch=group.batch)

    async def _publish(self, messages: Sequence[Outgoing], *, batch: bool) -> None:
        group, reply = self._register(len(messages), batch=batch)
        await self.settle(group, self._block(messages, reply, batch=batch))

    def _block(self, messages: Sequence[Outgoing], reply: str, *, batch: bool) -> bytes:
        return _batch_block(messages, f"{self._name}{self._next}", reply) if batch else _single_block(messages, reply)

    def _register(self, size: int, *, batch: bool) -> tuple[_Group, str]:
        self._next += 1
        reply = f"{self._prefix}.{self._next}"
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        began = self._direct.bus.clock.monotonic()
        group = _Group(reply.encode(), future, size, batch, 1 if batch else size, began)
        self._groups[group.key] = group
        return group, reply

    def _learn(self, messages: int, took_ms: float, *, batch: bool) -> None:
        if batch:
            self._batch_ms += _LEARN * (min(took_ms, 4 * _BATCH_MS) - self._batch_ms)
            self._single_ms += _FORGET * (_SINGLE_MS - self._single_ms)
            return
        if messages >= 4:  # fewer say more about the way there and back
            self._measured += 1
            weight = max(_LEARN, 1 / self._measured)  # the first says more than what was assumed
            self._single_ms += weight * (max(0.01, min(took_ms / messages, 1.0)) - self._single_ms)
        self._batch_ms += _FORGET * (_BATCH_MS - self._batch_ms)

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


def _single_block(messages: Sequence[Outgoing], reply: str) -> bytes:
    """All commands of a group, each of which asks for an answer."""
    return b"".join([command(subject, reply, payload) for subject, payload in messages])


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
