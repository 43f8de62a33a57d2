"""Every route with everybody: no token, a viewer, an administrator. And nobody climbs."""

import asyncio
import json
from typing import Any

import pytest

from integration.auth.harness import Auth
from tocsin_kit.web import Permission, Public, Route

BODIES: dict[str, Any] = {
    "/api/v1/auth/login": {"user": "x", "password": "wrong password"},
    "/api/v1/users": {"name": "x1", "password": "a long enough password"},
}
ALWAYS_PUBLIC = {
    "/openapi.json",
    "/.well-known/jwks.json",
    "/api/v1/auth/login",
    "/api/v1/auth/refresh",
    "/api/v1/auth/logout",
    "/api/v1/auth/token",
    "/api/v1/auth/oidc",
    "/api/v1/auth/oidc/begin",
    "/api/v1/auth/oidc/finish",
    "/api/v1/auth/service-token",
}


async def status_of(auth: Auth, route: Route, token: str | None) -> int:
    path = route.path.replace("{name}", "nobody").replace("{id}", "nothing")
    body = {} if route.body is None else {"json": BODIES.get(route.path, {})}
    return (await auth.ask(route.method, path, token, **body))[0]


async def test_every_route_refuses_who_may_not(auth: Auth) -> None:
    """The table of routes is the test: a new route is in it by itself."""
    viewer, admin = await auth.user("viewer", ("viewer", "*")), await auth.token()
    seen = set()
    for route in auth.server.routes:
        without, with_viewer, with_admin = [await status_of(auth, route, token) for token in (None, viewer, admin)]
        if isinstance(route.access, Public):
            seen.add(route.path)
            # Whoever sends a token to a public route gains nothing by it.
            assert without == with_viewer == with_admin, route
            continue
        assert without == 401, route
        assert with_admin not in {401, 403}, route
        if isinstance(route.access, Permission):
            assert with_viewer == 403, route
    assert seen == ALWAYS_PUBLIC


async def test_no_answer_holds_a_hash_or_a_digest(auth: Auth) -> None:
    """Neither lists nor single users show what passwords and keys are checked with."""
    admin = await auth.token()
    await auth.user("ada", ("viewer", "default"))
    _, made = await auth.ask("POST", "/api/v1/api-keys", admin, json={"name": "k"})
    for path in ("/api/v1/users", "/api/v1/users/ada", "/api/v1/api-keys", f"/api/v1/api-keys/{made['id']}", "/api/v1/roles"):
        status, answer = await auth.ask("GET", path, admin)
        assert status == 200
        assert not {"hash", "digest", "secret", "argon2", "sealed"} & set(
            json.dumps(answer).replace('"', " ").replace("_", " ").split()
        )


async def test_nobody_gives_more_than_they_hold(auth: Auth) -> None:
    """A manager of users cannot make an administrator, take one over, or write a wider role."""
    admin = await auth.token()
    role = {"permissions": ["user:read", "user:write", "role:read", "role:write"], "summary": "manages people"}
    assert (await auth.ask("PUT", "/api/v1/roles/people", admin, json=role))[0] == 200
    manager = await auth.user("manager", ("people", "*"))
    attempts: list[tuple[str, str, Any]] = [
        ("POST", "/api/v1/users", {"name": "evil", "password": "a long password", "bindings": [{"role": "admin"}]}),
        ("PATCH", "/api/v1/users/manager", {"bindings": [{"role": "admin", "namespace": "*"}]}),
        ("PATCH", "/api/v1/users/admin", {"disabled": True}),
        ("PUT", "/api/v1/users/admin/password", {"password": "a long password"}),
        ("PUT", "/api/v1/roles/people", {"permissions": ["*:*"]}),
        ("PUT", "/api/v1/roles/other", {"permissions": ["run:start"]}),
    ]
    for method, path, body in attempts:
        status, problem = await auth.ask(method, path, manager, json=body)
        assert (status, problem["code"]) == (403, "wider_than_own"), path
    assert (await auth.ask("DELETE", "/api/v1/users/admin", manager))[0] == 403
    fine = {"name": "colleague", "password": "a long password", "bindings": [{"role": "people", "namespace": "*"}]}
    assert (await auth.ask("POST", "/api/v1/users", manager, json=fine))[0] == 201


async def test_unknown_members_are_refused(auth: Auth) -> None:
    """Mass assignment: nobody sets what the API does not offer."""
    body = {"name": "x1", "password": "a long password", "created_at": "2020-01-01T00:00:00Z"}
    assert (await auth.ask("POST", "/api/v1/users", await auth.token(), json=body))[0] == 422


async def test_keys_of_others_do_not_exist(auth: Auth) -> None:
    """Not shown, not listed, not revoked, and no different from a key that is none."""
    _, made = await auth.ask("POST", "/api/v1/api-keys", await auth.token(), json={"name": "k"})
    ada = await auth.user("ada", ("viewer", "*"))
    for key in (made["id"], "nothing"):
        assert (await auth.ask("GET", f"/api/v1/api-keys/{key}", ada))[0] == 404
        assert (await auth.ask("DELETE", f"/api/v1/api-keys/{key}", ada))[0] == 404
    assert (await auth.ask("GET", "/api/v1/api-keys", ada))[1]["items"] == []
    assert (await auth.ask("GET", "/api/v1/api-keys?owner=*", ada))[0] == 403
    assert (await auth.ask("GET", "/api/v1/api-keys?owner=admin", ada))[0] == 403
    assert len((await auth.ask("GET", "/api/v1/api-keys?owner=*", await auth.token()))[1]["items"]) == 1


async def test_a_key_sees_neither_the_other_keys_of_its_owner_nor_where_they_log_in_from(auth: Auth) -> None:
    """What is about oneself is about the person who has logged in; a key may what it says, and look at itself."""
    ada = await auth.user("ada", ("author", "team-a"))
    for name in ("one", "other"):
        _, made = await auth.ask("POST", "/api/v1/api-keys", ada, json={"name": name})
    assert (await auth.ask("GET", "/api/v1/api-keys", made["api_key"]))[1]["items"] == []
    for path in ("/api/v1/api-keys?owner=ada", "/api/v1/auth/sessions", "/api/v1/auth/sessions?user=ada"):
        assert (await auth.ask("GET", path, made["api_key"]))[0] == 403, path
    assert len((await auth.ask("GET", "/api/v1/api-keys", ada))[1]["items"]) == 2
    assert len((await auth.ask("GET", "/api/v1/auth/sessions", ada))[1]["items"]) == 1


async def test_two_administrators_who_end_each_other_at_once_do_not_both_succeed(auth: Auth) -> None:
    """Whoever was first, somebody is left who may do everything."""
    deeds: list[tuple[str, Any]] = [("PATCH", {"bindings": []}), ("PATCH", {"disabled": True}), ("DELETE", None)]
    for number, (method, body) in enumerate(deeds):
        rival = f"rival-{number}"
        theirs, mine = await auth.user(rival, ("admin", "*")), await auth.token()
        answers = await asyncio.gather(
            auth.ask(method, "/api/v1/users/admin", theirs, **({"json": body} if body else {})),
            auth.ask(method, f"/api/v1/users/{rival}", mine, **({"json": body} if body else {})),
        )
        assert [status for status, _ in answers].count(200 if body else 204) <= 1, answers
        if answers[0][0] < 300:
            return  # the one that the test logs in as has gone
        if answers[1][0] >= 300:
            assert (await auth.ask("DELETE", f"/api/v1/users/{rival}", await auth.token()))[0] == 204


async def test_an_administrator_always_remains(auth: Auth) -> None:
    """The last one cannot be deleted, disabled or demoted; the last but one can."""
    admin = await auth.token()
    for method, body in (("DELETE", None), ("PATCH", {"disabled": True}), ("PATCH", {"bindings": []})):
        status, problem = await auth.ask(method, "/api/v1/users/admin", admin, **({"json": body} if body is not None else {}))
        assert (status, problem["code"]) == (409, "last_administrator")
    second = await auth.user("second", ("admin", "*"))
    assert (await auth.ask("DELETE", "/api/v1/users/admin", second))[0] == 204


async def test_a_name_used_again_brings_nothing_back(auth: Auth) -> None:
    """Keys and sessions of a deleted user stay dead when somebody else gets the name."""
    admin = await auth.token()
    ada = await auth.user("ada", ("viewer", "*"))
    session = await auth.login("ada", "a long password of ada")
    _, made = await auth.ask("POST", "/api/v1/api-keys", ada, json={"name": "k"})
    assert (await auth.ask("DELETE", "/api/v1/users/ada", admin))[0] == 204
    await auth.user("ada", ("admin", "*"))
    auth.clock.ahead += 11
    assert (await auth.ask("POST", "/api/v1/auth/token", json={"api_key": made["api_key"]}))[0] == 401
    assert (await auth.ask("POST", "/api/v1/auth/refresh", json={"refresh_token": session["refresh_token"]}))[0] == 401


async def test_a_change_made_meanwhile_is_not_overwritten(auth: Auth) -> None:
    """If-Match with an old ETag is a conflict."""
    admin = await auth.token()
    await auth.user("ada")
    change = {"bindings": [{"role": "viewer", "namespace": "a"}]}
    assert (await auth.ask("PATCH", "/api/v1/users/ada", admin, json=change, headers={"If-Match": '"1"'}))[0] == 200
    assert (await auth.ask("PATCH", "/api/v1/users/ada", admin, json=change, headers={"If-Match": '"1"'}))[0] == 412


@pytest.mark.parametrize("name", ["Ada", "a b", "a/b", "", "$where", "x" * 64, "-a", "é"])
async def test_names_that_could_be_mistaken_are_refused(auth: Auth, name: str) -> None:
    """A user's name goes into subjects, logs and links."""
    body = {"name": name, "password": "a long enough password"}
    assert (await auth.ask("POST", "/api/v1/users", await auth.token(), json=body))[0] == 422


async def test_users_come_in_pages(auth: Auth) -> None:
    """Each once; a cursor of another list is refused."""
    admin = await auth.token()
    for letter in "abcde":
        await auth.user(f"user-{letter}")
    names, cursor = [], ""
    while True:
        _, page = await auth.ask("GET", f"/api/v1/users?limit=2{cursor}", admin)
        names += [item["name"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert names == ["admin", *(f"user-{letter}" for letter in "abcde")]
    assert (await auth.ask("GET", "/api/v1/users?cursor=abc", admin))[0] == 400
