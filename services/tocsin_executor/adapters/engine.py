"""The engine as a component: leases, the host, and the retention of its stream."""

import asyncio
import gc
from datetime import datetime, timedelta

import orjson
import structlog

from tocsin.errors import Conflict, TocsinError, Unavailable
from tocsin_executor.adapters.events import read_event
from tocsin_executor.adapters.runs import MongoRuns
from tocsin_executor.adapters.task_queues import TASKS, TaskStream, first_since, last_of, stored_behind
from tocsin_executor.application.host import Host
from tocsin_executor.application.programs import ProgramCache
from tocsin_executor.application.wire import Outgoing
from tocsin_executor.domain.correlation import EVENTS, SIGNALS
from tocsin_executor.ports import Entry
from tocsin_kit.bus.api import call
from tocsin_kit.bus.batch import GroupPublisher
from tocsin_kit.bus.connection import Bus
from tocsin_kit.bus.direct import Direct
from tocsin_kit.bus.lease import Deposed, PartitionLeases
from tocsin_kit.bus.log import OrderedLog
from tocsin_kit.clock import Clock
from tocsin_kit.telemetry.health import Health

log = structlog.get_logger()

STREAM = "EXECUTOR"
BUCKET = "EXECUTOR"
_ORDERS = "executor.revoke.>"
_ORDERED = timedelta(minutes=1)  # a task may be stored so much later than the order to stop it
_PURGE_EVERY = 30.0  # seconds
_PATIENCE = 60.0  # seconds to wait for NATS and MongoDB at the start; a killed engine may have left a transaction behind


class Engine:
    """Owns partitions and folds them.

    Args:
        bus: A started bus.
        runs: Where runs are kept.
        programs: Compiled definitions.
        clock: Time.
        partitions: How many there are; fixed for a deployment.
        replica: Name of this replica, the same after a restart.
        instance: New at each start.
        lease: How long a silent replica keeps its partitions.
        batch_from: Size from which on a group is an atomic batch; ``None`` measures.
    """

    name = "engine"

    def __init__(
        self,
        bus: Bus,
        runs: MongoRuns,
        programs: ProgramCache,
        clock: Clock,
        *,
        partitions: int,
        replica: str,
        instance: str,
        lease: timedelta = timedelta(seconds=6),
        batch_from: int | None = None,
    ) -> None:
        self._bus = bus
        self._runs = runs
        self._clock = clock
        self._lease = lease.total_seconds()
        self._direct = Direct(bus)
        self._publisher = GroupPublisher(self._direct, batch_from=batch_from)
        self._singles = GroupPublisher(self._direct, atomic=False)
        self._leases = PartitionLeases(bus, BUCKET, partitions=partitions, replica=replica, instance=instance, lease=lease)
        self.host = Host(
            OrderedLog(self._direct, STREAM, clock),
            self._publisher,
            self._singles,
            runs,
            programs,
            clock=clock,
            partitions=partitions,
            bury=bury,
            events={
                EVENTS: OrderedLog(self._direct, "EVENTS", clock),
                SIGNALS: OrderedLog(self._direct, "SIGNALS", clock),
            },
            decode=read_event,
            queues=TaskStream(self._direct, clock),
        )
        self._ready = False
        self._detail = "not started"
        self._stopping = False
        self._leasing = asyncio.Lock()

    async def start(self) -> None:
        """Take partitions; returns when this replica has its share or others have all of them."""
        await self._direct.start()
        await self._publisher.start()
        await self._singles.start()
        self._direct.on_connected(self._on_connected)
        until = self._clock.monotonic() + _PATIENCE
        while True:
            try:
                await self._runs.ensure_indexes()
                await self._leases.start()
                await self.host.own(await self._leases.refresh())
            except Deposed:
                raise
            except (Unavailable, Conflict) as error:  # a database that restarts is no reason to end
                if self._clock.monotonic() > until:
                    raise
                log.info("engine.start_later", error=error.detail)
                await self._clock.sleep(0.5)
            else:
                break
        # Thousands of live objects a second are made and freed by reference counts; walking all runs in memory for cycles that
        # are not there costs milliseconds at the worst moment.
        gc.freeze()
        gc.set_threshold(50_000, 50, 100)
        self._ready, self._detail = True, "folding"

    async def serve(self) -> None:
        """Fold, and keep the leases."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.host.serve())
            group.create_task(self._lease_loop())
            group.create_task(self._purge_loop())

    async def stop(self) -> None:
        """Save what is folded and give the partitions to others."""
        self._stopping = True  # from here on nothing is taken any more, or what was given away would be ours again
        self._ready, self._detail = False, "stopping"
        try:
            async with asyncio.timeout(10), self._leasing:
                owned = set(self.host.owned)
                await self.host.drain()
                await self.host.own({})
                await self._leases.release(owned, leave=True)
        except (TocsinError, TimeoutError) as error:
            log.warning("engine.left_unsaved", error=str(error))  # the next owner folds it again

    def health(self) -> Health:
        """Ready while the leases are renewed."""
        return Health(ready=self._ready, detail=self._detail, facts=self.host.facts)

    def lease_age(self) -> float:
        """Seconds since the partitions of this replica were last renewed; 0 when it owns none."""
        return self._leases.age()

    async def accompanied(self) -> bool:
        """Whether there are other replicas, as far as can be told: if nobody answers, there may be."""
        try:
            return await self._leases.others()
        except TocsinError as error:
            log.info("engine.alone_unknown", error=error.detail)
            return True

    async def _on_connected(self) -> None:
        self.host.redispatch.doubt()

    async def _lease_loop(self) -> None:
        while True:
            await self._clock.sleep(self._lease / 3)
            try:
                async with self._leasing:
                    if self._stopping:
                        return
                    await self._keep_leases()
            except Deposed:
                raise
            except Conflict as error:
                log.warning("engine.not_owner", error=error.detail)
            except TocsinError as error:
                self._ready, self._detail = False, f"the leases are not renewed: {error.detail}"

    async def _keep_leases(self) -> None:
        owned = await self._leases.refresh()
        if self._leases.surplus:
            await self._hand_over(owned, set(self._leases.surplus))
        else:
            await self.host.own(owned)
        self._ready, self._detail = True, "folding"

    async def _hand_over(self, owned: dict[int, int], surplus: set[int]) -> None:
        await self.host.save()
        await self.host.own({p: e for p, e in owned.items() if p not in surplus})
        await self._leases.release(surplus)
        log.info("engine.handed_over", partitions=len(surplus))

    async def _purge_loop(self) -> None:
        while True:
            await self._clock.sleep(_PURGE_EVERY)
            try:
                await self._purge()
            except TocsinError as error:
                log.info("engine.purge_later", error=error.detail)

    async def _purge(self) -> None:
        """Delete inputs that every partition has saved, and dispatches that every worker has settled."""
        positions = await self._runs.positions()
        if len(positions) == self.host.partitions:
            upto = min(positions.values()) + 1
            await call(self._bus, f"STREAM.PURGE.{STREAM}", {"filter": "executor.in.>", "seq": upto})
        oldest = self._clock.now()
        for stream in (STREAM, TASKS):
            answer = await call(self._bus, f"CONSUMER.LIST.{stream}", {"offset": 0})
            for consumer in answer.get("consumers") or ():
                subject = consumer["config"].get("filter_subject", "")
                if consumer["config"].get("durable_name") and subject.startswith("executor."):
                    floor = int(consumer["ack_floor"]["stream_seq"])
                    await call(self._bus, f"STREAM.PURGE.{stream}", {"filter": subject, "seq": floor + 1})
                    waiting = await stored_behind(self._bus, stream, subject, floor)
                    oldest = min(oldest, waiting or oldest)
        await self._purge_orders(oldest - _ORDERED)

    async def _purge_orders(self, before: datetime) -> None:
        """Revocations of tasks that are all settled; a worker that starts reads those that are left."""
        last = await last_of(self._bus, STREAM, _ORDERS)
        if last is not None:
            kept = await first_since(self._bus, STREAM, _ORDERS, before)
            await call(self._bus, f"STREAM.PURGE.{STREAM}", {"filter": _ORDERS, "seq": last + 1 if kept is None else kept})


def bury(entry: Entry, error: Exception) -> Outgoing:
    """A dead letter of an input: what it was, and why it could not be folded."""
    document = {
        "position": entry.position,
        "time_ms": entry.time_ms,
        "code": error.code if isinstance(error, TocsinError) else "defect",
        "reason": f"{type(error).__name__}: {error}",
        "payload": entry.payload.decode("utf-8", "replace"),
    }
    return f"dead.executor.{entry.subject}", orjson.dumps(document)
