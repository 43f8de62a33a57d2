"""Partitions change their owner at any moment, also while a save or a load is on its way: nothing is lost, nothing done twice.

Two hosts share a log and a store. Who should own what changes at random; each learns of it late, or by a refused save. The
broker is started anew now and then, without some of the tasks that it had acknowledged.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tocsin.errors import Conflict
from tocsin_executor.application import wire
from tocsin_executor.application.host import Host
from tocsin_executor.domain.codec import decode_run
from tocsin_executor.domain.program import Program
from tocsin_executor.domain.state import RunState
from tocsin_executor.domain.step import step
from unit.engine.world import program_of
from unit.executor.outside import Outside, Programs, Reader, turns

PARTITIONS = 3
LIMITS = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
NOOP = {"call": "noop", "with": "${ length }"}
TASKS = [{"a": NOOP}, {"b": {"fork": {"branches": [{name: NOOP} for name in "cde"]}}}, {"f": NOOP}]


@asynccontextmanager
async def hosts(outside: Outside, program: Program) -> AsyncIterator[list[Host]]:
    """Two of them, at work."""
    made = [
        Host(
            Reader(outside),
            outside,
            outside,
            outside,
            Programs(program),
            clock=outside.clock,
            partitions=PARTITIONS,
            bury=lambda entry, error: (_ for _ in ()).throw(AssertionError(f"{entry} is put aside: {error}")),
            events={},
            decode=lambda entry: ({}, b""),
            queues=outside,
        )
        for _ in range(2)
    ]
    async with asyncio.TaskGroup() as group:
        serving = [group.create_task(host.serve()) for host in made]
        yield made
        for task in serving:
            task.cancel()


@dataclass
class Table:
    """Who should own what."""

    owners: dict[int, tuple[int, int]] = field(default_factory=lambda: {p: (p % 2, 1) for p in range(PARTITIONS)})

    def move(self, partition: int) -> None:
        """To the other one, or, rarely, to the same one again."""
        owner, epoch = self.owners[partition]
        self.owners[partition] = (1 - owner, epoch + 1)

    async def tell(self, made: list[Host], number: int) -> None:
        """One of them looks at the table."""
        try:
            await made[number].own({p: epoch for p, (owner, epoch) in self.owners.items() if owner == number})
        except Conflict:
            return  # it looks again later


async def disturbed(outside: Outside, made: list[Host], table: Table, group: asyncio.TaskGroup) -> list[str]:
    """Runs start and go on while partitions move to and fro."""
    random, runs, looking = outside.random, list[str](), list[asyncio.Task[None]]()
    for _ in range(random.randint(20, 90)):
        match random.randint(0, 7):
            case 0 if len(runs) < 8:
                run = f"run{len(runs)}"
                runs.append(run)
                payload = wire.start(id=run, digest="digest", input=0, seed=1, fresh=random.random() < 0.5, correlation=run)
                outside.append(wire.input_subject(run, PARTITIONS), payload)
            case 1 | 2 if outside.out:
                outside.answer()
            case 3:
                table.move(random.randrange(PARTITIONS))
            case 4:
                looking = [look for look in looking if not look.done()]
                if not looking:  # as with the leases: one look at a time
                    looking.append(group.create_task(table.tell(made, random.randrange(2))))
            case 5:
                await outside.clock.advance(0.06)
            case 6 if outside.starts < 5:
                outside.lose()
                for host in random.sample(made, 2):
                    host.redispatch.doubt()
                    await turns(random, 12)
            case _:
                await turns(random, 12)
    while any(not look.done() for look in looking):
        await outside.clock.advance(0.06)  # a look waits for a save, and that for what may wait a moment
    return runs


async def calm(outside: Outside, made: list[Host], table: Table, runs: list[str]) -> None:
    """Nothing moves any more: everything comes to its end and is saved."""
    for _ in range(400):
        async with asyncio.TaskGroup() as group:
            looking = [group.create_task(table.tell(made, number)) for number in (0, 1)]
            while any(not look.done() for look in looking):
                await outside.clock.advance(0.06)
        while outside.out:
            outside.answer()
        await outside.clock.advance(0.3)
        if all(run in outside.saved and outside.saved[run].summary.ended for run in runs):
            return
    raise AssertionError({run: save.summary.status for run, save in outside.saved.items()})


@LIMITS
@given(st.integers(0, 2**32 - 1), st.sampled_from([10_000, 2]))
@example(435, 2)
def test_no_input_is_lost_or_folded_out_of_order_whoever_owns_a_partition_when(seed: int, memory: int) -> None:
    """What is saved at the end is what folding the log from its beginning gives, and no signal was said in two ways.

    Also where there is room for two runs only: one that is about to be folded used to be forgotten while others were loaded.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tocsin_executor.application.memory.MEMORY", memory)
        nothing_is_lost(seed)


def nothing_is_lost(seed: int) -> None:
    """Let chance have its way, and compare."""
    outside, table, program = Outside(Random(seed)), Table(), program_of(TASKS)

    async def scene() -> list[str]:
        async with hosts(outside, program) as made:
            await table.tell(made, 0)
            await table.tell(made, 1)
            async with asyncio.TaskGroup() as group:
                runs = await disturbed(outside, made, table, group)
            await calm(outside, made, table, runs)
            return runs

    for run in asyncio.run(scene()):
        expected = RunState(run)
        for message in outside.log:
            if wire.run_of(message.subject)[1] == run:
                for document in wire.read_documents(message.payload):
                    step(program, expected, wire.read_input(document, run, message.position, message.time_ms))
        found: Any = decode_run(run, list(outside.bodies[run].values()), {})
        assert found.terminal
        assert expected.head is not None
        assert (found.head.fin.output, found.head.sequence) == (expected.head.fin.output, expected.head.sequence)
