"""What workflows declare and tasks report, from the signals of the executor."""

from datetime import timedelta

from tocsin.signals import derive
from tocsin.signals.catalogue import executor as runs
from tocsin_lineage.adapters.graph import MongoEventStore
from tocsin_lineage.application.forgetting import Forgetting
from tocsin_lineage.domain.assets import Act, Condition
from tocsin_lineage.ports import HappeningSearch

LOAD = "/do/0/load"


def run_of(name: str) -> str:
    return derive("run", name)


async def published(world, *, produces, consumes=()):
    mention = [runs.AssetMention(asset=key) for key in produces]
    read = [runs.AssetMention(asset=key) for key in consumes]
    payload = runs.DefinitionPublished(
        namespace="default",
        name="nightly",
        version="1.0.0",
        digest="d",
        assets=[runs.TaskAssets(task=LOAD, produces=mention, consumes=read)],
    )
    await world.say(runs.DEFINITION_PUBLISHED, payload, "nightly")


async def reported(world, run, *, produced=(), consumed=(), **extensions):
    payload = runs.TaskAssetsReported(
        workflow=f"nightly-{run_of(run)}.default",
        task=LOAD,
        reported_at=world.clock.now(),
        consumed=[runs.AssetMention.model_validate(one) for one in consumed],
        produced=[runs.AssetMention.model_validate(one) for one in produced],
    )
    await world.say(runs.TASK_ASSETS_REPORTED, payload, run_of(run), activation="h:1", **extensions)


async def test_a_definition_makes_its_assets_known_before_anything_ran(world):
    """In the catalogue, and in the graph with the task between them."""
    await published(world, produces=["tidy"], consumes=["raw"])
    assert (await world.assets.get("default", "tidy")).value.materialized is None
    assert await world.picture("tidy") == {"asset:tidy", "job:default/nightly.load", "asset:raw"}
    assert [one["name"] for one in world.said("registered")] == ["raw", "tidy"]


async def test_who_wrote_and_who_read_is_known_as_of_any_instant(world):
    """Run and task of the writing that was there then, and those who had read it until then."""
    await reported(world, "r1", produced=[{"asset": "tidy", "version": "1"}], consumed=[{"asset": "raw"}])
    first = world.clock.now()
    await world.clock.advance(timedelta(hours=1))
    await reported(world, "r2", consumed=[{"asset": "tidy"}], produced=[{"asset": "page"}])
    between = world.clock.now()
    await world.clock.advance(timedelta(hours=1))
    await reported(world, "r3", produced=[{"asset": "tidy", "version": "2"}])
    moments = [
        await world.assets.moment("default", "tidy", partition=None, at=at) for at in (first, between, world.clock.now())
    ]
    assert [moment.written.run for moment in moments] == [run_of("r1"), run_of("r1"), run_of("r3")]
    assert [[one.run for one in moment.readers] for moment in moments] == [[], [run_of("r2")], []]
    assert (moments[0].written.task, moments[0].written.version) == (LOAD, "1")
    early = await world.assets.moment("default", "tidy", partition=None, at=first - timedelta(seconds=1))
    assert early.written is None
    touched = await world.assets.of_run(run_of("r2"))
    assert {(place[1], one.act) for place, one in touched} == {("tidy", Act.READ), ("page", Act.MATERIALIZED)}


async def test_a_signal_that_comes_again_changes_nothing(world):
    """One materialization, one signal."""
    payload = runs.TaskAssetsReported(
        workflow=f"nightly-{run_of('r1')}.default",
        task=LOAD,
        reported_at=world.clock.now(),
        produced=[runs.AssetMention(asset="tidy")],
    )
    delivery = await world.say(runs.TASK_ASSETS_REPORTED, payload, run_of("r1"), activation="h:1")
    await world.hearing.hear(delivery)
    await world.settle()
    assert (await world.assets.get("default", "tidy")).value.materializations == 1
    assert len(world.said("materialized")) == 1


async def test_a_run_for_a_partition_fills_it_or_fails_it(world):
    """The partition comes with the run's signals, and need not be named by the task."""
    await published(world, produces=["tidy"])
    await world.describe("tidy", partitions={"every": "@daily", "start": "2026-02-26"})
    await reported(world, "r1", produced=[{"asset": "tidy"}], assetpartition="2026-02-27")
    name = f"nightly-{run_of('r2')}.default"
    error = runs.ErrorObject(type="https://example.com/boom", status=500, title="boom")
    fault = runs.WorkflowFaulted(name=name, faulted_at=world.clock.now(), error=error)
    await world.say(runs.WORKFLOW_FAULTED, fault, run_of("r2"), assetpartition="2026-02-28")
    found = await world.assets.partitions("default", "tidy", condition=None)
    assert [(slot.partition, slot.condition) for slot in found] == [
        ("2026-02-26", Condition.MISSING),
        ("2026-02-27", Condition.MATERIALIZED),
        ("2026-02-28", Condition.FAILED),
    ]
    assert found[2].failed_run == run_of("r2")
    page = await world.assets.happenings(
        HappeningSearch(namespace="default", key="tidy", partition="2026-02-27"), limit=5, cursor=None
    )
    assert [one.run for one in page.items] == [run_of("r1")]


async def test_what_happened_long_ago_is_forgotten_and_what_is_stays(world):
    """History goes; the asset keeps when and how often it was written."""
    await world.write("tidy", at=world.clock.now() - timedelta(days=500))
    await world.write("tidy")
    old = Forgetting(world.store, MongoEventStore(world.database), history=timedelta(days=400), clock=world.clock)
    assert await old.tidy() == 1
    page = await world.assets.happenings(HappeningSearch(namespace="default", key="tidy"), limit=5, cursor=None)
    assert len(page.items) == 1
    assert (await world.assets.get("default", "tidy")).value.materializations == 2
