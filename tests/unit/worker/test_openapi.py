"""OpenAPI operations: documents of every version, against a real server that says what it was asked."""

from typing import Any

import pytest
from aiohttp import web

from local_http import serving
from tocsin_executor.worker.calling import Caller
from tocsin_executor.worker.operations import prepare
from tocsin_executor.worker.resources import Resources
from tocsin_executor.worker.runners.openapi import OpenApiRunner
from tocsin_executor.worker.tasks import Failed, Task
from tocsin_kit.chance import SeededChance
from tocsin_kit.testing import ManualClock
from tocsin_kit.web.outgoing import OutgoingGuard

ITEM = {
    "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
    "put": {
        "operationId": "putPet",
        "parameters": [
            {"name": "tags", "in": "query", "schema": {"type": "array"}},
            {"name": "sort", "in": "query", "style": "deepObject", "schema": {"type": "object"}},
            {"name": "ids", "in": "query", "explode": False, "schema": {"type": "array"}},
            {"name": "limit", "in": "query", "schema": {"default": 5}},
            {"name": "X-Trace", "in": "header", "schema": {"type": "string"}},
            {"$ref": "#/components/parameters/session"},
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}},
    },
}
THREE = {
    "openapi": "3.1.0",
    "servers": [{"url": "/{stage}/api", "variables": {"stage": {"default": "v1"}}}],
    "paths": {"/pets/{id}": ITEM},
    "components": {"parameters": {"session": {"name": "session", "in": "cookie"}}},
}
TWO = {
    "swagger": "2.0",
    "host": "pets.example",
    "basePath": "/v2",
    "schemes": ["http", "https"],
    "paths": {
        "/pets": {
            "post": {"operationId": "add", "parameters": [{"name": "pet", "in": "body", "required": True, "schema": {}}]},
            "get": {
                "operationId": "find",
                "parameters": [
                    {"name": "status", "in": "query", "type": "array", "collectionFormat": "multi"},
                    {"name": "ids", "in": "query", "type": "array"},
                ],
            },
            "patch": {
                "operationId": "form",
                "consumes": ["application/x-www-form-urlencoded"],
                "parameters": [{"name": "name", "in": "formData", "type": "string"}],
            },
        }
    },
}


def test_the_older_documents_are_read_too() -> None:
    """Swagger 2.0: host and base path, a body with a name, joined and repeated arrays, forms."""
    added = prepare(TWO, "https://x/doc.json", "add", {"pet": {"name": "milou"}})
    assert (added.method, added.url, added.body) == ("POST", "https://pets.example/v2/pets", {"name": "milou"})
    found = prepare(TWO, "https://x/doc.json", "find", {"status": ["a", "b"], "ids": [1, 2]})
    assert found.query == [("status", "a"), ("status", "b"), ("ids", "1,2")]
    form = prepare(TWO, "https://x/doc.json", "form", {"name": "milou"})
    assert (form.body, form.media) == ({"name": "milou"}, "application/x-www-form-urlencoded")


@pytest.mark.parametrize(
    ("operation", "values", "says"),
    [
        ("putPets", {}, "Did you mean 'putPet'?"),
        ("putPet", {"body": {}}, "needs the parameter 'id'"),
        ("putPet", {"id": "1"}, "needs a body"),
        ("putPet", {"id": "1", "body": {}, "sorting": 1}, "Did you mean 'sort'?"),
    ],
)
def test_what_does_not_fit_is_a_configuration_error(operation: str, values: dict[str, Any], says: str) -> None:
    """With the nearest name."""
    with pytest.raises(Failed) as failure:
        prepare(THREE, "https://x/doc.json", operation, values)
    assert says in str(failure.value.problem["detail"])
    assert str(failure.value.problem["type"]).endswith("configuration")


async def test_an_operation_is_called_as_its_document_says() -> None:
    """Path, query in three styles, header, cookie, body; the document is fetched once."""
    seen: list[dict[str, Any]] = []
    fetched: list[str] = []

    async def document(request: web.Request) -> web.Response:
        fetched.append(request.path)
        return web.json_response(THREE)

    async def answer(request: web.Request) -> web.Response:
        cookie, trace = request.cookies.get("session"), request.headers.get("X-Trace")
        seen.append({"path": request.raw_path, "cookie": cookie, "trace": trace, "body": await request.json()})
        return web.json_response({"ok": True}, status=201)

    clock = ManualClock()
    caller = Caller(OutgoingGuard(allow_private=True, setting="x"), clock, SeededChance(1))
    runner = OpenApiRunner(caller, Resources(caller, clock, None))
    values = {"id": "a b", "tags": ["x", "y"], "sort": {"by": "n"}, "ids": [1, 2], "X-Trace": "t", "session": "s"}
    async with serving({"/doc.json": document, "/v1/api/pets/{id}": answer}) as url:
        spec = {
            "document": {"endpoint": f"{url}/doc.json"},
            "operationId": "putPet",
            "parameters": {**values, "name": "milou"},
            "output": "response",
        }
        task = Task("r", "h:1#1", "openapi", "t", "/do/0/t", "n", spec, None, None, None, None, "s")
        try:
            first, _ = (await runner.run(task)).output, await runner.run(task)
        finally:
            await caller.close()
    assert isinstance(first, dict)
    assert (first["statusCode"], first["content"]) == (201, {"ok": True})
    query = "tags=x&tags=y&sort%5Bby%5D=n&ids=1,2&limit=5"
    assert seen[0] == {"path": f"/v1/api/pets/a%20b?{query}", "cookie": "s", "trace": "t", "body": {"name": "milou"}}
    assert fetched == ["/doc.json"]
