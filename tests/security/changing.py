"""One change of something existing by every operation that changes something, for the audit trail to tell.

A tour through the API: things are made, then changed by each route of the table. Which request was for which route is kept.
"""

import re
from base64 import b32decode
from typing import Any

from e2e.machine import awaited
from security.world import PASSWORD, Answer, World
from tocsin_auth.domain.second_factor import STEP_SECONDS, totp
from tocsin_kit.clock import SystemClock

PLACE, NAME = "audited", "thing"
HERE = f"{PLACE}/{NAME}"
YAML = {"Content-Type": "application/yaml"}
_WEEK = [{"days": [1]}]
_TELL = {"kind": "notify", "to": ["owner"]}
_DOCUMENT = """
document: {dsl: '1.0.3', namespace: %s, name: %s, version: '%s'}
do:
  - ask: {call: approval, with: {title: 'Go on?', assignees: [somebody], form: {type: object}}}
  - hold: {wait: PT1H}
"""


class Tour:
    """Asks, and remembers what for.

    Args:
        world: The platform.
        templates: Every ``METHOD /path`` of the API.
    """

    def __init__(self, world: World, templates: list[str]) -> None:
        self._world = world
        self._shapes = [(one, re.compile(re.sub(r"\{[a-z_]+\}", "[^/]+", one))) for one in templates]
        self._count = 0
        self.asked: dict[str, str] = {}  # request by operation; the last one, before which something was there

    def do(self, method: str, path: str, body: object = None, *, token: str | None = None, **more: Any) -> Any:
        """One request that has to work; its body decoded."""
        wanted = f"{method} {path.partition('?')[0]}"
        found = [one for one, shape in self._shapes if shape.fullmatch(wanted)]
        operation = min(found, key=lambda one: one.count("{"))  # `/cases/alerts` is no case
        self._count += 1
        request = f"tour-{PLACE}-{self._count}"
        headers = {"X-Request-Id": request, **more.pop("headers", {})}
        answer: Answer
        for _ in range(5):  # cases have clocks, which write to them too: 409 says to decide again
            answer = self._world.ask(method, path, body, token=token or self._world.root, headers=headers, **more)
            if answer.code != "revision_conflict":
                break
        assert answer.status < 300, (method, path, answer)
        self.asked[operation] = answer.headers["x-request-id"]
        return answer.json if answer.body and answer.headers["content-type"].startswith("application/json") else None


def walk(tour: Tour, world: World) -> None:
    """All of it."""
    for part in (_people, _rules, _secrets, _workflows, _runs, _triggers, _schedules, _assets, _settings, _cases, _watching):
        part(tour, world)


def _people(tour: Tour, world: World) -> None:
    tour.do("POST", "/api/v1/users", {"name": NAME, "password": PASSWORD, "bindings": []})
    tour.do("PATCH", f"/api/v1/users/{NAME}", {"bindings": [{"role": "viewer", "namespace": PLACE}]})
    mine = world.login(NAME, PASSWORD)["access_token"]
    key = tour.do("POST", "/api/v1/api-keys", {"name": NAME}, token=mine)
    tour.do("POST", f"/api/v1/api-keys/{key['id']}/rotate", {}, token=mine)
    other = tour.do("POST", "/api/v1/api-keys", {"name": "other"}, token=mine)
    tour.do("DELETE", f"/api/v1/api-keys/{other['id']}", token=mine)
    codes = _second_factor(tour, mine)
    mine = world.good("POST", "/api/v1/auth/login", {"user": NAME, "password": PASSWORD, "code": codes[0]})["access_token"]
    tour.do("POST", "/api/v1/auth/second-factor/remove", {"password": PASSWORD}, token=mine)
    _second_factor(tour, world.login(NAME, PASSWORD)["access_token"])
    tour.do("DELETE", f"/api/v1/users/{NAME}/second-factor")
    tour.do("PUT", f"/api/v1/users/{NAME}/password", {"password": f"{PASSWORD} again"})
    pair = world.login(NAME, f"{PASSWORD} again")
    tour.do("POST", "/api/v1/auth/password", {"current": f"{PASSWORD} again", "new": PASSWORD}, token=pair["access_token"])
    mine = world.login(NAME, PASSWORD)["access_token"]
    session = tour.do("GET", "/api/v1/auth/sessions", token=mine)["items"][0]["id"]
    tour.do("DELETE", f"/api/v1/auth/sessions/{session}", token=mine)
    tour.do("DELETE", f"/api/v1/users/{NAME}")


def _second_factor(tour: Tour, token: str) -> list[str]:
    """Add one; its recovery codes."""
    shown = tour.do("POST", "/api/v1/auth/second-factor", {"password": PASSWORD}, token=token)
    secret = re.search("secret=([A-Z2-7]+)", shown["uri"])
    assert secret is not None
    step = int(SystemClock().now().timestamp()) // STEP_SECONDS
    code = totp(b32decode(secret[1] + "=" * (-len(secret[1]) % 8)), step)
    tour.do("POST", "/api/v1/auth/second-factor/confirm", {"code": code}, token=token)
    codes: list[str] = shown["recovery_codes"]
    return codes


def _rules(tour: Tour, world: World) -> None:
    for number in (1, 2):
        tour.do("PUT", f"/api/v1/roles/{NAME}", {"permissions": ["run:read", "run:start"][:number]})
        tour.do("PUT", f"/api/v1/groups/{NAME}", {"members": [], "summary": f"{number}"})
        for path, body in (
            (f"/api/v1/auth/namespaces/{PLACE}", {"environment": f"stage-{number}"}),
            ("/api/v1/auth/second-factor-rules", {"rules": [{"role": NAME, "grace_days": number}]}),
        ):
            tour.do("PUT", path, body)
            world.renew()
    world.good("PUT", "/api/v1/auth/second-factor-rules", {"rules": []})
    world.renew()
    tour.do("DELETE", f"/api/v1/groups/{NAME}")
    tour.do("DELETE", f"/api/v1/roles/{NAME}")
    tour.do("POST", "/api/v1/auth/signing-keys/rotate")
    tour.do("POST", "/api/v1/auth/data-keys/rotate")
    tour.do("POST", "/api/v1/auth/data-keys/rewrap")


def _secrets(tour: Tour, world: World) -> None:
    path = f"/api/v1/secrets/{NAME}"
    here = f"?namespace={PLACE}"
    for number in (1, 2):
        tour.do("PUT", path, {"namespace": PLACE, "value": f"v{number}", "summary": f"{number}"})
    tour.do("POST", f"{path}/rotate", {"namespace": PLACE, "value": "v3"})
    tour.do("POST", f"{path}/restore", {"namespace": PLACE, "version": 1})
    tour.do("DELETE", path + here)


def _workflows(tour: Tour, world: World) -> None:
    for version in ("1.0.0", "1.0.1", "1.0.2"):
        document = (_DOCUMENT % (PLACE, NAME, version)).encode()
        tour.do("POST", "/api/v1/workflows", document, headers=YAML)
    tour.do("DELETE", f"/api/v1/workflows/{HERE}?version=1.0.2")
    author = world.user("proposer", ("author", PLACE))
    for verb, token in (("approve", world.root), ("decline", world.root), ("withdraw", author)):
        document = (_DOCUMENT % (PLACE, "other", f"1.0.{len(verb)}")).encode()
        made = tour.do("POST", "/api/v1/proposals", document, token=author, headers=YAML)["id"]
        tour.do("POST", f"/api/v1/proposals/{made}/{verb}", {"reason": "so it is"}, token=token)
    for number in (1, 2):
        tour.do("PUT", f"/api/v1/pools/{HERE}", {"limit": number})
    tour.do("DELETE", f"/api/v1/pools/{HERE}")


def _runs(tour: Tour, world: World) -> None:
    begin = {"namespace": PLACE, "workflow": NAME, "version": "1.0.0"}

    def started() -> str:
        """A run that asks its question."""
        run: str = world.good("POST", "/api/v1/runs", begin)["id"]
        awaited(lambda: _question(world, run), what="a question")
        return f"/api/v1/runs/{run}"

    run = started()
    tour.do("POST", f"{run}/suspend", {"reason": "let me see"})
    tour.do("POST", f"{run}/resume", {})
    tour.do("POST", f"{run}/migrate", {"version": "1.0.1"})
    question = f"/api/v1/approvals/{_question(world, run.rpartition('/')[2])}"
    tour.do("POST", f"{question}/delegate", {"to": "another", "reason": "away"})
    tour.do("POST", f"{question}/answer", {"answer": {"fine": True}})
    tour.do("POST", f"{run}/cancel", {})
    run = started()
    tour.do("POST", f"{run}/output", {"task": "ask", "output": {"by": "hand"}})
    run = started()
    tour.do("POST", f"{run}/skip", {"task": "ask"})
    tour.do("POST", f"{run}/terminate", {})


def _question(world: World, run: str) -> str | None:
    found = world.good("GET", f"/api/v1/approvals?namespace={PLACE}")["items"]
    return next((str(one["id"]) for one in found if one["id"].startswith(run)), None)


def _triggers(tour: Tour, world: World) -> None:
    path = f"/api/v1/triggers/{HERE}"
    for types in ("one", "two"):
        tour.do("PUT", path, {"kind": "webhook", "workflow": NAME, "labels": {"for": types}})
    tour.do("POST", f"{path}/pause", {"reason": "too many"})
    tour.do("POST", f"{path}/resume")
    tour.do("POST", f"{path}/keys", {})
    keys = world.good("GET", path)["webhook"]["keys"]
    tour.do("DELETE", f"{path}/keys/{keys[0]['id']}")
    tour.do("POST", f"{path}/address", {})
    tour.do("DELETE", f"{path}/address")
    tour.do("DELETE", path)


def _schedules(tour: Tour, world: World) -> None:
    path = f"/api/v1/schedules/{HERE}"
    for month in (1, 2):
        tour.do("PUT", path, {"workflow": NAME, "cron": f"0 0 1 {month} *"})
    tour.do("POST", f"{path}/pause", {"reason": "not now"})
    tour.do("POST", f"{path}/resume")
    backfill = {"workflow": NAME, "items": [{"key": "a"}, {"key": "b"}]}
    tour.do("PUT", f"/api/v1/backfills/{HERE}", backfill)
    tour.do("POST", f"/api/v1/backfills/{HERE}/cancel", {"reason": "wrong one"})
    tour.do("DELETE", path)


def _assets(tour: Tour, world: World) -> None:
    path = f"/api/v1/assets/{HERE}"
    for text in ("one", "two"):
        tour.do("PUT", path, {"description": text})
    tour.do("DELETE", path)


def _settings(tour: Tour, world: World) -> None:
    worker = world.good("GET", "/api/v1/workers")["items"][0]["name"]
    for deed in ("drain", "resume"):
        tour.do("POST", f"/api/v1/workers/{worker}/{deed}", {"reason": "a tour"})
    bodies: dict[str, list[dict[str, Any]]] = {
        "calendars": [{"hours": _WEEK, "timezone": zone} for zone in ("Europe/Berlin", "Europe/Paris")],
        "escalations": [{"levels": [{"after": f"PT{n}H", "actions": [_TELL]}]} for n in (1, 2)],
        "rotations": [{"layers": [{"participants": [f"user:{one}"], "start": "2026-01-05"}]} for one in ("a", "b")],
        "rules": [{"title": title} for title in ("one", "two")],
        "teams": [{"members": [one]} for one in ("user:a", "user:b")],
        "templates": [{"title": title} for title in ("one", "two")],
        "types": [{"open_fields": open_fields} for open_fields in (False, True)],
        "views": [{"query": {"tag": tag}} for tag in ("one", "two")],
    }
    for kind, each in bodies.items():
        for body in each:
            tour.do("PUT", f"/api/v1/cases/{kind}/{HERE}", body)
        tour.do("DELETE", f"/api/v1/cases/{kind}/{HERE}")


def _cases(tour: Tour, world: World) -> None:
    world.good("PUT", f"/api/v1/cases/escalations/{PLACE}/p", {"levels": [{"after": "PT9H", "actions": [_TELL]}]})
    kind = {"open_fields": True, "escalation": "p", "playbooks": [{"name": "go", "workflow": NAME}]}
    world.good("PUT", f"/api/v1/cases/types/{PLACE}/guided", kind)
    body = {"namespace": PLACE, "title": "one", "kind": "guided"}
    case, other = (world.good("POST", "/api/v1/cases", body)["id"] for _ in range(2))
    path = f"/api/v1/cases/{case}"
    tour.do("PATCH", path, {"title": "two", "tags": ["a"]})
    tour.do("POST", f"{path}/links", {"kind": "run", "target": "r"})
    tour.do("DELETE", f"{path}/links", {"kind": "run", "target": "r"})
    said = tour.do("POST", f"{path}/comments", {"text": "first"})["id"]
    tour.do("PATCH", f"{path}/comments/{said}", {"text": "second"})
    task = tour.do("POST", f"{path}/tasks", {"title": "look"})["id"]
    tour.do("PATCH", f"{path}/tasks/{task}", {"title": "look again"})
    file = tour.do("POST", f"{path}/attachments?name=a.txt", b"abc", headers={"Content-Type": "text/plain"})["id"]
    tour.do("DELETE", f"{path}/attachments/{file}?reason=old")
    seen = tour.do("POST", f"{path}/observables", {"type": "ip", "value": "192.0.2.7"})["id"]
    tour.do("DELETE", f"{path}/observables/{seen}")
    tour.do("POST", f"{path}/escalation/stop")
    tour.do("POST", f"{path}/merge", {"cases": [other]})
    tour.do("POST", f"{path}/unmerge", {"cases": [other]})
    tour.do("POST", f"{path}/split", {"title": "a part", "tags": ["a"]})
    tour.do("POST", f"/api/v1/cases/{other}/playbooks/go", {})
    tour.do("POST", f"{path}/transitions", {"status": "closed", "resolution": "done"})
    tour.do("POST", "/api/v1/cases/bulk", {"cases": [other], "change": {"tags": ["b"]}})


def _watching(tour: Tour, world: World) -> None:
    rule = {"kind": "count", "subject": f"signals.{PLACE}.case.opened.*", "threshold": 1, "window": "1h"}
    for severity in ("warning", "critical"):
        tour.do("PUT", f"/api/v1/alert-rules/{HERE}", {**rule, "severity": severity})
    world.good("POST", "/api/v1/cases", {"namespace": PLACE, "title": "for the alert"})
    listed = f"/api/v1/alerts?namespace={PLACE}"
    alert = awaited(lambda: world.good("GET", listed)["items"], what="an alert")[0]["id"]
    tour.do("POST", f"/api/v1/alerts/{alert}/acknowledge", {})
    tour.do("POST", f"/api/v1/alerts/{alert}/resolve", {})
    tour.do("DELETE", f"/api/v1/alert-rules/{HERE}")
    for number in (1, 2):
        tour.do("PUT", f"/api/v1/channels/{HERE}", {"kind": "webhook", "url": f"http://127.0.0.1:9/{number}"})
        body = {"url": f"http://127.0.0.1:9/{number}", "subject": f"signals.{PLACE}.none.>", "verification": "none"}
        tour.do("PUT", f"/api/v1/webhooks/{HERE}", body)
    world.good("PUT", f"/api/v1/audit/holds/{NAME}", {"reason": "a letter", "held_namespace": PLACE})
    tour.do("DELETE", f"/api/v1/audit/holds/{NAME}")
    tour.do("DELETE", f"/api/v1/channels/{HERE}")
    path = f"/api/v1/webhooks/{HERE}"
    tour.do("POST", f"{path}/pause")
    tour.do("POST", f"{path}/resume")
    tour.do("POST", f"{path}/rotate", {})
    tour.do("DELETE", path)
