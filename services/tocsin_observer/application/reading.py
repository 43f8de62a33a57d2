"""How the observer reads all signals in order: from a place, without a gap, and aloud about how far behind it is.

What the stream dropped before it was read (its retention went by, or somebody purged it) is never passed over in silence: it
is counted, logged, kept beside the place and named in the health of the platform, and what another projection still has of it
is read from there.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from datetime import timedelta
from typing import Final

import structlog

from tocsin.errors import TocsinError
from tocsin_kit.chassis import Part
from tocsin_kit.clock import Clock
from tocsin_kit.telemetry import Health, Metrics
from tocsin_observer.domain.audit import Heard
from tocsin_observer.domain.reading import Gap, holes, lost
from tocsin_observer.ports import Places, SignalStream

log = structlog.get_logger()

ALL: Final = ("signals.>",)
EVERY: Final = timedelta(seconds=1)  # between two notes of the place, and two looks how far behind it is
AT_ONCE: Final = (
    2000  # signals handed over together at most: a look into the database for each batch hardly costs more for them
)
_GAPS: Final = 20  # remembered of each reader
READERS: Final = ("audit", "alerts", "webhooks", "search")

Handle = Callable[[list[Heard]], Awaitable[None]]
Restore = Callable[[int, int], AsyncIterator[list[Heard]]]


class Reader(Part):
    """One reader of all signals.

    Args:
        name: One of :data:`READERS`.
        stream: All signals.
        places: Where its place is, unless whoever reads keeps that beside what comes of it.
        clock: Time.
        metrics: Where it says how far behind it is, and what it never saw.
        before: Durable consumer that did this in an earlier version; its place is gone on from.
        from_now: Whether the very first reader begins with the present instead of with what the stream still has.
        restore: Signals between two positions that are kept elsewhere.
    """

    def __init__(
        self,
        name: str,
        stream: SignalStream,
        places: Places,
        *,
        clock: Clock,
        metrics: Metrics,
        before: str | None = None,
        from_now: bool = False,
        restore: Restore | None = None,
    ) -> None:
        super().__init__(f"reader:{name}")
        self.place = name
        self._stream = stream
        self._places = places
        self._clock = clock
        self._before = before
        self._from_now = from_now
        self._restore = restore
        self._at = 0
        self._kept = -1
        self._behind = 0
        self._gaps: list[Gap] = []
        self._lag = metrics.gauge(
            "reader_lag_signals", "Signals that a part of the observer has not read yet.", reader=READERS
        ).labels(reader=name)
        self._missed = metrics.counter(
            "missed_signals",
            "Signals that the stream dropped before a part of the observer had read them.",
            reader=READERS,
        ).labels(reader=name)

    def health(self) -> Health:
        """Ready; how far behind it is, and how much it lost within a day, are facts that a degraded mode is named by."""
        facts = {"lag": self._behind, "lost": lost(self._gaps, self._clock.now())}
        return Health(ready=True, detail="reading in order", facts=facts)

    async def prepare(self) -> None:
        """Take the place to begin at, before anybody has begun to read: what comes from now on is not missed."""
        # Each time: a replica of an earlier version that still ran would have made the consumer again.
        before = await self._stream.retire(self._before) if self._before else None
        if await self._places.load(self.place) is None:
            first, last = await self._stream.bounds()
            begin = before if before is not None else last if self._from_now else max(first - 1, 0)
            await self._places.keep(self.place, begin)

    async def each(self, handle: Handle, *, after: int | None = None) -> None:
        """Read and hand over until cancelled.

        Args:
            handle: Takes signals in order; safe to repeat, since the place is noted a moment after it.
            after: Where to begin; ``None`` for the place that is kept.

        Raises:
            Unavailable: The bus or the database does not answer; begin again.
        """
        keep = after is None
        if after is None:
            await self.prepare()
            found = await self._places.load(self.place)
            after = found or 0
        self._gaps = list(await self._places.gaps(self.place))
        self._at = self._kept = after
        try:
            async with asyncio.TaskGroup() as group:
                aside = group.create_task(self._watch(keep))
                async with aclosing(self._read()) as batches:
                    async for batch in batches:
                        await handle(batch)
                aside.cancel()
        except asyncio.CancelledError:
            self._say(0)  # whoever reads next says how far behind it is; who fails and begins again is as far behind as before
            raise

    async def now(self) -> int:
        """The position of the last signal that there is."""
        return (await self._stream.bounds())[1]

    async def goal(self) -> int:
        """The position of the last signal that can be read now; 0 when there is none."""
        first, last = await self._stream.bounds()
        return last if first <= last else 0

    async def begins_anew(self, place: int) -> bool:
        """Whether a place lies behind the end of the stream, which therefore is not the one that it was taken in."""
        return place > await self.now()

    async def miss(self, first: int, last: int, *, restored: int = 0) -> None:
        """Say that the stream dropped these before they were read."""
        gap = Gap(first, last, self._clock.now(), restored)
        log.error("signals.missed", reader=self.place, first=first, last=last, lost=gap.lost, restored=restored)
        self._missed.inc(gap.lost)
        await self._places.miss(self.place, gap, most=_GAPS)
        self._gaps = [*self._gaps[1 - _GAPS :], gap]

    async def _read(self) -> AsyncGenerator[list[Heard], None]:
        first, last = await self._stream.bounds()
        if self._at > last:
            log.warning("signals.stream_began_anew", reader=self.place, place=self._at, last=last)
            self._at = max(first - 1, 0)
        async for found in self._between(self._at, [first]):
            yield found
        self._at = max(self._at, first - 1)
        async with aclosing(self._stream.read(ALL, after=self._at, at_once=AT_ONCE)) as batches:
            async for batch in batches:
                if batch[-1].position - self._at != len(batch):
                    async for found in self._between(self._at, [one.position for one in batch]):
                        yield found
                yield batch
                self._at = batch[-1].position

    async def _between(self, after: int, positions: Sequence[int]) -> AsyncIterator[list[Heard]]:
        """What is missing before these positions, as far as it is kept elsewhere."""
        for first, last in holes(after, positions):
            restored = 0
            if self._restore is not None:
                async for batch in self._restore(first, last):
                    restored += len(batch)
                    yield batch
            await self.miss(first, last, restored=restored)

    async def _watch(self, keep: bool) -> None:
        while True:
            try:
                self._say(max(await self.now() - self._at, 0))
            except TocsinError as error:
                log.debug("signals.lag_unknown", reader=self.place, error=error.detail)
            await self._clock.sleep(EVERY)
            if keep and self._at != self._kept:
                at = self._at
                await self._places.keep(self.place, at)
                self._kept = at

    def _say(self, behind: int) -> None:
        self._behind = behind
        self._lag.set(behind)
