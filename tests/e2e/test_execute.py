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


def test_a_definition_with_all_that_it_waits_for_is_one_command(newcomer, tmp_path):
    """A sub-workflow, events when the run waits for them, one at its time, and one that comes too early to count."""

    def document(name: str, *tasks: dict) -> str:
        head = {"dsl": "1.0.3", "namespace": "default", "name": name, "version": "1.0.0"}
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps({"document": head, "do": list(tasks)}))
        return str(path)

    def to(*kinds: str) -> dict:
        return {"listen": {"to": {"all": [{"with": {"type": kind}} for kind in kinds]}}}

    child = document("tried-child", {"c": to("com.x.child")})
    run = {"run": {"workflow": {"namespace": "default", "name": "tried-child", "version": "1.0.0"}}}
    parent = document("tried", {"child": run}, {"first": to("com.x.first")}, {"rest": to("com.x.a", "com.x.b")})
    planned = [("start", "com.x.first"), *(("waiting", f"com.x.{what}") for what in ("child", "first", "b")), (0.8, "com.x.a")]
    lines = [json.dumps({"when": when, "event": {"type": kind, "data": n}}) for n, (when, kind) in enumerate(planned)]
    events = tmp_path / "events.jsonl"
    events.write_text("\n".join(lines))
    out = newcomer.shell(
        f"tocsin run exec {parent} --also {child} --events {events} --ephemeral --timeout 30 --json",
        TOCSIN_CONTEXT=str(tmp_path / "context.toml"),
    )
    outcome = json.loads(out)
    assert (outcome["status"], outcome["output"]) == ("completed", [3, 4])
