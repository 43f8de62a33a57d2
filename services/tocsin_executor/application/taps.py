"""Taps: one stream of events, read in order, with what was read lately kept at hand.

A tap reads while somebody listens, from where they need it: a position, or the broker's time when nobody knows one. Whoever
begins to listen is first given what the tap has read since then already; what it does not have any more is read again, for
everybody, and those who have an event already are not given it twice. Nothing is acknowledged: positions are the reader's.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from tocsin.errors import TocsinError
from tocsin_executor.domain.values import Millis
from tocsin_executor.ports import EventEntry, EventLog
from tocsin_kit.clock import Clock

log = structlog.get_logger()

KEPT = 4_000  # entries kept for those who begin to listen a moment late
KEPT_BYTES = 16 * 1024 * 1024
_BATCH = 256
_IDLE = 30.0  # seconds without a listener after which nothing is read any more
_PAUSE = 0.02
_FAR = 1 << 62


@dataclass(frozen=True, slots=True)
class Start:
    """Where to read from: behind a position if one is known, and in any case not later than from a time on."""

    after: int | None
    since: Millis

    def earlier(self, other: "Start") -> "Start":
        """Where to read from for both."""
        since = min(self.since, other.since)
        if self.after is None or other.after is None:
            return Start(None, since)
        return Start(min(self.after, other.after), since)


class Tap:
    """Reads one stream for all listeners of this process.

    Args:
        channel: What listeners call it.
        subject: Which subjects of it.
        reader: The stream.
        clock: Time.
        wanted: Whether anybody listens.
        look: Given every entry, in order.
        full: Whether reading should pause.
    """

    def __init__(
        self,
        channel: str,
        subject: str,
        reader: EventLog,
        clock: Clock,
        *,
        wanted: Callable[[], bool],
        look: Callable[["Tap", EventEntry], None],
        full: Callable[[], bool],
    ) -> None:
        self.channel = channel
        self._subject = subject
        self._reader = reader
        self._clock = clock
        self._wanted = wanted
        self._look = look
        self._full = full
        self._plan: Start | None = None
        self._at: Start | None = None
        self._kept: deque[EventEntry] = deque()
        self._size = 0
        self._floor: Millis = _FAR
        self._idle_since: float | None = None

    @property
    def safe(self) -> Start | None:
        """Everything up to here has been looked at; ``None`` while nothing is read."""
        return self._at if self._plan is None else self._plan

    def want(self, start: Start) -> list[EventEntry]:
        """Somebody begins to listen: what was read since then, or nothing and it will be read (again)."""
        self._idle_since = None
        at = self._at
        if at is not None and self._plan is None:
            if start.after is not None and at.after is not None and start.after >= at.after:
                return []
            if start.since >= self._floor:
                return self._since(start.since)
        for known in (at, self._plan):
            start = start if known is None else start.earlier(known)
        self._plan = start
        self._reader.interrupt()
        return []

    def _since(self, since: Millis) -> list[EventEntry]:
        """From the end, since those who begin a moment late need the last few of thousands."""
        found: list[EventEntry] = []
        for entry in reversed(self._kept):
            if entry.time_ms < since:
                break
            found.append(entry)
        found.reverse()
        return found

    async def serve(self) -> None:
        """Read until cancelled."""
        while True:
            await self.turn()
            while self._full():
                await self._clock.sleep(_PAUSE)
            await self._rest()

    async def turn(self) -> None:
        """Begin to read where it was asked for, or take what waits."""
        if (plan := self._plan) is not None:
            await self._open(plan)
            return
        entries = await self._reader.take(_BATCH)
        if self._moved():
            return  # they are read again from where it is to begin now
        for entry in entries:
            self._keep(entry)
            self._at = Start(entry.position, entry.time_ms)
            self._look(self, entry)

    def _moved(self) -> bool:
        return self._plan is not None

    async def _open(self, plan: Start) -> None:
        try:
            await self._reader.open([self._subject], plan.after or 0, since_ms=plan.since if plan.after is None else None)
        except TocsinError as error:
            log.warning("tap.not_reading", channel=self.channel, error=error.detail)
            await self._clock.sleep(0.2)
            return
        self._opened(plan)

    def _opened(self, plan: Start) -> None:
        if self._plan is not plan:
            return  # somebody else came meanwhile, who needs more
        self._plan, self._at = None, plan
        self._kept.clear()
        self._size = 0
        self._floor = plan.since if plan.after is None else _FAR
        log.debug("tap.reads", channel=self.channel, after=plan.after, since=plan.since)

    async def _rest(self) -> None:
        """Nobody listens for a while: stop reading what nobody needs."""
        if self._wanted() or self._at is None:
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = self._clock.monotonic()
        elif self._clock.monotonic() - self._idle_since > _IDLE:
            self._at = self._idle_since = None
            self._floor = _FAR
            await self._reader.open([], 0)

    def _keep(self, entry: EventEntry) -> None:
        self._floor = min(self._floor, entry.time_ms + 1)
        self._kept.append(entry)
        self._size += len(entry.payload)
        while len(self._kept) > KEPT or self._size > KEPT_BYTES:
            gone = self._kept.popleft()
            self._size -= len(gone.payload)
            self._floor = gone.time_ms + 1
