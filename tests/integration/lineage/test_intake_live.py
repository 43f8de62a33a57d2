"""OpenLineage in, on a real database: repeated, out of order, and found again in the graph."""

import asyncio
import json
import pathlib
from collections.abc import AsyncIterator

import pytest

from tocsin.signals import root
from tocsin_kit.clock import SystemClock
from tocsin_kit.store import Database, Relay
from tocsin_lineage.adapters.stores import ASSETS, MongoAssetStore, MongoEdgeStore, MongoEventStore
from tocsin_lineage.application import Assets, Graph, Intake
from tocsin_lineage.domain.graph import Direction
from tocsin_lineage.domain.openlineage import read_event

CAUSE = root("test")
STANDARDS = pathlib.Path(__file__).parents[4] / "shared" / "standards"


class Silence:
    """A bus that takes everything."""

    def __init__(self) -> None:
        self.subjects: list[str] = []

    async def deliver(self, items):
        self.subjects += [item.subject for item in items]


class World:
    """Lineage without its HTTP."""

    def __init__(self, database: Database) -> None:
        self.said = Silence()
        self.relay = Relay(database, self.said, (ASSETS,))
        self.store, edges = MongoAssetStore(database, self.relay), MongoEdgeStore(database)
        self.assets = Assets(self.store, clock=SystemClock())
        self.intake = Intake(MongoEventStore(database), edges, self.assets)
        self.graph = Graph(edges)

    async def take(self, event) -> str:
        return await self.intake.take(event, namespace="default", actor="key:spark", cause=CAUSE)


@pytest.fixture
async def world(mongo_url, mongo_prefix) -> AsyncIterator[World]:
    database = Database(mongo_url, name=f"{mongo_prefix}_lineage")
    await database.start()
    world = World(database)
    await world.store.prepare()
    await world.relay.start()
    yield world
    await world.relay.stop()
    await database.stop()


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
    page = await world.assets.happenings("default", "db/tidy", limit=10, cursor=None)
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
    picture = await world.graph.around("default", "db/page", Direction.UPSTREAM, 5)
    assert {node for node in picture.nodes if node.startswith("asset:")} == {
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
                assert set(mention.facets) <= set(asset.facets)
