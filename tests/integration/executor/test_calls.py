"""Calls of every protocol from a definition to a server of that kind on this machine."""

from typing import Any

import pytest
from aiohttp import web

from local_http import serving

pytestmark = pytest.mark.server


async def test_openapi_and_scripts_that_are_fetched(rig: Any) -> None:
    """The operation's document and the script's source come from a URL; the result is the task's output."""

    async def document(request: web.Request) -> web.Response:
        path = {"get": {"operationId": "hello", "parameters": [{"name": "who", "in": "path", "required": True}]}}
        return web.json_response({"openapi": "3.0.3", "paths": {"/hello/{who}": path}})

    async def hello(request: web.Request) -> web.Response:
        return web.json_response({"hello": request.match_info["who"]})

    async def script(request: web.Request) -> web.Response:
        return web.Response(text="import sys\nprint('script', sys.argv[1])\n")

    async with rig.replica(), rig.worker(), serving({"/d": document, "/hello/{who}": hello, "/s.py": script}) as url:
        call = {"document": {"endpoint": f"{url}/d"}, "operationId": "hello", "parameters": {"who": "${ .who }"}}
        source = {"language": "python", "source": {"endpoint": f"{url}/{{file}}"}, "arguments": ["${ .hello }"]}
        view = await rig.run(
            [
                {"a": {"call": "openapi", "with": call, "output": {"as": '${ . + {file: "s.py"} }'}}},
                {"b": {"run": {"script": source}}},
            ],
            {"who": "world"},
        )
        assert (view.status, view.output, view.error) == ("completed", "script world", None)
