"""OpenAPI operations: documents of every version, against a real server that says what it was asked."""

import asyncio
from typing import Any

import pytest
from aiohttp import web

from local_http import serving
from tocsin_executor.worker.bodies import FORM, MULTIPART, encoded
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
    """Path, query in three styles, header, cookie, body; the document is fetched once, however many want it at once."""
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
            first, *_ = [outcome.output for outcome in await asyncio.gather(*(runner.run(task) for _ in range(20)))]
        finally:
            await caller.close()
    assert isinstance(first, dict)
    assert (first["statusCode"], first["content"]) == (201, {"ok": True})
    query = "tags=x&tags=y&sort%5Bby%5D=n&ids=1,2&limit=5"
    assert seen[0] == {"path": f"/v1/api/pets/a%20b?{query}", "cookie": "s", "trace": "t", "body": {"name": "milou"}}
    assert fetched == ["/doc.json"]


def operation(*parameters: dict[str, Any], path: str = "/p", **more: Any) -> dict[str, Any]:
    """A document with one operation."""
    found = {"openapi": "3.0.3", "servers": [{"url": "https://a.example"}], **more.pop("document", {})}
    return {**found, "paths": {path: {"post": {"operationId": "op", "parameters": list(parameters), **more}}}}


def prepared(document: dict[str, Any], **values: Any) -> Any:
    return prepare(document, "https://a.example/doc.json", "op", values)


LIST, THING = ["a b", "c,d"], {"x": 1, "y": "z/w"}


@pytest.mark.parametrize(
    ("style", "explode", "value", "found"),
    [
        (None, None, "a/b c", "a%2Fb%20c"),
        ("simple", False, LIST, "a%20b,c%2Cd"),
        ("simple", True, LIST, "a%20b,c%2Cd"),
        ("simple", False, THING, "x,1,y,z%2Fw"),
        ("simple", True, THING, "x=1,y=z%2Fw"),
        ("label", False, 5, ".5"),
        ("label", False, LIST, ".a%20b,c%2Cd"),
        ("label", True, LIST, ".a%20b.c%2Cd"),
        ("label", False, THING, ".x,1,y,z%2Fw"),
        ("label", True, THING, ".x=1.y=z%2Fw"),
        ("matrix", False, 5, ";v=5"),
        ("matrix", False, "", ";v"),
        ("matrix", False, LIST, ";v=a%20b,c%2Cd"),
        ("matrix", True, LIST, ";v=a%20b;v=c%2Cd"),
        ("matrix", False, THING, ";v=x,1,y,z%2Fw"),
        ("matrix", True, THING, ";x=1;y=z%2Fw"),
    ],
)
def test_every_style_of_a_path_parameter(style: str | None, explode: bool | None, value: Any, found: str) -> None:
    """As the specification's table of styles has them; nothing in a value begins another segment."""
    said = {name: held for name, held in (("style", style), ("explode", explode)) if held is not None}
    parameter = {"name": "v", "in": "path", "required": True, **said}
    assert prepared(operation(parameter, path="/p/{v}"), v=value).url == f"https://a.example/p/{found}"


@pytest.mark.parametrize(
    ("said", "value", "found"),
    [
        ({}, LIST, [("v", "a b"), ("v", "c,d")]),
        ({"explode": False}, LIST, [("v", "a b,c,d")]),
        ({}, THING, [("x", "1"), ("y", "z/w")]),
        ({"explode": False}, THING, [("v", "x,1,y,z/w")]),
        ({"style": "spaceDelimited"}, [1, 2], [("v", "1 2")]),
        ({"style": "pipeDelimited"}, [1, 2], [("v", "1|2")]),
        ({"style": "pipeDelimited", "explode": True}, [1, 2], [("v", "1"), ("v", "2")]),
        ({"style": "deepObject"}, {"a": {"b": [1, 2]}, "c": True}, [("v[a][b]", "1"), ("v[a][b]", "2"), ("v[c]", "true")]),
        ({"content": {"application/json": {}}}, [1, 2], [("v", "[1,2]")]),
        ({"content": {"application/json": {}}}, "t", [("v", '"t"')]),
        ({"type": "array", "collectionFormat": "ssv"}, [1, 2], [("v", "1 2")]),
        ({"type": "array", "collectionFormat": "tsv"}, [1, 2], [("v", "1\t2")]),
        ({"type": "array", "collectionFormat": "pipes"}, [1, 2], [("v", "1|2")]),
    ],
)  # fmt: skip
def test_every_style_of_a_query_parameter(said: dict[str, Any], value: Any, found: list[tuple[str, str]]) -> None:
    """Of both generations."""
    assert prepared(operation({"name": "v", "in": "query", **said}), v=value).query == found


def test_headers_and_cookies_hold_one_value_each() -> None:
    """Nothing in a value begins another cookie."""
    header, cookie = {"name": "X-V", "in": "header", "explode": True}, {"name": "v", "in": "cookie"}
    found = prepared(operation(header, cookie), **{"X-V": THING, "v": "a; admin=1,\u00e9"})
    assert (found.headers, found.cookies) == ({"X-V": "x=1,y=z/w"}, {"v": "a%3B%20admin=1%2C%C3%A9"})


@pytest.mark.parametrize("value", ["..", ".", [".."]])
def test_a_value_leads_to_no_other_path(value: Any) -> None:
    """A client would take dots for a step upwards."""
    parameter = {"name": "v", "in": "path", "required": True}
    with pytest.raises(Failed, match="another path"):
        prepared(operation(parameter, path="/p/{v}/x"), v=value)


def test_names_that_are_there_twice_and_keys_of_the_api() -> None:
    """A name in path and query is one value where both need it; a key is described as security, and given as a parameter."""
    twice = ({"name": "id", "in": "path", "required": True}, {"name": "id", "in": "query", "required": True})
    found = prepared(operation(*twice, path="/p/{id}"), id=7)
    assert (found.url, found.query) == ("https://a.example/p/7", [("id", "7")])
    once = ({"name": "id", "in": "path", "required": True}, {"name": "id", "in": "query"})
    assert prepared(operation(*once, path="/p/{id}"), id=7).query == []
    schemes = {"k": {"type": "apiKey", "name": "X-Key", "in": "header"}, "q": {"type": "apiKey", "name": "key", "in": "query"}}
    secured = operation(document={"components": {"securitySchemes": schemes}})
    found = prepared(secured, **{"X-Key": "s3cret", "key": "q"})
    assert (found.headers, found.query) == ({"X-Key": "s3cret"}, [("key", "q")])
    assert prepared(secured).headers == {}


@pytest.mark.parametrize(
    ("medias", "body", "media", "content"),
    [
        (["application/json"], {"a": 1}, "application/json", b'{"a":1}'),
        (["application/json"], "text", "application/json", b'"text"'),
        (["application/xml", "application/json; charset=utf-8"], {"a": 1}, "application/json; charset=utf-8", b'{"a":1}'),
        (["application/xml", "application/merge-patch+json"], {"a": 1}, "application/merge-patch+json", b'{"a":1}'),
        (["*/*"], {"a": 1}, "application/json", b'{"a":1}'),
        (["application/xml", FORM], {"a": [1, "b c"]}, FORM, b"a=1&a=b+c"),
        (["application/xml"], "<a/>", "application/xml", b"<a/>"),
        (["image/png", "text/plain"], "words", "text/plain", b"words"),
        (["text/plain"], 5, "text/plain", b"5"),
    ],
)  # fmt: skip
def test_a_body_is_sent_in_a_type_that_the_operation_takes(medias: list[str], body: Any, media: str, content: bytes) -> None:
    """The one that fits it best."""
    found = prepared(operation(requestBody={"content": {media: {} for media in medias}}), body=body)
    assert encoded(found.body, found.media, found.files) == (content, media)


def test_forms_of_several_parts_are_sent_as_such() -> None:
    """Texts, lists, objects and files; a document of 2.0 says so in its own way."""
    schema = {"$ref": "#/components/schemas/form"}
    properties = {"file": {"type": "string", "format": "binary"}, "list": {"type": "array"}}
    document = operation(
        requestBody={"content": {"multipart/form-data": {"schema": schema}}},
        document={"components": {"schemas": {"form": {"properties": properties}}}},
    )
    found = prepared(document, file="of it", list=[1, "b"], thing={"a": 1}, none=None, **{'q"\n': "x"})
    content, media = encoded(found.body, found.media, found.files)
    boundary = media.removeprefix("multipart/form-data; boundary=").encode()
    parts = [part.strip(b"\r\n").partition(b"\r\n\r\n") for part in content.split(b"--" + boundary)[1:-1]]
    assert [(head.replace(b"Content-Disposition: form-data; ", b""), text) for head, _, text in parts] == [
        (b'name="file"; filename="file"\r\nContent-Type: application/octet-stream', b"of it"),
        (b'name="list"', b"1"),
        (b'name="list"', b"b"),
        (b'name="thing"\r\nContent-Type: application/json', b'{"a":1}'),
        (b'name="q%22%0A"', b"x"),
    ]
    assert content.endswith(b"--" + boundary + b"--\r\n")
    two = {"swagger": "2.0", "host": "a.example", "paths": {"/p": {"post": {
        "operationId": "op", "parameters": [{"name": "f", "in": "formData", "type": "file"}], "consumes": [MULTIPART],
    }}}}  # fmt: skip
    found = prepared(two, f="of it")
    assert (found.media, found.files) == ("multipart/form-data", {"f"})


def test_a_body_that_has_no_form_of_the_type_is_refused() -> None:
    """Instead of being sent as something else under its name."""
    for medias, body, says in (
        (["application/xml"], {"a": 1}, "has to be a text"),
        (["multipart/form-data"], "x", "an object"),
    ):
        found = prepared(operation(requestBody={"content": {media: {} for media in medias}}), body=body)
        with pytest.raises(Failed, match=says):
            encoded(found.body, found.media, found.files)


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"openapi": "3.0.0", "paths": {"/p": {"get": {"operationId": "op"}}}}, "names no server"),
        ({"swagger": "2.0", "paths": {"/p": {"get": {"operationId": "op"}}}}, "names no host"),
    ],
)
def test_a_document_from_a_file_has_to_say_where_its_server_is(document: dict[str, Any], says: str) -> None:
    """There is no place that it came from."""
    with pytest.raises(Failed, match=says):
        prepare(document, "file://api.json", "op", {})


async def test_what_a_document_refers_to_is_fetched_with_it() -> None:
    """Paths, parameters and bodies in files of their own, which refer to others in turn; a file is not the web's to name."""
    parameters = {"tags": {"name": "tags", "in": "query", "schema": {"$ref": "schemas.yaml#/Tags"}}}
    item = {"get": {"operationId": "find", "parameters": [{"$ref": "../shared/parameters.json#/tags"}, {"$ref": "#/own"}]}}
    files: dict[str, Any] = {
        "/doc.json": {"openapi": "3.1.0", "paths": {"/pets": {"$ref": "paths/pets.json#/a~1b"}, "/secret": {"$ref": "file:///etc"}}},
        "/paths/pets.json": {"a/b": item, "own": {"name": "X-Own", "in": "header"}},
        "/shared/parameters.json": parameters,
        "/shared/schemas.yaml": {"Tags": {"default": "all"}},
    }  # fmt: skip
    seen: list[str] = []

    async def give(request: web.Request) -> web.Response:
        seen.append(f"{request.path_qs} {request.headers.get('Authorization', '-')} {request.headers.get('X-Own', '-')}")
        return web.json_response(files.get(request.path, {"found": True}))

    clock = ManualClock()
    caller = Caller(OutgoingGuard(allow_private=True, setting="x"), clock, SeededChance(1))
    runner = OpenApiRunner(caller, Resources(caller, clock, None))
    async with serving({"/{any:.*}": give}) as url:
        endpoint = {"uri": f"{url}/doc.json", "authentication": {"bearer": {"token": "t"}}}
        spec = {"document": {"endpoint": endpoint}, "operationId": "find", "parameters": {"X-Own": "o"}}
        task = Task("r", "h:1#1", "openapi", "t", "/do/0/t", "n", spec, None, None, None, None, "s")
        try:
            assert (await runner.run(task)).output == {"found": True}
            spec["operationId"] = "other"
            with pytest.raises(Failed, match="not of the web"):
                await runner.run(task)
        finally:
            await caller.close()
    fetched = ["/doc.json", "/paths/pets.json", "/shared/parameters.json", "/shared/schemas.yaml"]
    assert seen == [*(f"{path} Bearer t -" for path in fetched), "/pets?tags=all - o"]
