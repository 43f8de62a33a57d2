"""OpenLineage in, on a real database: repeated, out of order, and found again in the graph."""

import asyncio
import json
import pathlib

import pytest

from tocsin_lineage.domain.graph import Direction
from tocsin_lineage.domain.openlineage import key_of_dataset, read_event
from tocsin_lineage.ports import HappeningSearch

STANDARDS = pathlib.Path(__file__).parents[4] / "shared" / "standards"


def event(stage: str, run: str, time: str, reads: str, writes: str) -> dict:
    return {
        "eventType": stage,
        "eventTime": time,
        "run": {"runId": run},
        "job": {"namespace": "prod", "name": f"make-{writes}"},
        "inputs": [{"namespace": "db", "name": reads}],
        "outputs": [{"namespace": "db", "name": writes, "facets": {"at": {"time": time}}}],
    }


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


@pytest.mark.skipif(not STANDARDS.is_dir(), reason="the standards folder is not here")
async def test_every_real_event_is_taken_and_found_again(world):
    """Events of real tools, all facets kept, every dataset an asset."""
    paths = sorted((STANDARDS / "openlineage" / "events").rglob("*.json"))
    assert paths
    for path in paths:
        document = json.loads(path.read_text())
        for one in document if isinstance(document, list) else [document]:
            await world.take(one)
            understood = read_event(one)
            for mention in (*understood.inputs, *understood.outputs):
                asset = (await world.assets.get("default", mention.key)).value
                if mention in understood.outputs:
                    assert set(mention.facets) <= set(asset.facets)
                assert understood.job is None or f"job:{understood.job}" in await world.picture(mention.key, depth=1)


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
