"""The worker: tasks in, results out, each attempt once in hand, none forgotten.

Deliveries come from standing pulls, one durable consumer a queue. A delivery is acknowledged only after the attempt's result is
stored in the log of its run, so a worker that dies loses nothing: the task comes to another one. The same attempt may therefore
run twice; its result is applied once, because the engine looks at the attempt. A revoked attempt is confirmed only when what it
had started runs no more.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import orjson
import structlog

from tocsin.errors import NotFound, TocsinError, Unavailable
from tocsin.expressions.sandbox import Sandbox
from tocsin_executor.application import wire
from tocsin_executor.application.apart import Apart
from tocsin_executor.application.lanes import Lane
from tocsin_executor.domain.inputs import StopKind
from tocsin_executor.domain.values import ErrorKind, Json, problem
from tocsin_executor.worker.attempts import Attempts, Authorize, Identity
from tocsin_executor.worker.measures import WorkerMeasures
from tocsin_executor.worker.outputs import LIMIT, LogLines
from tocsin_executor.worker.secrets import SecretSource
from tocsin_executor.worker.tasks import Outcome, Runner, Task, read_task
from tocsin_kit.bus.api import call, ensure_consumer
from tocsin_kit.bus.batch import GroupPublisher
from tocsin_kit.bus.direct import Direct
from tocsin_kit.bus.feed import Delivery, PullFeed
from tocsin_kit.bus.log import OrderedLog
from tocsin_kit.clock import Clock
from tocsin_kit.telemetry import Health, Metrics, span

log = structlog.get_logger()

STREAM = "EXECUTOR"
ACK_WAIT = timedelta(seconds=10)  # a worker that is silent for so long is dead, and its tasks go to others
_BEAT = 3.0  # seconds between heartbeats of tasks in hand
_CLAIM_AFTER = 0.25  # seconds before a run learns who works on its task; shorter tasks never need it
_TRIES = 8  # deliveries of one attempt: it seems to kill its workers
_STREAM_TRIES = 300  # times 0.2 s: a worker may be started before the executor has made the stream
_DONE = 20_000  # attempts remembered, to drop a repeated dispatch


@dataclass(slots=True)
class _Hand:
    """One attempt in hand."""

    task: Task
    delivery: Delivery
    feed: PullFeed
    since: float
    work: asyncio.Task[None] | None = None
    lines: LogLines | None = None
    revoked: bool = False
    claimed: bool = False


@dataclass(slots=True)
class Queue:
    """One queue this worker serves.

    Attributes:
        name: Its name.
        slots: Tasks of it at once.
    """

    name: str
    slots: int
    feed: PullFeed | None = field(default=None, repr=False)
    busy: int = 0


class Worker:
    """Serves queues.

    Args:
        direct: The hot path of a started bus.
        name: Of this worker, in records and signals.
        queues: What it serves.
        runners: By kind.
        sandbox: Evaluates what the engine left to the worker.
        secrets: Where secrets come from.
        clock: Time.
        drain: How long :meth:`stop` waits for tasks in hand before they are given back.
        log_bytes: What is kept of one attempt's output.
        authorize: Says what a policy sends.
        identity: Gives the code of tasks what it needs to call the platform.
        apart: Where large values are.
        measures: Counts what it does.
    """

    name = "worker"

    def __init__(
        self,
        direct: Direct,
        *,
        name: str,
        queues: Sequence[Queue],
        runners: Mapping[str, Runner],
        sandbox: Sandbox,
        secrets: SecretSource,
        clock: Clock,
        drain: timedelta = timedelta(seconds=20),
        log_bytes: int = LIMIT,
        authorize: Authorize | None = None,
        identity: Identity | None = None,
        apart: Apart | None = None,
        measures: WorkerMeasures | None = None,
    ) -> None:
        self._measures = measures or WorkerMeasures(Metrics("worker"))
        self._noops = 0
        self.worker_name = name
        self._direct = direct
        self._publisher = GroupPublisher(direct)
        self._orders = OrderedLog(direct, STREAM, clock)
        self.queues = list(queues)
        self._attempts = Attempts(runners, sandbox, secrets, clock, authorize=authorize, identity=identity, apart=apart)
        self._clock = clock
        self._drain = drain.total_seconds()
        self._log_bytes = log_bytes
        self._hands: dict[str, _Hand] = {}
        self._done: OrderedDict[str, None] = OrderedDict()
        self._revoked: OrderedDict[str, None] = OrderedDict()
        self._results: list[_Hand] = []
        self._has_results = asyncio.Event()
        self._arrived: list[_Hand] = []
        self._has_arrived = asyncio.Event()
        self._reports = Lane("worker-reports", self._publisher, clock)
        self._notes = Lane("worker-notes", self._publisher, clock, width=2)
        self._prints = Lane("worker-logs", self._publisher, clock)
        self._stopping = False
        self._empty = asyncio.Event()
        self._empty.set()
        self.completed = 0

    # -- life ---------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Make the durable consumers and ask for work."""
        await self._direct.start()
        await self._publisher.start()
        for queue in self.queues:
            await self._ensure(queue.name)
            feed = PullFeed(
                self._direct,
                STREAM,
                f"worker-{queue.name}",
                receive=lambda delivery, queue=queue: self._receive(queue, delivery),  # type: ignore[misc]
                idle=self._has_arrived.set,
                clock=self._clock,
            )
            queue.feed = feed
            await feed.start()
            self._measures.serves(queue.name, queue.slots, lambda queue=queue: queue.busy)  # type: ignore[misc]
        # Before any task is asked for: one that was revoked while no worker was there should not begin, or is stopped at once.
        await self._orders.open(["executor.revoke.>"], await self._oldest())
        self._ask()

    async def serve(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._notes.serve())
            group.create_task(self._prints.serve())
            group.create_task(self._reports.serve())
            group.create_task(self._report_loop())
            group.create_task(self._beat_loop())
            group.create_task(self._order_loop())
            while True:
                await self._has_arrived.wait()
                self._has_arrived.clear()
                arrived, self._arrived = self._arrived, []
                for hand in arrived:
                    hand.work = group.create_task(self._work(hand))
                self._ask()

    async def stop(self) -> None:
        """Take nothing more, finish what is in hand, give back what is not finished in time."""
        self._stopping = True
        for queue in self.queues:
            if queue.feed is not None:
                await queue.feed.stop()
        try:
            async with asyncio.timeout(self._drain):
                await self._empty.wait()
        except TimeoutError:
            log.warning("worker.gives_back", tasks=len(self._hands))
        for hand in list(self._hands.values()):
            if hand.work is not None:
                hand.work.cancel()
            hand.feed.retry(hand.delivery)

    def health(self) -> Health:
        """Ready while it can take work."""
        facts = {"in_hand": len(self._hands), "completed": self.completed}
        return Health(ready=not self._stopping, detail="draining" if self._stopping else "working", facts=facts)

    # -- take ---------------------------------------------------------------------------------------------------------

    def _ask(self) -> None:
        if self._stopping:
            return
        for queue in self.queues:
            if queue.feed is not None:
                queue.feed.want(queue.slots - queue.busy)

    def _receive(self, queue: Queue, delivery: Delivery) -> None:
        feed = queue.feed
        assert feed is not None
        self._has_arrived.set()  # whatever becomes of it, one less is asked for now
        try:
            task = read_task(delivery.payload)
        except TocsinError as error:
            log.error("worker.bad_dispatch", error=error.detail)
            feed.ack(delivery)
            return
        key = task.key
        if key in self._hands:
            self._hands[key].delivery = delivery  # the later delivery is the one to settle
            feed.in_progress(delivery)
            return
        if key in self._done:
            feed.ack(delivery)
            return
        hand = _Hand(task, delivery, feed, self._clock.monotonic())
        self._hands[key] = hand
        self._empty.clear()
        queue.busy += 1
        if key in self._revoked:
            self._finish(hand, wire.stopped(task.attempt, StopKind.NEVER_STARTED))
        elif delivery.deliveries > _TRIES:
            self._fail(hand, f"{delivery.deliveries - 1} workers took this task and none came to its end")
        elif task.runner == "noop" and task.variables is None:
            now = self._now()
            self._noops += 1
            output = self._noop(task).output
            self._finish(hand, wire.result(task.attempt, output=output, started=now, ended=now, worker=self.worker_name))
        else:
            self._measures.taken(queue.name, delivery, self._now())
            self._arrived.append(hand)

    def _noop(self, task: Task) -> Outcome:
        """The body of a no-op task, here and at once; its output is its argument."""
        return Outcome(task.spec)

    async def _order_loop(self) -> None:
        """Revocations, as a log: none is missed, whatever connection broke."""
        while True:
            for entry in await self._orders.take():
                self._revoke(entry.payload)

    async def _oldest(self) -> int:
        """Position below which no task waits any more."""
        floors = []
        for queue in self.queues:
            info = await call(self._direct.bus, f"CONSUMER.INFO.{STREAM}.worker-{queue.name}")
            floors.append(int(info["ack_floor"]["stream_seq"]))
        return min(floors, default=0)

    def _revoke(self, payload: bytes) -> None:
        order = orjson.loads(payload)
        key = f"{order['run']}/{order['attempt']}"
        hand = self._hands.get(key)
        if hand is None:
            self._revoked[key] = None
            while len(self._revoked) > _DONE:
                self._revoked.popitem(last=False)
        elif not hand.revoked:
            hand.revoked = True
            if hand.work is not None:
                hand.work.cancel()

    # -- work ---------------------------------------------------------------------------------------------------------

    async def _work(self, hand: _Hand) -> None:
        task = hand.task
        lines = hand.lines = LogLines(task, self._prints, self._clock, self._log_bytes)
        task.say = lambda stream, line: lines.add(stream, task.redaction.text(line))
        started = self._now()
        try:
            if hand.revoked:
                raise asyncio.CancelledError  # it was revoked before it began
            with span(f"task {task.runner}", parent=task.traceparent, kind="consumer", run=task.run, attempt=task.attempt):
                outcome = await self._attempts.outcome(task)
        except asyncio.CancelledError:
            lines.close()
            if not hand.revoked:
                raise  # the worker stops, and the task is given back
            self._measures.ended(task.runner, "stopped", self._now() - started)
            self._finish(hand, wire.stopped(task.attempt, StopKind.KILLED if task.killed else StopKind.GRACEFUL))
            return
        lines.close()
        self._measures.ended(task.runner, "completed" if outcome.error is None else "faulted", self._now() - started)
        self._finish(
            hand,
            wire.result(
                task.attempt,
                output=outcome.output,
                error=outcome.error,
                started=started,
                ended=self._now(),
                worker=self.worker_name,
            )
            if task.runner != "evaluate"
            else wire.evaluated(task.attempt, outcome.output, str(outcome.error["detail"]) if outcome.error else None),
        )

    def _fail(self, hand: _Hand, detail: str) -> None:
        error: dict[str, Json] = problem(ErrorKind.RUNTIME, detail)
        self._finish(hand, wire.result(hand.task.attempt, error=error, worker=self.worker_name))

    # -- report -------------------------------------------------------------------------------------------------------

    def _finish(self, hand: _Hand, payload: bytes) -> None:
        self._reports.push([(hand.task.reply, payload)])
        self._results.append(hand)
        self._has_results.set()

    async def _report_loop(self) -> None:
        """Settle what is stored: the delivery of an attempt is acknowledged only then."""
        while True:
            while not self._results:
                self._has_results.clear()
                await self._has_results.wait()
            results, self._results = self._results, []
            await self._reports.reach(self._reports.mark)
            for hand in results:
                self._settle(hand)
            self._ask()

    def _settle(self, hand: _Hand) -> None:
        key = hand.task.key
        hand.feed.ack(hand.delivery)
        if self._hands.pop(key, None) is None:
            return
        for queue in self.queues:
            if queue.feed is hand.feed:
                queue.busy -= 1
        self.completed += 1
        self._done[key] = None
        if len(self._done) > _DONE:
            self._done.popitem(last=False)
        if not self._hands:
            self._empty.set()

    async def _beat_loop(self) -> None:
        while True:
            await self._clock.sleep(_CLAIM_AFTER)
            now = self._clock.monotonic()
            self._measures.nothing_done(self._noops)
            self._noops = 0
            beat = int(now / _BEAT) != int((now - _CLAIM_AFTER) / _BEAT)
            for hand in list(self._hands.values()):
                if hand.lines is not None:
                    hand.lines.flush()
                if beat:
                    hand.feed.in_progress(hand.delivery)
                if not hand.claimed and now - hand.since >= _CLAIM_AFTER and hand.work is not None:
                    hand.claimed = True
                    claim = wire.claimed(hand.task.attempt, self.worker_name, self._now() - int((now - hand.since) * 1000))
                    if hand.task.runner != "evaluate":
                        self._notes.push([(hand.task.reply, claim)])

    async def _ensure(self, queue: str) -> None:
        config = {
            "name": f"worker-{queue}",
            "durable_name": f"worker-{queue}",
            "description": f"Tasks of the queue {queue}, for all its workers.",
            "deliver_policy": "all",
            "ack_policy": "explicit",
            "ack_wait": int(ACK_WAIT.total_seconds() * 1e9),
            "max_ack_pending": 20_000,
            "max_deliver": -1,
            "replay_policy": "instant",
            "filter_subject": f"executor.task.{queue}.>",
        }
        for attempt in range(_STREAM_TRIES):
            try:
                await ensure_consumer(self._direct.bus, STREAM, config)
            except NotFound:
                if attempt == 0:
                    log.info("worker.waits_for_stream", stream=STREAM)
                await self._clock.sleep(0.2)
            else:
                return
        raise Unavailable(f"There is no stream {STREAM}.", hint="Start the executor: it makes the stream.")

    def _now(self) -> int:
        return int(self._clock.now().timestamp() * 1000)
