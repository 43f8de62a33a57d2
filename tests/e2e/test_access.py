"""No route answers whom it should not: every operation of every OpenAPI document, without a credential and as a viewer.

What is public is listed here by hand, so that a new public route has to be said twice.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from e2e.machine import Machine

pytestmark = pytest.mark.server

METHODS = ("get", "put", "post", "delete", "patch")
PUBLIC = {
    "GET /",
    "GET /console/{file}",
    "GET /openapi.json",
    "GET /asyncapi.json",
    "GET /.well-known/jwks.json",
    "GET /examples/inventory/{sku}",
    "POST /examples/payments",
    "GET /examples/flaky",
    "POST /hooks/{namespace}/{name}",
    "POST /api/v1/auth/login",
    "POST /api/v1/auth/refresh",
    "POST /api/v1/auth/logout",
    "POST /api/v1/auth/token",
    "POST /api/v1/auth/service-token",
    "GET /api/v1/auth/oidc",
    "POST /api/v1/auth/oidc/begin",
    "POST /api/v1/auth/oidc/finish",
    "POST /hooks/{namespace}/{name}/{secret}",
    "GET /api/v1/webhooks/public-key",
}
OWN = {  # what everybody may do who is somebody: it is about oneself, or only calculates
    "POST /api/v1/auth/password",
    "POST /api/v1/auth/nats-credentials",
    "POST /api/v1/api-keys",
    "DELETE /api/v1/api-keys/{id}",
    "POST /api/v1/schedules/preview",
    "POST /api/v1/schedules/simulate",
    "POST /api/v1/api-keys/{id}/rotate",
    "POST /api/v1/auth/can-i",
    "POST /api/v1/auth/explain",
    "DELETE /api/v1/auth/sessions/{id}",
    "POST /api/v1/auth/second-factor",
    "POST /api/v1/auth/second-factor/confirm",
    "POST /api/v1/auth/second-factor/remove",
}
NOT_CHANGING = {  # reads a body and answers; nothing is kept
    "POST /api/v1/workflows/validate",
    "POST /api/v1/backfills/{namespace}/{name}/preview",
}


@dataclass(frozen=True)
class Operation:
    """One method of one path."""

    method: str
    path: str
    described: dict[str, Any]

    @property
    def name(self) -> str:
        """As it is listed above."""
        return f"{self.method} {self.path}"

    @property
    def target(self) -> str:
        """A path that the route takes, with the query parameters that it must have."""
        query = [p["name"] for p in self.described.get("parameters", []) if p.get("required") and p["in"] == "query"]
        path = re.sub(r"\{[^}]+\}", lambda found: "default" if found[0] == "{namespace}" else "x", self.path)
        return path + ("?" + "&".join(f"{name}=x" for name in query) if query else "")


def operations(document: dict[str, Any]) -> Iterator[Operation]:
    """All of a document, but the gateway's own passing on."""
    for path, methods in document["paths"].items():
        for method, described in methods.items():
            if method in METHODS and "{rest" not in path:
                yield Operation(method.upper(), path, described)


@pytest.fixture(scope="module")
def documented(machine: Machine) -> list[Operation]:
    """Everything that the public port offers."""
    return list(operations(machine.ask("GET", "/openapi.json").json))


def send(machine: Machine, operation: Operation, token: str | None) -> int:
    """Ask for it with a body that says nothing; the status."""
    body = None if operation.method in {"GET", "DELETE"} else {}
    return machine.ask(operation.method, operation.target, body, token=token).status


def test_every_service_is_in_the_document(documented):
    """Or the others of these tests would look at a part only."""
    segments = {operation.path.split("/")[3] for operation in documented if operation.path.startswith("/api/v1/")}
    assert {"auth", "users", "roles", "api-keys", "triggers", "events", "schedules", "workflows", "runs"} <= segments
    assert {"assets", "lineage", "cases", "signals", "audit", "dead-letters", "status"} <= segments


def test_nothing_but_the_public_routes_answers_without_a_credential(machine, documented):
    """401, whatever is sent, with a credential of nobody too."""
    answered = {
        operation.name: status
        for operation in documented
        if operation.name not in PUBLIC
        for token in (None, "tcn_01aaaaaaaaaaaaaaaaaaaaaaaa_" + "x" * 43, "a.b.c")
        if (status := send(machine, operation, token)) != 401
    }
    assert answered == {}


def test_the_document_says_itself_what_is_public(documented):
    """``security: []`` is on the listed routes and on no other."""
    said = {operation.name for operation in documented if operation.described.get("security") == []}
    assert said <= PUBLIC


def test_each_service_refuses_by_itself(machine, platform):
    """Behind the gateway nobody is trusted either: every service's own port, its own document."""
    services = platform.ready["services"]
    assert len(services) == 8
    answered = {}
    for name, url in services.items():
        document = machine.ask("GET", "/openapi.json", url=url).json
        for operation in operations(document):
            if operation.name not in PUBLIC:
                body = None if operation.method in {"GET", "DELETE"} else {}
                status = machine.ask(operation.method, operation.target, body, url=url).status
                if status != 401:
                    answered[f"{name}: {operation.name}"] = status
    assert answered == {}


def test_a_viewer_changes_nothing(machine, documented):
    """403 to every write of every service, whatever the path and the body say."""
    body = {
        "name": "access-onlooker",
        "password": "a-long-enough-passphrase",
        "bindings": [{"role": "viewer", "namespace": "*"}],
    }
    made = machine.ask("POST", "/api/v1/users", body, token=machine.token)
    assert made.status == 201, made
    login = machine.ask("POST", "/api/v1/auth/login", {"user": "access-onlooker", "password": body["password"]})
    viewer = login.json["access_token"]
    assert machine.ask("GET", "/api/v1/runs", token=viewer).status == 200
    done = {
        operation.name: status
        for operation in documented
        if operation.method != "GET" and operation.name not in PUBLIC | OWN | NOT_CHANGING
        if (status := send(machine, operation, viewer)) != 403
    }
    assert done == {}
