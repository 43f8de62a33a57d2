"""Two lineage services, killed over and over: no promise's clock missed or doubled, no report lost, no run started twice."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from tocsin.signals import CloudEvent, decode, derive, root
from tocsin.signals.catalogue import executor as words
from tocsin.signals.make import make_signal, subject_of
from tocsin_kit.bus import Bus
from tocsin_kit.chance import SeededChance
from tocsin_kit.clock import SystemClock
from tocsin_kit.store import Database, Relay
from tocsin_kit.testing.replicas import Replicas
from tocsin_lineage.adapters.assets import ASSETS, SLOTS, MongoAssetStore
from tocsin_lineage.application import Assets
from tocsin_lineage.domain.assets import Asset
from tocsin_lineage.domain.policy import read_policy

SERVICE = "lineage"
CLOCKS, REPORTS, SOURCES, KILLS = 20, 60, 6, 6
PROMISE = {"freshness": {"maximum_lag": "PT4S", "warn": "PT2S"}}


def report(number: int, clock: SystemClock) -> CloudEvent:
    """A task has written one of six assets."""
    run, now = derive("run", number), clock.now()
    produced = [words.AssetMention(asset=f"source{number % SOURCES}")]
    payload = words.TaskAssetsReported(workflow=f"flow-{run}.default", task="/do/0/t", reported_at=now, produced=produced)
    return make_signal(
        words.TASK_ASSETS_REPORTED, namespace="default", entity_id=run, sequence=1, time=now, payload=payload, cause=root("t")
    )


@pytest.mark.slow
async def test_no_clock_or_report_is_lost_or_doubled_however_replicas_die(
    bus: Bus, database: Database, two_replicas: Callable[[], Replicas], seed: int
) -> None:
    """Twenty promises, sixty reports, six assets that are made anew for them, a SIGKILL every second or so."""
    clock, chance = SystemClock(), SeededChance(seed)
    relay = Relay(database, bus, (ASSETS, SLOTS))
    store = MongoAssetStore(database, relay)
    await store.prepare()
    assets = Assets(store, clock=clock)
    promised = [(f"clock{number}", PROMISE) for number in range(CLOCKS)]
    made = {"maker": {"workflow": "w"}, "automation": {"when": "any-updated"}}
    promised += [(f"made{number}", {**made, "upstream": [f"source{number}"]}) for number in range(SOURCES)]
    for key, policy in promised:
        asset = Asset(namespace="default", key=key, declared=True, policy=read_policy(policy))
        await assets.describe(asset, expect=None, actor="user:ada", cause=root("test"))
    await relay.stop()
    async with two_replicas() as replicas:
        for number in range(REPORTS):
            event = report(number, clock)
            await bus.publish_event(subject_of(event), event)
            if number % (REPORTS // KILLS) == REPORTS // KILLS - 1:
                await clock.sleep(timedelta(seconds=1 + chance.sample()))
                await replicas.kill_one(chance)
        # What a dead one had in hand is delivered again after half a minute, and again if that one is killed too.
        await replicas.settled(lambda: settled(database), within=150)
    told, started = await said(bus)
    for number in range(CLOCKS):
        states = [e.data["state"] for e in told[f"clock{number}"] if e.type == "io.tocsin.asset.freshness-changed.v1"]
        assert states in (["warning", "stale"], ["stale"]), "at once stale where nobody was alive to warn"
    for number in range(SOURCES):
        written = [e.id for e in told[f"source{number}"] if e.type == "io.tocsin.asset.materialized.v1"]
        assert len(written) == REPORTS // SOURCES
        looks = await database.collection("evaluations").find({"asset": f"default/made{number}"}).to_list(None)
        assert {look["cause"] for look in looks} > set(written), "each writing was looked at"
        runs = [look["run"] for look in looks if look["run"] is not None]
        assert runs
        assert len(runs) == len(set(runs))
        assert set(runs) == {run for run, name in started.items() if name == f"made{number}"}
    for events in told.values():
        assert [e.sequence for e in events] == list(range(1, len(events) + 1)), "the signals of an asset have a gap"


async def settled(database: Database) -> bool:
    """Whether nothing is due any more, nothing unsaid, and every report recorded and looked at."""
    left = await database.collection(ASSETS).count_documents(
        {"$or": [{"v.due": {"$ne": None}}, {"_pending": {"$exists": True}}]}
    )
    left += await database.collection(SLOTS).count_documents({"_pending": {"$exists": True}})
    recorded = await database.collection("happenings").count_documents({})
    looked = await database.collection("evaluations").count_documents({})
    # One look more for each asset with a condition: when it was described.
    assert (left, recorded, looked) == (0, REPORTS, REPORTS + SOURCES), "left, recorded, looked at"
    return True


async def said(bus: Bus) -> tuple[dict[str, list[CloudEvent]], dict[str, str]]:
    """What was said about each asset, in order, each signal once; and the runs that were started, with their assets."""
    stream = bus.nats.jetstream()
    told: dict[str, dict[int, CloudEvent]] = {}
    for number in range(1, (await stream.stream_info("SIGNALS")).state.last_seq + 1):
        event = decode((await stream.get_msg("SIGNALS", number)).data)
        if ".asset." in event.type:
            known = told.setdefault(event.subject or "", {}).setdefault(event.sequence or 0, event)
            assert known.id == event.id, f"two signals have one number: {known} and {event}"
    started = {}
    for number in range(1, (await stream.stream_info("COMMANDS")).state.last_seq + 1):
        data = decode((await stream.get_msg("COMMANDS", number)).data).data
        started[data["run"]] = data["trigger"]["name"]
    return {subject: [events[n] for n in sorted(events)] for subject, events in told.items()}, started
