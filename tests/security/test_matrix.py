"""Every route of every service asked by everyone: the answer follows from the route's permission and the roles alone."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from security.world import HOME, NEAR, ROLES, World
from tocsin_kit.platform.permissions_page import served
from tocsin_kit.web import ANY_METHOD

pytestmark = pytest.mark.server

ABSENT = "absent" + "0" * 20  # also where ids have their full length
METHODS = {"get", "post", "put", "patch", "delete"}


def operations(world: World) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and description of everything that is served."""
    for path, methods in world.api["paths"].items():
        for method, operation in methods.items():
            if method in METHODS:
                yield method.upper(), path, operation


def asked(world: World, method: str, path: str, operation: dict[str, Any], namespace: str, **more: Any) -> Any:
    """One request about things that do not exist in ``namespace``."""
    filled = re.sub(r"\{([a-z_]+)\}", lambda found: namespace if found[1] == "namespace" else ABSENT, path)
    queried = [one for one in operation.get("parameters", []) if one["in"] == "query"]
    query = {one["name"]: "absent" for one in queried if one.get("required")}
    query |= {one["name"]: namespace for one in queried if one["name"] == "namespace"}
    filled += "?" + urlencode(query) if query else ""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    schema = world.api["components"]["schemas"].get(content.get("$ref", "/").rsplit("/", 1)[1], content)
    named = {"namespace": namespace} if "namespace" in schema.get("properties", {}) else {}
    body = named if "requestBody" in operation else None
    return world.ask(method, filled, body, **more)


def given(world: World, role: str, permission: str) -> bool:
    """Whether a role gives a permission: computed here anew, not with the code under attack."""
    resource, action = permission.split(":")
    held = (one.split(":") for one in world.roles[role])
    return any(r in ("*", resource) and a in ("*", action) for r, a in held)


def test_the_whole_api_is_here(world: World) -> None:
    """Seven services describe themselves, and nothing is public that is not meant to be."""
    owners = {path.split("/")[3] for _, path, _ in operations(world) if path.startswith("/api/v1/")}
    assert {"auth", "users", "runs", "triggers", "schedules", "cases", "assets", "signals", "audit"} <= owners
    told = {(f"{m} {p}", operation.get("x-permission")) for m, p, operation in operations(world)}
    table = {(f"{one.route.method} {one.route.template}", one.permission) for one in served() if one.route.method != ANY_METHOD}
    pages = ("GET /console/", "GET /asyncapi.json")  # files of the gateway, public, and no operations of the API
    missing = {(one, needs) for one, needs in table - told if one != "GET /" and not one.startswith(pages)}
    assert not missing, "in the table of the code and not in what is asked here"
    assert len(told) > 150
    public = {f"{m} {p}" for m, p, operation in operations(world) if not operation.get("security")}
    # A new public route is a decision: it belongs into this list, with its reason in its route.
    assert public == {
        "GET /.well-known/jwks.json",
        "GET /examples/flaky",  # the example services of a laptop
        "GET /examples/inventory/{sku}",
        "GET /openapi.json",
        "GET /api/v1/webhooks/public-key",  # who gets webhooks verifies them with it
        "GET /api/v1/auth/oidc",
        "POST /api/v1/auth/login",
        "POST /api/v1/auth/logout",
        "POST /api/v1/auth/oidc/begin",
        "POST /api/v1/auth/oidc/finish",
        "POST /api/v1/auth/refresh",
        "POST /api/v1/auth/service-token",
        "POST /api/v1/auth/token",
        "POST /examples/payments",
        "POST /hooks/{namespace}/{name}",
        "POST /hooks/{namespace}/{name}/{secret}",  # for senders that cannot sign: the path is the proof
    }


@pytest.mark.parametrize("credential", [None, "expired", "", "Basic YWRtaW46YWRtaW4=", "tcn_nothing"])
def test_without_a_valid_credential_there_is_nothing(world: World, credential: str | None) -> None:
    """401 on every route that is not public; the body is not even looked at."""
    headers = {} if credential is None else {"Authorization": credential if " " in credential else f"Bearer {credential}"}
    for method, path, operation in operations(world):
        if operation.get("security"):
            answer = asked(world, method, path, operation, "default", headers=headers)
            assert (answer.status, answer.headers.get("www-authenticate", "")[:6]) == (401, "Bearer"), (method, path, answer)


def test_without_a_role_every_permission_is_missing(world: World) -> None:
    """403 wherever a route needs a permission; neither 404 nor 422 tells what is there."""
    for method, path, operation in operations(world):
        if "x-permission" in operation:
            answer = asked(world, method, path, operation, "default", token=world.nobody)
            assert answer.status == 403, (method, path, answer)
            assert answer.code == "forbidden"


@pytest.mark.parametrize("role", ROLES)
def test_a_role_opens_what_it_names_and_nothing_else(world: World, role: str) -> None:
    """For every route: refused exactly when the role does not give its permission. Never a 5xx."""
    everywhere, home = world.holder(role), world.holder(role, HOME)
    for method, path, operation in operations(world):
        permission = operation.get("x-permission")
        if permission is None:
            continue
        may = given(world, role, permission)
        answer = asked(world, method, path, operation, HOME, token=everywhere)
        assert (answer.status not in {401, 403}) == may, (role, method, path, answer)
        assert answer.status < 500, (role, method, path, answer)
        global_thing = "in all namespaces" in operation["description"]
        answer = asked(world, method, path, operation, HOME, token=home)
        assert (answer.status not in {401, 403}) == (may and not global_thing), (role, method, path, answer)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_in_one_namespace_opens_no_other(world: World, role: str) -> None:
    """Whoever is bound to `team-a` is nobody in `team-ab`, and the other way round."""
    for mine, other in ((HOME, NEAR), (NEAR, HOME)):
        token = world.holder(role, mine)
        for method, path, operation in operations(world):
            queried = {one["name"] for one in operation.get("parameters", [])}
            if "x-permission" in operation and ("namespace" in queried or "{namespace}" in path):
                answer = asked(world, method, path, operation, other, token=token)
                assert answer.status == 403, (role, method, path, answer)


def test_a_revoked_key_opens_nothing_within_seconds(world: World) -> None:
    """A key that was never used before is refused at once; a used one as soon as the remembered answer is over."""
    made = world.good("POST", "/api/v1/api-keys", {"name": "short"})
    world.good("DELETE", f"/api/v1/api-keys/{made['id']}")
    for method, path, operation in operations(world):
        if operation.get("security"):
            answer = asked(world, method, path, operation, "default", token=made["api_key"])
            assert answer.status == 401, (method, path, answer)
