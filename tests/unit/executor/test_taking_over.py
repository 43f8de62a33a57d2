"""Partitions change their owner at any moment, also while a save or a load is on its way: nothing is lost, nothing done twice.

Two hosts share a log and a store. Who should own what changes at random; each learns of it late, or by a refused save.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tocsin.errors import Conflict
from tocsin_executor.application import wire
from tocsin_executor.application.host import Host
from tocsin_executor.domain.codec import decode_run
from tocsin_executor.domain.program import Program
from tocsin_executor.domain.state import RunState
from tocsin_executor.domain.step import step
from tocsin_executor.ports import Heard, Listening, RunSave, Save, StoredRun
from tocsin_kit.testing.clocks import ManualClock
from unit.engine.world import program_of

PARTITIONS = 3
LIMITS = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
NOOP = {"call": "noop", "with": "${ length }"}
TASKS = [{"a": NOOP}, {"b": {"fork": {"branches": [{name: NOOP} for name in "cde"]}}}, {"f": NOOP}]


async def turns(random: Random, most: int = 4) -> None:
    """Let others go on, for a while that nobody can foresee."""
    for _ in range(random.randint(0, most)):
        await asyncio.sleep(0)  # noqa: TID251  # a turn of the loop, no time


@dataclass
class Message:
    """One input of the log."""

    position: int
    time_ms: int
    subject: str
    payload: bytes


@dataclass
class Outside:
    """The log, the database and the workers, for all hosts together."""

    random: Random
    clock: ManualClock = field(default_factory=ManualClock)
    log: list[Message] = field(default_factory=list)
    out: dict[tuple[str, str], str] = field(default_factory=dict)
    said: dict[str, bytes] = field(default_factory=dict)
    epochs: dict[int, int] = field(default_factory=dict)
    positions: dict[int, int] = field(default_factory=dict)
    saved: dict[str, RunSave] = field(default_factory=dict)
    bodies: dict[str, dict[str, bytes]] = field(default_factory=dict)

    def append(self, subject: str, payload: bytes) -> None:
        """Store one input."""
        at = int(self.clock.now().timestamp() * 1000)
        self.log.append(Message(len(self.log) + 1, at, subject, payload))

    def answer(self) -> None:
        """A worker ends some of its tasks at once."""
        ended = self.random.sample(sorted(self.out), self.random.randint(1, min(3, len(self.out))))
        for subject, payload in wire.together([(self.out.pop(key), wire.result(key[1], output=len(key[1]))) for key in ended]):
            self.append(subject, payload)

    # -- a publisher

    def begin_group(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Never at once."""

    async def publish_group(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Store these in order."""
        await turns(self.random)
        for subject, payload in messages:
            if subject.startswith("executor.in."):
                self.append(subject, payload)
            elif subject.startswith("executor.task."):
                task = orjson.loads(payload)
                self.out[task["run"], task["attempt"]] = task["reply"]  # one that comes again is answered again
            else:
                event = orjson.loads(payload)
                assert self.said.setdefault(event["id"], payload) == payload, "a signal that was repeated says something else"

    # -- a store

    async def take_over(self, partition: int, epoch: int) -> int:
        """As in the database, by compare and set."""
        await turns(self.random)
        if self.epochs.get(partition, 0) > epoch:
            raise Conflict("somebody else has it")
        self.epochs[partition] = epoch
        return self.positions.get(partition, 0)

    async def load(self, runs: Sequence[str]) -> dict[str, StoredRun]:
        """What is saved now, told later."""
        found = {
            run: StoredRun(run, save.summary.digest, save.meta, list(self.bodies[run].values()), {})
            for run in runs
            if (save := self.saved.get(run)) is not None
        }
        await turns(self.random, 8)
        return found

    async def save(self, save: Save) -> None:
        """All or nothing."""
        await turns(self.random)
        if any(self.epochs.get(partition) != epoch for partition, (epoch, _) in save.partitions.items()):
            raise Conflict("deposed")
        for partition, (_, position) in save.partitions.items():
            assert position >= self.positions.get(partition, 0), "a save goes back"
            self.positions[partition] = position
        for run in save.runs:
            assert run.meta.partition in save.partitions, "a run is saved by whoever does not own it"
            self.saved[run.run] = run
            self.bodies.setdefault(run.run, {}).update({cell.key: cell.body for cell in run.cells})
        await turns(self.random)

    async def alarms(self, partitions: Sequence[int]) -> list[tuple[int, str]]:
        """Of the runs that are saved."""
        await turns(self.random)
        return [(run.wake, key) for key, run in self.saved.items() if run.wake and run.meta.partition in partitions]

    async def listening(self, partitions: Sequence[int]) -> tuple[dict[int, Heard], list[Listening]]:
        """Nobody listens."""
        await turns(self.random)
        return {}, []


class Reader:
    """One host's reader of the log."""

    def __init__(self, outside: Outside) -> None:
        self._outside, self._subjects, self._at = outside, (), 0
        self.generation = 0

    async def open(self, subjects: Sequence[str], after: int) -> None:
        """Another reading; what was read before is gone."""
        await turns(self._outside.random)
        self._subjects = tuple(subject.removesuffix(">") for subject in subjects)
        self._at = after
        self.generation += 1
        await turns(self._outside.random)

    async def take(self, limit: int = 500) -> list[Message]:
        """A few of those that wait."""
        while True:
            wanted = [m for m in self._outside.log[self._at :] if self._subjects and m.subject.startswith(self._subjects)]
            if wanted:
                found = wanted[: self._outside.random.randint(1, 3)]
                self._at = found[-1].position
                return found
            await asyncio.sleep(0)  # noqa: TID251  # as above

    async def close(self) -> None:
        """Nothing."""


class Programs:
    """One program."""

    def __init__(self, program: Program) -> None:
        self._program = program

    def cached(self, digest: str) -> Program:
        """It."""
        return self._program

    async def load(self, digest: str) -> Program:
        """It."""
        return self._program


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
        match random.randint(0, 6):
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
            case _:
                await turns(random, 12)
    return runs


async def calm(outside: Outside, made: list[Host], table: Table, runs: list[str]) -> None:
    """Nothing moves any more: everything comes to its end and is saved."""
    for _ in range(400):
        for number in (0, 1):
            await table.tell(made, number)
        while outside.out:
            outside.answer()
        await outside.clock.advance(0.3)
        if all(run in outside.saved and outside.saved[run].summary.ended for run in runs):
            return
    raise AssertionError({run: save.summary.status for run, save in outside.saved.items()})


@LIMITS
@given(st.integers(0, 2**32 - 1))
def test_no_input_is_lost_or_folded_out_of_order_whoever_owns_a_partition_when(seed: int) -> None:
    """What is saved at the end is what folding the log from its beginning gives, and no signal was said in two ways."""
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
