"""Runs in memory while partitions change hands."""

import asyncio
from collections.abc import Sequence
from random import Random

from tocsin_executor.application import wire
from tocsin_executor.application.memory import Memory
from tocsin_executor.domain.codec import encode_cell
from tocsin_executor.domain.state import RunState
from tocsin_executor.domain.step import step
from tocsin_executor.ports import RunMeta, StoredRun
from unit.engine.world import program_of
from unit.executor.outside import Outside, Programs

PROGRAM = program_of([{"a": {"call": "noop"}}])
RUN = "run0"
PARTITION = wire.partition_of(RUN, 3)


class SlowStore(Outside):
    """A database that has read a run and says so when it is told to."""

    def __init__(self) -> None:
        super().__init__(Random(0))
        self.may_answer = asyncio.Event()

    async def load(self, runs: Sequence[str]) -> dict[str, StoredRun]:
        """The run as it was when it was asked for."""
        state = RunState(RUN)
        (document,) = wire.read_documents(wire.start(id=RUN, digest="digest", input=0, seed=1, fresh=True, correlation=RUN))
        step(PROGRAM, state, wire.read_input(document, RUN, 1, 1))
        bodies = [encode_cell(state, key).body for key in state.changed]
        await self.may_answer.wait()
        meta = RunMeta(partition=PARTITION, created=1, correlation=RUN, actor=None, trigger=None, slots=[])
        return {RUN: StoredRun(RUN, "digest", meta, bodies, {})}


async def test_what_was_read_while_a_partition_changed_hands_is_not_believed() -> None:
    """Its owner of meanwhile may have saved more: whoever owns it again reads it again."""
    store = SlowStore()
    memory = Memory(store, Programs(PROGRAM), 3)
    async with asyncio.TaskGroup() as group:
        group.create_task(memory.load([RUN]))
        await asyncio.sleep(0)  # noqa: TID251  # a turn of the loop, no time
        memory.drop(PARTITION)
        store.may_answer.set()
    assert RUN not in memory
    await memory.load([RUN])
    assert RUN in memory
