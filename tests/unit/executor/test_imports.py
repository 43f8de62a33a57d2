"""What a definition imports becomes part of what is published."""

from typing import Any

import pytest
from aiohttp import web

from local_http import serving
from tocsin.errors import Invalid
from tocsin_executor.domain.compile import compile_workflow
from tocsin_executor.domain.imports import functions_of, raw_address
from tocsin_executor.worker.calling import Caller
from tocsin_executor.worker.imports import Imports
from tocsin_executor.worker.resources import Resources
from tocsin_executor.worker.secrets import LocalSecrets
from tocsin_kit.chance import SeededChance
from tocsin_kit.config import Secret
from tocsin_kit.testing import ManualClock
from tocsin_kit.web.outgoing import OutgoingGuard

HEAD = {"dsl": "1.0.3", "namespace": "n", "name": "w", "version": "1.0.0"}


async def bundled(document: dict[str, Any], folder: Any = None) -> dict[str, Any]:
    clock = ManualClock()
    caller = Caller(OutgoingGuard(allow_private=True, setting="x"), clock, SeededChance(1))
    secrets = LocalSecrets(Secret('{"login": {"username": "u", "password": "hunter22"}}'), None)
    try:
        return await Imports(Resources(caller, clock, folder), secrets, clock).bundled({"document": HEAD, **document})
    finally:
        await caller.close()


@pytest.mark.parametrize(
    ("address", "raw"),
    [
        (
            "https://github.com/o/r/tree/main/functions/log/1.0.0/function.yaml",
            "https://raw.githubusercontent.com/o/r/refs/heads/main/functions/log/1.0.0/function.yaml",
        ),
        ("https://github.com/o/r/check@v1.0.0", "https://raw.githubusercontent.com/o/r/refs/tags/v1.0.0/check/function.yaml"),
        ("https://gitlab.com/g/p/-/blob/main/f.yaml", "https://gitlab.com/g/p/-/raw/main/f.yaml"),
        ("https://example.com/f.yaml", "https://example.com/f.yaml"),
    ],
)
def test_pages_of_forges_stand_for_the_files_behind_them(address: str, raw: str) -> None:
    """As the specification asks."""
    assert raw_address(address) == raw


def test_a_catalog_in_a_repository_is_read_from_its_main_branch() -> None:
    """The specification's own example."""
    use = {"catalogs": {"global": {"endpoint": {"uri": "https://github.com/serverlessworkflow/catalog"}}}}
    [found] = functions_of({"use": use, "do": [{"log": {"call": "log:0.5.2@global"}}]})
    path = "serverlessworkflow/catalog/refs/heads/main/functions/log/0.5.2/function.yaml"
    assert found.endpoint == {"uri": f"https://raw.githubusercontent.com/{path}"}


async def test_functions_and_schemas_are_inside_what_is_published() -> None:
    """With authentication from a secret; functions that call functions too; the program then compiles."""
    asked: list[Any] = []

    async def outer(request: web.Request) -> web.Response:
        asked.append(request.headers.get("Authorization"))
        return web.Response(text="do:\n  - inner: {call: inner:1.0.0@ours, with: {x: '${ .x }'}}\n")

    async def inner(request: web.Request) -> web.Response:
        return web.Response(text="set: {y: '${ .x + 1 }'}\n")

    async def schema(request: web.Request) -> web.Response:
        return web.json_response({"type": "object", "required": ["x"]})

    routes = {"/functions/outer/1.0.0/function.yaml": outer, "/functions/inner/1.0.0/function.yaml": inner, "/s.json": schema}
    async with serving(routes) as url:
        endpoint = {"uri": url, "authentication": {"basic": {"use": "login"}}}
        document = {
            "use": {"secrets": ["login"], "catalogs": {"ours": {"endpoint": endpoint}}},
            "input": {"schema": {"format": "json", "resource": {"endpoint": f"{url}/s.json"}}},
            "do": [{"t": {"call": "outer:1.0.0@ours", "with": {"x": 1}}}],
        }
        whole = await bundled(document)
    assert set(whole["use"]["functions"]) == {"outer:1.0.0@ours", "inner:1.0.0@ours"}
    assert whole["input"]["schema"]["document"]["required"] == ["x"]
    assert asked[0].startswith("Basic ")
    assert "hunter22" not in str(whole)
    compile_workflow(whole, "digest")


async def test_the_default_catalog_is_a_folder_of_the_installation(tmp_path: Any) -> None:
    """And nothing outside of it."""
    file = tmp_path / "functions" / "hello" / "1.0.0" / "function.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("set: {hello: '${ .who }'}\n")
    whole = await bundled({"do": [{"t": {"call": "hello:1.0.0@default"}}]}, tmp_path)
    assert whole["use"]["functions"] == {"hello:1.0.0@default": {"set": {"hello": "${ .who }"}}}
    with pytest.raises(Invalid, match="outside the folder"):
        await bundled({"do": [{"t": {"call": "file:///../../etc/passwd"}}]}, tmp_path)


@pytest.mark.parametrize(
    ("text", "says"),
    [("set: {x: 1}\nwait: PT1S\n", "several things"), ("call: 'self:1.0.0@ours'\n", ""), ("[1, 2]", "must be a task")],
)
async def test_what_is_not_a_function_is_refused_at_its_call(text: str, says: str) -> None:
    """With the pointer of the call."""

    async def function(request: web.Request) -> web.Response:
        return web.Response(text=text)

    async with serving({"/functions/{n}/1.0.0/function.yaml": function}) as url:
        document = {"use": {"catalogs": {"ours": {"endpoint": url}}}, "do": [{"t": {"call": "self:1.0.0@ours"}}]}
        with pytest.raises(Invalid) as refusal:
            compile_workflow(await bundled(document), "digest")
    assert says in refusal.value.violations[0].detail
