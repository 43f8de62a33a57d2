"""The engine host: takes inputs from the log, folds them in order, publishes effects, and saves behind them.

One reader for all partitions that this replica owns. A cycle folds everything that waits (one query for runs that are not in
memory, none otherwise) and hands the effects to the lanes, work first. The saver follows at its own pace: it takes a snapshot
between two cycles, waits until all effects up to there are stored, and writes all changed runs with the positions in one
transaction. So saved state never runs ahead of its effects, and after a crash the next owner folds from the saved position and
gets the same effects with the same ids. It never waits for the database or an acknowledgement before it folds.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog

from tocsin.errors import NotFound, TocsinError
from tocsin_executor.application import wire
from tocsin_executor.application.advancing import advance
from tocsin_executor.application.alarms import Alarms
from tocsin_executor.application.correlator import Correlator, Decode
from tocsin_executor.application.detached import Detached
from tocsin_executor.application.intake import Intake
from tocsin_executor.application.lanes import Lanes
from tocsin_executor.application.live import Live, Outbound, Output
from tocsin_executor.application.memory import Memory
from tocsin_executor.application.redispatch import Redispatch
from tocsin_executor.application.run_spans import RunSpans
from tocsin_executor.application.taking import take_over
from tocsin_executor.application.waiters import Waiters
from tocsin_executor.domain.effects import Subscribe
from tocsin_executor.domain.inputs import Input, Start, Wake
from tocsin_executor.domain.state import HEAD, RunState
from tocsin_executor.ports import Entry, EventLog, Heard, InputLog, Programs, Publisher, RunMeta, RunStore, Save, TaskQueues
from tocsin_kit.clock import Clock

log = structlog.get_logger()

_CYCLE = 256  # inputs a cycle at most: bounds how long the loop is held (about 10 ms)
_SAVE_RUNS = 1000  # runs a transaction at most
_SAVE_GAP = 0.05  # seconds between saves: nothing waits for one, and each costs a disk sync that results wait for
_BACKLOG = 20_000  # messages on their way before folding pauses
_UNSAVED = 20_000  # runs with changes that are not saved before folding pauses


class Host:
    """Folds the partitions that this replica owns.

    Args:
        log_reader: The inputs.
        publisher: Publishes groups to the engine's own stream and that of the signals, which take atomic batches.
        singles: Publishes to the other streams.
        store: Where runs are kept.
        programs: Compiled definitions.
        clock: Time.
        partitions: How many there are, owned or not.
        bury: Puts an input aside that can never be folded: ``(entry, error)``.
        events: Streams of events by channel, for runs that listen.
        decode: Reads an event's message.
        queues: Where tasks are.
    """

    def __init__(
        self,
        log_reader: InputLog,
        publisher: Publisher,
        singles: Publisher,
        store: RunStore,
        programs: Programs,
        *,
        clock: Clock,
        partitions: int,
        bury: Callable[[Entry, Exception], wire.Outgoing],
        events: dict[str, EventLog],
        decode: Decode,
        queues: TaskQueues,
    ) -> None:
        self.partitions = partitions
        self._log = log_reader
        self._store = store
        self._programs = programs
        self._clock = clock
        self._bury = bury
        self.outbound = Outbound(partitions)
        self._lanes = Lanes(publisher, singles, clock)
        self._memory = Memory(store, programs, partitions)
        self._dirty: dict[str, Live] = {}
        self._touched: set[int] = set()
        self._owned: dict[int, int] = {}
        self._folded: dict[int, int] = {}
        self._reading = 0
        self._alarms = Alarms(clock)
        self._intake = Intake(self._memory, programs, self._put_aside)
        self._to_save = asyncio.Event()
        self._spans = RunSpans()
        self._saving = asyncio.Lock()
        self._cycle = asyncio.Lock()
        self.waiters = Waiters()
        self._detached = Detached()
        behind = (store, self._memory, self._detached, self._lanes)
        self.redispatch = Redispatch(queues, *behind, owned=lambda: self._owned, clock=clock, partitions=partitions)
        self.correlator = Correlator(events, decode, self._lanes.work.push, self._full, clock=clock, partitions=partitions)
        self.cycles = self.inputs = self.saves = self.parked = 0

    # -- life ---------------------------------------------------------------------------------------------------------

    async def serve(self) -> None:
        """Fold, publish, save and wake until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._lanes.serve())
            group.create_task(self._fold_loop())
            group.create_task(self._save_loop())
            group.create_task(self._alarms.serve(self._wake))
            group.create_task(self.correlator.serve(self._touch))
            group.create_task(self.redispatch.serve())

    async def drain(self) -> None:
        """Save what is folded; call while :meth:`serve` still runs."""
        while self._touched or not self.settled:
            await self.save()  # which waits for one that is on its way

    async def own(self, partitions: dict[int, int]) -> None:
        """These partitions, with these epochs, are this replica's now; others are not any more.

        Raises:
            Unavailable: The database does not answer.
            Conflict: Another owner has a newer epoch of one of them; the others are owned.
        """
        fresh = {p: epoch for p, epoch in partitions.items() if self._owned.get(p) != epoch}
        gone = [p for p in self._owned if p not in partitions]
        if not fresh and not gone:
            return
        async with self._saving, self._cycle:
            for partition in [*gone, *fresh]:
                self._drop_partition(partition)
        taken, refused = await take_over(self._store, self._programs, fresh)
        # Only now, and at once: whatever fails above is tried again, and nothing of these partitions is folded before.
        self._owned.update({partition: fresh[partition] for partition in taken.folded})
        self._folded.update(taken.folded)
        for due, run in taken.alarms:
            self._alarms.set(run, due)
        self.correlator.restore(taken.listening, taken.heard)
        self._detached.restore(taken.detached)
        self.redispatch.took(taken.looked)
        after = min(self._folded.values(), default=0)
        every = len(self._owned) == self.partitions
        self._reading = self._log.generation + 1  # what was read before is behind or beyond what was taken over
        await self._log.open(["executor.in.>"] if every else [f"executor.in.{p}.>" for p in sorted(self._owned)], after)
        log.info("engine.owns", partitions=len(self._owned), new=len(taken.folded), lost=len(gone), after=after)
        if refused is not None:
            raise refused

    def owns(self, run: str) -> bool:
        """Whether the run's partition is this replica's."""
        return wire.partition_of(run, self.partitions) in self._owned

    @property
    def owned(self) -> dict[int, int]:
        """Partitions and epochs."""
        return dict(self._owned)

    @property
    def settled(self) -> bool:
        """Whether everything folded here is saved."""
        return not (self._dirty or self._saving.locked())

    @property
    def facts(self) -> dict[str, int]:
        """Numbers for health and metrics."""
        return {
            "partitions": len(self._owned),
            "runs_in_memory": len(self._memory),
            "unsaved": len(self._dirty),
            "alarms": len(self._alarms),
            "listening": len(self.correlator),
            "backlog": self._lanes.backlog,
            "inputs": self.inputs,
            "parked": self.parked,
        }

    # -- for the API of the same process ------------------------------------------------------------------------------

    def live(self, run: str) -> Live | None:
        """The run as it is in memory now, if it is."""
        live = self._memory.get(run) if self.owns(run) else None
        return live if live is not None and live.state.head is not None else None

    # -- fold ---------------------------------------------------------------------------------------------------------

    async def _fold_loop(self) -> None:
        while True:
            entries = await self._log.take(_CYCLE)
            reading = self._log.generation
            while True:
                try:
                    documents = await self._intake.prepare(entries, self._folded)
                except TocsinError as error:
                    log.warning("engine.waits", error=error.detail)
                    await self._clock.sleep(0.2)
                else:
                    break
            async with self._cycle:  # a snapshot for a save is taken between two cycles, never within one
                if reading < self._reading:
                    continue  # partitions were taken over meanwhile, and all of these will be read again
                out = Output()
                for entry, found in zip(entries, documents, strict=True):
                    partition, run = wire.run_of(entry.subject)
                    if entry.position <= self._folded.get(partition, entry.position):
                        continue  # it is folded, or the partition was lost since this was read
                    for document in found:
                        if not await self._fold(entry, partition, run, document, out):
                            break  # the entry is put aside as a whole
                self.cycles += 1
                self._push(out)
                self._memory.hold(())
            while self._full() or len(self._dirty) > _UNSAVED:
                await self._clock.sleep(0.01)

    def _full(self) -> bool:
        return self._lanes.backlog > _BACKLOG

    async def _fold(self, entry: Entry, partition: int, run: str, document: dict[str, Any], out: Output) -> bool:
        """Fold one input; whether it could be, or the entry was put aside."""
        self._folded[partition] = entry.position
        self._touched.add(partition)
        self.inputs += 1
        if document.get("detached"):
            out.tasks += self._detached.told(run, document)
            return True
        live = self._memory.get(run)
        before = out.marks()
        try:
            message = wire.read_input(document, run, entry.position, entry.time_ms)
            if live is None:
                live = self._begin(message, document, partition)
            if live is None:
                return True
            if live.meta.parked and not isinstance(message, Start):
                self._put_aside(entry, NotFound(f"Run {run} is put aside since a defect."))
                return False
            made = advance(live, message, self._programs)
            self.outbound.write(live, message, made, out)
        except Exception as error:  # noqa: BLE001  # a defect of one run must never stop the partition
            out.cut(before)
            await self._defect(entry, live, error)
            return False
        live.position = entry.position
        live.journal.append(message)
        live.dirty = True
        self._dirty[run] = live
        self._memory.used(run)
        if live.listens:
            for token, cursors, waiting in live.heard(message):
                out.heard.append((run, token, cursors, waiting))
        wake = live.state.wake
        if isinstance(message, Wake) and wake is not None and wake <= message.at:
            wake = max(wake, entry.time_ms + 5)  # the broker's clock is behind ours; look again in a moment
        self._alarms.set(run, wake)
        if live.state.terminal:
            out.urgent = True
            self.waiters.finish(run)
        return True

    def _begin(self, message: Input, document: dict[str, Any], partition: int) -> Live | None:
        """A run that is not there: only a start makes one."""
        if (error := self._memory.unreadable(message.run)) is not None:
            raise error
        if not isinstance(message, Start):
            return None  # of a run that was deleted, or never was
        program = self._programs.cached(message.digest)
        if program is None:
            raise NotFound(f"There is no definition {message.digest}.", digest=message.digest)
        meta = RunMeta(
            partition=partition,
            created=message.ts,
            correlation=document.get("correlation") or message.run,
            actor=message.actor,
            trigger=document.get("trigger"),
            slots=document.get("slots") or [],
        )
        live = Live(message.run, RunState(message.run), program, meta, wire.input_subject(message.run, self.partitions))
        self._memory.put(live)
        self.waiters.begin(live.run)
        return live

    async def _defect(self, entry: Entry, live: Live | None, error: Exception) -> None:
        """Put the input aside, and bring the run back to where it was before it."""
        _, run = wire.run_of(entry.subject)
        log.error("engine.defect", run=run, position=entry.position, exc_info=error)
        self._put_aside(entry, error)
        if live is None or live.state.head is None:
            self._memory.remove(run)
            self._dirty.pop(run, None)
            return
        await self._memory.rewind(live, self.outbound.write)
        self.correlator.forget_run(run)
        live.meta.parked.append({"position": entry.position, "error": f"{type(error).__name__}: {error}"})
        live.state.changed.add(HEAD)
        live.dirty = True
        self._dirty[run] = live

    def _put_aside(self, entry: Entry, error: Exception) -> None:
        self.parked += 1
        self._lanes.dead.push([self._bury(entry, error)])

    def _push(self, out: Output) -> None:
        self._lanes.tasks.push_at_once(out.tasks)  # first: a worker may begin while the signals are being written
        self._lanes.work.push_at_once(out.work)
        self._detached.send(out.detached)
        self._lanes.signals.push(out.said(), patient=not out.urgent)
        self._lanes.events.push(out.events)
        self._lanes.commands.push(out.commands)
        for live, effect in out.listens:
            if isinstance(effect, Subscribe):
                self.correlator.subscribe(live.program, effect)
            else:
                self.correlator.unsubscribe(effect.run, effect.subscription)
        for heard in out.heard:
            self.correlator.folded(*heard)
        for reply in out.replies:
            self.waiters.answer(reply)
        if self._dirty or self._touched:
            self._to_save.set()

    def _wake(self, due: list[tuple[str, int]]) -> None:
        self._lanes.work.push([(wire.input_subject(run, self.partitions), wire.wake(HEAD, at)) for run, at in due])

    # -- save ---------------------------------------------------------------------------------------------------------

    async def _save_loop(self) -> None:
        while True:
            await self._to_save.wait()
            self._to_save.clear()
            await self._clock.sleep(_SAVE_GAP)
            await self.save()
            if self._dirty or self._touched:
                self._to_save.set()

    async def save(self) -> None:
        """Save everything folded by now, once its effects are stored."""
        async with self._saving:
            async with self._cycle:
                save, lives = self._snapshot()
                marks = self._lanes.marks()
            if not save.partitions:
                return
            await self._lanes.reach(marks)
            while True:
                try:
                    await self._store.save(save)
                except TocsinError as error:
                    if error.status == 409:
                        log.warning("engine.deposed", error=error.detail)
                        async with self._cycle:
                            for partition in save.partitions:
                                self._drop_partition(partition)
                        return
                    log.warning("engine.not_saved", runs=len(save.runs), error=error.detail)
                    await self._clock.sleep(0.2)
                else:
                    break
            self.saves += 1
            self._forget_saved(save, lives)

    def _snapshot(self) -> tuple[Save, list[Live]]:
        """Everything that changed, as bytes; taken between two cycles."""
        # Whatever is left out must not be counted as folded: positions are those of everything, so everything is saved.
        lives = [live for live in self._dirty.values() if live.meta.partition in self._owned]
        self._dirty = {}
        runs = [live.take() for live in lives]
        touched, self._touched = self._touched, set()
        partitions = {p: (self._owned[p], self._folded[p]) for p in touched if p in self._owned}
        heard: dict[int, Heard] = {p: self.correlator.heard(p) for p in partitions}
        return Save(runs, partitions, heard, *self._detached.take(partitions)), lives

    def _forget_saved(self, save: Save, lives: list[Live]) -> None:
        for saved, live in zip(save.runs, lives, strict=True):
            while live.journal and live.journal[0].pos <= saved.position:
                live.journal.popleft()
            live.saving = []
            if live.state.terminal and not live.dirty:
                self._memory.let_go(live.run)
                self._spans.tell(live)
        self._memory.shrink()

    def _touch(self, partitions: set[int]) -> None:
        """Save how far their events are matched, though nothing was folded."""
        self._touched |= partitions & set(self._owned)
        if self._touched:
            self._to_save.set()

    def _drop_partition(self, partition: int) -> None:
        for run in self._memory.drop(partition):
            self._dirty.pop(run, None)
            self._alarms.forget(run)
        self.correlator.forget({partition})
        self._detached.forget(partition)
        self.redispatch.lost(partition)
        self._touched.discard(partition)
        self._folded.pop(partition, None)
        self._owned.pop(partition, None)
