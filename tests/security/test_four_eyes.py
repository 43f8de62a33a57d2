"""A namespace in which nobody publishes alone: every way around the second person that we could think of."""

from collections.abc import Iterator

import pytest

from security.world import PASSWORD, Answer, World

pytestmark = [pytest.mark.server, pytest.mark.slow]

COURT = "court"
YAML = {"Content-Type": "application/yaml"}


def document(version: str, namespace: str = COURT, name: str = "verdict") -> bytes:
    """A definition."""
    text = f"document: {{dsl: '1.0.3', namespace: {namespace}, name: {name}, version: '{version}'}}\n"
    return (text + "do:\n  - note: {set: {x: 1}}\n").encode()


def publish(world: World, version: str, token: str) -> Answer:
    """Try to publish by oneself."""
    return world.ask("POST", "/api/v1/workflows", document(version), token=token, headers=YAML)


def propose(world: World, version: str, token: str) -> str:
    """Propose to publish; the proposal."""
    answer = world.ask("POST", "/api/v1/proposals?note=please", document(version), token=token, headers=YAML)
    assert answer.status == 201, answer
    made: str = answer.json["id"]
    return made


def decide(world: World, proposal: str, verb: str, token: str) -> Answer:
    """Approve, decline or withdraw."""
    return world.ask("POST", f"/api/v1/proposals/{proposal}/{verb}", {}, token=token)


@pytest.fixture(scope="module")
def court(world: World) -> Iterator[World]:
    """The namespace, where a first version was published before it took two people."""
    assert publish(world, "1.0.0", world.root).status == 201
    world.good("PUT", f"/api/v1/auth/namespaces/{COURT}", {"reviewed": True})
    world.renew()
    yield world
    world.good("PUT", f"/api/v1/auth/namespaces/{COURT}", {})
    world.renew()


def test_nobody_publishes_or_deletes_alone(court: World) -> None:
    """Neither an author of the place nor who may do everything; the answer says what to do instead."""
    for token in (court.holder("author", COURT), court.holder("admin", COURT), court.root):
        refused = publish(court, "2.0.0", token)
        assert refused.status == 403
        assert "propose" in refused.json["hint"]
        for query in ("", "?version=1.0.0"):
            assert court.ask("DELETE", f"/api/v1/workflows/{COURT}/verdict{query}", token=token).status == 403
    assert court.ask("POST", "/api/v1/runs", {"namespace": COURT, "workflow": "verdict"}, token=court.root).status == 202


def test_what_one_proposes_another_publishes(court: World) -> None:
    """Both names are kept; who proposed it cannot decide, not by a key, a new login, or the root of all; once is enough."""
    author, reviewer = court.holder("author", COURT), court.holder("admin", COURT)
    proposal = propose(court, "2.0.0", author)
    key = court.good("POST", "/api/v1/api-keys", {"name": "mine"}, token=author)["api_key"]
    again = court.login(f"author-{COURT}", PASSWORD)["access_token"]
    for token in (author, key, again):
        refused = decide(court, proposal, "approve", token)
        assert (refused.status, refused.code) == (403, "second_reviewer_needed")
        assert decide(court, proposal, "decline", token).code == "second_reviewer_needed"
    assert decide(court, proposal, "withdraw", reviewer).code == "second_reviewer_needed"
    done = decide(court, proposal, "approve", reviewer)
    assert (done.status, done.json["stand"]) == (200, "approved")
    assert decide(court, proposal, "approve", reviewer).code == "proposal_decided"
    shown = court.good("GET", f"/api/v1/workflows/{COURT}/verdict")
    assert shown["version"] == "2.0.0"
    newest = shown["versions"][-1]
    assert (newest["published_by"], newest["approved_by"]) == (f"user:author-{COURT}", f"user:admin-{COURT}")
    mine = propose(court, "2.1.0", court.root)
    assert decide(court, mine, "approve", court.root).code == "second_reviewer_needed"
    assert decide(court, mine, "withdraw", court.root).json["stand"] == "withdrawn"
    assert decide(court, mine, "approve", reviewer).code == "proposal_decided"


def test_deleting_takes_two_as_well(court: World) -> None:
    """Deleting the newest version makes the one before it count again, which is publishing."""
    author, reviewer = court.holder("author", COURT), court.holder("admin", COURT)
    made = propose(court, "3.0.0", author)
    assert decide(court, made, "approve", reviewer).status == 200
    body = {"namespace": COURT, "name": "verdict", "version": "3.0.0"}
    gone = court.good("POST", "/api/v1/proposals/deletions", body, token=author)["id"]
    assert decide(court, gone, "approve", author).status == 403
    assert decide(court, gone, "approve", reviewer).status == 200
    assert court.ask("GET", f"/api/v1/workflows/{COURT}/verdict?version=3.0.0", token=reviewer).status == 404


def test_a_proposal_that_came_too_late_is_refused_whole(court: World) -> None:
    """Two proposals of one version with different contents: the second is refused, and stays open to be declined."""
    author, reviewer = court.holder("author", COURT), court.holder("admin", COURT)
    first = propose(court, "4.0.0", author)
    other = document("4.0.0").replace(b"x: 1", b"x: 2")
    second = court.ask("POST", "/api/v1/proposals", other, token=author, headers=YAML).json["id"]
    assert decide(court, first, "approve", reviewer).status == 200
    assert decide(court, second, "approve", reviewer).code == "version_taken"
    assert court.good("GET", f"/api/v1/proposals/{second}")["proposal"]["stand"] == "open"
    assert decide(court, second, "decline", reviewer).json["stand"] == "declined"


def test_a_proposal_takes_what_publishing_takes_and_is_seen_where_workflows_are(court: World) -> None:
    """Secrets and other namespaces in a document are asked for when it is proposed; strangers see nothing of it."""
    court.good("PUT", "/api/v1/roles/drafter", {"permissions": ["workflow:read", "workflow:propose"]})
    drafter, stranger = court.holder("drafter", COURT), court.holder("admin", "team-a")
    secretive = document("9.0.0") + b"use: {secrets: [treasure]}\n"
    assert court.ask("POST", "/api/v1/proposals", secretive, token=drafter, headers=YAML).status == 403
    made = propose(court, "9.0.0", drafter)
    assert court.ask("GET", f"/api/v1/proposals/{made}", token=stranger).status == 404
    for verb in ("approve", "decline", "withdraw"):
        assert decide(court, made, verb, stranger).status == 404
    assert decide(court, made, "approve", court.holder("viewer", COURT)).status == 403
    listed = court.good("GET", f"/api/v1/proposals?namespace={COURT}&stand=open", token=drafter)["items"]
    assert [one["mine"] for one in listed if one["id"] == made] == [True]
    seen = court.good("GET", "/api/v1/proposals", token=stranger)["items"]
    assert {one["namespace"] for one in seen} <= {"team-a"}  # where others of these tests may have proposed something
    assert court.ask("GET", f"/api/v1/proposals?namespace={COURT}", token=stranger).status == 403
