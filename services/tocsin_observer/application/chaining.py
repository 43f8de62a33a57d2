"""The one writer of the audit chain: reads all signals in order, seals those that belong into the trail, signs checkpoints.

Which replica does it is a duty. The end of the chain is compared and set with each write, so that a second writer that does not
know yet that it was deposed cannot fork it.
"""

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

import structlog

from tocsin.errors import Conflict
from tocsin.signals.audit_chain import Body, Checkpoint
from tocsin.signals.codec import format_time
from tocsin_kit.clock import Clock
from tocsin_observer.application.reading import Reader
from tocsin_observer.domain.audit import Entry, Head, Heard, body_of, gap, sealed, wanted
from tocsin_observer.domain.reading import holes
from tocsin_observer.ports import AuditStore, CheckpointSigner, SignalStream

log = structlog.get_logger()

LOOK: Final = timedelta(
    seconds=10
)  # between two looks whether there is something to sign, and at least how often a place is kept
EVERY: Final = 1000  # records between two checkpoints at most
READ_AHEAD: Final = 5000  # signals without a record after which the place is kept
DROPPED: Final = "the stream of signals dropped them before they were recorded"


class ChainWriter:
    """Writes the chain.

    Args:
        store: Where it lies.
        stream: All signals.
        reader: Reads them in order.
        signer: Signs checkpoints.
        clock: Time.
    """

    def __init__(
        self, store: AuditStore, stream: SignalStream, reader: Reader, signer: CheckpointSigner, *, clock: Clock
    ) -> None:
        self._store = store
        self._stream = stream
        self._reader = reader
        self._signer = signer
        self._clock = clock
        self._turn = asyncio.Lock()
        self._head: Head | None = None
        self._read = 0

    async def work(self) -> None:
        """Write until cancelled.

        Raises:
            Conflict: Another writer was faster: begin again from what is stored.
            Unavailable: The bus or the database does not answer.
        """
        await self._store.publish_key(self._signer.kid, self._signer.public)
        head = await self._store.head()
        first, last = await self._stream.bounds()
        head = await self._bridged(head, first, last)
        self._head, self._read = head, head.position
        async with asyncio.TaskGroup() as group:
            aside = group.create_task(self._seal_now_and_then())
            await self._reader.each(self._hear, after=head.position)
            aside.cancel()

    async def _hear(self, batch: list[Heard]) -> None:
        async with self._turn:
            await self._take(batch)

    async def _bridged(self, head: Head, first: int, last: int) -> Head:
        """The place to go on from; what is not in the stream any more is recorded as missing."""
        now = self._clock.now()
        if head.number == 0 and head.position == 0:
            return Head(head.chain, 0, head.hash, max(first - 1, 0), 0)
        if last < head.position:
            return await self._add(head, gap(1, first, now, "the stream of signals began anew"), position=max(first - 1, 0))
        if first > head.position + 1:
            await self._reader.miss(head.position + 1, first - 1)
            return await self._add(head, gap(head.position + 1, first - 1, now, DROPPED), position=first - 1)
        return head

    async def _add(self, head: Head, body: Body, *, position: int) -> Head:
        entries, after = sealed(head, [(self._clock.now(), body)])
        after = Head(after.chain, after.number, after.hash, position, after.sealed)
        await self._store.append(head, entries, after)
        log.error("audit.gap", first=body["first"], last=body["last"], reason=body["problem"])
        return after

    async def _take(self, batch: list[Heard]) -> None:
        head = self._current()
        found = list(self._recorded(batch))
        self._read = batch[-1].position
        if not found and self._read - head.position < READ_AHEAD:
            return
        entries, after = sealed(head, found)
        await self._keep(head, Head(after.chain, after.number, after.hash, self._read, after.sealed), entries)
        if self._current().number - self._current().sealed >= EVERY:
            await self._seal()

    def _recorded(self, batch: list[Heard]) -> Iterator[tuple[datetime, Body]]:
        """What belongs into the trail, and in its place what the stream dropped while we were behind."""
        at = self._read
        for heard in batch:
            for first, last in holes(at, (heard.position,)):
                yield heard.stored, gap(first, last, heard.stored, DROPPED)
            at = heard.position
            if wanted(heard):
                yield heard.stored, body_of(heard)

    async def _seal_now_and_then(self) -> None:
        while True:
            await self._clock.sleep(LOOK)
            async with self._turn:
                head = self._current()
                if head.number > head.sealed:
                    await self._seal()
                elif self._read > head.position:
                    await self._keep(head, Head(head.chain, head.number, head.hash, self._read, head.sealed), [])

    async def _seal(self) -> None:
        head = await self._confirmed()
        if head.number == head.sealed:
            return
        after = Head(head.chain, head.number, head.hash, self._read, head.number)
        await self._store.seal(head, checkpoint_at(head, self._signer, format_time(self._clock.now())), after)
        self._head = after

    async def _keep(self, head: Head, after: Head, entries: list[Entry]) -> None:
        try:
            await self._store.append(head, entries, after)
        except Conflict:
            confirmed = await self._confirmed()  # somebody's export has sealed the end meanwhile
            after = Head(after.chain, after.number, after.hash, after.position, confirmed.sealed)
            await self._store.append(confirmed, entries, after)
        self._head = after

    async def _confirmed(self) -> Head:
        """The end as it is stored, if nobody has written behind ours.

        Raises:
            Conflict: Another writer has.
        """
        head, stored = self._current(), await self._store.head()
        if (stored.number, stored.hash, stored.position) != (head.number, head.hash, head.position):
            raise Conflict("the audit chain was continued by another writer")
        self._head = stored
        return stored

    def _current(self) -> Head:
        assert self._head is not None
        return self._head


def checkpoint_at(head: Head, signer: CheckpointSigner, time: str) -> Checkpoint:
    """A signed checkpoint at the end of a chain."""
    unsigned = Checkpoint(head.chain, head.number, head.hash, head.position, time, signer.kid)
    signature = signer.sign(unsigned.signed_bytes())
    return Checkpoint(head.chain, head.number, head.hash, head.position, time, signer.kid, signature)
