"""Lineage on the whole platform: workflows that declare, foreign engines that report, and what follows from either."""

import datetime as dt
import uuid

import pytest
from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import column_lineage_dataset, schema_dataset

from e2e.machine import awaited

pytestmark = pytest.mark.server

FLOW = """
document: {dsl: 1.0.3, namespace: default, name: make-orders, version: 1.0.0}
do:
  - load:
      set: {rows: 7, day: '${ .partition // "none" }'}
      metadata:
        consumes: [raw/orders]
        produces:
          - asset: tidy/orders
            kind: table
            metadata: {rows: '${ .rows }'}
"""


def test_a_workflow_that_declares_what_it_makes_is_in_the_graph_with_its_run(machine):
    """Known when published; written by run and task when it ran; asked from the command line."""
    (machine.folder / "make-orders.yaml").write_text(FLOW)
    machine.tocsin("workflow", "apply", "make-orders.yaml")
    awaited(
        lambda: machine.ask("GET", "/api/v1/assets/default/tidy/orders", token=machine.token).status == 200, what="the asset"
    )
    assert machine.get("assets/default/tidy/orders")["materialized"] is None
    run = machine.json("run", "start", "make-orders", "--input", "{}")["id"]
    machine.ended(run)
    touched = awaited(lambda: machine.get(f"assets/touched?run={run}")["items"], what="what the run wrote")
    assert {(one["key"], one["happening"]["act"]) for one in touched} == {
        ("tidy/orders", "materialized"),
        ("raw/orders", "read"),
    }
    [written] = [one["happening"] for one in touched if one["key"] == "tidy/orders"]
    assert (written["task"], written["metadata"]) == ("/do/0/load", {"rows": 7})
    graph = machine.tocsin("lineage", "upstream", "tidy/orders")
    assert "raw/orders" in graph
    assert machine.json("asset", "show", "tidy/orders")["kind"] == "table"


def test_the_official_client_reports_and_the_platform_acts(machine):
    """A foreign run writes an asset: a trigger starts a run, a promise is kept again, and before that a case was opened."""
    name = f"shop{uuid.uuid4().hex[:6]}"  # noqa: TID251  # a name of this test's own, not an id of the platform
    key = f"postgres://db/{name}"
    promise = {"freshness": {"maximum_lag": "PT0.2S"}, "kind": "table"}
    assert machine.ask("PUT", f"/api/v1/assets/default/{key}", promise, token=machine.token).status == 200
    rule = {"signal": "asset.freshness-changed", "subject": key, "filter": "datastate = 'stale'", "title": "stale: {name}"}
    made = machine.ask("PUT", f"/api/v1/cases/rules/default/{name}", rule, token=machine.token)
    assert made.status in {200, 201}, made
    wanted = {
        "kind": "signal",
        "workflow": "hello",
        "signal": {"on": "asset.materialized"},
        "input": {"name": "lineage"},
    }
    made = machine.ask("PUT", f"/api/v1/triggers/default/on-{name}", wanted, token=machine.token)
    assert made.status == 201, made
    auth = {"type": "api_key", "apiKey": machine.token}
    transport = {"type": "http", "url": machine.url, "auth": auth, "compression": "gzip"}
    client = OpenLineageClient(config={"transport": transport})
    run, job = Run(str(uuid.uuid4())), Job("spark", f"make-{name}")  # noqa: TID251
    raw = InputDataset("postgres://db", f"raw-{name}")
    fields = {
        "total": column_lineage_dataset.Fields(
            inputFields=[
                column_lineage_dataset.InputField(
                    "postgres://db",
                    f"raw-{name}",
                    "price",
                    [column_lineage_dataset.Transformation(type="DIRECT", subtype="AGGREGATION")],
                )
            ]
        )
    }
    facets = {
        "schema": schema_dataset.SchemaDatasetFacet(fields=[schema_dataset.SchemaDatasetFacetFields("total", "bigint")]),
        "columnLineage": column_lineage_dataset.ColumnLineageDatasetFacet(fields=fields),
    }
    out = OutputDataset("postgres://db", name, facets=facets)
    for state in (RunState.START, RunState.COMPLETE):
        at = dt.datetime.now(dt.UTC).isoformat()  # noqa: TID251  # as a foreign program does
        event = RunEvent(
            eventType=state, eventTime=at, run=run, job=job, producer="https://example.com/test", inputs=[raw], outputs=[out]
        )
        client.emit(event)
    asset = machine.get(f"assets/default/{key}")
    assert asset["materializations"] == 1
    kept = machine.json("lineage", "events", "--run", run.runId)
    assert [one["stage"] for one in kept] == ["COMPLETE", "START"]
    assert kept[0]["event"]["outputs"][0]["facets"]["schema"]["fields"][0]["name"] == "total"
    again = [one["event"] for one in kept]
    taken = machine.ask("POST", "/api/v1/lineage/batch", [*again, {"job": 7}], token=machine.token).json
    assert (taken["status"], taken["summary"]["successful"]) == ("partial_success", 2)
    assert machine.get(f"assets/default/{key}")["materializations"] == 1
    paths = machine.get(f"lineage/columns?asset={key}&column=total")
    assert [(edge["source"], edge["subtype"]) for edge in paths["edges"]] == [
        (f"postgres://db/raw-{name}#price", "AGGREGATION")
    ]

    def started():
        runs = [machine.get(f"runs/{one['id']}") for one in machine.get("runs?workflow=hello&limit=20")["items"]]
        return [run for run in runs if (run["trigger"] or {}).get("name") == f"on-{name}"]

    awaited(started, what="the run of the trigger")
    awaited(lambda: machine.get(f"assets/default/{key}")["freshness"]["state"] == "stale", what="the broken promise")
    cases = awaited(
        lambda: [one for one in machine.get("cases?limit=50")["items"] if key in one["title"]], what="the case about it"
    )
    assert len(cases) == 1


WAITING = """
document: {{dsl: 1.0.3, namespace: default, name: {name}, version: 1.0.0, metadata: {{tocsin: {{concurrency: {{limit: 1}}}}}}}}
do:
  - hold: {{wait: {{hours: 1}}}}
"""


def test_a_run_that_waits_for_a_place_is_named_with_the_limit_and_its_holder(machine):
    """The executor is asked what the run of a late asset waits for."""
    name = f"slow{uuid.uuid4().hex[:6]}"  # noqa: TID251
    (machine.folder / f"{name}.yaml").write_text(WAITING.format(name=name))
    machine.tocsin("workflow", "apply", f"{name}.yaml")
    holder, waiter = (machine.json("run", "start", name, "--input", "{}")["id"] for _ in range(2))
    late = {"freshness": {"maximum_lag": "PT0.1S"}, "maker": {"workflow": name}}
    assert machine.ask("PUT", f"/api/v1/assets/default/{name}", late, token=machine.token).status == 200

    def waits():
        causes = machine.json("asset", "freshness", name)["causes"]
        return [one for one in causes if one["kind"] == "waiting-slot" and one["held_by"]]

    [cause] = awaited(waits, what="the cause")
    assert (cause["subject"], cause["limit"], cause["held_by"]) == (waiter, f"workflow:default/{name}", [holder])
    for run in (waiter, holder):
        machine.tocsin("run", "cancel", run)
