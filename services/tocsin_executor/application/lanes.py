"""Lanes: what leaves the engine is published in groups, again and again until it is stored.

One lane for each stream. The lane of dispatches and inputs may have several groups on their way, since their order does not
matter (attempts are fenced); lanes of signals and events have one, so that the order of an entity's signals is the order in the
stream even when a group has to be published again. The longer a group takes, the more wait for the next: that is the group
commit. A timer is only in what nobody waits for: signals of runs that go on are collected for a moment, so that a step of a
lone run does not share the disk with three syncs of its signals.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeAlias

import structlog

from tocsin.errors import Rejected, TocsinError
from tocsin_executor.application.wire import Outgoing
from tocsin_executor.ports import Publisher, Sent
from tocsin_kit.clock import Clock

log = structlog.get_logger()

LINGER = 0.020  # seconds a group may wait for company at most
SLOW = 0.003  # seconds from which on a group counts as slow
FEW = 4  # messages from which on a slow group makes the next one wait; a lone run never has so many
QUIET = 2  # milliseconds without a newcomer after which nobody waits any more
ENOUGH = 100  # messages that need not wait for more
PATIENCE = 0.05  # seconds that messages which may wait do so at most
AMPLE = 400  # messages from which on they do not
_LIMIT = 1000  # messages a group; the server's limit of an atomic batch
_PAUSES = (0.05, 0.1, 0.25, 0.5, 1.0)  # seconds between attempts while the bus is away


Merge: TypeAlias = Callable[[Sequence[Outgoing]], list[Outgoing]]


class Lane:
    """Publishes what is pushed, and says when it is stored.

    Args:
        name: For logs.
        publisher: The bus.
        clock: Time.
        width: Groups on their way at once; 1 keeps the order.
        merge: Puts the messages of a group into fewer.
    """

    def __init__(self, name: str, publisher: Publisher, clock: Clock, width: int = 1, merge: Merge | None = None) -> None:
        self._name = name
        self._publisher = publisher
        self._clock = clock
        self._width = width
        self._merge = merge
        self._waiting: list[Outgoing] = []
        self._work = asyncio.Event()
        self._pushed = 0
        self._stored = 0
        self._flying: dict[int, int] = {}
        self._moved = asyncio.Event()
        self._linger = 0.0
        self._ended = 0.0
        self._begun: tuple[int, Sent] | None = None
        self._hurry = asyncio.Event()
        self._held = asyncio.Event()

    @property
    def mark(self) -> int:
        """Everything pushed so far, as a mark for :meth:`reach`."""
        return self._pushed

    @property
    def backlog(self) -> int:
        """Messages pushed and not yet stored."""
        return self._pushed - self._stored

    def push(self, messages: Sequence[Outgoing], *, patient: bool = False) -> None:
        """Publish these soon, behind what was pushed before.

        Args:
            messages: What.
            patient: They may wait for others, up to :data:`PATIENCE`.
        """
        if not messages:
            return
        self._waiting.extend(messages)
        self._pushed += len(messages)
        self._work.set()
        if not patient or len(self._waiting) >= AMPLE:
            self._hurry.set()

    def push_at_once(self, messages: Sequence[Outgoing]) -> None:
        """As :meth:`push`; where nothing is on its way and nobody waits for company, these are sent before it returns.

        For whoever pushes all that it has at once: what comes a moment later waits for the acknowledgement.
        """
        idle = not self._flying and not self._waiting and not self._crowded()
        self.push(messages)
        if idle and messages and (sent := self._publisher.begin_group(messages)) is not None:
            self._begun = len(messages), sent

    async def reach(self, mark: int) -> None:
        """Return when everything up to ``mark`` is stored."""
        while self._stored < mark:
            self._moved.clear()
            await self._moved.wait()

    async def serve(self) -> None:
        """Publish until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._limit_patience())
            for _ in range(self._width):
                group.create_task(self._run())

    async def _run(self) -> None:
        while True:
            while not self._waiting:
                self._work.clear()
                await self._work.wait()
            if self._begun is None:
                await self._gather()
            (size, sent), self._begun = self._begun or (_LIMIT, None), None
            messages, self._waiting = self._waiting[:size], self._waiting[size:]
            if self._waiting:
                self._hurry.set()
            first = self._pushed - len(self._waiting) - len(messages)
            self._flying[first] = len(messages)
            began = self._clock.monotonic()
            await self._publish(messages if self._merge is None else self._merge(messages), sent)
            self._ended = self._clock.monotonic()
            took = self._ended - began
            # Many publishers share a disk: small groups that take long are a sign that fewer, larger ones would pass faster.
            self._linger = min(took, LINGER) if took > SLOW and len(messages) >= FEW else 0.0
            del self._flying[first]
            self._stored = min(self._flying, default=self._pushed - len(self._waiting))
            self._moved.set()

    def _crowded(self) -> bool:
        """Whether company is likely: the last group was slow, and not long ago."""
        return self._linger > 0 and self._clock.monotonic() - self._ended <= self._linger

    async def _limit_patience(self) -> None:
        while True:
            await self._held.wait()
            self._held.clear()
            await self._clock.sleep(PATIENCE)
            self._hurry.set()

    async def _gather(self) -> None:
        """Wait while nobody minds; then for company, while some keeps coming and at most as long as the last group took."""
        if not self._hurry.is_set():
            self._held.set()
            await self._hurry.wait()
        self._hurry.clear()
        if not self._crowded():
            return
        until = self._clock.monotonic() + self._linger
        before, quiet = len(self._waiting), 0
        while before < ENOUGH and quiet < QUIET and self._clock.monotonic() < until:
            await self._clock.sleep(0.001)
            now = len(self._waiting)
            quiet = quiet + 1 if now == before else 0
            before = now

    async def _publish(self, messages: list[Outgoing], sent: Sent | None = None) -> None:
        attempt = 0
        while True:
            try:
                if sent is not None:
                    begun, sent = sent, None
                    await begun.stored()
                else:
                    await self._publisher.publish_group(messages)
            except Rejected as error:
                # One of them can never be stored (too large). The others must be: one at a time finds it.
                await self._singly(messages, error)
                return
            except TocsinError as error:
                pause = _PAUSES[min(attempt, len(_PAUSES) - 1)]
                log.warning("lane.later", lane=self._name, messages=len(messages), error=error.detail, pause=pause)
                attempt += 1
                await self._clock.sleep(pause)
            else:
                return

    async def _singly(self, messages: list[Outgoing], error: TocsinError) -> None:
        if len(messages) == 1:
            log.error("lane.dropped", lane=self._name, subject=messages[0][0], size=len(messages[0][1]), error=error.detail)
            return
        for message in messages:
            await self._publish([message])


class Lanes:
    """The engine's lanes.

    Args:
        publisher: Publishes groups to the streams that take atomic batches: the engine's own and that of the signals.
        singles: Publishes to the other streams.
        clock: Time.
    """

    def __init__(self, publisher: Publisher, singles: Publisher, clock: Clock) -> None:
        self.tasks = Lane("tasks", singles, clock)
        self.work = Lane("work", publisher, clock)
        self.signals = Lane("signals", publisher, clock)
        self.events = Lane("events", singles, clock)
        self.commands = Lane("commands", singles, clock)
        self.dead = Lane("dead", singles, clock)
        self._all = (self.tasks, self.work, self.signals, self.events, self.commands, self.dead)

    @property
    def backlog(self) -> int:
        """Messages pushed and not yet stored."""
        return sum(lane.backlog for lane in self._all)

    def marks(self) -> list[int]:
        """Everything pushed so far, for :meth:`reach`."""
        return [lane.mark for lane in self._all]

    async def reach(self, marks: list[int]) -> None:
        """Return when everything up to the marks is stored."""
        for lane, mark in zip(self._all, marks, strict=True):
            await lane.reach(mark)

    async def serve(self) -> None:
        """Publish until cancelled."""
        async with asyncio.TaskGroup() as group:
            for lane in self._all:
                group.create_task(lane.serve())
