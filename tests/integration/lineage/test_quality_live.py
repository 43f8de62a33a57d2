"""Checks, schemas and column paths from foreign events; kinds and times in the graph; what is emitted."""

from datetime import UTC, datetime, timedelta

import orjson
import pytest
from aiohttp import web

from tocsin.signals import derive
from tocsin.signals.catalogue import executor as runs
from tocsin_kit.config import Secret
from tocsin_kit.web.outgoing import OutgoingGuard
from tocsin_lineage.adapters.journals import MongoEmissionStore
from tocsin_lineage.adapters.receiver import HttpReceiver
from tocsin_lineage.application.emitting import Emitting
from tocsin_lineage.application.graph import View
from tocsin_lineage.domain.emission import Emitter
from tocsin_lineage.domain.graph import Direction
from tocsin_lineage.domain.openlineage import read_event


def event(run: str, at: datetime, facets: dict, *, reads: str = "raw", writes: str = "tidy") -> dict:
    return {
        "eventType": "COMPLETE",
        "eventTime": at.isoformat(),
        "run": {"runId": run},
        "job": {"namespace": "prod", "name": f"make-{writes}"},
        "inputs": [{"namespace": "db", "name": reads}],
        "outputs": [{"namespace": "db", "name": writes, "facets": facets}],
    }


def fields(**types: str) -> dict:
    return {"schema": {"fields": [{"name": name, "type": kind} for name, kind in types.items()]}}


async def test_columns_have_a_history_and_a_change_is_said(world):
    """A version for each change, with what changed; the same again is none; as of an instant the one that was then."""
    start = world.clock.now()
    world.clock.jump(timedelta(hours=3))
    await world.take(event("r1", start, fields(id="int", name="text")))
    await world.take(event("r2", start + timedelta(hours=1), fields(id="int", name="text")))
    await world.take(event("r3", start + timedelta(hours=2), fields(id="bigint", born="date")))
    await world.settle()
    versions = (await world.assets.schemas("default", "db/tidy", limit=10, cursor=None)).items
    assert [[column.name for column in version.columns] for version in versions] == [["id", "born"], ["id", "name"]]
    [said] = world.said("schema-changed")
    assert (said["added"], said["removed"], said["changed"], said["breaking"]) == (["born"], ["name"], ["id"], True)
    then = await world.assets.moment("default", "db/tidy", partition=None, at=start + timedelta(hours=1))
    assert then.schema == versions[1]


async def test_assertions_of_foreign_tools_are_checks(world):
    """With their severity, once, and kept as history."""
    failed = {"dataQualityAssertions": {"assertions": [{"assertion": "not_null", "column": "id", "success": False}]}}
    passed = {"dataQualityAssertions": {"assertions": [{"assertion": "not_null", "column": "id", "success": True}]}}
    first = event("r1", world.clock.now() - timedelta(hours=1), failed)
    await world.take(first)
    await world.take(first)
    await world.take(event("r2", world.clock.now(), passed))
    await world.settle()
    assert [(one["check"], one["passed"]) for one in world.said("check-evaluated")] == [
        ("not_null(id)", False),
        ("not_null(id)", True),
    ]
    history = await world.assets.checks("default", "db/tidy", check=None, limit=10, cursor=None)
    assert [one.passed for one in history.items] == [True, False]


async def test_columns_lead_through_assets(world):
    """From the page back to the column of the raw data."""

    def made(column: str, source: str, of: str) -> dict:
        way = {"type": "DIRECT", "subtype": "TRANSFORMATION"}
        given = [{"namespace": "db", "name": source, "field": of, "transformations": [way]}]
        return {"columnLineage": {"fields": {column: {"inputFields": given}}}}

    at = world.clock.now()
    await world.take(event("r1", at, made("total", "raw", "price")))
    await world.take(event("r2", at, made("shown", "tidy", "total"), reads="tidy", writes="page"))
    nodes, edges = await world.graph.column_paths("default", "db/page#shown", Direction.UPSTREAM, 10)
    assert nodes == {"db/page#shown": 0, "db/tidy#total": 1, "db/raw#price": 2}
    assert {edge.subtype for edge in edges} == {"TRANSFORMATION"}


async def test_the_graph_can_be_cut_by_kind_and_by_time(world):
    """Only assets of a kind and what joins them; only what was seen in a span."""
    old, new = datetime(2025, 1, 1, tzinfo=UTC), world.clock.now()
    await world.take(event("r1", old, {}, reads="raw", writes="tidy"))
    await world.take(event("r2", new, {}, reads="tidy", writes="page"))
    await world.describe("db/tidy")
    entry = await world.assets.get("default", "db/tidy")
    assert entry.value is not None
    view = View(namespace="default", key="db/tidy", direction=Direction.BOTH, depth=5, since=old + timedelta(days=1))
    assert set((await world.graph.around(view)).nodes) == {"asset:db/tidy", "job:prod/make-page", "asset:db/page"}
    tables = View(namespace="default", key="db/tidy", direction=Direction.BOTH, depth=5, kinds=frozenset({"table"}))
    assert set((await world.graph.around(tables)).nodes) == {"asset:db/tidy"}


@pytest.fixture
async def receiver():
    """Another catalogue: it is away for the first event, and keeps what it takes."""
    taken: list[tuple[str, dict]] = []
    away = [True]

    async def post(request: web.Request) -> web.Response:
        if away.pop() if away else False:
            return web.Response(status=503)
        taken.append((request.headers["Authorization"], orjson.loads(await request.read())))
        return web.Response(status=201)

    app = web.Application()
    app.router.add_post("/api/v1/lineage", post)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    yield f"http://127.0.0.1:{port}/api/v1/lineage", taken
    await runner.cleanup()


async def test_every_run_is_told_until_it_is_taken_and_once(world, receiver):
    """A receiver that was away is told later; a signal that comes again is not told again."""
    url, taken = receiver
    guard = OutgoingGuard(allow_private=True, setting="lineage.emit_allow_private")
    client = HttpReceiver(url, Secret("t"), guard)
    emitting = Emitting(Emitter("tocsin", "0.1.0"), MongoEmissionStore(world.database), client, clock=world.clock)
    world.hearing._followers = [emitting.hear]
    run = derive("run", "r1")
    name = f"nightly-{run}.default"
    reference = runs.DefinitionReference(name="nightly", namespace="default", version="1.0.0")
    started = runs.WorkflowStarted(name=name, started_at=world.clock.now(), definition=reference)
    delivery = await world.say(runs.WORKFLOW_STARTED, started, run)
    await emitting.send()
    assert taken == []
    await world.clock.advance(timedelta(minutes=1))
    await world.say(runs.WORKFLOW_COMPLETED, runs.WorkflowCompleted(name=name, completed_at=world.clock.now()), run)
    await world.hearing.hear(delivery)
    await emitting.send()
    await emitting.send()
    assert [(token, read_event(document).stage.value) for token, document in taken] == [
        ("Bearer t", "START"),
        ("Bearer t", "COMPLETE"),
    ]
    assert len({document["run"]["runId"] for _, document in taken}) == 1
    await client.close()
