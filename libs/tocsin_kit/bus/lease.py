"""Who owns which partition: leases in a JetStream key-value bucket, with an epoch that fences off a deposed owner.

All replicas keep one small table by compare-and-set: who is alive (a counter each raises), and who owns what under which epoch.
Time is only ever compared on one machine: a replica is dead for an observer that has not seen its counter move for the whole
lease. A lease is a courtesy that keeps two owners rare; what keeps them harmless is the epoch, which the store checks at each
save.
"""

import binascii
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import orjson
import structlog

from tocsin.errors import NotFound, Unavailable
from tocsin_kit.bus.api import call, ensure_stream
from tocsin_kit.bus.connection import Bus
from tocsin_kit.bus.errors import WrongSequence
from tocsin_kit.bus.messages import EXPECTED_LAST_SUBJECT_SEQUENCE

log = structlog.get_logger()

_KEY = "table"
_ATTEMPTS = 20  # of compare-and-set; each loss means that another replica went forward


class Deposed(Unavailable):
    """Another process runs under this replica's name."""

    code = "replica_deposed"


@dataclass(slots=True)
class Table:
    """The leases as they are stored.

    Attributes:
        replicas: Name to ``[instance, counter]``.
        owners: Partition to name.
        epochs: Partition to the epoch of its last owner.
    """

    replicas: dict[str, list[Any]] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    epochs: dict[str, int] = field(default_factory=dict)


class PartitionLeases:
    """This replica's view of the leases.

    Args:
        bus: A started bus.
        bucket: Name of the bucket.
        partitions: How many there are; the same for all replicas.
        replica: Name of this replica, the same after a restart: then its leases are its own at once.
        instance: Tells two processes of one name apart; new at each start.
        lease: How long a silent replica keeps its partitions. Refresh at a third of it.
    """

    def __init__(self, bus: Bus, bucket: str, *, partitions: int, replica: str, instance: str, lease: timedelta) -> None:
        self._bus = bus
        self._bucket = bucket
        self._partitions = partitions
        self._replica = replica
        self._instance = instance
        self._lease = lease.total_seconds()
        self._seen: dict[str, tuple[list[Any], float]] = {}
        self._joined = False
        self.owned: dict[int, int] = {}
        self.surplus: set[int] = set()
        self._renewed: float | None = None

    def age(self) -> float:
        """Seconds since this replica last renewed what it holds; 0 when it holds nothing."""
        return 0.0 if self._renewed is None or not self.owned else self._bus.clock.monotonic() - self._renewed

    async def start(self) -> None:
        """Create the bucket if it is not there."""
        await ensure_stream(
            self._bus,
            {
                "name": f"KV_{self._bucket}",
                "subjects": [f"$KV.{self._bucket}.>"],
                "max_msgs_per_subject": 1,
                "storage": "file",
                "retention": "limits",
                "discard": "new",
                "num_replicas": 1,
                "allow_direct": True,
                "allow_rollup_hdrs": True,
                "deny_delete": True,
                "max_age": 0,
                "max_bytes": -1,
                "max_msgs": -1,
                "max_consumers": -1,
                "max_msg_size": -1,
                "duplicate_window": 1_000_000_000,
            },
        )

    async def refresh(self) -> dict[int, int]:
        """Say that this replica lives, and take what is free and its fair share.

        Returns:
            Partition to epoch, for all that this replica owns now; ``surplus`` has those it should hand over.

        Raises:
            Deposed: Another process took this replica's name.
            Unavailable: The bus does not answer; the leases run on meanwhile.
        """
        for _ in range(_ATTEMPTS):
            table, revision = await self._read()
            self._renew(table)
            try:
                await self._write(table, revision)
            except WrongSequence:
                continue
            self._joined, self._renewed = True, self._bus.clock.monotonic()
            self.owned = {int(p): table.epochs[p] for p, owner in table.owners.items() if owner == self._replica}
            return dict(self.owned)
        raise Unavailable("The table of leases changes faster than this replica can.")

    async def others(self) -> bool:
        """Whether other replicas are in the table now, alive or dead for no longer than a lease.

        Raises:
            Unavailable: The bus does not answer.
        """
        table, _ = await self._read()
        return any(name != self._replica for name in table.replicas)

    async def release(self, partitions: set[int], *, leave: bool = False) -> None:
        """Hand these partitions over; everything of them is saved.

        Args:
            partitions: Those to give up.
            leave: This replica stops: nobody need wait for its lease to run out.
        """
        for _ in range(_ATTEMPTS):
            table, revision = await self._read()
            for partition in partitions:
                if table.owners.get(str(partition)) == self._replica:
                    del table.owners[str(partition)]
            if leave and table.replicas.get(self._replica, [None])[0] == self._instance:
                del table.replicas[self._replica]
            try:
                await self._write(table, revision)
            except WrongSequence:
                continue
            for partition in partitions:
                self.owned.pop(partition, None)
            return

    def _renew(self, table: Table) -> None:
        mine = table.replicas.get(self._replica)
        if mine is not None and mine[0] != self._instance:
            if self._joined:
                raise Deposed(
                    f"Another process runs as replica {self._replica!r} of the executor.",
                    hint="Give each replica a name of its own: TOCSIN_EXECUTOR_REPLICA.",
                )
            log.info("lease.resumed", replica=self._replica)
        if not self._joined:  # whatever a process of this name had, this one has now, under a new epoch
            for partition, owner in table.owners.items():
                if owner == self._replica:
                    table.epochs[partition] += 1
        table.replicas[self._replica] = [self._instance, (mine[1] if mine else 0) + 1]
        for name in self._dead(table):
            log.warning("lease.replica_lost", replica=name)
            del table.replicas[name]
        for partition in [p for p, owner in table.owners.items() if owner not in table.replicas]:
            del table.owners[partition]
        self._share(table)

    def _share(self, table: Table) -> None:
        most = -(-self._partitions // len(table.replicas))
        least = self._partitions // len(table.replicas)
        counts = dict.fromkeys(table.replicas, 0)
        for owner in table.owners.values():
            counts[owner] += 1
        mine = sorted(int(p) for p, owner in table.owners.items() if owner == self._replica)
        for number in range(self._partitions):
            partition = str(number)
            if partition not in table.owners and len(mine) < most:
                table.owners[partition] = self._replica
                table.epochs[partition] = table.epochs.get(partition, 0) + 1
                mine.append(number)
        hungry = any(count < least for name, count in counts.items() if name != self._replica)
        self.surplus = set(mine[most:] if not hungry else mine[max(least, 1) :]) if hungry or len(mine) > most else set()

    def _dead(self, table: Table) -> list[str]:
        now = self._bus.clock.monotonic()
        dead = []
        for name, beat in table.replicas.items():
            if name == self._replica:
                continue
            known = self._seen.get(name)
            if known is None or known[0] != beat:
                self._seen[name] = (list(beat), now)
            elif now - known[1] > self._lease:
                dead.append(name)
        return dead

    async def _read(self) -> tuple[Table, int]:
        try:
            answer = await call(self._bus, f"STREAM.MSG.GET.KV_{self._bucket}", {"last_by_subj": f"$KV.{self._bucket}.{_KEY}"})
        except NotFound:
            return Table(), 0
        message = answer["message"]
        stored = orjson.loads(_decode(message["data"]))
        return Table(stored["replicas"], stored["owners"], stored["epochs"]), int(message["seq"])

    async def _write(self, table: Table, revision: int) -> None:
        body = orjson.dumps({"replicas": table.replicas, "owners": table.owners, "epochs": table.epochs})
        await self._bus.publish(f"$KV.{self._bucket}.{_KEY}", body, headers={EXPECTED_LAST_SUBJECT_SEQUENCE: str(revision)})


def _decode(text: str) -> bytes:
    return binascii.a2b_base64(text)
