"""Every service's API against its own OpenAPI document: whatever is sent, it answers as it says, and never with a defect.

A service is added to ``SERVICES``; the rest follows from its document.
"""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode

from contract.http.hosting import Hosted, hosted
from tocsin_kit.testing.servers import delete_streams, drop_databases

SERVICES = ("auth", "trigger", "scheduler", "executor", "lineage", "case", "observer", "gateway")
EXAMPLES = 3  # for each operation and each way (fitting the schema, not fitting it)
ONLY_STREAMS = "text/event-stream"


@pytest.fixture(scope="module", params=SERVICES)
def service(
    request: pytest.FixtureRequest, nats_server: str, mongo_server: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Hosted]:
    """One of the services, running."""
    name = request.param
    folder: Path = tmp_path_factory.mktemp(name)
    prefix = f"contract-{name}"
    with hosted(name, nats_url=nats_server, mongo_url=mongo_server, prefix=prefix, folder=folder) as running:
        yield running
    # The servers are the whole run's: what was said here would be heard by the tests that come next.
    delete_streams(nats_server)
    drop_databases(mongo_server, prefix)


def login(service: Hosted) -> str:
    """An administrator's access token."""
    body = json.dumps({"user": service.admin["user"], "password": service.admin["password"]}).encode()
    request = urllib.request.Request(
        f"{service.auth_url}/api/v1/auth/login", body, {"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        token: str = json.loads(answer.read())["access_token"]
        return token


def operations(service: Hosted) -> Iterator[Any]:
    """All operations that answer at once."""
    schema = schemathesis.openapi.from_dict(service.document)
    for result in schema.get_all_operations():
        operation = result.ok()
        answers = operation.definition.raw.get("responses", {}).values()
        if not any(ONLY_STREAMS in answer.get("content", {}) for answer in answers):
            yield operation


@pytest.mark.slow
def test_no_request_whatever_gets_a_server_error(service: Hosted) -> None:
    """Valid and invalid requests, as an administrator, so that nothing is hidden behind a refusal."""
    token = login(service)
    count = 0
    for operation in operations(service):
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            attack(operation, mode, service, token)
        count += 1
    assert count > 0


def attack(operation: Any, mode: GenerationMode, service: Hosted, token: str) -> None:
    """Send generated requests to one operation."""

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def send(case: Any) -> None:
        response = case.call(base_url=service.url, headers={"Authorization": f"Bearer {token}"}, timeout=20)
        assert response.status_code < 500, f"{case.as_curl_command()}\n{response.status_code} {response.text}"
        declared = operation.definition.raw["responses"]
        assert str(response.status_code) in declared, f"{case.as_curl_command()}\n{response.status_code} is not declared"

    try:
        send()
    except Exception as error:
        if "Unsatisfiable" not in type(error).__name__:  # nothing can be wrong about an operation without input
            raise


def test_every_operation_says_what_it_needs(service: Hosted) -> None:
    """A permission, or why none is needed; and every problem has one shape."""
    for path, item in service.document["paths"].items():
        for method, operation in item.items():
            where = f"{method} {path}"
            if "x-permission" in operation:
                assert operation["security"] == [{"bearer": []}], where
            else:
                assert "Public:" in operation["description"] or "logged in:" in operation["description"], where
            for status, answer in operation["responses"].items():
                if int(status) >= 400:
                    assert list(answer["content"]) == ["application/problem+json"], where
