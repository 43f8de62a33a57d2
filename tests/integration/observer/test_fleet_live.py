"""Every service says how it is, and one place hears it."""

import orjson

from tocsin.signals import encode
from tocsin_kit.bus import Bus
from tocsin_kit.chassis.beats import Beat
from tocsin_kit.chassis.components import Part
from tocsin_kit.testing.clocks import ManualClock
from tocsin_kit.testing.components import running
from tocsin_kit.testing.waiting import eventually
from tocsin_observer.adapters.fleet_listener import FleetListener
from tocsin_observer.adapters.signal_counts import MongoSignalCounts
from tocsin_observer.domain.audit import Heard
from tocsin_observer.domain.fleet import SILENT, ReplicaState
from tocsin_observer.domain.records import record_of


async def test_a_replica_is_heard_while_it_lives_and_says_goodbye(ground):
    """Two replicas of one service are two; one that ends in order is gone at once."""
    clock = ManualClock(ground.clock.now())
    listener = FleetListener(ground.bus, clock)
    await listener.start()
    one = Beat("observer", ground.bus, version="1", port=1, clock=ground.clock)
    two = Beat("observer", ground.bus, version="1", port=2, clock=ground.clock)
    one.components = (Part("something"),)
    async with running(one):
        async with running(two):
            await eventually(lambda: len(listener.replicas()) == 2)
        await eventually(lambda: len(listener.replicas()) == 1)
        (replica,) = listener.replicas().values()
        assert replica.state(clock.now()) is ReplicaState.READY
        assert replica.components[0].name == "something"
    assert "may not have heard all yet" in listener.deaf()
    clock.jump(SILENT)
    assert listener.deaf() is None
    word = {"service": "auth", "instance": "x", "version": "1", "started": "-", "components": []}
    await ground.bus.nats.publish("health.case", orjson.dumps(word))
    await ground.bus.nats.publish("health.auth", orjson.dumps({**word, "instance": "y"}))
    await eventually(lambda: [*listener.replicas()] == ["auth/y"], what="its word, and not the one for another service")


async def test_an_observer_that_is_cut_off_says_so_and_judges_nobody(ground, nats_url):
    """Rules on measures would otherwise fire for every replica of the platform."""
    bus = Bus(nats_url, name="observer")
    clock = ManualClock()
    listener = FleetListener(bus, clock)
    async with running(bus):
        await listener.start()
        clock.jump(SILENT)
        assert listener.deaf() is None
    assert "cut off from NATS" in listener.deaf()


async def test_signals_are_counted_by_their_kind(ground):
    """How many within the hour, and when the last one came."""
    counts, now = MongoSignalCounts(ground.database), ground.clock.now()
    await counts.prepare()
    retention = now - now
    records = [
        record_of(Heard(n, now, f"signals.default.case.opened.c{n}", encode(ground.signal(n))), retention=retention)
        for n in range(3)
    ]
    counts.count(records, now)
    await counts.store()
    counts.count(records[:1], now)
    await counts.store()
    hour, last = await counts.seen(now)
    assert hour == {"io.tocsin.case.opened.v1": 4}
    assert last["io.tocsin.case.opened.v1"] is not None
