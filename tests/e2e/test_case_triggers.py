"""Cases on a whole platform: what they say starts workflows."""

import pytest

from e2e.machine import awaited

pytestmark = [pytest.mark.server, pytest.mark.slow]

TRIGGER = """\
name: greet-cases
workflow: hello
kind: signal
signal: {on: case.opened}
filter: .data.kind == "greeted"
input:
  name: ${ .data.title }
"""


def test_a_case_that_opens_starts_a_workflow_and_only_the_one_that_is_meant(machine):
    """A trigger on the signals of cases, with a filter over what they say."""
    file = machine.folder / "greet-cases.yaml"
    file.write_text(TRIGGER)
    machine.tocsin("trigger", "apply", str(file))
    other = machine.json("case", "open", "Somebody else", "--kind", "other")["id"]
    case = machine.json("case", "open", "Ada", "--kind", "greeted")["id"]

    def started():
        runs = [machine.get(f"runs/{run['id']}") for run in machine.get("runs?workflow=hello&limit=50")["items"]]
        return [run for run in runs if run["trigger"]["name"] == "greet-cases"] or None

    (run,) = awaited(started, what="the run of the trigger", within=60)
    assert machine.ended(run["id"])["output"] == {"greeting": "Hello, Ada!"}
    assert other != case
    machine.tocsin("trigger", "delete", "greet-cases")
