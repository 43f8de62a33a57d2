"""Facts of runs made from signals on a real stream and database, and made anew."""

from datetime import timedelta

from tocsin.signals import derive
from tocsin_kit.testing.clocks import ManualClock
from tocsin_kit.testing.components import running
from tocsin_kit.testing.waiting import eventually
from tocsin_observer.adapters.fact_store import FACTS, MongoFactStore
from tocsin_observer.application import Observer
from tocsin_observer.application.analytics import Analytics
from tocsin_observer.ports.analytics import FactSearch
from unit.observer.test_analytics import AT, BAD, GOOD, signals


async def test_facts_are_made_when_runs_end_and_anew_on_demand(ground):
    """A moment after the end; deleted by accident, a rebuild brings them back from the signals."""
    store, clock = MongoFactStore(ground.database), ManualClock(AT + timedelta(minutes=5))
    await store.prepare()
    analytics = Analytics(store, clock=clock, retention=timedelta(days=90))
    day = timedelta(days=1)
    observer = Observer(ground.signals, ground.stream, clock=clock, retention=day, kept=analytics.ended)
    async with running(ground.keeping(observer)):
        runs = [derive("run", n) for n in range(4)]
        for n, run in enumerate(runs):
            await ground.say(*signals(BAD if n == 3 else GOOD, run))

        async def all_made():
            clock.jump(timedelta(seconds=3))
            await analytics.make()
            return len(await store.search(period, limit=10)) == 4

        period = FactSearch(namespaces={"default"}, since=AT - day, until=AT + day)
        await eventually(all_made)
        found = await analytics.runs(period)
        assert (found.runs, found.failure_rate, found.work.p50) == (4, 0.25, 6.0)
        assert (await analytics.facts(runs[0])).whole
        assert await store.due(clock.now() + day, limit=10) == []
        await ground.database.collection(FACTS).delete_many({})
        assert await analytics.rebuild(None) == 4
        await analytics.make()
        assert (await analytics.failures(period))[0].runs == (runs[3],)
        assert await analytics.runs(period) == found, "made anew it is what it was"
        whole = await analytics.facts(runs[0])
        first = {"entity_id": runs[0], "transition": "started"}
        await ground.database.collection("signals").delete_many(first)  # as retention does, before the end goes too
        clock.jump(day)
        await analytics.rebuild(None)
        await analytics.make()
        assert await analytics.facts(runs[0]) == whole, "facts of before are not replaced by worse ones"
        assert await store.due(clock.now() + day, limit=10) == []
        assert (await analytics.runs(FactSearch(namespaces={"other"}, since=AT - day, until=AT + day))).runs == 0
