"""Duties change hands without two of them working at once, as long as nobody is killed."""

import asyncio
from datetime import timedelta

from tocsin_kit.clock import SystemClock
from tocsin_kit.testing.waiting import eventually
from tocsin_observer.application.duties import Duties


class Two:
    """The leases of two duties; another replica asks for one of them when the test says so."""

    def __init__(self) -> None:
        self.surplus: set[int] = set()
        self.released: list[int] = []
        self.renewed = 0

    def age(self) -> float:
        return 0.0

    async def start(self) -> None:
        return

    async def refresh(self) -> dict[int, int]:
        self.renewed += 1
        return {duty: 1 for duty in (0, 1) if duty not in self.released}

    async def release(self, partitions: set[int], *, leave: bool = False) -> None:
        self.released += sorted(partitions)
        self.surplus -= partitions


async def test_a_duty_is_handed_over_when_what_it_has_in_hand_is_finished() -> None:
    """Meanwhile the leases are renewed, and the other duty goes on; a stop waits in the same way."""
    leases, may_end = Two(), {0: asyncio.Event(), 1: asyncio.Event()}

    async def work(duty: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await may_end[duty].wait()

    duties = Duties(leases, work, lease=timedelta(seconds=0.06), clock=SystemClock())
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(duties.serve())
        await eventually(lambda: duties.held == {0, 1})
        leases.surplus = {1}
        await eventually(lambda: duties.held == {0})
        before = leases.renewed
        await eventually(lambda: leases.renewed > before + 3)
        assert leases.released == []
        may_end[1].set()
        await eventually(lambda: leases.released == [1])
        stopping = group.create_task(duties.stop())
        await eventually(lambda: duties.held == frozenset())
        before = leases.renewed
        await eventually(lambda: leases.renewed > before + 3)
        assert leases.released == [1]
        may_end[0].set()
        await stopping
        assert leases.released == [1, 0]
        serving.cancel()
