"""Runs in memory while partitions change hands."""

import asyncio
from collections.abc import Sequence
from random import Random

from tocsin.errors import NotFound
from tocsin_executor.application import wire
from tocsin_executor.application.memory import Memory
from tocsin_executor.domain.codec import encode_cell
from tocsin_executor.domain.inputs import Wake
from tocsin_executor.domain.program import Program
from tocsin_executor.domain.state import RunState, RunStatus
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


async def test_a_run_that_has_ended_stays_as_long_as_an_input_of_it_is_about_to_be_folded() -> None:
    """Its end may be saved in between; what it is told then is still answered, and it goes when nothing more is on its way."""
    store = SlowStore()
    store.may_answer.set()
    memory = Memory(store, Programs(PROGRAM), 3)
    await memory.load([RUN])
    live = memory.get(RUN)
    assert live is not None
    assert live.state.head is not None
    live.state.head.status = RunStatus.COMPLETED
    memory.hold([RUN])
    memory.let_go(RUN)
    assert RUN in memory
    live.journal.append(Wake(RUN, 2, 2, "h", 2))
    memory.hold([])
    assert RUN in memory, "what was folded meanwhile is not saved yet"
    live.journal.clear()
    memory.hold([RUN])
    memory.hold([])
    assert RUN not in memory


class NoPrograms(Programs):
    """The definition is gone."""

    def cached(self, digest: str) -> Program | None:
        """Not here."""

    async def load(self, digest: str) -> Program:
        """Nor anywhere."""
        raise NotFound(f"There is no definition {digest}.")


async def test_a_run_without_its_definition_does_not_keep_others_from_being_loaded() -> None:
    """It is not loaded, and whoever folds it is told why."""
    store = SlowStore()
    store.may_answer.set()
    memory = Memory(store, NoPrograms(PROGRAM), 3)
    await memory.load([RUN])
    assert RUN not in memory
    assert isinstance(memory.unreadable(RUN), NotFound)
