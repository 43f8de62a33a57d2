"""The runs that an engine has in memory: loaded when they are needed, kept while they are busy, forgotten when it is full."""

from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterable
from typing import TypeAlias

import structlog

from tocsin.errors import NotFound
from tocsin_executor.application import wire
from tocsin_executor.application.advancing import advance
from tocsin_executor.application.live import Live, Output
from tocsin_executor.domain.codec import decode_run
from tocsin_executor.domain.effects import Effect
from tocsin_executor.domain.inputs import Input, Start
from tocsin_executor.domain.state import RunState
from tocsin_executor.ports import Programs, RunStore, StoredRun

log = structlog.get_logger()

MEMORY = 10_000
"""Runs kept in memory, some 30 kB each; one that waits is loaded again when something happens to it."""

Write: TypeAlias = Callable[[Live, Input, list[Effect], Output], None]
"""Turns effects into messages."""


class Memory:
    """Runs by id, those used last at the end.

    Args:
        store: Where runs are kept.
        programs: Compiled definitions.
        partitions: How many there are.
    """

    def __init__(self, store: RunStore, programs: Programs, partitions: int) -> None:
        self._store = store
        self._programs = programs
        self._partitions = partitions
        self._runs: OrderedDict[str, Live] = OrderedDict()
        self._held: frozenset[str] = frozenset()
        self._unreadable: dict[str, NotFound] = {}
        self._dropped: Counter[int] = Counter()  # how often each partition was

    def __len__(self) -> int:
        return len(self._runs)

    def __contains__(self, run: str) -> bool:
        return run in self._runs

    def runs(self) -> list[str]:
        """Those that are here."""
        return list(self._runs)

    def get(self, run: str) -> Live | None:
        """The run, if it is here."""
        return self._runs.get(run)

    def put(self, live: Live) -> None:
        """A run that begins."""
        self._runs[live.run] = live

    def used(self, run: str) -> None:
        """It is busy: the last to be forgotten."""
        self._runs.move_to_end(run)

    def remove(self, run: str) -> None:
        """Forget it."""
        self._runs.pop(run, None)

    def let_go(self, run: str) -> None:
        """It has ended and is saved: forget it, unless it is about to be folded."""
        if run not in self._held:
            self.remove(run)

    def unreadable(self, run: str) -> NotFound | None:
        """Why a run that there is cannot be here."""
        return self._unreadable.get(run)

    def hold(self, runs: Collection[str]) -> None:
        """These are about to be folded: none of them is forgotten before others are named, or none."""
        before, self._held = self._held, frozenset(runs)
        for run in before:
            live = self._runs.get(run)
            if live is not None and live.state.terminal and not live.journal:  # its end is saved
                self.let_go(run)

    async def load(self, runs: Iterable[str]) -> None:
        """Those of these runs that there are and that are not here yet, in one query."""
        before = Counter(self._dropped)
        for stored in (await self._store.load(list(dict.fromkeys(runs)))).values():
            try:
                live = await self._restore(stored)
            except NotFound as error:  # one run that lost its definition must not keep the others from going on
                log.error("run.unreadable", run=stored.run, digest=stored.digest)
                self._unreadable[stored.run] = error
                continue
            self._unreadable.pop(stored.run, None)
            if self._dropped[live.meta.partition] != before[live.meta.partition]:
                continue  # the partition was another replica's meanwhile, and the run may have gone on there since it was read
            if stored.run not in self._runs:
                self._runs[stored.run] = live

    async def _restore(self, stored: StoredRun) -> Live:
        program = self._programs.cached(stored.digest) or await self._programs.load(stored.digest)
        state = decode_run(stored.run, stored.bodies, stored.values)
        live = Live(stored.run, state, program, stored.meta, wire.input_subject(stored.run, self._partitions))
        if stored.listens:
            live.listens = {listening.token: listening for listening in stored.listens}
        return live

    async def rewind(self, live: Live, write: Write) -> None:
        """Bring a run back to what its journal says, after an input that met a defect."""
        stored = (await self._store.load([live.run])).get(live.run)
        if stored is None:
            first = live.journal[0] if live.journal else None
            program = self._programs.cached(first.digest) if isinstance(first, Start) else None  # it may have been moved since
            again = Live(live.run, RunState(live.run), program or live.program, live.meta, live.reply_to)
        else:
            again = await self._restore(stored)
        saved = again.state.head.log if again.state.head is not None else 0
        for message in list(live.journal):
            if message.pos > saved:  # several inputs may have one position, and were saved together
                made = advance(again, message, self._programs)
                write(again, message, made, Output())  # said before; records are made again
                again.heard(message)
        live.state, live.records, live.listens = again.state, again.records, again.listens
        live.program = again.program

    def shrink(self) -> None:
        """Forget the longest unused, if there are too many; those with something to save, or to fold, stay."""
        while len(self._runs) > MEMORY:
            run, live = next(iter(self._runs.items()))
            if live.dirty or run in self._held:
                break
            del self._runs[run]

    def drop(self, partition: int) -> list[str]:
        """Forget the runs of a partition, also those that are being loaded; returns which were here."""
        self._dropped[partition] += 1
        gone = [run for run, live in self._runs.items() if live.meta.partition == partition]
        for run in gone:
            del self._runs[run]
        return gone
