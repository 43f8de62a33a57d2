"""The worker: tasks in, results out, each attempt once in hand, none forgotten.

Deliveries come from standing pulls, one durable consumer a queue. A delivery is acknowledged only after the attempt's result is
stored in the log of its run, so a worker that dies loses nothing: the task comes to another one. An attempt may run twice;
its result is applied once. A revoked attempt is confirmed only when what it had started runs no more.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta

import orjson
import structlog

from tocsin.errors import TocsinError
from tocsin.expressions.sandbox import Sandbox
from tocsin_executor.application import wire
from tocsin_executor.application.apart import Apart
from tocsin_executor.application.lanes import Lane
from tocsin_executor.domain.inputs import StopKind
from tocsin_executor.domain.values import ErrorKind, problem
from tocsin_executor.worker.attempts import Attempts, Authorize, Identity
from tocsin_executor.worker.doubts import Doubts
from tocsin_executor.worker.hands import ORDERS, Hand, Queue, Recent, ensure_queue, stream_of
from tocsin_executor.worker.measures import WorkerMeasures
from tocsin_executor.worker.outputs import LIMIT, LogLines
from tocsin_executor.worker.secrets import SecretSource
from tocsin_executor.worker.tasks import VALUE_LIMIT, Runner, TakenOver, read_task
from tocsin_kit.bus.batch import GroupPublisher
from tocsin_kit.bus.direct import Direct
from tocsin_kit.bus.feed import Delivery, PullFeed
from tocsin_kit.bus.log import OrderedLog
from tocsin_kit.clock import Clock
from tocsin_kit.telemetry import Health, Metrics, lasting, span

log = structlog.get_logger()

_BEAT = 3.0  # seconds between heartbeats of tasks in hand
_CLAIM_AFTER = 0.25  # seconds before a run learns who works on its task; shorter tasks never need it
_TRIES = 8  # deliveries of one attempt: it seems to kill its workers
LAST = timedelta(seconds=9)
"""What is handed back may take so long to end: a process has five seconds between TERM and KILL, a container a little more."""

_DONE = 20_000  # attempts remembered, to drop a repeated dispatch or one that was revoked


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
        self._orders = OrderedLog(direct, ORDERS, clock)
        self.queues = list(queues)
        self._apart = apart or Apart(None, VALUE_LIMIT)
        self._attempts = Attempts(runners, sandbox, secrets, clock, authorize=authorize, identity=identity, apart=self._apart)
        self._clock = clock
        self._drain = drain.total_seconds()
        self._log_bytes = log_bytes
        self._hands: dict[str, Hand] = {}
        self._done, self._revoked = Recent(_DONE), Recent(_DONE)
        self._results: list[Hand] = []
        self._arrived: list[Hand] = []
        self._has_results, self._has_arrived = asyncio.Event(), asyncio.Event()
        self._doubts = Doubts(self._hands)
        self._reports = Lane("worker-reports", self._publisher, clock, merge=wire.together)
        self._notes = Lane("worker-notes", self._publisher, clock, width=2)
        self._prints = Lane("worker-logs", self._publisher, clock)
        self._stopping = self._draining = False
        self._return_at: float | None = None  # when what is still in hand is handed back
        self._return_why = ""
        self._empty = asyncio.Event()
        self._empty.set()
        self.completed = 0

    # -- life ---------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Make the durable consumers and ask for work."""
        await self._direct.start()
        await self._publisher.start()
        for queue in self.queues:
            await ensure_queue(self._direct.bus, queue.name, self._clock)
            feed = PullFeed(
                self._direct,
                stream_of(queue.name),
                f"worker-{queue.name}",
                receive=lambda delivery, queue=queue: self._receive(queue, delivery),  # type: ignore[misc]
                idle=self._has_arrived.set,
                doubt=None if queue.name == wire.EXPRESSIONS else self._doubts.arise,
                clock=self._clock,
            )
            queue.feed = feed
            await feed.start()
            self._measures.serves(queue.name, queue.slots, lambda queue=queue: queue.busy)  # type: ignore[misc]
        # Before any task is asked for: one that was revoked while no worker was there should not begin, or is stopped at once.
        await self._orders.open(["executor.revoke.>"], 0)
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
            group.create_task(self._doubts.serve())
            while True:
                await self._has_arrived.wait()
                self._has_arrived.clear()
                arrived, self._arrived = self._arrived, []
                for hand in arrived:
                    hand.work = group.create_task(self._work(hand))
                self._ask()

    async def drain(self, *, within: timedelta | None = None, why: str = "the worker was told to drain") -> None:
        """Take no new task until :meth:`resume`; expressions are still evaluated, since no run goes on without.

        Args:
            within: What is not finished then is stopped and handed back, so that it runs elsewhere; ``None``: never.
            why: The reason that the runs are told.
        """
        self._draining = True
        if within is not None:
            self._return_at, self._return_why = self._clock.monotonic() + within.total_seconds(), why
        for queue in self.queues:
            if queue.feed is not None and not self._takes(queue):
                await queue.feed.stop()
        log.info("worker.drains", tasks=len(self._hands), within=None if within is None else within.total_seconds())

    async def resume(self) -> None:
        """Take tasks again; what is being handed back is handed back all the same."""
        if not self._draining or self._stopping:
            return
        self._draining, self._return_at = False, None
        for queue in self.queues:
            if queue.feed is not None and queue.name != wire.EXPRESSIONS:
                await queue.feed.start()
        self._ask()

    async def stop(self) -> None:
        """Take nothing more, finish what is in hand; what is not finished in time ends here, and is handed back."""
        self._stopping = True
        for queue in self.queues:
            if queue.feed is not None:
                await queue.feed.stop()
        if not await self._emptied(self._drain):
            log.warning("worker.hands_back", tasks=len(self._hands))
            self._hand_back(f"worker {self.worker_name} stopped before it had ended")
            if not await self._emptied(LAST.total_seconds()):
                log.error("worker.leaves_behind", tasks=[*self._hands][:20])

    async def _emptied(self, seconds: float) -> bool:
        """Whether nothing is in hand any more, after so many seconds at the latest."""
        try:
            async with asyncio.timeout(seconds):
                await self._empty.wait()
        except TimeoutError:
            return False
        return True

    def _hand_back(self, why: str) -> None:
        """Stop everything in hand; each is given back when it has really ended."""
        for hand in list(self._hands.values()):
            if self._stopping or hand.task.runner != "evaluate":
                hand.give_back(why)

    @property
    def state(self) -> str:
        """``working``; ``draining`` while it takes nothing new; ``drained`` when nothing is left to do either."""
        if not (self._stopping or self._draining):
            return "working"
        return "draining" if any(hand.task.runner != "evaluate" for hand in self._hands.values()) else "drained"

    def health(self) -> Health:
        """Ready while it can take work."""
        facts = {"in_hand": len(self._hands), "completed": self.completed}
        return Health(ready=not self._stopping, detail="draining" if self._stopping else self.state, facts=facts)

    # -- take ---------------------------------------------------------------------------------------------------------

    def _takes(self, queue: Queue) -> bool:
        return not self._stopping and (not self._draining or queue.name == wire.EXPRESSIONS)

    def _ask(self) -> None:
        for queue in self.queues:
            if queue.feed is not None and self._takes(queue):
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
        if (hand := self._hands.get(task.key)) is not None:
            hand.delivery = delivery  # the later delivery is the one to settle
            feed.in_progress(delivery)
        elif task.key in self._done:
            feed.ack(delivery)
        elif not self._takes(queue):  # it was on its way when this worker asked for nothing more
            feed.retry(delivery)
        else:
            self._take(queue, Hand(task, delivery, feed, self._clock.monotonic()))

    def _take(self, queue: Queue, hand: Hand) -> None:
        task, delivery = hand.task, hand.delivery
        self._hands[task.key] = hand
        self._empty.clear()
        queue.busy += 1
        if task.key in self._revoked:
            self._finish(hand, wire.stopped(task.attempt, StopKind.NEVER_STARTED))
        elif delivery.deliveries > _TRIES:
            self._fail(hand, f"{delivery.deliveries - 1} workers took this task and none came to its end")
        elif task.runner == "noop" and task.variables is None:
            now = self._now()
            self._noops += 1
            self._finish(hand, wire.result(task.attempt, output=task.spec, started=now, ended=now, worker=self.worker_name))
        else:
            self._measures.taken(queue.name, delivery, self._now())
            self._arrived.append(hand)

    async def _order_loop(self) -> None:
        """Revocations, as a log: none is missed, whatever connection broke."""
        while True:
            for entry in await self._orders.take():
                self._revoke(entry.payload)

    def _revoke(self, payload: bytes) -> None:
        order = orjson.loads(payload)
        key = f"{order['run']}/{order['attempt']}"
        hand = self._hands.get(key)
        if "allow" in order:
            if hand is not None and hand.sender is not None:
                hand.sender.allow(order["session"], order["allow"])
        elif hand is None:
            self._revoked.add(key)
        elif not hand.revoked:
            hand.revoked = True
            if hand.work is not None:
                hand.work.cancel()

    async def _work(self, hand: Hand) -> None:
        task = hand.task
        lines = hand.lines = LogLines(task, self._prints, self._clock, self._log_bytes)
        task.say = lambda stream, line: lines.add(stream, task.redaction.text(line))
        started = self._now()
        hand.sends(f"{self.worker_name}/{started}", self._reports.push, self._apart)
        try:
            if hand.revoked or hand.returned is not None:
                raise asyncio.CancelledError  # before it began
            above = lasting(task.traceparent, task.run)  # the span of the run
            with span(f"task {task.runner}", parent=above, kind="consumer", run=task.run, attempt=task.attempt):
                outcome = await self._attempts.outcome(task)
        except asyncio.CancelledError:
            lines.close()
            if not hand.revoked and hand.returned is None:
                raise  # the process ends without a drain; the task comes to another worker when this one has been silent
            self._measures.ended(task.runner, "stopped", self._now() - started)
            if hand.revoked:
                self._finish(hand, wire.stopped(task.attempt, StopKind.KILLED if task.killed else StopKind.GRACEFUL))
            else:
                self._return(hand)
            return
        except TakenOver:
            lines.close()
            self._forget(hand)
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
                detached=task.detached,
            )
            if task.runner != "evaluate"
            else wire.evaluated(task.attempt, outcome.output, str(outcome.error["detail"]) if outcome.error else None),
        )

    def _return(self, hand: Hand) -> None:
        """It has ended here; its run is told, and dispatches it anew. An expression goes to whoever evaluates others."""
        if hand.task.runner != "evaluate":
            self._finish(hand, wire.lost(hand.task.attempt, hand.returned or "", detached=hand.task.detached))
            return
        hand.feed.retry(hand.delivery)
        self._forget(hand)

    def _fail(self, hand: Hand, detail: str) -> None:
        task, error = hand.task, problem(ErrorKind.RUNTIME, detail)
        self._finish(hand, wire.result(task.attempt, error=error, worker=self.worker_name, detached=task.detached))

    def _finish(self, hand: Hand, payload: bytes) -> None:
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
                await self._doubts.resolve(hand)
                self._settle(hand)
            self._ask()

    def _settle(self, hand: Hand) -> None:
        hand.feed.ack(hand.delivery)
        if not self._forget(hand):
            return
        self.completed += hand.returned is None
        if hand.returned is None or not hand.task.detached:  # which comes again as the same attempt
            self._done.add(hand.task.key)

    def _forget(self, hand: Hand) -> bool:
        """It is in hand no more; whether it was."""
        if self._hands.pop(hand.task.key, None) is None:
            return False
        for queue in self.queues:
            if queue.feed is hand.feed:
                queue.busy -= 1
        if not self._hands:
            self._empty.set()
        return True

    async def _beat_loop(self) -> None:
        while True:
            await self._clock.sleep(_CLAIM_AFTER)
            now = self._clock.monotonic()
            if self._return_at is not None and now >= self._return_at:
                self._return_at = None
                self._hand_back(f"worker {self.worker_name} handed it back: {self._return_why}")
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

    def _now(self) -> int:
        return int(self._clock.now().timestamp() * 1000)
