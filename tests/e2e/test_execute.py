"""`tocsin run exec --ephemeral`: one command, one object, nothing left."""

import json

import pytest

pytestmark = [pytest.mark.server, pytest.mark.slow]


def test_one_object_with_the_outcome_and_nothing_else(newcomer, tmp_path):
    """Needs no login and no running platform."""
    out = newcomer.shell(
        "tocsin run exec examples/for-each.yaml --input @examples/inputs/for-each.json --ephemeral --json",
        TMPDIR=str(tmp_path),
        TOCSIN_CONTEXT=str(tmp_path / "context.toml"),
    )
    outcome = json.loads(out)
    assert {"status", "output", "error", "tasks"} <= outcome.keys()
    assert (outcome["status"], outcome["error"], outcome["output"]["total"]) == ("completed", None, 159)
    task = outcome["tasks"][0]
    assert {"name", "reference", "status", "startedAt", "endedAt"} == task.keys()
    assert (task["name"], task["reference"], task["status"]) == ("start", "/do/0/start", "completed")
    assert not any(path.name.startswith("tocsin") for path in tmp_path.iterdir())
