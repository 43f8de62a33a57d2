"""Secrets of workflows on real servers: used where they are meant, found nowhere else."""

from typing import Any

import pytest
from aiohttp import web

from local_http import serving
from tocsin_kit.bus.api import call

pytestmark = pytest.mark.server

CANARY = "canary-8e1f33"


async def test_a_secret_reaches_the_server_and_nothing_that_is_kept(rig: Any) -> None:
    """A server that echoes, a script that prints: neither stream nor database has the value."""
    seen: list[str] = []

    async def echo(request: web.Request) -> web.Response:
        seen.append(request.headers["X-Key"])
        return web.json_response({"said": request.headers["X-Key"], "basic": request.headers["Authorization"]})

    tasks = [
        {
            "ask": {
                "call": "http",
                "with": {
                    "method": "get",
                    "endpoint": {"uri": "${ .url }", "authentication": {"basic": {"use": "login"}}},
                    "headers": {"X-Key": "${ $secrets.key }"},
                },
            }
        },
        {"run": {"run": {"shell": {"command": 'echo "$K"; echo "$K" >&2; exit 1', "environment": {"K": "${ $secrets.key }"}}}}},
    ]
    secrets = {"key": CANARY, "login": {"username": "u", "password": CANARY + "!"}}
    async with rig.replica() as replica, rig.worker(secrets=secrets), serving({"/": echo}) as url:
        await rig.publish(tasks, use={"secrets": ["key", "login"]})
        view = await rig.ended(await rig.start({"url": url}))
        assert seen == [CANARY]
        assert view.status == "faulted"
        assert "***" in str(view.error)
        for stream in ("EXECUTOR", "SIGNALS", "LOGS"):
            last = (await call(replica.bus, f"STREAM.INFO.{stream}"))["state"]["last_seq"]
            for sequence in range(1, last + 1):
                message = await replica.bus.jetstream.get_msg(stream, sequence)
                assert CANARY.encode() not in (message.data or b""), message.subject
        for name in await replica.database.raw.list_collection_names():
            async for document in replica.database.collection(name).find({}):
                assert CANARY not in str(document), name
