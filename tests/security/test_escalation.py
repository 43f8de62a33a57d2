"""Trying to become more than one is: through users, roles, keys, workflows and members nobody asked for."""

import pytest

from security.world import HOME, NEAR, PASSWORD, World

pytestmark = pytest.mark.server

ALL = {"permission": "*:*", "namespace": "*"}


@pytest.mark.parametrize("role", ["viewer", "operator", "author"])
@pytest.mark.parametrize("path", ["/api/v1/api-keys", "/api/v1/auth/nats-credentials"])
def test_a_key_cannot_be_wider_than_its_maker(world: World, role: str, path: str) -> None:
    """Neither another permission, nor another namespace, nor a wildcard over what one holds."""
    token = world.holder(role, HOME)
    for grant in (
        ALL,
        {"permission": "*:*", "namespace": HOME},
        {"permission": "run:read", "namespace": "*"},
        {"permission": "run:read", "namespace": NEAR},
        {"permission": "user:write", "namespace": HOME},
        {"permission": "*:read", "namespace": HOME},
    ):
        answer = world.ask("POST", path, {"name": "wide", "grants": [grant]}, token=token)
        assert (answer.status, answer.code) == (403, "wider_than_own"), (grant, answer)
    kept = world.good("POST", path, {"name": "fit", "grants": [{"permission": "run:read", "namespace": HOME}]}, token=token)
    key = kept.get("api_key") or kept["password"]
    assert world.ask("GET", f"/api/v1/runs?namespace={NEAR}", token=key).status == 403
    assert world.ask("POST", path, {"name": "child"}, token=key).status == 403, "keys make no keys"
    assert world.ask("POST", "/api/v1/auth/password", {"current": "x", "new": PASSWORD}, token=key).status == 403


def test_a_key_loses_what_its_owner_loses(world: World) -> None:
    """The grants of a key are cut with those of its owner at each exchange."""
    token = world.user("demoted", ("admin", HOME))
    key = world.good("POST", "/api/v1/api-keys", {"name": "all"}, token=token)["api_key"]
    world.good("PATCH", "/api/v1/users/demoted", {"bindings": []})
    access = world.good("POST", "/api/v1/auth/token", {"api_key": key})["access_token"]
    assert world.good("GET", "/api/v1/auth/me", token=access)["grants"] == []
    assert world.ask("GET", "/api/v1/runs", token=access).status == 403


def test_somebody_elses_keys_are_not_there(world: World) -> None:
    """Not shown, not listed, not revoked; the answer is that of a key that does not exist."""
    made = world.good("POST", "/api/v1/api-keys", {"name": "mine"})
    token = world.holder("admin", HOME)
    for method in ("GET", "DELETE"):
        assert world.ask(method, f"/api/v1/api-keys/{made['id']}", token=token).status == 404
    for owner in ("admin", "*"):
        assert world.ask("GET", f"/api/v1/api-keys?owner={owner}", token=token).status == 403
    assert world.good("GET", "/api/v1/api-keys", token=token)["items"] == []
    assert world.ask("GET", "/api/v1/runs", token=made["api_key"]).status == 200


def test_who_administers_one_namespace_administers_no_people(world: World) -> None:
    """Users and roles belong to no namespace: `admin` in one opens neither."""
    token = world.holder("admin", HOME)
    wide = [{"role": "admin", "namespace": "*"}]
    for method, path, body in (
        ("POST", "/api/v1/users", {"name": "mallory", "password": PASSWORD, "bindings": wide}),
        ("PATCH", "/api/v1/users/admin-team-a", {"bindings": wide}),
        ("PUT", "/api/v1/users/admin/password", {"password": PASSWORD}),
        ("DELETE", "/api/v1/users/admin", None),
        ("PUT", "/api/v1/roles/own", {"permissions": ["*:*"]}),
        ("POST", "/api/v1/auth/signing-keys/rotate", None),
    ):
        assert world.ask(method, path, body, token=token).status == 403, (method, path)


def test_who_may_write_users_gives_and_takes_over_no_more_than_own(world: World) -> None:
    """`user:write` alone is no way to `admin`: not by binding, not by a role, not by the password of somebody greater."""
    world.good("PUT", "/api/v1/roles/clerk", {"permissions": ["user:write", "user:read", "role:write", "run:read"]})
    token = world.user("clerk", ("clerk", "*"))
    wide = [{"role": "admin", "namespace": "*"}]
    for method, path, body in (
        ("POST", "/api/v1/users", {"name": "mallory", "password": PASSWORD, "bindings": wide}),
        ("POST", "/api/v1/users", {"name": "mallory", "password": PASSWORD, "bindings": [{"role": "viewer"}]}),
        ("PATCH", "/api/v1/users/clerk", {"bindings": wide}),
        ("PUT", "/api/v1/users/admin/password", {"password": PASSWORD}),
        ("PATCH", "/api/v1/users/admin", {"disabled": True}),
        ("DELETE", "/api/v1/users/admin", None),
        ("PUT", "/api/v1/roles/clerk", {"permissions": ["*:*"]}),
        ("PUT", "/api/v1/roles/next", {"permissions": ["run:*"]}),
    ):
        answer = world.ask(method, path, body, token=token)
        assert (answer.status, answer.code) == (403, "wider_than_own"), (method, path, answer)
    assert world.ask("PUT", "/api/v1/roles/viewer", {"permissions": ["*:*"]}).status == 401
    assert world.ask("PUT", "/api/v1/roles/viewer", {"permissions": ["*:*"]}, token=world.root).status == 409, "built in"


@pytest.mark.parametrize(
    "member", ["disabled", "is_admin", "grants", "created_at", "password_hash", "_id", "$set", "secure_since"]
)
def test_members_that_are_not_asked_for_are_refused(world: World, member: str) -> None:
    """Mass assignment: an unknown or read-only member is an error, never stored, whatever the resource."""
    target = {"namespace": HOME, "name": "mass"}
    for method, path, body in (
        ("POST", "/api/v1/users", {"name": "mass", "password": PASSWORD}),
        ("POST", "/api/v1/api-keys", {"name": "mass"}),
        ("PUT", "/api/v1/roles/mass", {"permissions": ["run:read"]}),
        ("POST", "/api/v1/runs", {"workflow": "hello"}),
        ("POST", "/api/v1/cases", {"title": "mass"}),
        ("POST", "/api/v1/triggers", {**target, "kind": "webhook", "workflow": "hello"}),
        ("PUT", f"/api/v1/schedules/{HOME}/mass", {"workflow": "hello", "cron": "0 0 * * *"}),
        ("PUT", f"/api/v1/assets/{HOME}/mass", {}),
    ):
        answer = world.ask(method, path, {**body, member: "x"}, token=world.root)
        pointers = [one["pointer"] for one in answer.json.get("errors", [])]
        assert (answer.status, f"/{member}" in pointers) == (422, True), (path, answer)


CALLING = """
document: {{dsl: '1.0.3', namespace: {home}, name: {name}, version: '1.0.0'}}
do:
  - borrow:
      run:
        workflow: {{namespace: {namespace}, name: hello, version: '1.0.0', input: {{}}}}
"""


def test_a_workflow_starts_nothing_where_its_author_may_not(world: World) -> None:
    """A sub-workflow of another namespace needs `run:start` there, from whoever publishes; also deep inside a document."""
    token = world.holder("author", HOME)
    for number, (namespace, status) in enumerate(((NEAR, 403), ("default", 403), (HOME, 201))):
        text = CALLING.format(home=HOME, name=f"calling-{number}", namespace=namespace)
        headers = {"Content-Type": "application/yaml"}
        answer = world.ask("POST", "/api/v1/workflows", text.encode(), token=token, headers=headers)
        assert answer.status == status, (namespace, answer)
    hidden = CALLING.format(home=HOME, name="hidden", namespace=NEAR).replace(
        "  - borrow:", "  - outer:\n      do:\n       - borrow:"
    )
    hidden = hidden.replace("      run:", "          run:").replace("        workflow:", "            workflow:")
    answer = world.ask("POST", "/api/v1/workflows", hidden.encode(), token=token, headers={"Content-Type": "application/yaml"})
    assert (answer.status, answer.code) == (403, "forbidden"), answer
    text = CALLING.format(home=NEAR, name="elsewhere", namespace=NEAR)
    answer = world.ask("POST", "/api/v1/workflows", text.encode(), token=token, headers={"Content-Type": "application/yaml"})
    assert answer.status == 403, "a document's own namespace is not taken on trust"


def test_a_workflow_names_no_secret_that_its_author_may_not_use(world: World) -> None:
    """Publishing is not enough, and a permission may be for some secrets only."""
    world.good("PUT", "/api/v1/roles/writer", {"permissions": ["workflow:write"]})
    headers = {"Content-Type": "application/yaml"}
    for role, secret, status in (("writer", "", 201), ("writer", "vault", 403), ("author", "vault", 201)):
        head = f"document: {{dsl: '1.0.3', namespace: {HOME}, name: secretive-{role}{secret}, version: '1.0.0'}}\n"
        use = f"use: {{secrets: [{secret}]}}\n" if secret else ""
        text = f"{head}{use}do: [{{a: {{set: {{a: 1}}}}}}]\n"
        answer = world.ask("POST", "/api/v1/workflows", text.encode(), token=world.holder(role, HOME), headers=headers)
        assert answer.status == status, (role, secret, answer)


def test_a_workflow_brings_no_schedule_that_its_author_may_not_make(world: World) -> None:
    """The scheduler makes a schedule of what a definition says, so publishing one needs `schedule:write` too."""
    world.good("PUT", "/api/v1/roles/drafter", {"permissions": ["workflow:write"]})
    headers = {"Content-Type": "application/yaml"}
    head = f"document: {{dsl: '1.0.3', namespace: {HOME}, name: timed, version: '1.0.0'}}\ndo: [{{a: {{set: {{a: 1}}}}}}]\n"
    for role, timed, status in (("drafter", False, 201), ("drafter", True, 403), ("author", True, 201)):
        text = head.replace("timed", f"timed-{status}-{role}") + ("schedule: {cron: '0 0 1 1 *'}\n" if timed else "")
        answer = world.ask("POST", "/api/v1/workflows", text.encode(), token=world.holder(role, HOME), headers=headers)
        assert answer.status == status, (role, timed, answer)
