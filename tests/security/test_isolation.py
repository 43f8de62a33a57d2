"""Two teams on one platform: what belongs to one is neither shown to the other, nor changed, nor hinted at."""

import base64
import json
from typing import Any

import pytest

from e2e.machine import awaited
from security.world import HOME, NEAR, World

pytestmark = pytest.mark.server

MARK = "crown-jewels"
EVENT = {"Content-Type": "application/cloudevents+json"}
DOCUMENT = f"""
document: {{dsl: '1.0.3', namespace: {HOME}, name: {MARK}, version: '1.0.0'}}
do:
  - note: {{set: {{kept: "{MARK}"}}}}
"""


@pytest.fixture(scope="module")
def things(world: World) -> dict[str, Any]:
    """One thing of every kind in `team-a`."""
    token = world.holder("author", HOME)
    answer = world.ask(
        "POST", "/api/v1/workflows", DOCUMENT.encode(), token=token, headers={"Content-Type": "application/yaml"}
    )
    assert answer.status == 201, answer
    run = world.good(
        "POST", "/api/v1/runs?wait=PT10S", {"namespace": HOME, "workflow": MARK, "input": {"is": MARK}}, token=token
    )
    case = world.good("POST", "/api/v1/cases", {"namespace": HOME, "title": MARK}, token=token)
    wanted = {"namespace": HOME, "name": MARK, "kind": "webhook", "workflow": MARK}
    trigger = world.good("POST", "/api/v1/triggers", wanted, token=token)
    world.good(
        "PUT", f"/api/v1/schedules/{HOME}/{MARK}", {"workflow": MARK, "cron": "0 0 1 1 *", "timezone": "UTC"}, token=token
    )
    world.good("PUT", f"/api/v1/assets/{HOME}/{MARK}", {"description": MARK}, token=token)
    event = {"specversion": "1.0", "id": MARK, "source": "/t", "type": f"com.{MARK}", "data": {"is": MARK}}
    sent = world.ask("POST", f"/api/v1/events?namespace={HOME}", event, token=token, headers=EVENT)
    assert sent.status == 202, sent
    listed = awaited(
        lambda: world.good("GET", f"/api/v1/events?namespace={HOME}", token=token)["items"], what="the event in the record"
    )
    return {"run": run["id"], "case": case["id"], "trigger": trigger, "event": listed[0]["key"]}


def test_what_is_asked_for_by_id_is_not_there_for_the_other_team(world: World, things: dict[str, Any]) -> None:
    """404, as for a thing that does not exist, with the same words; no namespace, no name."""
    for paths, found in (
        (("", "/tasks", "/logs", "/signals"), "/api/v1/runs/{}"),
        (("",), "/api/v1/events/{}"),
        (("", "/comments"), "/api/v1/cases/{}"),
    ):
        kind = found.split("/")[3][:-1]
        for path in paths:
            real = world.ask("GET", found.format(things[kind]) + path, token=world.holder("admin", NEAR))
            other = things[kind][:-4] + ("0000" if not things[kind].endswith("0000") else "1111")
            made_up = world.ask("GET", found.format(other) + path, token=world.holder("admin", NEAR))
            assert (real.status, made_up.status) == (404, 404), (kind, path, real, made_up)
            assert HOME not in real.body.decode().replace(NEAR, "")
            assert real.json["detail"].replace(things[kind], "") == made_up.json["detail"].replace(other, "")


def test_nothing_of_the_other_team_can_be_changed(world: World, things: dict[str, Any]) -> None:
    """Every change by id or by name is refused, and afterwards everything is as it was."""
    outsider, author = world.holder("admin", NEAR), world.holder("author", HOME)
    run, case = f"/api/v1/runs/{things['run']}", f"/api/v1/cases/{things['case']}"
    before = [world.ask("GET", path, token=author).body for path in (run, case, f"/api/v1/triggers/{HOME}/{MARK}")]
    trigger = {"kind": "webhook", "workflow": MARK}
    for method, path, body in (
        ("POST", f"{run}/cancel", {}),
        ("POST", f"{run}/suspend", {}),
        ("POST", f"{run}/resume", {}),
        ("PATCH", case, {"title": "mine"}),
        ("POST", f"{case}/comments", {"text": "mine"}),
        ("POST", f"{case}/transitions", {"status": "closed"}),
        ("PUT", f"/api/v1/triggers/{HOME}/{MARK}", trigger),
        ("DELETE", f"/api/v1/triggers/{HOME}/{MARK}", None),
        ("POST", f"/api/v1/triggers/{HOME}/{MARK}/keys", {}),
        ("DELETE", f"/api/v1/triggers/{HOME}/{MARK}/keys/1", None),
        ("DELETE", f"/api/v1/schedules/{HOME}/{MARK}", None),
        ("POST", f"/api/v1/schedules/{HOME}/{MARK}/pause", {}),
        ("DELETE", f"/api/v1/assets/{HOME}/{MARK}", None),
        ("DELETE", f"/api/v1/workflows/{HOME}/{MARK}", None),
        ("POST", "/api/v1/runs", {"namespace": HOME, "workflow": MARK}),
        ("POST", f"/api/v1/events?namespace={HOME}", {"specversion": "1.0", "id": "1", "source": "/x", "type": "a.b"}),
        (
            "POST",
            f"/api/v1/events?namespace={NEAR}",
            {"specversion": "1.0", "id": "1", "source": "/x", "type": "a.b", "namespace": HOME},
        ),
        ("POST", "/api/v1/dead-letters/trigger/redrive", {}),
        ("GET", "/api/v1/dead-letters/trigger", None),
        ("GET", f"/api/v1/signals?namespace={HOME}", None),
        ("GET", f"/api/v1/audit?namespace={HOME}", None),
    ):
        headers = EVENT if "/events?" in path else {}
        answer = world.ask(method, path, body, token=outsider, headers=headers)
        assert answer.status in {403, 404}, (method, path, answer)
        assert MARK not in answer.body.decode().replace(path, ""), (method, path, answer)
    after = [world.ask("GET", path, token=author).body for path in (run, case, f"/api/v1/triggers/{HOME}/{MARK}")]
    assert after == before


INJECTED = (
    "",
    "?namespace=*",
    "?namespace=team-*",
    "?namespace=.*",
    "?namespace=team-a",
    "?namespace[$ne]=x",
    '?namespace={"$ne":"x"}',
    "?namespace=team-ab&namespace=team-a",
    "?namespace=TEAM-A",
    "?namespace=team-ab%00team-a",
    "?namespace=team-ab,team-a",
    "?$where=1",
    "?limit=500",
)


def cursors() -> list[str]:
    """Positions that nobody was given."""
    made = ({"$gt": ""}, [{"$gt": ""}], ["", {"$ne": 1}], ["team-a/crown-jewels"], [[]], None, {"key": {"$regex": "."}})
    return ["AAAA", "0", *(base64.urlsafe_b64encode(json.dumps(one).encode()).decode().rstrip("=") for one in made)]


@pytest.mark.parametrize(
    "kind", ["runs", "cases", "cases/rules", "triggers", "schedules", "assets", "events", "workflows", "signals", "audit"]
)
def test_no_list_filter_or_cursor_shows_what_belongs_to_the_other_team(world: World, things: dict[str, Any], kind: str) -> None:
    """Operators, wildcards, other spellings and made-up cursors give an error, or one's own things only."""
    token = world.holder("admin", NEAR)
    for query in (*INJECTED, *(f"?cursor={cursor}" for cursor in cursors())):
        answer = world.ask("GET", f"/api/v1/{kind}{query.replace(' ', '%20')}", token=token)
        assert answer.status in {200, 400, 403, 422}, (kind, query, answer)
        assert MARK not in answer.body.decode(), (kind, query, answer)
        if answer.status == 200:
            assert {item.get("namespace", NEAR) for item in answer.json["items"]} <= {NEAR}, (kind, query)


def test_filters_compare_and_never_evaluate(world: World, things: dict[str, Any]) -> None:
    """A pattern or an operator as a value finds what is called so, that is nothing."""
    token = world.holder("author", HOME)
    for path in (
        f"/api/v1/runs?workflow=.*&namespace={HOME}",
        f"/api/v1/cases?owner=%24ne&namespace={HOME}",
        f"/api/v1/cases?tag=%7B%22%24gt%22%3A%22%22%7D&namespace={HOME}",
        f"/api/v1/assets?prefix=.*&namespace={HOME}",
        f"/api/v1/assets?prefix=%5Ecrown&namespace={HOME}",
        f"/api/v1/triggers?workflow=%24exists&namespace={HOME}",
        f"/api/v1/signals?actor=.*&namespace={HOME}",
        f"/api/v1/events?type=com.*&namespace={HOME}",
    ):
        answer = world.ask("GET", path, token=token)
        assert answer.status in {200, 422}, (path, answer)
        assert answer.status == 422 or answer.json["items"] == [], (path, answer)


def test_the_live_stream_is_cut_to_ones_own_namespaces(world: World, things: dict[str, Any]) -> None:
    """A filter over all namespaces becomes one's own; another namespace alone is nothing; no filter breaks out."""
    token = world.holder("viewer", NEAR)
    for subject in (
        "executor.>",
        "events.>",
        ">",
        "$JS.>",
        "_INBOX.>",
        "signals",
        "signals.team-a*.>",
        "signals.*.>.x",
        "a b",
        "",
    ):
        answer = world.ask("GET", f"/api/v1/signals/stream?subject={subject.replace(' ', '%20')}&after=0", token=token)
        assert answer.status == 422, (subject, answer)
    heard = stream(world, "signals.>", token)
    assert MARK not in heard
    events = [json.loads(line.removeprefix("data:")) for line in heard.splitlines() if line.startswith("data:")]
    assert {event["namespace"] for event in events} == {NEAR}  # people of others, refused there, are named
    assert MARK in stream(world, f"signals.{HOME}.>", world.holder("viewer", HOME)), "the own team hears it"


def stream(world: World, subject: str, token: str) -> str:
    """What the stream says from the beginning until a run of the asker's team has been started and heard."""
    with world.open(f"/api/v1/signals/stream?subject={subject}&after=0", token) as answer:
        namespace = HOME if HOME in subject else NEAR
        world.good("POST", "/api/v1/cases", {"namespace": namespace, "title": "until here"}, token=world.root)
        heard = ""
        while "until here" not in heard:
            heard += answer.readline().decode()
        return heard
