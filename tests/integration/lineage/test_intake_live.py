"""OpenLineage in, on a real database: repeated, out of order, and found again in the graph."""

import asyncio
import json
import pathlib
from datetime import UTC, datetime, timedelta

import pytest
from tests.conformance.suites import standards

from integration.lineage.world import CAUSE, delivered
from tocsin_lineage.domain.graph import Direction
from tocsin_lineage.domain.openlineage import InvalidLineageEvent, key_of_dataset, read_event
from tocsin_lineage.ports import EventSearch, HappeningSearch


def event(stage: str, run: str, time: str, reads: str, writes: str) -> dict:
    return {
        "eventType": stage,
        "eventTime": time,
        "run": {"runId": run},
        "job": {"namespace": "prod", "name": f"make-{writes}"},
        "inputs": [{"namespace": "db", "name": reads}],
        "outputs": [{"namespace": "db", "name": writes, "facets": {"at": {"time": time}}}],
    }


@pytest.fixture(autouse=True)
def later(clock):
    """All that these events say has happened."""
    clock.jump(datetime(2026, 3, 2, 12, tzinfo=UTC) - clock.now())


async def test_a_repeated_event_is_one_materialization(world):
    """Sent by three at once, then again: recorded once, said once."""
    first = event("COMPLETE", "r1", "2026-03-02T09:00:00Z", "raw", "tidy")
    ids = await asyncio.gather(*(world.take(first) for _ in range(3)))
    assert len({*ids, await world.take(first)}) == 1
    entry = await world.assets.get("default", "db/tidy")
    assert entry.value.materializations == 1
    page = await world.assets.happenings(HappeningSearch(namespace="default", key="db/tidy"), limit=10, cursor=None)
    assert [(one.run, one.act.value) for one in page.items] == [("r1", "materialized")]


async def test_what_comes_late_does_not_move_the_clock_back(world):
    """The newer materialization stays the latest, with its facets; the older one counts."""
    await world.take(event("COMPLETE", "r2", "2026-03-02T10:00:00Z", "raw", "tidy"))
    await world.take(event("COMPLETE", "r1", "2026-03-02T09:00:00Z", "raw", "tidy"))
    asset = (await world.assets.get("default", "db/tidy")).value
    assert (asset.materializations, asset.materialized.hour) == (2, 10)
    assert asset.facets["at"] == {"time": "2026-03-02T10:00:00Z"}


async def test_what_is_said_of_the_future_happened_when_it_was_heard(world):
    """Or an asset would be fresh until then, and everything that really happens older than what is known."""
    await world.take(event("COMPLETE", "r1", "2999-01-01T00:00:00Z", "raw", "tidy"))
    assert (await world.assets.get("default", "db/tidy")).value.materialized == world.clock.now()
    for year in ("0001", "9999"):
        with pytest.raises(InvalidLineageEvent):
            await world.take(event("COMPLETE", "r1", f"{year}-01-01T00:00:00+14:00", "raw", "tidy"))


async def test_an_event_that_cannot_be_kept_is_its_senders_alone(world):
    """It comes with others, which are taken."""
    bad = event("COMPLETE", "bad", "2026-03-02T09:00:00Z", "raw", "bad")
    bad["outputs"][0]["facets"] = {"version": {"datasetVersion": "v" * (17 << 20)}}  # no document of the database has room
    good = [event("COMPLETE", f"r{n}", "2026-03-02T09:00:00Z", "raw", f"tidy{n}") for n in range(3)]
    answers = await asyncio.gather(*(world.take(one) for one in (*good, bad)), return_exceptions=True)
    assert [isinstance(one, str) for one in answers] == [True, True, True, False]
    assert (await world.assets.get("default", "db/tidy2")).value.materializations == 1


async def test_facets_without_end_do_not_make_an_asset_too_large(world):
    """An asset keeps those that came last; the events keep them all."""
    for number in range(4):
        one = event("COMPLETE", f"r{number}", f"2026-03-02T09:0{number}:00Z", "raw", "tidy")
        one["outputs"][0]["facets"] = {f"f{number}": {"text": "x" * 400_000}}
        await world.take(one)
    facets = (await world.assets.get("default", "db/tidy")).value.facets
    assert list(facets) == ["f2", "f3"]
    kept = await world.intake.events(EventSearch(namespace="default"), limit=10, cursor=None)
    assert len(kept.items) == 4


async def test_the_graph_joins_what_jobs_join(world):
    """Raw makes tidy makes page: two assets upstream of page."""
    await world.take(event("COMPLETE", "r1", "2026-03-02T09:00:00Z", "raw", "tidy"))
    await world.take(event("COMPLETE", "r2", "2026-03-02T10:00:00Z", "tidy", "page"))
    picture = await world.picture("db/page", Direction.UPSTREAM)
    assert {node for node in picture if node.startswith("asset:")} == {
        "asset:db/page",
        "asset:db/tidy",
        "asset:db/raw",
    }


def samples(folder: pathlib.Path) -> list[dict]:
    """Every event of the folder, and every sample of a facet in an event of its own, where its schema says it belongs."""
    found = []
    for path in [*sorted((folder / "events").rglob("*.json")), folder / "spec" / "tests" / "example_full_event.json"]:
        document = json.loads(path.read_text())
        found += document if isinstance(document, list) else [document]
    for path in sorted((folder / "spec" / "tests").glob("*/*.json")):
        place = next(end for end in ("InputDataset", "OutputDataset", "Dataset", "Job", "Run", "") if end in path.parent.name)
        facets = json.loads(path.read_text())
        one = event("COMPLETE", f"{path.parent.name}-{path.stem}", "2026-03-02T09:00:00Z", "raw", path.parent.name)
        match place:
            case "InputDataset":
                one["inputs"][0]["inputFacets"] = facets
            case "OutputDataset":
                one["outputs"][0]["outputFacets"] = facets
            case "Job" | "Run":
                one[place.lower()]["facets"] = facets
            case _:
                one["outputs"][0]["facets"] = facets
        found.append(one)
    return found


async def test_every_real_event_and_sample_is_taken_and_found_again(world):
    """All facets kept, every dataset an asset that its job is joined to, every event as it came."""
    folder = standards()
    if folder is None:
        pytest.skip("the folder of standards is absent")
    documents = samples(folder / "openlineage")
    assert len(documents) > 70
    for one in documents:
        kept = await world.take(one)
        understood = read_event(one)
        search = EventSearch(namespace="default", job=understood.job, run=understood.run)
        page = await world.intake.events(search, limit=200, cursor=None)
        assert next(found for found in page.items if found.id == kept).event.document == one
        for mention in (*understood.inputs, *understood.outputs):
            asset = (await world.assets.get("default", mention.key)).value
            if mention in understood.outputs:
                assert set(mention.facets) <= set(asset.facets)
            assert understood.job is None or f"job:{understood.job}" in await world.picture(mention.key, depth=1)


async def test_a_batch_is_taken_but_for_what_is_no_event(world):
    """The others are named with their place and reason; those that are events count once however often they come."""
    good = [event("COMPLETE", f"r{number}", "2026-03-02T09:00:00", "raw", "tidy") for number in range(3)]
    told = {"namespace": "default", "actor": "key:spark", "cause": CAUSE}
    refused = await world.intake.take_batch([good[0], {"eventTime": 7}, *good], **told)
    assert list(refused) == [1]
    assert (await world.assets.get("default", "db/tidy")).value.materializations == 3
    page = await world.intake.events(EventSearch(namespace="default", run="r1"), limit=10, cursor=None)
    assert [one.event.time.isoformat() for one in page.items] == ["2026-03-02T09:00:00+00:00"]
    late = EventSearch(namespace="default", since=page.items[0].event.time + timedelta(seconds=1))
    assert (await world.intake.events(late, limit=10, cursor=None)).items == []


async def test_what_a_person_declares_is_in_the_graph_until_it_is_declared_otherwise(world):
    """Each asset beside the others, although one workflow makes them all; an older declaration changes nothing."""
    maker = {"workflow": "build"}
    await world.describe("a", upstream=["raw"], maker=maker)
    await world.describe("b", upstream=["a", "other"], maker=maker)
    await world.settle()
    assert await world.picture("b", Direction.UPSTREAM) == {
        *("asset:raw", "job:default/build[a]", "asset:a", "job:default/build[b]", "asset:b", "asset:other"),
    }
    heard = [item for item in world.bus.items if ".asset.registered." in item[0]]
    await world.clock.advance(timedelta(seconds=1))
    await world.describe("b", upstream=["other"], maker=maker)
    await world.settle()
    for subject, again in heard:
        await world.hearing.hear(delivered(subject, again))
    assert await world.picture("b", Direction.UPSTREAM) == {"asset:b", "job:default/build[b]", "asset:other"}
    await world.assets.delete("default", "b", actor="user:ada", cause=CAUSE)
    await world.settle()
    assert await world.picture("b", Direction.UPSTREAM) == {"asset:b"}


async def test_names_and_facets_may_be_hostile(world):
    """Operators, dots, control characters, deep nesting, numbers and names beyond any limit: taken, kept, and found again."""
    deep: dict = {}
    for _ in range(200):
        deep = {"$where": deep, "a.b": [deep and 1]}
    facets = {
        "$set": {"x": 1},
        "a.b": {"": None},
        "schema": {"fields": [{"name": 7}, "x", {"name": "ok", "type": ["?"]}]},
        "columnLineage": {"fields": {"c": {"inputFields": [{"namespace": "n"}, 3]}}, "dataset": "x"},
        "dataQualityAssertions": {"assertions": [{"success": True}, None]},
        "version": [],
        "big": {"n": 2**63 - 1, "f": 1e308, "deep": deep},
    }
    for name in ("x" * 3000, "a\x00b\x1fc", "signals.>.*", "тест/表", " "):
        hostile = event("COMPLETE", f"run-{name[:10]}", "2026-03-02T09:00:00Z", "raw", "tidy")
        hostile["outputs"] = [{"namespace": "db", "name": name, "facets": facets}]
        hostile["run"]["facets"] = {"parent": {"run": 7}}
        await world.take(hostile)
        await world.settle()
        asset = (await world.assets.get("default", key_of_dataset("db", name))).value
        assert asset.facets["big"]["n"] == 2**63 - 1
        assert asset.materializations == 1
