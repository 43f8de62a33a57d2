"""Finds the tasks that the broker lost, and has their runs dispatch them anew.

Tasks are not on the disk yet when the broker acknowledges them, which is what makes a step fast. When its process is killed, or
its machine stops, the last ones may be gone. So whenever the broker may have lost something (it was started anew, or it was
since somebody looked at the partitions that this replica takes over), every task that a run waits for is looked for in the
stream. For one that is not there the run is told that its attempt was lost. That goes through the log of inputs: a task that
was settled has its result there, before what is said here, which is then stale and does nothing.
"""

import asyncio
from collections.abc import Callable, Mapping

import structlog

from tocsin.errors import TocsinError
from tocsin_executor.application import wire
from tocsin_executor.application.detached import Detached
from tocsin_executor.application.lanes import Lane, Lanes
from tocsin_executor.application.memory import Memory
from tocsin_executor.domain.codec import decode_run
from tocsin_executor.domain.dispatched import dispatched
from tocsin_executor.domain.state import RunState
from tocsin_executor.ports import RunStore, TaskQueues
from tocsin_kit.clock import Clock

log = structlog.get_logger()

WHY = "the broker was started anew and had lost it"
_MANY = 200  # runs a query
_PAUSE = 1.0  # seconds between attempts


class Redispatch:
    """Looks, once for each start of the broker.

    Args:
        queues: Where tasks are.
        store: Where runs are.
        memory: Those of them that are in memory.
        detached: Tasks that no run waits for.
        lanes: What is on its way to the broker.
        owned: The partitions of this replica, with their epochs.
        clock: Time.
        partitions: How many there are, owned or not.
    """

    def __init__(
        self,
        queues: TaskQueues,
        store: RunStore,
        memory: Memory,
        detached: Detached,
        lanes: Lanes,
        *,
        owned: Callable[[], Mapping[int, int]],
        clock: Clock,
        partitions: int,
    ) -> None:
        self._queues = queues
        self._store = store
        self._memory = memory
        self._detached = detached
        self._lanes = lanes
        self._owned = owned
        self._clock = clock
        self._partitions = partitions
        self._looked: dict[int, str] = {}
        self._doubt = asyncio.Event()

    def took(self, looked: Mapping[int, str]) -> None:
        """Partitions were taken over, for which somebody looked when the broker was as ``looked`` says."""
        self._looked.update(looked)
        self._doubt.set()

    def lost(self, partition: int) -> None:
        """Another replica owns it."""
        self._looked.pop(partition, None)

    def doubt(self) -> None:
        """The connection was lost: the broker may have been started anew."""
        self._doubt.set()

    async def serve(self) -> None:
        """Look whenever there is doubt, until cancelled."""
        while True:
            await self._doubt.wait()
            self._doubt.clear()
            try:
                await self.look()
            except TocsinError as error:
                log.info("tasks.looked_for_later", error=error.detail)
                await self._clock.sleep(_PAUSE)
                self._doubt.set()

    async def look(self) -> int:
        """Look now.

        Returns:
            How many tasks are dispatched anew.

        Raises:
            Unavailable: The broker or the database does not answer; nothing is settled.
        """
        start = await self._queues.start()
        owned = {partition: epoch for partition, epoch in self._owned().items() if self._looked.get(partition) != start}
        if not owned:
            return 0
        wanted = await self._wanted(set(owned))
        missing: list[wire.Outgoing] = []
        if wanted:
            await self._lanes.tasks.reach(self._lanes.tasks.mark)  # what is on its way is not lost
            there = await self._queues.waiting()
            missing = [message for key, message in wanted.items() if key not in there]
            await self._stored(self._lanes.work, missing)
        for partition, epoch in owned.items():
            if self._owned().get(partition) == epoch:
                await self._store.looked(partition, epoch, start)
                self._looked[partition] = start
        if wanted:
            log.warning("tasks.looked_for", partitions=len(owned), tasks=len(wanted), lost=len(missing))
        return len(missing)

    async def _wanted(self, partitions: set[int]) -> dict[str, wire.Outgoing]:
        """What should be there: by the task's key, what its run is told if it is not.

        Runs in memory first: one that is not there now is saved. A run that goes on meanwhile makes what is noted here stale.
        """
        found: dict[str, wire.Outgoing] = {}
        seen = {run for run in self._memory.runs() if wire.partition_of(run, self._partitions) in partitions}
        for run in seen:
            if (live := self._memory.get(run)) is not None:
                self._note(live.state, found)
        for task in self._detached.of(partitions):
            subject = wire.input_subject(task.run, self._partitions)
            found[task.key] = (subject, wire.lost(task.attempt, WHY, detached=True))
        others = [run for run in await self._store.going(sorted(partitions)) if run not in seen]
        for at in range(0, len(others), _MANY):
            for stored in (await self._store.load(others[at : at + _MANY])).values():
                self._note(decode_run(stored.run, stored.bodies, stored.values), found)
        return found

    def _note(self, state: RunState, found: dict[str, wire.Outgoing]) -> None:
        subject = wire.input_subject(state.run, self._partitions)
        for attempt in dispatched(state):
            found[f"{state.run}/{attempt}"] = (subject, wire.lost(attempt, WHY))

    @staticmethod
    async def _stored(lane: Lane, messages: list[wire.Outgoing]) -> None:
        lane.push(messages)
        await lane.reach(lane.mark)
