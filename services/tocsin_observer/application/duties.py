"""What only one replica may do at a time: the audit chain, the queues of webhooks, the clocks of alerts.

Duties are numbered and shared out by leases; a replica works at those that it holds and drops one as soon as it is lost or
asked for by another replica. What a duty writes is guarded by itself as well: a lease keeps two workers rare, not impossible.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from typing import Protocol

import structlog

from tocsin.errors import TocsinError
from tocsin_kit.chassis import Part
from tocsin_kit.clock import Clock
from tocsin_kit.telemetry.health import Health

log = structlog.get_logger()

Work = Callable[[int], Awaitable[None]]
"""Gets the number of the duty; works until cancelled."""

AGAIN = timedelta(seconds=1)  # after a failure of a duty


class Leases(Protocol):
    """Who holds which duty (``tocsin_kit.bus.lease.PartitionLeases``)."""

    surplus: set[int]

    def age(self) -> float:
        """Seconds since the last renewal; 0 when nothing is held."""
        ...

    async def start(self) -> None:
        """Make ready."""
        ...

    async def refresh(self) -> dict[int, int]:
        """Say that this replica lives, and take what is free and its fair share: duty to epoch."""
        ...

    async def release(self, partitions: set[int], *, leave: bool = False) -> None:
        """Hand duties over."""
        ...


class Duties(Part):
    """Runs the duties that this replica holds.

    Args:
        leases: Who holds what.
        work: What a duty does, by its number.
        lease: How long a silent replica keeps its duties.
        clock: Time.
    """

    def __init__(self, leases: Leases, work: Work, *, lease: timedelta, clock: Clock) -> None:
        super().__init__("duties")
        self._leases = leases
        self._work = work
        self._lease = lease.total_seconds()
        self._clock = clock
        self._running: dict[int, asyncio.Task[None]] = {}
        self._leaving: dict[int, asyncio.Task[None]] = {}  # asked for by others, and finishing what is in hand
        self._held_until = 0.0
        self._stopping = False
        self._turn = asyncio.Lock()

    def lease_age(self) -> float:
        """Seconds since the duties of this replica were last renewed; 0 when it has none."""
        return self._leases.age()

    @property
    def held(self) -> frozenset[int]:
        """The duties that this replica works at."""
        return frozenset(self._running)

    async def start(self) -> None:
        """Make the leases ready."""
        await self._leases.start()

    async def serve(self) -> None:
        """Hold and work until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                async with self._turn:
                    await self._look(group)
                await self._clock.sleep(self._lease / 3)

    async def stop(self) -> None:
        """End all duties and let the other replicas have them at once."""
        self._stopping = True  # also for a look that is under way: what is given up is not taken again
        async with self._turn:
            held = {*self._running, *self._leaving}
        tasks = [*self._drop(held), *self._leaving.values()]
        await asyncio.gather(*tasks, return_exceptions=True)  # what they have in hand is finished before others have it
        try:
            await self._leases.release(held, leave=True)
        except TocsinError as error:
            log.info("duties.left", error=error.detail)

    def health(self) -> Health:
        """Ready; without duties it is a spare replica."""
        return Health(ready=True, detail="working", facts={"duties": len(self._running)})

    async def _look(self, group: asyncio.TaskGroup) -> None:
        try:
            held = set(await self._leases.refresh())
        except TocsinError as error:
            log.info("duties.not_renewed", error=error.detail)
            if self._clock.monotonic() > self._held_until:
                self._drop(set(self._running))
            return
        self._held_until = self._clock.monotonic() + self._lease * 2 / 3
        if self._stopping:
            return
        self._drop(set(self._running) - held)
        surplus = set(self._leases.surplus) & held
        for duty in surplus & self._running.keys():
            self._leaving[duty] = self._running[duty]
        self._drop(surplus)
        await self._hand_over(surplus)
        for duty in held - surplus - self._running.keys() - self._leaving.keys():
            self._running[duty] = group.create_task(self._again_and_again(duty), name=f"duty-{duty}")

    async def _hand_over(self, surplus: set[int]) -> None:
        """Release what others are to have; what still has something in hand with one of the next looks."""
        if self._leaving:
            await asyncio.wait(self._leaving.values(), timeout=self._lease / 6)
        self._leaving = {duty: task for duty, task in self._leaving.items() if not task.done()}
        free = surplus - self._leaving.keys()
        if not free:
            return
        try:
            await self._leases.release(free)
        except TocsinError as error:
            log.info("duties.not_released", error=error.detail)

    def _drop(self, duties: set[int]) -> list[asyncio.Task[None]]:
        tasks = [task for duty in duties if (task := self._running.pop(duty, None)) is not None]
        for task in tasks:
            task.cancel()
        return tasks

    async def _again_and_again(self, duty: int) -> None:
        while True:
            try:
                await self._work(duty)
            except* Exception as failed:  # a duty that fails must not take the others along, nor what people are served
                for error in _leaves(failed):
                    if isinstance(error, TocsinError):
                        log.warning("duty.interrupted", duty=duty, code=error.code, error=error.detail)
                    else:
                        log.error("duty.failed", duty=duty, exc_info=error)
            await self._clock.sleep(AGAIN)


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
