"""Restricted cases, internal comments and playbooks: who sees and may what."""

import pytest

from security.world import HOME, NEAR, World

pytestmark = [pytest.mark.server, pytest.mark.slow]
MARK = "black-ledger"


@pytest.fixture(scope="module")
def restricted(world: World) -> str:
    """A restricted case of somebody in `team-a`, with a comment, an observable, a file and a task."""
    token = world.holder("author", HOME)
    body = {"namespace": HOME, "title": MARK, "restricted": True, "fields": {"amount": 77321}, "tags": [MARK]}
    case: str = world.good("POST", "/api/v1/cases", body, token=token)["id"]
    world.good("POST", f"/api/v1/cases/{case}/comments", {"text": MARK}, token=token)
    world.good("POST", f"/api/v1/cases/{case}/observables", {"type": "user", "value": MARK}, token=token)
    world.good("POST", f"/api/v1/cases/{case}/tasks", {"title": MARK}, token=token)
    return case


def test_a_restricted_case_is_not_there_for_colleagues(world: World, restricted: str) -> None:
    """The same role in the same namespace: not by id, in no list, count, search, history, report, nor through what was seen."""
    colleague = world.holder("operator", HOME)
    made_up = restricted[:-4] + ("0000" if not restricted.endswith("0000") else "1111")
    past = "/at?at=2100-01-01T00:00:00Z"
    for path in ("", past, "/history", "/comments", "/tasks", "/observables", "/attachments", "/playbooks", "/report"):
        real = world.ask("GET", f"/api/v1/cases/{restricted}{path}", token=colleague)
        other = world.ask("GET", f"/api/v1/cases/{made_up}{path}", token=colleague)
        assert (real.status, other.status) == (404, 404), path
        assert real.json["detail"].replace(restricted, "") == other.json["detail"].replace(made_up, "")
    for method, path, body in (
        ("PATCH", "", {"title": "mine"}),
        ("POST", "/transitions", {"status": "closed"}),
        ("POST", "/comments", {"text": "mine"}),
        ("POST", "/merge", {"cases": [made_up]}),
        ("POST", "/split", {"title": "mine"}),
        ("POST", "/escalation/stop", None),
        ("POST", "/unmerge", {"cases": [made_up]}),
        ("POST", "/links", {"kind": "run", "target": "r"}),
        ("DELETE", f"/attachments/{made_up}?reason=mine", None),
        ("GET", f"/attachments/{made_up}/custody", None),
        ("PATCH", f"/comments/{made_up}", {"text": "mine"}),
        ("PATCH", f"/tasks/{made_up}", {"status": "done"}),
    ):
        assert world.ask(method, f"/api/v1/cases/{restricted}{path}", body, token=colleague).status == 404, path
    for query in ("", f"&text={MARK}", f"&tag={MARK}", "&field=amount=77321", "&sort=opened_at"):
        for path in ("cases?", "cases/facets?", "cases/metrics?"):
            answer = world.ask("GET", f"/api/v1/{path}namespace={HOME}{query}", token=colleague)
            assert answer.status == 200, (path, query, answer)
            assert MARK not in answer.body.decode(), (path, query)
    bulk = world.good("POST", "/api/v1/cases/bulk", {"cases": [restricted], "status": "closed"}, token=colleague)
    assert bulk["results"] == [
        {"case": restricted, "status": None, "error": "not_found", "detail": f"there is no case {restricted}"}
    ]
    seen = world.good("GET", f"/api/v1/cases/observables?namespace={HOME}&value={MARK}", token=colleague)["items"]
    assert seen == []
    known = world.good("GET", f"/api/v1/cases/observables?namespace={HOME}&value={MARK}", token=world.root)["items"]
    for token, status in ((colleague, 404), (world.root, 200)):
        assert world.ask("GET", f"/api/v1/cases/observables/{known[0]['id']}", token=token).status == status
    assert world.good("GET", f"/api/v1/cases/{restricted}", token=world.root)["title"] == MARK


def test_what_a_restricted_case_says_does_not_get_into_one_that_everybody_sees(world: World, restricted: str) -> None:
    """Not by merging, nor by opening up what took it over once; a thing that was seen in both is counted once for others."""
    author = world.holder("author", HOME)
    open_to_all = world.good("POST", "/api/v1/cases", {"namespace": HOME, "title": "open to all"}, token=author)["id"]
    path = f"/api/v1/cases/{open_to_all}"
    assert world.ask("POST", f"{path}/merge", {"cases": [restricted]}, token=author).status == 409
    seen = world.good("POST", f"{path}/observables", {"type": "user", "value": MARK}, token=author)
    assert seen["cases"] == 1
    world.good("PATCH", path, {"restricted": True}, token=author)
    world.good("POST", f"{path}/merge", {"cases": [restricted]}, token=author)
    assert world.ask("PATCH", path, {"restricted": False}, token=author).status == 422
    world.good("POST", f"{path}/unmerge", {"cases": [restricted]}, token=author)
    # Its history still says what the other one said.
    assert world.ask("PATCH", path, {"restricted": False}, token=author).status == 422


def test_members_and_the_team_see_a_restricted_case(world: World, restricted: str) -> None:
    """Whoever is added, and the members of its team."""
    author, colleague, viewer = (world.holder(role, HOME) for role in ("author", "operator", "viewer"))
    me = world.good("GET", "/api/v1/auth/me", token=colleague)
    who = me.get("subject") or f"user:{me['name']}"
    mine = world.good("POST", "/api/v1/cases", {"namespace": HOME, "title": "ours", "restricted": True}, token=author)["id"]
    assert world.ask("GET", f"/api/v1/cases/{mine}", token=colleague).status == 404
    world.good("PATCH", f"/api/v1/cases/{mine}", {"members": [who]}, token=author)
    assert world.ask("GET", f"/api/v1/cases/{mine}", token=colleague).status == 200
    world.good("PATCH", f"/api/v1/cases/{mine}", {"members": []}, token=author)
    world.good("PUT", f"/api/v1/cases/teams/{HOME}/night", {"members": [who], "restricted": True}, token=author)
    world.good("PATCH", f"/api/v1/cases/{mine}", {"team": "night"}, token=author)
    assert world.ask("GET", f"/api/v1/cases/{mine}", token=colleague).status == 200
    assert world.ask("GET", f"/api/v1/cases/{mine}", token=viewer).status == 404


def test_internal_comments_are_for_those_who_work_on_the_case(world: World) -> None:
    """A viewer reads the public ones; an answer to an internal one is internal, whatever its author says."""
    author, viewer = world.holder("author", HOME), world.holder("viewer", HOME)
    case = world.good("POST", "/api/v1/cases", {"namespace": HOME, "title": "talk"}, token=author)["id"]
    path = f"/api/v1/cases/{case}/comments"
    world.good("POST", path, {"text": "for all"}, token=author)
    inside = world.good("POST", path, {"text": MARK, "visibility": "internal"}, token=author)
    world.good("POST", path, {"text": f"about {MARK}", "parent": inside["id"]}, token=author)
    assert [one["text"] for one in world.good("GET", path, token=viewer)["items"]] == ["for all"]
    assert len(world.good("GET", path, token=author)["items"]) == 3
    for query in ("", "&internal=true"):
        report = world.ask("GET", f"/api/v1/cases/{case}/report?format=json{query}", token=viewer)
        assert report.status == 200
        assert MARK not in report.body.decode()


def test_a_comment_is_changed_by_who_wrote_it_and_the_past_is_no_way_in(world: World) -> None:
    """Colleagues answer and do not rewrite; a case of another namespace is not there at any instant either."""
    author, colleague = world.holder("author", HOME), world.holder("operator", HOME)
    case = world.good("POST", "/api/v1/cases", {"namespace": HOME, "title": "past"}, token=author)["id"]
    said = world.good("POST", f"/api/v1/cases/{case}/comments", {"text": "first"}, token=author)["id"]
    path = f"/api/v1/cases/{case}/comments/{said}"
    assert world.ask("PATCH", path, {"text": "never said"}, token=colleague).status == 403
    edited = world.good("PATCH", path, {"text": "second"}, token=author)
    assert (edited["text"], [edit["text"] for edit in edited["edits"]]) == ("second", ["first"])
    stranger = world.holder("author", NEAR)
    for past in (f"/api/v1/cases/{case}/at?at=2100-01-01T00:00:00Z", f"/api/v1/cases/{case}/history"):
        assert world.ask("GET", past, token=stranger).status == 404
        assert world.ask("GET", past, token=colleague).status == 200


def test_a_playbook_is_no_way_around_the_permission_to_start_workflows(world: World) -> None:
    """Who may work cases and start nothing, starts nothing from a case either."""
    author = world.holder("author", HOME)
    world.good("PUT", "/api/v1/roles/caseworker", {"permissions": ["case:*"], "summary": "Works cases."}, token=world.root)
    worker = world.holder("caseworker", HOME)
    kind = {"open_fields": True, "playbooks": [{"name": "go", "workflow": MARK}]}
    world.good("PUT", f"/api/v1/cases/types/{HOME}/guarded", kind, token=author)
    body = {"namespace": HOME, "title": "guarded", "kind": "guarded"}
    case = world.good("POST", "/api/v1/cases", body, token=worker)["id"]
    refused = world.ask("POST", f"/api/v1/cases/{case}/playbooks/go", {}, token=worker)
    assert refused.status == 403, refused
    assert world.ask("POST", f"/api/v1/cases/{case}/playbooks/go", {}, token=author).status == 202
