"""A schedule fires, says what it fired, and stops when it is paused."""

import pytest

from e2e.machine import awaited

pytestmark = pytest.mark.server


def test_a_schedule_starts_runs_until_it_is_paused(machine, tmp_path):
    """Applied from a file; every second; each run knows its schedule."""
    file = tmp_path / "often.yaml"
    file.write_text("name: often\nworkflow: hello\nevery: PT1S\ninput: {name: the clock}\nlabels: {from: often}\n")
    machine.tocsin("schedule", "apply", str(file))

    def fired():
        found = machine.get("runs?label=from=often")["items"]
        return found if len(found) >= 2 else None

    runs = awaited(fired, what="two firings")
    assert len({run["id"] for run in runs}) == len(runs)
    run = machine.ended(runs[0]["id"])
    assert run["output"] == {"greeting": "Hello, the clock!"}
    assert (run["trigger"]["kind"], run["trigger"]["name"]) == ("schedule", "often")
    machine.tocsin("schedule", "pause", "often", "--reason", "enough")
    shown = machine.json("schedule", "show", "often")
    assert (shown["status"], shown["reason"]) == ("paused", "enough")
    assert shown["fired"] >= 2
    assert machine.get("schedules/default/often/next")["next"] == []
    machine.tocsin("schedule", "delete", "often")


def test_the_example_schedule_is_rare(machine):
    """An idle platform stays idle."""
    shown = machine.json("schedule", "show", "hourly-hello")
    assert shown["cron"] == "0 * * * *"


WITH_SCHEDULE = """
document: {dsl: '1.0.3', namespace: default, name: ticking, version: '1.0.0'}
schedule:
  after: PT1S
do:
  - tick:
      set: {ticked: true}
"""


def test_a_definition_brings_its_schedule_and_takes_it_away(machine, tmp_path):
    """Published, it runs by itself again and again; deleted, its schedule is gone."""
    file = tmp_path / "ticking.yaml"
    file.write_text(WITH_SCHEDULE)
    machine.tocsin("workflow", "apply", str(file))

    def ran():
        found = machine.get("runs?workflow=ticking&status=completed")["items"]
        return found if len(found) >= 2 else None

    runs = [machine.ended(run["id"]) for run in awaited(ran, what="two runs, one after the other")[:2]]
    assert {run["trigger"]["name"] for run in runs} == {"definition.ticking.after"}
    shown = machine.json("schedule", "show", "definition.ticking.after")
    assert (shown["managed_by"], shown["after"]) == ("definition", "PT1S")
    machine.tocsin("workflow", "delete", "ticking")

    def gone():
        return machine.get("schedules?workflow=ticking")["items"] == []

    awaited(gone, what="the schedule to go with its definition")
