"""The audit chain on a real stream and database: one writer, no fork, proven exports, retention that keeps the proof."""

from contextlib import asynccontextmanager
from datetime import timedelta

import orjson
import pytest

from tocsin.errors import Conflict, NotFound
from tocsin.signals import root
from tocsin.signals.audit_chain import verify
from tocsin_kit.bus.api import call
from tocsin_kit.bus.lease import PartitionLeases
from tocsin_kit.chance import SystemChance
from tocsin_kit.config import Secret
from tocsin_kit.store import Relay
from tocsin_kit.testing.components import running
from tocsin_kit.testing.waiting import eventually
from tocsin_kit.web import Namespaces
from tocsin_observer.adapters.audit_store import MongoAuditStore
from tocsin_observer.adapters.hold_store import HOLDS, MongoHoldStore
from tocsin_observer.adapters.keys import Ed25519Signer
from tocsin_observer.application.audit import Audit, Wanted
from tocsin_observer.application.chaining import ChainWriter
from tocsin_observer.application.duties import Duties
from tocsin_observer.domain.audit import Head, sealed
from tocsin_observer.domain.holds import Hold
from tocsin_observer.ports import AuditSearch

EVERYTHING = Wanted(permitted=Namespaces(everywhere=True))


class Trail:
    """The audit trail of one ground, and as many writers as a test wants."""

    def __init__(self, ground) -> None:
        self.ground = ground
        self.store = MongoAuditStore(ground.database, SystemChance())
        self.relay = Relay(ground.database, ground.bus, (HOLDS,))
        self.signer = Ed25519Signer(Secret("s" * 40))
        self.holds = MongoHoldStore(ground.database, self.relay)
        self.audit = Audit(self.store, self.holds, self.signer, clock=ground.clock, retention=timedelta(days=1))

    def writer(self, name: str) -> Duties:
        """A replica whose only duty is the chain."""
        ground, lease = self.ground, timedelta(seconds=1)
        leases = PartitionLeases(ground.bus, "OBSERVER", partitions=1, replica=name, instance=name, lease=lease)
        chain = ChainWriter(self.store, ground.stream, ground.reader("audit"), self.signer, clock=ground.clock)
        return Duties(leases, lambda _: chain.work(), lease=lease, clock=ground.clock)

    @asynccontextmanager
    async def written(self):
        """While a writer works."""
        async with running(self.writer("one")):
            yield

    async def reached(self, number: int) -> Head:
        """The end of the chain once it has so many records."""

        async def there():
            head = await self.store.head()
            return head if head.number >= number else None

        return await eventually(there)

    async def proof(self, wanted: Wanted = EVERYTHING):
        """An export and what it proves."""
        lines = [line async for line in self.audit.export(wanted)]
        return [orjson.loads(line) for line in lines], verify(lines)


@pytest.fixture
async def trail(ground):
    trail = Trail(ground)
    await trail.store.prepare()
    async with running(trail.relay):
        yield trail


async def test_what_somebody_did_is_recorded_once_and_can_be_proven(trail):
    """Signals of nobody are left out, others' namespaces are digests; the export is proven up to its last line."""
    ground = trail.ground
    async with trail.written():
        await ground.say(ground.signal(1), ground.signal(2, actor=None), ground.signal(3, "other"), ground.signal(4))
        await trail.reached(3)
        found = await trail.audit.search(AuditSearch(actor="user:ada"), limit=10, cursor=None)
        assert [entry.body["id"] for entry in found.items] == ["c4", "c3", "c1"]
        assert (await trail.audit.record(2)).body["id"] == "c3"
        with pytest.raises(NotFound):
            await trail.audit.record(4)
        lines, verdict = await trail.proof()
        assert (verdict.holds, verdict.records, verdict.last) == (True, 3, 3)
        only = Wanted(permitted=Namespaces(exact=frozenset({"default"})))
        lines, verdict = await trail.proof(only)
        assert (verdict.holds, verdict.records, verdict.withheld) == (True, 2, 1)
        assert "other" not in str(lines)
        rows = [row async for row in trail.audit.table(only)]
        assert len(rows) == 3


async def test_a_new_writer_goes_on_where_the_last_one_ended(trail):
    """Two replicas one after another, signals meanwhile: one chain without a hole or a repeat."""
    ground = trail.ground
    async with trail.written():
        await ground.say(*[ground.signal(n) for n in range(20)])
        await trail.reached(20)
    await ground.say(*[ground.signal(n) for n in range(20, 40)])
    async with running(trail.writer("two"), trail.writer("three")):
        await ground.say(*[ground.signal(n) for n in range(40, 60)])
        await trail.reached(60)
    lines, verdict = await trail.proof()
    assert (verdict.holds, verdict.records) == (True, 60)
    positions = [line["body"]["position"] for line in lines if line["kind"] == "record"]
    assert positions == list(range(1, 61))


async def test_a_deposed_writer_cannot_fork_the_chain(trail):
    """Whoever writes behind an end that is not the end any more meets a conflict, and nothing of it is stored."""
    head = await trail.store.head()
    first, after = sealed(head, [(trail.ground.clock.now(), {"kind": "signal"})])
    await trail.store.append(head, first, after)
    with pytest.raises(Conflict):
        await trail.store.append(head, first, after)
    assert (await trail.store.head()).number == 1


async def test_a_hole_in_the_stream_is_recorded_as_one(trail):
    """Signals that the stream dropped before they were read: the trail says so instead of looking complete."""
    ground = trail.ground
    async with trail.written():
        await ground.say(ground.signal(1))
        await trail.reached(1)
    await ground.say(*[ground.signal(n) for n in range(2, 6)])
    await call(ground.bus, "STREAM.PURGE.SIGNALS", {"seq": 5})
    async with trail.written():
        await trail.reached(3)
    lines, verdict = await trail.proof()
    assert verdict.holds
    hole = lines[2]["body"] if lines[2]["kind"] == "record" else lines[3]["body"]
    assert (hole["kind"], hole["first"], hole["last"]) == ("gap", 2, 4)


async def test_retention_forgets_what_is_said_and_keeps_the_proof(trail):
    """Old records become digests unless they are held; what lies before a checkpoint goes whole, and the rest is proven."""
    ground, now = trail.ground, trail.ground.clock.now()
    hold = Hold(name="case-7", reason="court", actor="user:bob", placed_by="user:law", placed_at=now)
    await trail.audit.place(hold, cause=root("r"))
    async with trail.written():
        await ground.say(*[ground.signal(n, actor="user:bob" if n == 3 else "user:ada") for n in range(6)])
        await trail.reached(7)  # the hold is a command too
        await trail.proof()
    late = Audit(trail.store, trail.holds, trail.signer, clock=ground.clock, retention=timedelta(0))
    assert await late.tidy() == 6
    _, verdict = await trail.proof()
    assert (verdict.holds, verdict.records, verdict.withheld) == (True, 1, 6)
    await trail.audit.release("case-7", actor="user:law", cause=root("r2"))
    assert await late.tidy() == 1
    async with trail.written():
        await trail.reached(8)
    _, verdict = await trail.proof()
    assert (verdict.holds, verdict.first, verdict.records) == (True, 8, 1)
    before, now = trail.signer, Ed25519Signer(Secret("another key of the observer" * 2))
    trail.audit = Audit(trail.store, trail.holds, now, clock=ground.clock, retention=timedelta(days=1))
    lines, verdict = await trail.proof()  # before anything was written with it
    assert (verdict.holds, verdict.keys, lines[0]["kid"]) == (True, [before.kid], now.kid)
