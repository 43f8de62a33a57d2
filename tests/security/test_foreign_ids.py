"""Every operation on a thing of another team, by its real id: each route of the table, with a body that it would take."""

import re
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from e2e.machine import awaited
from security.test_matrix import operations
from security.world import HOME, NEAR, World

pytestmark = pytest.mark.server

NAME, MARK = "heirloom", "treasure"  # what it is called, which is no secret; and what is in it
ID = "0" * 26  # the shape of one
YAML = {"Content-Type": "application/yaml"}
DOCUMENT = f"""
document: {{dsl: '1.0.3', namespace: {HOME}, name: {NAME}, version: '1.0.0'}}
do:
  - note: {{set: {{kept: "{MARK}"}}}}
"""
RULE = {"kind": "count", "subject": f"signals.{HOME}.case.opened.*", "threshold": 1, "window": "1h"}


@pytest.fixture(scope="module")
def ids(world: World) -> dict[str, str]:
    """What stands in a path for a thing of `team-a`."""
    token = world.holder("admin", HOME)
    assert world.ask("POST", "/api/v1/workflows", DOCUMENT.encode(), token=token, headers=YAML).status == 201
    rule = world.ask("PUT", f"/api/v1/alert-rules/{HOME}/{NAME}", RULE, token=token)
    assert rule.status < 300, rule
    made = {"namespace": HOME, "name": NAME}
    for method, path, body in (
        ("PUT", f"/api/v1/schedules/{HOME}/{NAME}", {"workflow": NAME, "cron": "0 0 1 1 *"}),
        ("PUT", f"/api/v1/assets/{HOME}/{NAME}", {"description": MARK}),
        ("PUT", f"/api/v1/secrets/{NAME}", {"namespace": HOME, "value": MARK}),
        ("PUT", f"/api/v1/pools/{HOME}/{NAME}", {"limit": 3}),
        ("POST", "/api/v1/triggers", {**made, "kind": "webhook", "workflow": NAME}),
        ("PUT", f"/api/v1/webhooks/{HOME}/{NAME}", {"url": "http://127.0.0.1:9/", "subject": f"signals.{HOME}.none.>"}),
        ("PUT", f"/api/v1/channels/{HOME}/{NAME}", {"kind": "webhook", "url": "http://127.0.0.1:9/"}),
    ):
        answer = world.ask(method, path, body, token=token)
        assert answer.status < 300, (method, path, answer)
    run = world.good("POST", "/api/v1/runs?wait=PT10S", {"namespace": HOME, "workflow": NAME}, token=token)
    case = world.good("POST", "/api/v1/cases", {"namespace": HOME, "title": MARK}, token=token)
    path = f"/api/v1/alerts?namespace={HOME}"
    alerts = awaited(lambda: world.good("GET", path, token=token)["items"], what="an alert")
    later = DOCUMENT.replace("1.0.0", "2.0.0").encode()
    proposal = world.ask("POST", "/api/v1/proposals", later, token=token, headers=YAML)
    assert proposal.status == 201, proposal
    within = {"proposal": proposal.json["id"], "approval": f"{run['id']}-do-0-note", "number": "1", "ref": "0" * 64}
    shaped = dict.fromkeys(("attachment", "comment", "observable", "task", "delivery"), ID)
    return {"run": run["id"], "case": case["id"], "alert": alerts[0]["id"], "namespace": HOME, **within, **shaped}


def test_no_operation_takes_the_id_of_another_team(world: World, ids: dict[str, str]) -> None:
    """Whoever administers `team-ab` gets 403 or 404 for everything of `team-a`, and never a word of it."""
    outsider = world.holder("admin", NEAR)
    asked, wrong = 0, []
    for method, path, operation in operations(world):
        queries = [one for one in operation.get("parameters", []) if one["in"] == "query"]
        if "{" not in path or not path.startswith("/api/v1/"):
            continue
        filled = re.sub(r"\{([a-z_]+)\}", lambda found: quote(ids.get(found[1], NAME)), path)
        query = {one["name"]: least({}, one["schema"]) for one in queries if one.get("required")}
        query |= {one["name"]: HOME for one in queries if one["name"] == "namespace"}
        filled += "?" + urlencode(query) if query else ""
        body = example(world, operation)
        if isinstance(body, dict) and "namespace" in body:
            body["namespace"] = HOME
        answer = world.ask(method, filled, body, token=outsider)
        asked += 1
        if answer.status not in {403, 404} or MARK in answer.body.decode():
            wrong.append((method, path, body, answer.status, answer.body[:200]))
    assert not wrong, "\n".join(map(str, wrong))
    assert asked > 100


def example(world: World, operation: dict[str, Any]) -> Any:
    """The least body that a route takes, by its schema; bytes where it takes no JSON."""
    content = operation.get("requestBody", {}).get("content")
    if not content:
        return None
    if "application/json" not in content:
        return b"x"
    return least(world.api["components"]["schemas"], content["application/json"].get("schema", {}))


def least(schemas: dict[str, Any], schema: dict[str, Any]) -> Any:
    """A value that a schema takes."""
    if "$ref" in schema:
        return least(schemas, schemas[schema["$ref"].rsplit("/", 1)[1]])
    for word in ("const", "default"):
        if word in schema:
            return schema[word]
    if "enum" in schema:
        return schema["enum"][0]
    for word in ("anyOf", "oneOf", "allOf"):
        if word in schema:
            return least(schemas, schema[word][0])
    match schema.get("type"):
        case "object":
            wanted = set(schema.get("required", [])) | ({"namespace"} & set(schema.get("properties", {})))
            return {name: least(schemas, schema["properties"][name]) for name in sorted(wanted)}
        case "array":
            return [least(schemas, schema["items"])] * schema.get("minItems", 0)
        case "integer" | "number":
            return max(1, schema.get("minimum", 1))
        case "boolean":
            return True
        case _:
            return {"date-time": "2026-11-23T12:00:00Z", "uri": "http://127.0.0.1:9/"}.get(schema.get("format", ""), ID)
