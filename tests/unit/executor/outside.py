"""The log, the database and the workers that engine hosts share, in memory; chance says how long each of them takes."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

import orjson

from tocsin.errors import Conflict
from tocsin_executor.application import wire
from tocsin_executor.domain.program import Program
from tocsin_executor.ports import DetachedTask, Heard, Listening, RunSave, Save, StoredRun
from tocsin_kit.testing.clocks import ManualClock


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
    looked_at: dict[int, str] = field(default_factory=dict)
    starts: int = 1

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

    async def detached(self, partitions: Sequence[int]) -> tuple[dict[int, str], list[DetachedTask]]:
        """None; and nobody has looked for lost tasks."""
        await turns(self.random)
        return {p: self.looked_at[p] for p in partitions if p in self.looked_at}, []

    async def going(self, partitions: Sequence[int]) -> list[str]:
        """Runs that are saved and have not ended."""
        await turns(self.random)
        return [key for key, run in self.saved.items() if run.summary.ended is None and run.meta.partition in partitions]

    async def looked(self, partition: int, epoch: int, start: str) -> None:
        """Remembered."""
        await turns(self.random)
        if self.epochs.get(partition) == epoch:
            self.looked_at[partition] = start

    # -- the queues of tasks

    async def start(self) -> str:
        """How often the broker was started."""
        await turns(self.random)
        return str(self.starts)

    async def waiting(self) -> set[str]:
        """What no worker has ended."""
        await turns(self.random)
        return {f"{run}/{attempt}" for run, attempt in self.out}

    def lose(self) -> None:
        """The broker is started anew, without some of its last tasks."""
        self.starts += 1
        for key in self.random.sample(sorted(self.out), self.random.randint(0, len(self.out))):
            del self.out[key]

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
