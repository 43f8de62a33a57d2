"""The consumer loop: every delivery is handled, tried again later, or put aside with the reason; none is dropped.

What a handler raises decides, by the branch of the error tree alone:

- nothing: acknowledged;
- ``Rejected``: put aside as a dead letter, then acknowledged (the letter is on disk before the ack);
- ``Conflict``: tried again at once, a few times, then delivered again after a moment;
- ``Unavailable``: delivered again after ``retry_after`` or a growing delay, for as long as it takes;
- anything else: delivered again with a growing delay, put aside after ``max_deliver`` attempts.

Delivery is at least once: handlers must be idempotent, by the event's id (``tocsin_kit.store.ReadModel`` and ids derived from
the cause are the usual ways). With ``key`` deliveries of one key are handled one after another, in stream order, by this
process; a failing one holds back its key, not the others.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog
from nats import errors as nats_errors
from prometheus_client import Counter

from tocsin.errors import Conflict, Defect, Rejected, TocsinError, Unavailable
from tocsin_kit.bus.backlog import Backlog
from tocsin_kit.bus.connection import Bus
from tocsin_kit.bus.deadletters import bury, dead_letters, forget
from tocsin_kit.bus.delivery import Delivery
from tocsin_kit.bus.pull import StandingPull
from tocsin_kit.bus.topology import ConsumerSpec, TopologyLimits, ensure
from tocsin_kit.telemetry import Health, Metrics, span

log = structlog.get_logger()

Handler = Callable[[Delivery], Awaitable[None]]
BatchHandler = Callable[[Sequence[Delivery]], Awaitable[None]]

OUTCOMES = ("handled", "redelivered", "dead")
CONFLICT_TRIES = 8  # at once, before a delay; more would mean that writers hunt each other
DELAYS = (0.2, 1.0, 3.0, 8.0, 20.0, 30.0)  # seconds before attempt 2, 3, ...
# Attempts after which a message counts as deadly: its handler ended the process each time before anything could be recorded.
DEADLY = 40


@dataclass(frozen=True, slots=True)
class Redriven:
    """What a redrive did.

    Attributes:
        handled: Dead letters that went well now and are gone.
        failed: Those that failed again and stay.
    """

    handled: int
    failed: int


class Consumer:
    """Handles what a durable consumer delivers.

    Args:
        bus: A started bus.
        spec: The durable consumer, from ``topology``.
        handle: Handles one delivery; or
        handle_many: handles many together: all or nothing. When it raises for several, each is tried alone.
        concurrency: How many handlers run at once (1 with ``handle_many``).
        batch: At most so many for ``handle_many``.
        key: Deliveries with the same key keep their order.
        limits: Replicas of the streams.
        metrics: Where handled, redelivered and dead messages are counted; those of the consumer's service if not given.
    """

    def __init__(
        self,
        bus: Bus,
        spec: ConsumerSpec,
        handle: Handler | None = None,
        *,
        handle_many: BatchHandler | None = None,
        concurrency: int = 16,
        batch: int = 256,
        key: Callable[[Delivery], str] | None = None,
        limits: TopologyLimits | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        if (handle is None) == (handle_many is None):
            raise Defect(f"Consumer {spec.name} needs either handle or handle_many.")
        self.name = f"consumer:{spec.name}"
        self.spec = spec
        self._bus = bus
        self._handle = handle
        self._handle_many = handle_many
        self._batch = batch
        self._key = key
        self._limits = limits
        lanes = 1 if handle_many or key is None else concurrency
        self._queues: list[asyncio.Queue[Delivery]] = [asyncio.Queue() for _ in range(lanes)]
        self._workers = 1 if handle_many else concurrency
        size = min(spec.max_ack_pending, 2 * batch if handle_many else 4 * concurrency)
        self._pull = StandingPull(
            bus, stream=spec.stream, consumer=spec.name, size=size, receive=self._receive, repair=self._repair
        )
        self._held: dict[int, Delivery] = {}
        self._since: dict[int, float] = {}
        self._excused: dict[int, int] = {}
        self._broken = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._serving = False
        self._stopping = False
        self._counts = dict.fromkeys(OUTCOMES, 0)
        metrics = metrics or Metrics(spec.service)
        self._count = _counters(metrics, spec.name)
        self._backlog = Backlog(bus, spec, self._held, metrics)

    # -- life ---------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Make the durable consumer and ask for its first messages (handled from :meth:`serve` on)."""
        await ensure(self._bus, self.spec, self._limits)
        await self._pull.start()

    async def serve(self) -> None:
        """Handle until cancelled."""
        self._serving = True
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pull.serve())
                group.create_task(self._keep_alive())
                group.create_task(self._mend())
                group.create_task(self._backlog.watch())
                for number in range(self._workers):
                    queue = self._queues[number % len(self._queues)]
                    group.create_task(self._work_many(queue) if self._handle_many else self._work(queue))
        finally:
            self._serving = False

    async def stop(self) -> None:
        """Take nothing more, finish what is being handled, give back what has not begun."""
        self._stopping = True
        try:
            await self._pull.stop()
        except TocsinError as error:
            log.info("consumer.pull_left", consumer=self.spec.name, error=error.detail)
        for queue in self._queues:
            while not queue.empty():
                await self._settle(queue.get_nowait(), b"-NAK")
        if self._serving:
            await self._empty.wait()

    def health(self) -> Health:
        """Ready while the durable consumer exists; readiness of the bus itself is the bus's."""
        facts = {**self._counts, "in_hand": len(self._held), "lag": self._backlog.lag}
        if self._broken.is_set():
            return Health(ready=False, detail=f"the durable consumer {self.spec.name} is being made again", facts=facts)
        return Health(ready=True, detail="consuming", facts=facts)

    async def redrive(self, *, limit: int = 1000, only: int | None = None) -> Redriven:
        """Hand this consumer's dead letters to the handler again; those that go well are removed.

        Args:
            limit: At most so many.
            only: The sequence of the one that is meant; all without it.

        Raises:
            Unavailable: The bus does not answer.
        """
        handled = failed = 0
        async for letter in dead_letters(self._bus, self.spec.service, after=(only or 1) - 1):
            if handled + failed >= limit or (only is not None and letter.sequence != only):
                break
            if letter.consumer != self.spec.name:
                continue
            try:
                await self._call([letter.delivery()])
            except Exception as error:  # noqa: BLE001  # any failure leaves the letter where it is
                failed += 1
                log.info("consumer.redrive_failed", consumer=self.spec.name, letter=letter.sequence, error=str(error))
            else:
                handled += 1
                await forget(self._bus, letter)
        return Redriven(handled, failed)

    # -- receive ------------------------------------------------------------------------------------------------------

    def _receive(self, delivery: Delivery) -> None:
        if delivery.sequence in self._held or self._stopping:
            self._pull.release(1)  # in hand already: its settlement counts for both deliveries
            return
        self._backlog.received(delivery)
        if delivery.attempt > 1:
            self._counted("redelivered")
        self._held[delivery.sequence] = delivery
        self._since[delivery.sequence] = self._bus.clock.monotonic()
        self._empty.clear()
        lane = 0 if self._key is None or len(self._queues) == 1 else hash(self._key(delivery)) % len(self._queues)
        self._queues[lane].put_nowait(delivery)

    def _repair(self) -> None:
        self._broken.set()

    async def _mend(self) -> None:
        """The durable consumer is gone (someone deleted it, or its stream): make it again."""
        while True:
            await self._broken.wait()
            try:
                await ensure(self._bus, self.spec, self._limits)
            except TocsinError as error:
                log.warning("consumer.not_mended", consumer=self.spec.name, error=error.detail)
                await self._bus.clock.sleep(1)
                continue
            self._broken.clear()
            log.info("consumer.mended", consumer=self.spec.name)
            await self._pull.renew()

    async def _keep_alive(self) -> None:
        """Tell the server that what is in hand is being worked on, so that nobody else gets it."""
        third = self.spec.ack_wait.total_seconds() / 3
        while True:
            await self._bus.clock.sleep(third)
            now = self._bus.clock.monotonic()
            for sequence, since in list(self._since.items()):
                if now - since > third and sequence in self._held:
                    await self._say(self._held[sequence].reply, b"+WPI")

    # -- handle -------------------------------------------------------------------------------------------------------

    async def _work(self, queue: asyncio.Queue[Delivery]) -> None:
        while True:
            await self._one(await queue.get())

    async def _work_many(self, queue: asyncio.Queue[Delivery]) -> None:
        while True:
            deliveries = [await queue.get()]
            while len(deliveries) < self._batch and not queue.empty():
                deliveries.append(queue.get_nowait())
            error = await self._try(deliveries)
            if error is None:
                for delivery in deliveries:
                    await self._done(delivery)
            elif isinstance(error, Unavailable) or len(deliveries) == 1:
                for delivery in deliveries:
                    await self._failed(delivery, error)
            else:
                for delivery in deliveries:
                    await self._one(delivery)

    async def _one(self, delivery: Delivery) -> None:
        if delivery.attempt > DEADLY and delivery.sequence not in self._excused:
            await self._bury(delivery, Defect(f"Delivered {delivery.attempt} times, and no attempt came to an end."))
            return
        error = await self._try([delivery])
        tries = delivery.attempt
        while error is not None and self._key is not None and not isinstance(error, Rejected) and not self._stopping:
            # Order matters here: hold the key and try again in place rather than let the next one pass.
            if not isinstance(error, Unavailable):
                if tries >= self.spec.max_deliver:
                    break
                tries += 1
            await self._bus.clock.sleep(_delay(error, tries))
            error = await self._try([delivery])
        if error is None:
            await self._done(delivery)
        else:
            await self._failed(delivery, error, tries)

    async def _try(self, deliveries: Sequence[Delivery]) -> Exception | None:
        for attempt in range(1, CONFLICT_TRIES + 1):
            try:
                await self._call(deliveries)
            except Conflict as error:
                if attempt == CONFLICT_TRIES:
                    return error
            except Exception as error:  # the loop's whole purpose: every failure becomes a verdict
                if not isinstance(error, TocsinError):
                    first = deliveries[0]
                    log.error("consumer.failed", consumer=self.spec.name, subject=first.subject, exc_info=error)
                return error
            else:
                return None
        return None

    async def _call(self, deliveries: Sequence[Delivery]) -> None:
        if self._handle_many is not None:
            await self._handle_many(deliveries)
        elif self._handle is not None:
            for delivery in deliveries:
                with span(self.name, parent=delivery.traceparent, kind="consumer"):
                    await self._handle(delivery)

    # -- settle -------------------------------------------------------------------------------------------------------

    async def _done(self, delivery: Delivery) -> None:
        self._counted("handled")
        await self._settle(delivery, b"")

    async def _failed(self, delivery: Delivery, error: Exception, tries: int | None = None) -> None:
        attempt = (tries or delivery.attempt) - self._excused.get(delivery.sequence, 0)
        later = isinstance(error, Unavailable | Conflict)
        if isinstance(error, Rejected) or (not later and attempt >= self.spec.max_deliver):
            await self._bury(delivery, error)
            return
        delay = _delay(error, delivery.attempt)
        if later:
            if len(self._excused) < 10_000:  # a bound, not a limit anyone meets: an entry is a message in hand or waiting
                self._excused[delivery.sequence] = self._excused.get(delivery.sequence, 0) + 1
            log.info("consumer.later", consumer=self.spec.name, subject=delivery.subject, error=str(error), delay=delay)
        nak = b'-NAK {"delay": %d}' % int(delay * 1e9) if delay else b"-NAK"
        await self._settle(delivery, nak, keep_excuse=later)

    async def _bury(self, delivery: Delivery, error: Exception) -> None:
        try:
            await bury(self._bus, self.spec.service, delivery, error)
        except TocsinError as failure:
            log.warning("consumer.not_buried", consumer=self.spec.name, error=failure.detail)
            await self._settle(delivery, b'-NAK {"delay": 2000000000}')
            return
        self._counted("dead")
        code = error.code if isinstance(error, TocsinError) else Defect.code
        log.warning("consumer.dead", consumer=self.spec.name, subject=delivery.subject, code=code, error=str(error))
        await self._settle(delivery, b"+TERM")

    async def _settle(self, delivery: Delivery, verdict: bytes, *, keep_excuse: bool = False) -> None:
        await self._say(delivery.reply, verdict)
        self._held.pop(delivery.sequence, None)
        self._since.pop(delivery.sequence, None)
        if not verdict.startswith(b"-NAK") or self._stopping:
            self._backlog.settled(delivery.sequence)
        if not keep_excuse:
            self._excused.pop(delivery.sequence, None)
        self._pull.release(1)
        if not self._held:
            self._empty.set()

    def _counted(self, outcome: str) -> None:
        self._counts[outcome] += 1
        self._count[outcome].inc()

    async def _say(self, reply: str, verdict: bytes) -> None:
        try:
            await self._bus.nats.publish(reply, verdict)
        except (nats_errors.Error, OSError, TocsinError) as error:
            # Not settled: it comes again after ack_wait, and the handler is idempotent.
            log.debug("consumer.not_settled", consumer=self.spec.name, error=type(error).__name__)


def _counters(metrics: Metrics, consumer: str) -> dict[str, Counter]:
    family = metrics.counter("bus_deliveries", "Messages a consumer has settled.", consumer=64, outcome=OUTCOMES)
    return {outcome: family.labels(consumer=consumer, outcome=outcome) for outcome in OUTCOMES}


def _delay(error: Exception, attempt: int) -> float:
    """Seconds before the next attempt."""
    if isinstance(error, Conflict):
        return 0.05
    if isinstance(error, Unavailable) and error.retry_after is not None:
        return error.retry_after / timedelta(seconds=1)
    return DELAYS[min(attempt, len(DELAYS)) - 1]
