"""The walk of the whole platform: a clock, a failure, data that goes stale, a case that escalates and repairs, its story."""

import urllib.parse

import pytest

from e2e.machine import ROOT, awaited

pytestmark = [pytest.mark.server, pytest.mark.slow]
CASES = "examples/cases"
PATIENCE = 60.0  # seconds; each step takes one to five on a quiet machine


def test_a_failed_source_ends_in_a_case_that_resolves_itself(machine):
    """Schedule, run, asset, stale, case with its cause, escalation, playbook, rerun from the failed task, fresh, resolved."""
    assert (ROOT / CASES / "stale-data.yaml").is_file()
    machine.shell(f"printf %s '{machine.token}' | tocsin secret set platform-token --stdin --workflow rerun-failed")
    machine.tocsin("workflow", "apply", f"{CASES}/nightly-sales.yaml", f"{CASES}/rerun-failed.yaml")
    machine.tocsin("case", "config", "apply", f"{CASES}/stale-data.yaml")
    schedule(machine, {"key": "walk-good", "fail": 0})
    awaited(lambda: "walk-good" in starters(machine, "completed"), what="a good run of the schedule", within=PATIENCE)
    schedule(machine, {"key": "walk-bad", "fail": 1})
    failed = awaited(lambda: runs(machine, "faulted"), what="a failed run", within=PATIENCE)[-1]
    # Promised only now: on a busy machine the asset would be stale before its source has failed, and the cause another.
    promise(machine, {"maximum_lag": "PT4S"})

    case = awaited(lambda: open_case(machine), what="the case", within=PATIENCE)
    assert {"kind": "asset", "target": "shop/sales", "role": "caused-by"} in case["links"]
    assert {"kind": "run", "target": failed["id"], "role": "caused-by"} in case["links"]
    assert (case["owner"], case["tags"]) == ("user:admin", ["sales"])
    resolved = awaited(lambda: ended(machine, case["id"]), what="the end of the case", within=PATIENCE)
    promise(machine, None)  # or it would be stale again and again, beside other tests
    assert resolved["resolution"].startswith("Recovered: `asset.freshness-changed`")
    assert [(run["name"], run["status"]) for run in resolved["playbooks"]] == [("rerun", "completed")]
    assert (resolved["priority"], "rerun" in resolved["tags"]) == ("high", True)
    assert machine.get("assets/default/shop/sales")["materialized"] is not None

    told = [word for word, _ in story(machine, entity="case", id=case["id"])]
    assert (told.count("escalated"), told.count("notified")) == (2, 1), "each level once, both at once on a slow machine"
    expected = ["opened", "playbook-started", "playbook-ended", "transitioned"]
    rest = iter(told)
    assert all(word in rest for word in expected), told
    fired = [place for word, place in story(machine, entity="schedule", id="walk-bad") if word == "fired"]
    faulted = [place for word, place in story(machine, entity="run", id=failed["id"]) if word == "faulted"]
    asset = [(word, place) for word, place in story(machine, entity="asset", id="shop/sales") if "freshness" in word]
    opened = [place for word, place in story(machine, entity="case", id=case["id"]) if word == "opened"]
    assert fired[0] < faulted[0] < opened[0] < asset[-1][1], "in the order in which it happened"
    report = machine.tocsin("case", "report", case["id"])
    assert "# Sales are stale" in report
    assert "Playbook" in report


def promise(machine, freshness):
    """How old the asset may be."""
    body = {"kind": "table", **({"freshness": freshness} if freshness else {})}
    assert machine.ask("PUT", "/api/v1/assets/default/shop/sales", body, token=machine.token).status in {200, 201}


def schedule(machine, data):
    """One firing with an input; the next is a schedule of its own."""
    name = data["key"]
    file = machine.folder / f"{name}.yaml"
    file.write_text(f"name: {name}\nworkflow: nightly-sales\nevery: PT1S\nmax_runs: 1\ninput: {data}\n")
    machine.tocsin("schedule", "apply", str(file))


def runs(machine, status):
    return machine.get(f"runs?workflow=nightly-sales&status={status}")["items"] or None


def starters(machine, status):
    """Names of what started the runs; other tests on this platform start some too."""
    return {machine.get(f"runs/{run['id']}")["trigger"]["name"] for run in runs(machine, status) or ()}


def open_case(machine):
    return next(iter(machine.get("cases?kind=stale-data&limit=5")["items"]), None)


def ended(machine, case):
    found = machine.get(f"cases/{case}")
    return found if found["stage"] == "resolved" else None


def story(machine, **about):
    """What was said about something: transitions and places in the stream, in order."""

    def look():
        query = urllib.parse.urlencode({"namespace": "default", "limit": 100, **about})
        return machine.get(f"signals?{query}")["items"]

    return sorted(((item["transition"], item["position"]) for item in look()), key=lambda told: told[1])
