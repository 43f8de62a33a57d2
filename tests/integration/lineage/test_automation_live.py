"""Automation, partitions and backfills on a real database: one run for each partition and cause, every look recorded."""

import asyncio
from datetime import timedelta

import pytest

from tocsin.errors import Invalid
from tocsin.signals import root
from tocsin.signals.catalogue import executor as runs
from tocsin.signals.subjects import parse_signal
from tocsin_lineage.application import Automation
from tocsin_lineage.application.recording import Report
from tocsin_lineage.domain.assets import Condition
from tocsin_lineage.domain.checks import CheckResult

MAKER = {"workflow": "nightly", "input": {"mode": "full"}}
DAYS = {"every": "@daily", "start": "2026-02-20"}


async def looks(world, key):
    page = await world.evaluations.page("default", key, partition=None, limit=100, cursor=None)
    return page.items[::-1]


async def test_exactly_the_partitions_concerned_are_made(world):
    """A new hour makes its day; a repeat of the signal makes nothing; another hour makes the day again."""
    hours = {"every": "PT1H", "start": "2026-02-20"}
    await world.describe("hourly", partitions=hours)
    await world.describe("daily", partitions=DAYS, upstream=["hourly"], maker=MAKER, automation={"when": "any-updated"})
    await world.clock.advance(timedelta(seconds=1))
    await world.write("hourly", "2026-02-27T05:00+0000")
    await world.clock.advance(timedelta(minutes=5))
    await world.write("hourly", "2026-02-27T06:00+0000")
    started = world.commands("executor")
    assert [one["input"]["partition"] for one in started] == ["2026-02-27", "2026-02-27"]
    assert started[0]["input"]["window"] == {"start": "2026-02-27T00:00:00+00:00", "end": "2026-02-28T00:00:00+00:00"}
    assert started[0]["input"]["mode"] == "full"
    assert started[0]["labels"] == {"tocsin.asset": "daily", "tocsin.partition": "2026-02-27"}
    assert len({one["run"] for one in started}) == 2
    assert [look.run for look in await looks(world, "daily")] == [one["run"] for one in started]


async def test_all_upstream_has_to_be_new_and_the_look_says_what_is_missing(world):
    """Negative decisions are recorded with their reason."""
    await world.describe("report", upstream=["a", "b"], maker=MAKER, automation={"when": "all-updated"})
    await world.clock.advance(timedelta(seconds=1))
    await world.write("a")
    await world.clock.advance(timedelta(minutes=2))
    await world.write("b")
    assert len(world.commands("executor")) == 1
    first, second = await looks(world, "report")
    assert (first.finding["holds"], first.finding["detail"]) == (False, "not new: b")
    assert (second.finding["holds"], second.run) == (True, world.commands("executor")[0]["run"])


async def test_two_replicas_and_a_redelivery_start_one_run(world):
    """Whoever hears the signal, and however often."""
    await world.describe("report", upstream=["a"], maker=MAKER, automation={"when": "eager"})
    other = Automation(world.store, world.evaluations, clock=world.clock)
    await world.clock.advance(timedelta(seconds=1))
    world.hearing._followers = ()  # the signal is heard by hand below
    await world.write("a")
    subject, event = next(item for item in world.bus.items if ".asset.materialized." in item[0])

    place = parse_signal(subject)
    await asyncio.gather(*(one.hear(place, event) for one in (world.automation, other, world.automation, other)))
    await world.settle()
    assert len(world.commands("executor")) == 1
    assert len(await looks(world, "report")) == 1


async def test_a_failed_blocking_check_upstream_holds_the_start_back(world):
    """Until the check passes, which is looked at by itself."""

    async def check(name: str, *, passed: bool) -> None:
        result = CheckResult(id=name, check="rows", passed=passed, at=world.clock.now(), actor="key:etl")
        await world.recorder.record([Report(namespace="default", key="a", checks=(result,), cause=root(name))])
        await world.settle()

    await world.describe("a", checks={"rows": {"blocking": True}})
    await world.describe("report", upstream=["a"], maker=MAKER, automation={"when": "eager"})
    await world.clock.advance(timedelta(seconds=1))
    await check("c1", passed=False)
    await world.write("a")
    assert world.commands("executor") == []
    assert "rows of a" in str((await looks(world, "report"))[-1].finding)
    await check("c2", passed=True)
    assert len(world.commands("executor")) == 1
    assert [one["passed"] for one in world.said("check-evaluated")] == [False, True]


async def test_on_cron_once_upstream_is_written(world):
    """The instant comes first and waits; the last of the sources starts the run, once for each instant."""
    when = {"all": [{"cron": "0 6 * * *"}, "updated-since-tick"]}
    await world.describe("report", upstream=["a"], maker=MAKER, automation={"when": when})
    for _ in range(2):
        for _ in range(24):
            await world.clock.advance(timedelta(hours=1))
            await world.automation.check()
        await world.write("a")
        await world.clock.advance(timedelta(minutes=1))
        await world.write("a")
    assert len(world.commands("executor")) == 2
    assert any("not written since" in str(look.finding) for look in await looks(world, "report"))


async def test_a_missing_window_is_made_when_it_is_over(world):
    """By time alone; not again while its run is under way."""
    await world.describe("daily", partitions=DAYS, maker=MAKER, automation={"when": "missing"})
    for _ in range(5):
        await world.automation.check()
        await world.settle()
        await world.clock.advance(timedelta(hours=12))
    assert [one["input"]["partition"] for one in world.commands("executor")] == ["2026-02-28", "2026-03-01", "2026-03-02"]


async def test_gaps_are_filled_by_a_backfill_of_the_scheduler(world):
    """One item for each missing or failed partition, with its window and input; they count as requested then."""
    await world.describe("daily", partitions=DAYS, maker=MAKER)
    await world.write("daily", "2026-02-21")
    asked = await world.backfills.start("default", "daily", "missing", concurrency=3, actor="user:ada", cause=root("q"))
    await world.settle()
    [command] = world.commands("scheduler")
    assert (command["backfill"], command["workflow"], command["concurrency"]) == (asked.id, "nightly", 3)
    assert [item["key"] for item in command["items"]] == list(asked.partitions)
    assert "2026-02-21" not in asked.partitions
    assert command["items"][0]["input"]["partition"] == "2026-02-20"
    missing = await world.assets.partitions("default", "daily", condition=Condition.MISSING)
    assert missing == []
    with pytest.raises(Invalid):
        await world.backfills.start("default", "daily", ["1999-01-01"], concurrency=1, actor="user:ada", cause=root("r"))


async def test_nobody_is_told_of_a_conflict_that_is_none_of_theirs(world):
    """Gaps are filled and the asset is described anew while others write to it: each decides again, and all of it holds."""
    await world.describe("daily", partitions=DAYS, maker=MAKER)
    days = [f"2026-02-{day}" for day in (21, 22, 23)]
    await asyncio.gather(
        *(world.backfills.start("default", "daily", [day], concurrency=1, actor="user:ada", cause=root(day)) for day in days),
        *(world.describe("daily", partitions=DAYS, maker=MAKER) for _ in range(3)),
    )
    await world.settle()
    assert sorted(item["key"] for one in world.commands("scheduler") for item in one["items"]) == days
    requested = await world.assets.partitions("default", "daily", condition=Condition.REQUESTED)
    assert [slot.partition for slot in requested] == days


async def test_a_run_that_is_refused_fails_the_partition_it_was_for(world):
    """It is not requested for ever; and a partition that comes to be is known before it is written."""
    await world.describe("a")
    await world.describe("files", partitions={"dynamic": True}, upstream=["a"], maker=MAKER, automation={"when": "missing"})
    await world.assets.register("default", "files", "one")
    with pytest.raises(Invalid):
        await world.assets.register("default", "files", "a|b")
    await world.clock.advance(timedelta(seconds=1))
    await world.automation.check()
    await world.settle()
    [command] = world.commands("executor")
    [slot] = await world.assets.partitions("default", "files", condition=None)
    assert (slot.partition, slot.condition) == ("one", Condition.REQUESTED)
    await world.clock.advance(timedelta(seconds=5))
    payload = runs.RunRefused(run=command["run"], workflow="nightly", code="not_found", detail="there is no such workflow")
    await world.say(runs.RUN_REFUSED, payload, command["run"])
    [slot] = await world.assets.partitions("default", "files", condition=None)
    assert (slot.condition, slot.failed_run) == (Condition.FAILED, command["run"])
