"""Sends what waits: a lane for each endpoint that has something to send, so that a slow or dead one delays nobody else.

A replica works at the lanes of the partitions that it holds. What a lane knows beyond the database (how the endpoint behaves,
its pace) is lost with the replica and learnt again. A delivery is settled after the answer: where a process is killed in
between it is sent once more, with the same message id. An orderly stop repeats nothing: it waits for the answers.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog

from tocsin.errors import TocsinError
from tocsin_kit.chance import Chance
from tocsin_kit.chassis import Part
from tocsin_kit.clock import Clock
from tocsin_kit.telemetry import Metrics
from tocsin_observer.domain.deliveries import Circuit, Delivery, DeliveryState, Pace, after_attempt, choose
from tocsin_observer.ports import DeliveryStore, Endpoint, Endpoints

log = structlog.get_logger()

LOOK: Final = timedelta(seconds=2)  # between two looks for work that nobody woke us for
WINDOW: Final = 200  # deliveries of an endpoint that are looked at together at most
_KEYS_A_PLACE: Final = 4  # of an ordered endpoint so many are looked at for each that may be sent
HEALTHY, SUSPECT = 400, 60  # attempts at once: endpoints that fail have seats of their own, and cannot take the others'
FINISH: Final = timedelta(seconds=5)  # how long a partition that is given up waits for answers: a stop must not take long
OUTCOMES: Final = ("delivered", "failed", "given-up")
KINDS: Final = ("webhook", "channel")


@dataclass(slots=True)
class _Lane:
    circuit: Circuit = field(default_factory=Circuit)
    pace: Pace = field(default_factory=Pace)
    busy: dict[str, Delivery] = field(default_factory=dict)
    task: asyncio.Task[None] | None = None
    asleep_until: datetime | None = None
    oldest: datetime | None = None
    woken: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True)
class _Hold:
    """A partition that this replica holds: in which its lanes run, and which there were."""

    group: asyncio.TaskGroup
    keys: set[str]


class Dispatcher(Part):
    """Sends for the partitions that this replica holds.

    Args:
        store: The queues.
        endpoints: What is behind their names.
        clock: Time.
        chance: For the spread of retries.
        metrics: Where it counts.
    """

    def __init__(self, store: DeliveryStore, endpoints: Endpoints, *, clock: Clock, chance: Chance, metrics: Metrics) -> None:
        super().__init__("dispatcher")
        self._sending: asyncio.TaskGroup | None = None
        self._able = asyncio.Event()
        self._store = store
        self._endpoints = endpoints
        self._clock = clock
        self._chance = chance
        self._lanes: dict[str, _Lane] = {}
        self._held: dict[int, _Hold] = {}  # partitions of this replica
        self._woken = asyncio.Event()
        self._healthy, self._suspect = asyncio.Semaphore(HEALTHY), asyncio.Semaphore(SUSPECT)
        self._counted = metrics.counter(
            "deliveries", "Attempts to tell an endpoint, by what became of the delivery.", kind=KINDS, outcome=OUTCOMES
        )
        self._seconds = metrics.histogram("delivery_seconds", "How long endpoints take to answer.", kind=KINDS)
        self._lag = metrics.histogram("delivery_lag_seconds", "From a signal's matching to its delivery.", kind=KINDS)
        self._export(metrics)

    def _export(self, metrics: Metrics) -> None:
        """What is read when somebody scrapes."""
        queues = metrics.gauge("delivery_queues", "Endpoints of this replica for which something waits.", kind=KINDS)
        failing = metrics.gauge(
            "delivery_endpoints_failing", "Endpoints of this replica whose last attempts failed.", kind=KINDS
        )
        oldest = metrics.gauge("delivery_oldest_seconds", "Age of the oldest message that waits for an endpoint.", kind=KINDS)
        for kind in KINDS:
            queues.labels(kind=kind).set_function(partial(self._queues, kind))
            failing.labels(kind=kind).set_function(partial(self._failing, kind))
            oldest.labels(kind=kind).set_function(partial(self._oldest, kind))

    def _queues(self, kind: str) -> int:
        return sum(1 for lane in self._of(kind) if lane.oldest is not None)

    def _failing(self, kind: str) -> int:
        return sum(1 for lane in self._of(kind) if lane.oldest is not None and lane.circuit.suspect)

    def _oldest(self, kind: str) -> float:
        first = min((lane.oldest for lane in self._of(kind) if lane.oldest is not None), default=None)
        return 0.0 if first is None else max((self._clock.now() - first).total_seconds(), 0.0)

    def _of(self, kind: str) -> Iterator[_Lane]:
        return (lane for key, lane in list(self._lanes.items()) if key.startswith(kind + "/"))

    async def serve(self) -> None:
        """Look for work, once for all partitions that are held here.

        Attempts live longer than the duty that began them: one that is on its way is finished and settled.
        """
        async with asyncio.TaskGroup() as group:
            self._sending = group
            self._able.set()
            while True:
                self._woken.clear()
                try:
                    await self._look()
                except TocsinError as error:
                    log.warning("delivery.blind", code=error.code, error=error.detail)
                    await self._clock.sleep(1)
                await self._rest()

    def wake(self, endpoints: Iterable[str]) -> None:
        """Something has begun to wait for these endpoints."""
        for key in endpoints:
            lane = self._lanes.setdefault(key, _Lane())
            lane.asleep_until = None
            lane.woken.set()
        self._woken.set()

    async def work(self, partition: int) -> None:
        """Send what waits in a partition until cancelled."""
        await self._able.wait()
        mine: set[str] = set()
        try:
            async with asyncio.TaskGroup() as group:
                self._held[partition] = _Hold(group, mine)
                self._woken.set()
                try:
                    await asyncio.Event().wait()
                finally:
                    del self._held[partition]
        finally:
            await self._finish(mine)
            for key in mine:
                self._lanes[key].oldest = None  # another replica tells of it now

    async def _look(self) -> None:
        found = await self._store.endpoints(sorted(self._held)) if self._held else {}
        now = self._clock.now()
        for partition, keys in found.items():
            hold = self._held.get(partition)
            if hold is None:  # given up while we looked
                continue
            for key in keys:
                lane = self._lanes.setdefault(key, _Lane())
                hold.keys.add(key)
                idle = lane.task is None or lane.task.done()
                if idle and (lane.asleep_until is None or lane.asleep_until <= now):
                    lane.task = hold.group.create_task(self._run(key, lane))

    async def _finish(self, keys: Iterable[str]) -> None:
        """Whoever has the partition next should find settled what is on its way; a slow endpoint is not waited for."""
        try:
            async with asyncio.timeout(FINISH.total_seconds()):
                for key in keys:
                    while self._lanes[key].busy:
                        self._lanes[key].woken.clear()
                        await self._lanes[key].woken.wait()
        except TimeoutError:
            log.info("delivery.left_on_its_way")

    async def _rest(self) -> None:
        self._woken.clear()
        try:
            async with asyncio.timeout(LOOK.total_seconds()):
                await self._woken.wait()
        except TimeoutError:
            pass

    async def _run(self, key: str, lane: _Lane) -> None:
        """Send what is due for one endpoint, then end; the look finds it again."""
        try:
            await self._send_all(key, lane)
        except TocsinError as error:
            log.info("delivery.interrupted", endpoint=key, error=error.detail)
            lane.asleep_until = self._clock.now() + timedelta(seconds=1)
        except Exception:  # one endpoint that cannot be dealt with must not hold up the others
            log.exception("delivery.lane_failed", endpoint=key)
            lane.asleep_until = self._clock.now() + timedelta(seconds=30)

    async def _send_all(self, key: str, lane: _Lane) -> None:
        while True:
            lane.woken.clear()
            endpoint = await self._endpoints.find(key)
            if endpoint is None:
                await self._store.discard(key, "the endpoint is gone or not told any more")
                lane.oldest = None
                return
            chosen = await self._next(endpoint, lane)
            for delivery in chosen:
                lane.busy[delivery.id] = delivery
                assert self._sending is not None
                self._sending.create_task(self._attempt(endpoint, delivery, lane))
            if not chosen and not lane.busy:
                lane.asleep_until = await self._due(key, lane)
                return
            if not chosen:
                await lane.woken.wait()

    async def _next(self, endpoint: Endpoint, lane: _Lane) -> list[Delivery]:
        now = self._clock.now()
        if lane.pace.rate != endpoint.rate:
            lane.pace = Pace(endpoint.rate, 1.0, self._clock.monotonic())
        lane.pace = lane.pace.refilled(self._clock.monotonic())
        room = min(lane.circuit.room(endpoint.parallel, now) - len(lane.busy), lane.pace.room)
        if room <= 0:
            return []
        busy = {one.key for one in lane.busy.values()} if endpoint.ordered else set(lane.busy)
        # Those on their way wait too, until they are settled; of ordered ones the first of each key can go, so look at more.
        limit = min(room * _KEYS_A_PLACE if endpoint.ordered else room + len(busy), WINDOW)
        waiting = await self._waiting(endpoint, busy, now, limit)
        chosen = choose(waiting, ordered=endpoint.ordered, busy=busy, now=now, room=room)
        if endpoint.ordered and len(chosen) < room and limit == len(waiting) < WINDOW:
            waiting = await self._waiting(endpoint, busy, now, WINDOW)
            chosen = choose(waiting, ordered=True, busy=busy, now=now, room=room)
        lane.oldest = min((one.created_at for one in (*waiting, *lane.busy.values())), default=lane.oldest)
        if endpoint.ordered and not chosen and len(waiting) == WINDOW:
            # All that we looked at waits behind messages that failed: look past their keys.
            held = busy | {delivery.key for delivery in waiting}
            waiting = await self._store.waiting(endpoint.key, but_keys=held, now=None, limit=WINDOW)
            chosen = choose(waiting, ordered=True, busy=busy, now=now, room=room)
        lane.pace = lane.pace.spent(len(chosen))
        return chosen

    async def _waiting(self, endpoint: Endpoint, busy: set[str], now: datetime, limit: int) -> Sequence[Delivery]:
        keys, due = (busy, None) if endpoint.ordered else ((), now)
        return await self._store.waiting(endpoint.key, but_keys=keys, now=due, limit=limit)

    async def _due(self, key: str, lane: _Lane) -> datetime | None:
        """When the lane has something to do again; ``None``: look at once."""
        now = self._clock.now()
        due = await self._store.next_due(key)
        if due is None:
            lane.oldest = None
        times = [time for time in (due, lane.circuit.rests_until) if time is not None and time > now]
        if lane.pace.rate is not None and lane.pace.room == 0:
            times.append(now + timedelta(seconds=(1 - lane.pace.allowance) / lane.pace.rate))
        if times:
            self._alarm(max(times) - now)
        return max(times) if times else None

    def _alarm(self, after: timedelta) -> None:
        """Look again soon enough for a pace or a retry that is nearer than the next look."""
        if after < LOOK:
            asyncio.get_running_loop().call_later(after.total_seconds(), self._woken.set)

    async def _attempt(self, endpoint: Endpoint, delivery: Delivery, lane: _Lane) -> None:
        try:
            await self._one(endpoint, delivery, lane)
        except TocsinError as error:  # not settled: it is sent again, under the same id
            log.info("delivery.unsettled", endpoint=endpoint.key, error=error.detail)
            lane.asleep_until = self._clock.now() + timedelta(seconds=1)
        except Exception:
            log.exception("delivery.failed", endpoint=endpoint.key, delivery=delivery.id)
            lane.asleep_until = self._clock.now() + timedelta(seconds=30)

    async def _one(self, endpoint: Endpoint, delivery: Delivery, lane: _Lane) -> None:
        kind = endpoint.key.partition("/")[0]
        try:
            async with self._suspect if lane.circuit.suspect else self._healthy:
                answer = await self._endpoints.send(endpoint.key, delivery)
            now, jitter = self._clock.now(), self._chance.sample()
            lane.circuit = lane.circuit.after(answer, now=now, jitter=jitter)
            after = after_attempt(delivery, answer, now=now, jitter=jitter, retry_for=endpoint.retry_for)
            await self._store.settle(after)
            outcome = after.state.value if after.state is not DeliveryState.WAITING else "failed"
            self._counted.labels(kind=kind, outcome=outcome).inc()
            self._seconds.labels(kind=kind).observe(answer.seconds)
            if after.state is DeliveryState.DELIVERED:
                self._lag.labels(kind=kind).observe((now - delivery.created_at).total_seconds())
            await self._endpoints.tried(endpoint.key, after, answer)
        finally:
            lane.busy.pop(delivery.id, None)
            lane.woken.set()
