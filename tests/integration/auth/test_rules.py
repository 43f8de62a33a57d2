"""Groups, deny rules, protection, second factors, sessions and revocation, on the running service."""

import asyncio
import re
from base64 import b32decode
from collections.abc import AsyncIterator
from typing import Any

import pytest

from integration.auth.harness import Auth
from tocsin.errors import Unauthenticated
from tocsin_auth.domain.second_factor import totp
from tocsin_kit.bus import Bus
from tocsin_kit.chassis.revoking import RevocationFeed
from tocsin_kit.testing.waiting import eventually
from tocsin_kit.web import RemoteAuthenticator

PASSWORD = "a long password of {}"


@pytest.fixture
async def service(auth: Auth, nats_url: str) -> AsyncIterator[RemoteAuthenticator]:
    """The verifier of another service, fed over the bus as the chassis does it."""
    bus = Bus(nats_url, name="case")
    await bus.start()
    verifier = RemoteAuthenticator(auth.url, auth.clock)
    verifier.revocations.fed = True
    await verifier.start()
    feed = RevocationFeed(bus, verifier.revocations)
    await feed.start()
    serving = asyncio.create_task(feed.serve())  # noqa: TID251 - ended below, as the chassis does
    yield verifier
    await feed.stop()
    serving.cancel()
    await asyncio.wait([serving])
    await verifier.stop()
    await bus.stop()


async def refused(verifier: Any, token: str) -> bool:
    """Whether another service refuses the token by now."""
    try:
        await verifier.authenticate(token)
    except Unauthenticated:
        return True
    return False


async def post(auth: Auth, path: str, token: str, **body: Any) -> tuple[int, Any]:
    return await auth.ask("POST", f"/api/v1/auth/{path}", token, json=body)


@pytest.mark.parametrize("deed", ["disable", "delete", "password", "roles", "session"])
async def test_a_token_is_refused_everywhere_within_a_second(auth: Auth, service: RemoteAuthenticator, deed: str) -> None:
    """By a service that has seen it before, long before it expires; another person's goes on."""
    ada, bob, root = await auth.user("ada", ("viewer", "*")), await auth.user("bob", ("viewer", "*")), await auth.token()
    for token in (ada, bob, root):
        assert not await refused(service, token)
    match deed:
        case "disable":
            answer = await auth.ask("PATCH", "/api/v1/users/ada", root, json={"disabled": True})
        case "delete":
            answer = await auth.ask("DELETE", "/api/v1/users/ada", root)
        case "password":
            answer = await auth.ask("PUT", "/api/v1/users/ada/password", root, json={"password": "another long one of ada"})
        case "roles":
            answer = await auth.ask("PATCH", "/api/v1/users/ada", root, json={"bindings": []})
        case _:
            sessions = (await auth.ask("GET", "/api/v1/auth/sessions", ada))[1]["items"]
            assert [(one["user"], one["current"]) for one in sessions] == [("ada", True)]
            answer = await auth.ask("DELETE", f"/api/v1/auth/sessions/{sessions[0]['id']}", root)
    assert answer[0] in {200, 204}, answer
    await eventually(lambda: refused(service, ada), within=2)
    assert not await refused(service, bob)
    await eventually(lambda: refused_here(auth, ada), within=2)
    if deed == "roles":
        assert not await refused(service, await auth.token("ada", PASSWORD.format("ada"))), "a new one is good at once"
    if deed == "delete":
        again = await auth.user("ada", ("viewer", "*"))
        assert not await refused(service, again)
        assert await refused(service, ada), "who is called so later is somebody else"


async def refused_here(auth: Auth, token: str) -> bool:
    return (await auth.ask("GET", "/api/v1/auth/me", token))[0] == 401


async def test_sessions_are_ones_own(auth: Auth) -> None:
    """Nobody sees or ends those of others without the permission; a key ends none at all."""
    ada, bob = await auth.user("ada", ("viewer", "*")), await auth.user("bob", ("author", "*"))
    session = (await auth.ask("GET", "/api/v1/auth/sessions", ada))[1]["items"][0]["id"]
    key = (await auth.ask("POST", "/api/v1/api-keys", ada, json={"name": "k"}))[1]["api_key"]
    assert (await auth.ask("GET", "/api/v1/auth/sessions?user=ada", bob))[0] == 403
    for token in (bob, key):
        assert (await auth.ask("DELETE", f"/api/v1/auth/sessions/{session}", token))[0] == 404
    assert (await auth.ask("DELETE", f"/api/v1/auth/sessions/{session}", ada))[0] == 204
    await eventually(lambda: refused_here(auth, ada), within=2)
    assert (await auth.ask("GET", "/api/v1/auth/me", key))[0] == 200, "a key is no session"


async def test_a_key_is_refused_at_once_and_one_whose_owner_changed_holds_the_new(
    auth: Auth, service: RemoteAuthenticator
) -> None:
    """Not only when the remembered answer is over."""
    ada, root = await auth.user("ada", ("operator", "*")), await auth.token()
    made = [(await auth.ask("POST", "/api/v1/api-keys", ada, json={"name": "k"}))[1] for _ in range(2)]
    first, second = (one["api_key"] for one in made)
    assert (await service.authenticate(first)).may("run:start", "default")
    assert (await service.authenticate(second)).may("run:start", "default")
    await auth.ask("DELETE", f"/api/v1/api-keys/{made[0]['id']}", ada)
    await eventually(lambda: refused(service, first), within=2)
    await auth.ask("PATCH", "/api/v1/users/ada", root, json={"bindings": [{"role": "viewer"}]})

    async def narrower() -> bool:
        return not (await service.authenticate(second)).may("run:start", "default")

    await eventually(narrower, within=2)


async def test_without_a_bus_requests_keep_the_list_fresh(auth: Auth) -> None:
    """As at the gateway: it takes a few seconds."""
    verifier = RemoteAuthenticator(auth.url, auth.clock)
    await verifier.start()
    try:
        ada, bob = await auth.user("ada", ("viewer", "*")), await auth.user("bob", ("viewer", "*"))
        assert not await refused(verifier, ada)
        await auth.ask("PATCH", "/api/v1/users/ada", await auth.token(), json={"disabled": True})
        auth.clock.ahead += 6
        assert not await refused(verifier, bob)
        assert await refused(verifier, ada)
    finally:
        await verifier.stop()


async def test_members_hold_what_their_group_holds_as_long_as_they_are_members(auth: Auth) -> None:
    """At their next token, which a change of the group makes necessary at once."""
    ada, root = await auth.user("ada"), await auth.token()
    assert (await post(auth, "can-i", ada, permission="run:start"))[1]["allowed"] is False
    group = {"members": ["ada"], "bindings": [{"role": "operator", "namespace": "default"}]}
    assert (await auth.ask("PUT", "/api/v1/groups/ops", root, json=group))[0] == 200
    await eventually(lambda: refused_here(auth, ada), within=2)
    ada = await auth.token("ada", PASSWORD.format("ada"))
    found = (await post(auth, "can-i", ada, permission="run:start"))[1]
    assert (found["allowed"], found["by"]["permission"]) == (True, "run:*")
    why = (await post(auth, "explain", ada, permission="run:start"))[1]
    assert [(one["binding"], one["effect"]) for one in why["considered"]] == [("operator@default (group ops)", "gives")]
    assert (await auth.ask("DELETE", "/api/v1/roles/operator", root))[0] == 409
    assert (await auth.ask("DELETE", "/api/v1/groups/ops", root))[0] == 204
    ada = await auth.token("ada", PASSWORD.format("ada"))
    assert (await post(auth, "can-i", ada, permission="run:start"))[1]["allowed"] is False


async def test_groups_are_no_way_to_become_more(auth: Auth) -> None:
    """Neither by making one, nor by joining one, nor by taking a denial away."""
    root = await auth.token()
    await auth.ask("PUT", "/api/v1/roles/clerk", root, json={"permissions": ["user:read", "user:write", "run:read"]})
    clerk = await auth.user("clerk", ("clerk", "*"))
    await auth.ask("PUT", "/api/v1/groups/admins", root, json={"bindings": [{"role": "admin"}]})
    await auth.ask(
        "PUT", "/api/v1/groups/barred", root, json={"members": ["clerk"], "bindings": [{"role": "viewer", "deny": True}]}
    )
    clerk = await auth.token("clerk", PASSWORD.format("clerk"))
    for name, body in (
        ("mine", {"members": ["clerk"], "bindings": [{"role": "operator"}]}),
        ("admins", {"members": ["clerk"], "bindings": [{"role": "admin"}]}),
        ("admins", {"members": ["clerk"], "bindings": []}),
        ("barred", {"members": [], "bindings": []}),
    ):
        status, answer = await auth.ask("PUT", f"/api/v1/groups/{name}", clerk, json=body)
        assert (status, answer["code"]) == (403, "wider_than_own"), (name, body, answer)


async def test_a_simulation_shows_what_would_change_and_changes_nothing(auth: Auth) -> None:
    """Gained and lost grants, deny rules among them."""
    ada, root = await auth.user("ada", ("viewer", "default")), await auth.token()
    wanted = [{"role": "operator", "namespace": "default"}, {"role": "viewer", "namespace": "prod", "deny": True}]
    status, found = await post(auth, "simulate", root, user="ada", bindings=wanted)
    assert status == 200, found
    assert {"permission": "run:*", "namespace": "default", "name": "*", "deny": False} in found["gained"]
    assert {"permission": "run:read", "namespace": "prod", "name": "*", "deny": True} in found["gained"]
    assert found["lost"] == []
    assert (await post(auth, "simulate", ada, user="ada", bindings=wanted))[0] == 403
    assert (await auth.ask("GET", "/api/v1/users/ada", root))[1]["bindings"][0]["role"] == "viewer"


async def test_nobody_gives_themselves_a_role_in_a_protected_namespace(auth: Auth) -> None:
    """It takes two people, and without that role also an administrator publishes nothing there."""
    root = await auth.token()
    await auth.ask("PUT", "/api/v1/auth/namespaces/prod", root, json={"environment": "production", "protected": True})
    await eventually(lambda: refused_here(auth, root), within=2)
    root = await auth.token()
    assert (await post(auth, "can-i", root, permission="workflow:write", namespace="prod"))[1]["allowed"] is False
    assert (await post(auth, "can-i", root, permission="workflow:write", namespace="dev"))[1]["allowed"] is True
    why = (await post(auth, "explain", root, permission="workflow:write", namespace="prod"))[1]["considered"]
    assert why[-1]["binding"] == "protection of prod"
    both = [{"role": "admin"}, {"role": "author", "namespace": "prod"}]
    status, answer = await auth.ask("PATCH", "/api/v1/users/admin", root, json={"bindings": both})
    assert (status, answer["code"]) == (403, "second_person_needed")
    second = await auth.user("second", ("admin", "*"))
    assert (await auth.ask("PATCH", "/api/v1/users/admin", second, json={"bindings": both}))[0] == 200
    root = await auth.token()
    assert (await post(auth, "can-i", root, permission="workflow:write", namespace="prod"))[1]["allowed"] is True


async def test_neither_by_a_group_nor_by_a_role_of_ones_own(auth: Auth) -> None:
    """The other ways to give oneself something: joining a group, widening it, widening a role that one holds there."""
    root = await auth.token()
    await auth.ask("PUT", "/api/v1/roles/watcher", root, json={"permissions": ["run:read"]})
    await auth.ask("PUT", "/api/v1/groups/ops", root, json={"members": ["admin"], "bindings": [{"role": "viewer"}]})
    prod = {"role": "author", "namespace": "prod"}
    await auth.ask("PUT", "/api/v1/groups/owners", root, json={"members": [], "bindings": [prod]})
    root = await auth.token()
    await auth.ask("PUT", "/api/v1/auth/namespaces/prod", root, json={"reviewed": True})
    second = await auth.user("second", ("admin", "*"))
    watching = [{"role": "admin"}, {"role": "watcher", "namespace": "prod"}]
    assert (await auth.ask("PATCH", "/api/v1/users/admin", second, json={"bindings": watching}))[0] == 200
    root = await auth.token()
    for path, body in (
        ("groups/owners", {"members": ["admin"], "bindings": [prod]}),
        ("groups/ops", {"members": ["admin"], "bindings": [{"role": "viewer"}, prod]}),
        ("roles/watcher", {"permissions": ["run:read", "workflow:*"]}),
        ("roles/watcher", {"permissions": ["run:read", "workflow:review"]}),
    ):
        status, answer = await auth.ask("PUT", f"/api/v1/{path}", root, json=body)
        assert (status, answer["code"]) == (403, "second_person_needed"), path
    assert (await auth.ask("PUT", "/api/v1/groups/owners", second, json={"members": ["admin"], "bindings": [prod]}))[0] == 200
    why = (await post(auth, "explain", await auth.token(), permission="workflow:write", namespace="prod"))[1]["considered"]
    assert "reviewed" in why[-1]["why"]


async def test_a_second_factor_is_asked_for_checked_and_throttled(auth: Auth) -> None:
    """From its confirmation on; a code works once, a recovery code too; wrong ones cost waiting for this user only."""
    token = await auth.user("ada")
    body = {"user": "ada", "password": PASSWORD.format("ada")}
    assert (await post(auth, "second-factor", token, password="wrong"))[0] == 401
    status, made = await post(auth, "second-factor", token, password=body["password"])
    assert status == 201
    found = re.search(r"secret=([A-Z2-7]+)", made["uri"])
    assert found is not None
    secret = b32decode(found[1])
    await auth.login("ada", body["password"])  # not confirmed yet

    def code() -> str:
        return totp(secret, int(auth.clock.now().timestamp()) // 30)

    assert (await post(auth, "second-factor/confirm", token, code="000000"))[0] == 401
    assert (await post(auth, "second-factor/confirm", token, code=code()))[0] == 204
    status, answer = await auth.ask("POST", "/api/v1/auth/login", json=body)
    assert (status, answer["code"]) == (401, "second_factor_needed")
    assert (await auth.ask("POST", "/api/v1/auth/login", json={**body, "code": code()}))[1]["code"] == "wrong_code", "a replay"
    auth.clock.ahead += 30
    fresh = code()
    assert (await auth.ask("POST", "/api/v1/auth/login", json={**body, "code": fresh}))[0] == 200
    assert (await auth.ask("POST", "/api/v1/auth/login", json={**body, "code": fresh}))[0] == 401
    recovery = {**body, "code": made["recovery_codes"][0]}
    assert [(await auth.ask("POST", "/api/v1/auth/login", json=recovery))[0] for _ in range(2)] == [200, 401]
    answers = [await auth.ask("POST", "/api/v1/auth/login", json={**body, "code": "000000"}) for _ in range(4)]
    assert answers[-1][1]["code"] == "too_many_logins"
    await auth.token()  # nobody else is concerned
    status, _ = await auth.ask("DELETE", "/api/v1/users/ada/second-factor", await auth.token())
    assert status == 204
    auth.clock.ahead += 3600
    await auth.login("ada", body["password"])


async def test_a_role_counts_only_with_a_second_factor(auth: Auth, service: RemoteAuthenticator) -> None:
    """After some time; a password alone then gives neither the role nor a new factor, until somebody gives time again."""
    root = await auth.token()
    ada = await auth.user("ada", ("operator", "*"), ("viewer", "*"))
    rules = {"rules": [{"role": "operator", "grace_days": 1}]}
    assert (await auth.ask("PUT", "/api/v1/auth/second-factor-rules", ada, json=rules))[0] == 403
    every = {"rules": [{"role": "*", "grace_days": 1}]}
    status, answer = await auth.ask("PUT", "/api/v1/auth/second-factor-rules", root, json=every)
    assert (status, answer["code"]) == (409, "conflict"), "nobody makes a rule that they do not meet themselves"
    assert (await auth.ask("PUT", "/api/v1/auth/second-factor-rules", root, json=rules))[0] == 200
    ada = await auth.token("ada", PASSWORD.format("ada"))
    assert (await auth.ask("GET", "/api/v1/auth/me", ada))[1]["second_factor_due"] is not None
    key = (await auth.ask("POST", "/api/v1/api-keys", ada, json={"name": "k"}))[1]["api_key"]
    assert (await service.authenticate(ada)).may("run:start", "default")
    auth.clock.ahead += 90_000
    ada = await auth.token("ada", PASSWORD.format("ada"))
    for credential in (ada, key):
        late = await service.authenticate(credential)
        assert (late.may("run:start", "default"), late.may("run:read", "default")) == (False, True)
    question = {"permission": "run:start", "namespace": "default", "user": "ada"}
    why = (await post(auth, "explain", await auth.token(), **question))[1]
    assert "second factor" in str(why["considered"])
    status, answer = await post(auth, "second-factor", ada, password=PASSWORD.format("ada"))
    assert (status, answer["code"]) == (403, "second_factor_overdue")
    assert (await auth.ask("DELETE", "/api/v1/users/ada/second-factor", await auth.token()))[0] == 204
    ada = await auth.token("ada", PASSWORD.format("ada"))
    assert (await service.authenticate(ada)).may("run:start", "default"), "time was given again"
    secret = await enrolled(auth, ada, PASSWORD.format("ada"))
    status, answer = await post(auth, "second-factor/remove", ada, password=PASSWORD.format("ada"))
    assert status == 409, answer
    auth.clock.ahead += 90_000
    body = {"user": "ada", "password": PASSWORD.format("ada"), "code": totp(secret, int(auth.clock.now().timestamp()) // 30)}
    status, pair = await auth.ask("POST", "/api/v1/auth/login", json=body)
    assert status == 200
    assert (await service.authenticate(pair["access_token"])).may("run:start", "default")


async def enrolled(auth: Auth, token: str, password: str) -> bytes:
    """A second factor for whoever has this token; its secret."""
    status, made = await post(auth, "second-factor", token, password=password)
    assert status == 201, made
    found = re.search(r"secret=([A-Z2-7]+)", made["uri"])
    assert found is not None
    secret = b32decode(found[1])
    code = totp(secret, int(auth.clock.now().timestamp()) // 30)
    assert (await post(auth, "second-factor/confirm", token, code=code))[0] == 204
    return secret


async def test_a_key_is_replaced_with_an_overlap(auth: Auth) -> None:
    """Both work for a while, then only the new one; it is replaced once."""
    ada = await auth.user("ada", ("viewer", "*"))
    old = (await auth.ask("POST", "/api/v1/api-keys", ada, json={"name": "ci", "grants": [{"permission": "run:read"}]}))[1]
    path = f"/api/v1/api-keys/{old['id']}/rotate"
    status, new = await auth.ask("POST", path, ada, json={"overlap_seconds": 60})
    assert (status, new["replaces"], new["grants"]) == (201, old["id"], old["grants"])
    for key in (old, new):
        assert (await auth.ask("GET", "/api/v1/auth/me", key["api_key"]))[0] == 200
    assert (await auth.ask("POST", path, ada, json={}))[0] == 409
    assert (await auth.ask("POST", path, await auth.user("bob"), json={}))[0] == 404
    auth.clock.ahead += 75
    assert (await auth.ask("GET", "/api/v1/auth/me", old["api_key"]))[0] == 401
    assert (await auth.ask("GET", "/api/v1/auth/me", new["api_key"]))[0] == 200


async def test_a_service_account_has_keys_and_no_password(auth: Auth) -> None:
    """Made by those who may change users and hold what it holds."""
    root = await auth.token()
    account = {"name": "robot", "machine": True, "bindings": [{"role": "operator", "namespace": "default"}]}
    assert (await auth.ask("POST", "/api/v1/users", root, json=account))[0] == 201
    assert (await auth.ask("POST", "/api/v1/users", root, json={"name": "x", "machine": True, "password": "p" * 20}))[0] == 422
    for password in ("!", "", "x" * 20):
        body = {"user": "robot", "password": password or "!"}
        assert (await auth.ask("POST", "/api/v1/auth/login", json=body))[0] == 401
    status, key = await auth.ask("POST", "/api/v1/api-keys", root, json={"name": "ci", "owner": "robot"})
    assert status == 201, key
    me = (await auth.ask("GET", "/api/v1/auth/me", key["api_key"]))[1]
    assert (me["person"], me["name"]) == ("user:robot", "robot/ci")
    ada = await auth.user("ada", ("viewer", "*"))
    for token, owner in ((ada, "robot"), (root, "ada")):
        assert (await auth.ask("POST", "/api/v1/api-keys", token, json={"name": "k", "owner": owner}))[0] == 403
