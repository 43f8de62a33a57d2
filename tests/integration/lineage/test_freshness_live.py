"""Freshness on a real database: judged when it can change, said once, and explained."""

import asyncio
from datetime import timedelta

from tocsin.signals import derive
from tocsin.signals.catalogue import executor as runs
from tocsin.signals.catalogue import scheduler as schedules
from tocsin_lineage.application import FreshnessKeeper
from tocsin_lineage.domain.causes import Wait

HOUR = timedelta(hours=1)


async def look(world, *keepers):
    """Every replica looks, until nothing is due."""
    keepers = keepers or (world.keeper,)
    while sum(await asyncio.gather(*(keeper.check() for keeper in keepers))):
        pass
    await world.settle()


def states(world):
    return [(one["name"], one.get("partition"), one["state"]) for one in world.said("freshness-changed")]


async def test_a_lag_is_broken_and_kept_again_and_each_transition_is_said_once(world):
    """Two replicas look at the same time; fresh, warning, stale, fresh."""
    other = FreshnessKeeper(world.store, world.facts, world.edges, world.waits, clock=world.clock)
    await world.describe("tidy", freshness={"maximum_lag": "PT6H", "warn": "PT4H"})
    await look(world, world.keeper, other)
    await world.write("tidy")
    for _ in range(8):
        await look(world, world.keeper, other)
        await world.clock.advance(HOUR)
    await world.write("tidy")
    await look(world, world.keeper, other)
    assert states(world) == [("tidy", None, state) for state in ("fresh", "warning", "stale", "fresh")]
    assert world.said("freshness-changed")[-1]["causes"] == []


async def test_the_cause_is_the_failed_run_the_paused_schedule_or_the_late_source(world):
    """The strongest first, with the run, the schedule and the asset it is about."""
    maker = {"workflow": "nightly"}
    await world.describe("raw", freshness={"maximum_lag": "PT1H"})
    await world.describe("tidy", freshness={"maximum_lag": "PT2H"}, upstream=["raw"], maker=maker)
    await world.write("raw")
    await world.write("tidy")
    await look(world)
    await world.clock.advance(HOUR * 1.5)
    await look(world)  # raw is stale: nobody is known who makes it
    run = derive("run", "r1")
    error = runs.ErrorObject(type="https://example.com/boom", status=500, title="disk full")
    fault = runs.WorkflowFaulted(name=f"nightly-{run}.default", faulted_at=world.clock.now(), error=error)
    await world.say(runs.WORKFLOW_FAULTED, fault, run)
    paused = schedules.ScheduleChanged(name="every-night", kind="cron", workflow="nightly", reason="maintenance")
    await world.say(schedules.SCHEDULE_PAUSED, paused, "every-night")
    await world.clock.advance(HOUR)
    await look(world)
    told = {one["name"]: one["causes"] for one in world.said("freshness-changed") if one["state"] == "stale"}
    assert [cause["kind"] for cause in told["raw"]] == ["no-writer"]
    assert [(cause["kind"], cause["subject"]) for cause in told["tidy"]] == [
        ("failed-run", run),
        ("paused-schedule", "every-night"),
        ("late-upstream", "raw"),
    ]
    assert "disk full" in told["tidy"][0]["detail"]
    await world.write("tidy")
    asset = (await world.assets.get("default", "tidy")).value
    assert "failed-run" not in [reason.why.value for reason in await world.keeper.explain(asset)]


async def test_a_run_that_waits_is_a_cause(world):
    """Started and pending is not the same as never started."""
    await world.describe("tidy", freshness={"maximum_lag": "PT1H"}, maker={"workflow": "nightly"})
    run = derive("run", "r1")
    waiting = runs.WorkflowStatusChanged(name=f"nightly-{run}.default", updated_at=world.clock.now(), status="pending")
    await world.say(runs.WORKFLOW_STATUS_CHANGED, waiting, run)
    held = {"limit": "pool:default/db", "held_by": ("r8", "r9")}
    told = Wait(
        namespace="default", workflow="nightly", run=run, status="pending", waits_for="limit", detail="it waits", **held
    )
    world.waits.waits = [told]
    await world.clock.advance(HOUR * 2)
    await look(world)
    [said] = [one for one in world.said("freshness-changed") if one["state"] == "stale"]
    [cause] = said["causes"]
    assert (cause["kind"], cause["subject"], cause["limit"]) == ("waiting-slot", run, "pool:default/db")
    assert cause["held_by"] == ["r8", "r9"]
    world.waits.waits = []
    [known] = await world.keeper.explain((await world.assets.get("default", "tidy")).value)
    assert (known.why.value, known.subject) == ("waiting-slot", run), "from signals, where the executor cannot be asked"


async def test_each_window_has_a_clock_and_the_asset_is_as_bad_as_its_worst(world):
    """A missing day is stale by name until it is written, however late."""
    await world.describe(
        "tidy", partitions={"every": "@daily", "start": "2026-03-01"}, freshness={"each_partition": "PT3H", "warn": "PT1H"}
    )
    await look(world)
    await world.clock.advance(timedelta(hours=12, minutes=30))  # 2026-03-02 00:30: the first day is over
    await look(world)
    await world.clock.advance(HOUR)
    await look(world)
    await world.clock.advance(HOUR * 2)
    await look(world)
    await world.write("tidy", "2026-03-01")
    await look(world)
    day = ("tidy", "2026-03-01")
    assert [one for one in states(world) if one[1]] == [(*day, "warning"), (*day, "stale"), (*day, "fresh")]
    assert [one[2] for one in states(world) if one[1] is None] == ["warning", "stale", "fresh"]


async def test_each_pair_has_a_clock_and_a_new_key_is_expected_from_then_on(world):
    """Two dimensions: a day of one region is late by name, the other is not; a region that is registered gets windows too."""
    days = {"every": "@daily", "start": "2026-03-01"}
    pairs = {"first": days, "second": {"dynamic": True}}
    await world.describe("tidy", partitions=pairs, freshness={"each_partition": "PT3H"})
    await look(world)
    await world.clock.advance(timedelta(hours=12, minutes=30))  # the first day is over
    for region in ("eu", "us"):
        await world.assets.register("default", "tidy", f"2026-03-01|{region}")
    await world.write("tidy", "2026-03-01|eu")
    await world.clock.advance(HOUR * 3)
    await look(world)
    assert [one for one in states(world) if one[1]] == [("tidy", "2026-03-01|us", "stale")]
    await world.write("tidy", "2026-03-01|us")
    await look(world)
    assert states(world)[-2:] == [("tidy", "2026-03-01|us", "fresh"), ("tidy", None, "fresh")]


async def test_each_key_has_a_clock_that_begins_when_it_is_known(world):
    """Without a dimension of time: none is older than promised."""
    await world.describe("tidy", partitions={"dynamic": True}, freshness={"each_partition": "PT3H"})
    await look(world)
    await world.clock.advance(HOUR * 24)
    await world.assets.register("default", "tidy", "eu")
    await look(world)
    assert states(world) == []
    await world.clock.advance(HOUR * 3.1)
    await look(world)
    assert states(world) == [("tidy", "eu", "stale"), ("tidy", None, "stale")]


async def test_an_asset_is_stale_when_its_code_changed_and_is_made_anew(world):
    """With both versions as the cause; the condition starts one run for the version; a writing makes it fresh again."""
    policy = {"maker": {"workflow": "nightly"}, "automation": {"when": "code-changed"}}
    await world.describe("tidy", code_version="1", **policy)
    await world.write("tidy")
    await look(world)
    await world.describe("tidy", code_version="2", **policy)
    await look(world)
    await world.automation.check()
    await world.settle()
    [fresh, stale] = world.said("freshness-changed")
    assert (fresh["state"], stale["state"]) == ("fresh", "stale")
    assert (stale["causes"][0]["kind"], stale["causes"][0]["subject"]) == ("code-changed", "2")
    [start] = world.commands("executor")
    await world.clock.advance(HOUR)
    await world.write("tidy", run=start["run"])
    await look(world)
    assert states(world)[-1] == ("tidy", None, "fresh")
    await world.automation.check()
    assert len(world.commands("executor")) == 1
