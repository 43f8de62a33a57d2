"""Secrets planted at every way in, and looked for at every way out: logs, streams, database, metrics, traces, the API."""

import asyncio
import base64
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from e2e.machine import awaited
from security.test_webhooks import Hook
from security.world import World
from tocsin_kit.bus import Bus
from tocsin_kit.bus.secrets import SecretsClient

pytestmark = pytest.mark.server

PASSWORD, WRONG, NEXT = "canary-password-yellow-7141", "canary-wrong-guess-green-7142", "canary-next-password-red-7143"
SECRET, ROTATED = "canary-workflow-secret-pink-7145", "canary-rotated-secret-grey-7146"
OWN = "whsec_" + base64.b64encode(b"canary-webhook-secret-blue-7144!").decode()


def spellings(secret: str) -> list[bytes]:
    """The secret and what it becomes when somebody encodes it carelessly; also what is inside of base64."""
    raw = secret.encode()
    bare = secret.removeprefix("whsec_")
    inside = [base64.b64decode(bare)] if secret.startswith("whsec_") else []
    packed = base64.b64encode(raw).rstrip(b"=")[:-1]
    return [raw, raw.upper(), bare.encode(), packed, raw.hex().encode(), hashlib.sha1(raw).hexdigest().encode(), *inside]


def planted(world: World) -> dict[str, str]:
    """Everything that must not be seen again, by what it is."""
    world.good("POST", "/api/v1/users", {"name": "canary", "password": PASSWORD, "bindings": [{"role": "admin"}]})
    for attempt in ({"user": "canary", "password": WRONG}, {"user": WRONG, "password": WRONG}):
        assert world.ask("POST", "/api/v1/auth/login", attempt).status == 401
    pair = world.login("canary", PASSWORD)
    token = pair["access_token"]
    key = world.good("POST", "/api/v1/api-keys", {"name": "canary"}, token=token)["api_key"]
    bus = world.good("POST", "/api/v1/auth/nats-credentials", {"name": "canary-bus"}, token=token)["password"]
    wanted = {"name": "canary", "kind": "webhook", "workflow": "hello", "webhook": {"secret": OWN}}
    world.good("POST", "/api/v1/triggers", wanted, token=token)
    made = world.good("POST", "/api/v1/triggers/default/canary/keys", {}, token=key)["secret"]
    hook = Hook.__new__(Hook)
    hook.world, hook.secret = world, OWN
    assert world.ask("POST", "/hooks/default/canary", b'{"name":"x"}', headers=hook.headers(b'{"name":"x"}')).status == 202
    for path, body in (
        ("/api/v1/triggers", {**wanted, "webhook": {"secret": OWN, "unknown": OWN}}),
        ("/api/v1/auth/login", {"user": "canary", "password": PASSWORD, "more": PASSWORD}),
        ("/api/v1/auth/token", {"api_key": key, "more": key}),
        ("/api/v1/auth/service-token", {"service": "executor", "secret": WRONG}),
        ("/api/v1/secrets/canary/rotate", {"value": SECRET, "more": SECRET}),
    ):  # wrong in another place: the complaint must not repeat what was right
        answer = world.ask("POST", path, body, token=token)
        assert answer.status in {401, 422}, answer
        assert not [text for text in (OWN, PASSWORD, key, WRONG, SECRET) if text in answer.body.decode()], answer
    asyncio.run(use_secrets(world))
    world.ask("GET", "/api/v1/runs", token=key[:-3] + "abc")
    world.ask("GET", f"/api/v1/runs?token={key}", token=token)
    refreshed = world.good("POST", "/api/v1/auth/refresh", {"refresh_token": pair["refresh_token"]})
    world.good("POST", "/api/v1/auth/password", {"current": PASSWORD, "new": NEXT}, token=token)
    secrets = Path(world.ready["data"]) / "secrets"
    installed = {f"installation secret {path.name}": path.read_text().strip() for path in secrets.iterdir() if path.is_file()}
    return {
        "password": PASSWORD,
        "wrong guess": WRONG,
        "next password": NEXT,
        "API key": key,
        "bus key": bus,
        "access token": token,
        "refresh token": pair["refresh_token"],
        "second refresh token": refreshed["refresh_token"],
        "secret of a workflow": SECRET,
        "rotated secret of a workflow": ROTATED,
        "own webhook secret": OWN,
        "made webhook secret": made,
        "administrator's password": world.admin_password,
        **installed,
    }


def fail_with_secrets(world: World) -> None:
    """A run whose calls all fail, each with the secret in what it was given: whoever tells of a failure may tell too much."""
    secret = "${ $secrets.canary.password }"
    calls: list[dict[str, Any]] = [
        {"call": "http", "with": {"method": "get", "endpoint": '${ "http://" + $secrets.canary.password + ".invalid/" }'}},
        {"call": "http", "with": {"method": "get", "endpoint": '${ "http://127.0.0.1:1/?key=" + $secrets.canary.password }'}},
        {"call": "http", "with": {"method": secret, "endpoint": "http://127.0.0.1:1/"}},
        {"call": "http", "with": {"method": "get", "endpoint": "http://127.0.0.1:1/", "headers": {"X": secret}}},
        {"call": "http", "with": {"method": "get", "endpoint": "${ $secrets.canary.password | tonumber }"}},
        {"call": "openapi", "with": {"document": {"endpoint": "http://127.0.0.1:1/x"}, "operationId": secret}},
        {"run": {"shell": {"command": '${ "echo " + $secrets.canary.password + " >&2; exit 3" }'}}},
        {"run": {"script": {"language": "python", "code": "import sys; raise ValueError(sys.argv[1])", "arguments": [secret]}}},
    ]
    tried = [{f"t{number}": {"try": [{"c": call}], "catch": {}}} for number, call in enumerate(calls)]
    about = {"dsl": "1.0.3", "namespace": "default", "name": "canary", "version": "1.0.0"}
    world.good("POST", "/api/v1/workflows", {"document": about, "use": {"secrets": ["canary"]}, "do": tried})
    run = world.good("POST", "/api/v1/runs", {"namespace": "default", "workflow": "canary", "input": {}})["id"]
    ended = awaited(
        lambda: (found := world.good("GET", f"/api/v1/runs/{run}"))["status"] in {"completed", "faulted"} and found,
        what="the run with failures",
    )
    assert ended["status"] == "completed", ended
    tasks = world.good("GET", f"/api/v1/runs/{run}/tasks?limit=100")["items"]
    assert [task["status"] for task in tasks].count("faulted") >= len(calls), tasks


async def use_secrets(world: World) -> None:
    """A secret stored, used by a worker with the worker's own rights, rotated under new keys, and used again."""
    password = (Path(world.ready["data"]) / "secrets" / "nats-worker").read_text().strip()
    bus = Bus(world.ready["nats"], name="worker", user="worker", password=password)
    await bus.start()
    try:
        await asyncio.to_thread(world.good, "PUT", "/api/v1/secrets/canary", {"value": {"password": SECRET}})
        await asyncio.to_thread(fail_with_secrets, world)
        for value in (SECRET, ROTATED):
            given = await SecretsClient(bus).resolve("default", ["canary"], used_by={"run": "canary", "task": "canary"})
            assert value in given["canary"].reveal()
            await asyncio.to_thread(world.good, "POST", "/api/v1/secrets/canary/rotate", {"value": ROTATED})
            await asyncio.to_thread(world.good, "POST", "/api/v1/auth/data-keys/rotate")
    finally:
        await bus.stop()


def files(folder: Path, suffix: str) -> Iterator[tuple[Path, bytes]]:
    """Those of a folder that servers write to meanwhile: what goes while somebody looks is not there."""
    for place, _, names in os.walk(folder):
        for name in names:
            if name.endswith(suffix):
                with suppress(FileNotFoundError):
                    yield Path(place, name), Path(place, name).read_bytes()


def sinks(world: World) -> dict[str, bytes]:
    """Every way out, as bytes."""
    data = Path(world.ready["data"])
    api = b"".join(
        world.ask("GET", f"/api/v1/{path}", token=world.root).body
        for path in (
            "signals?limit=500",
            "audit?limit=500",
            "events?limit=500",
            "triggers?limit=500",
            "users?limit=500",
            "api-keys?owner=*",
            "secrets?limit=500",
            "secrets/canary",
            "runs?limit=500",
            "cases?limit=500",
            "assets?limit=500",
            "dead-letters/trigger",
            "dead-letters/case",
        )
    )
    streams = b"".join(contents for _, contents in files(data, ".blk"))
    assert b"io.tocsin.login.failed" in streams, "the streams are looked at where they are"
    return {
        "log": b"".join(contents for path, contents in files(data, ".log") if "mongo" not in str(path.relative_to(data))),
        "streams": streams,
        "metrics": world.ask("GET", "/metrics", base=world.ready["ops"]).body,
        "API": api,
        "traces": b"".join(world.traces),
        "database": asyncio.run(database(world)),
    }


async def database(world: World) -> bytes:
    """Every document of every database, as text."""
    async with AsyncMongoClient(world.mongo, directConnection=True) as client:
        found: list[Any] = []
        for name in await client.list_database_names():
            if name not in {"admin", "config", "local"}:
                for collection in await client[name].list_collection_names():
                    found += await client[name][collection].find().to_list()
    return repr(found).encode()


def test_no_secret_comes_out_anywhere(world: World) -> None:
    """None of them, in no spelling: not in a log, stream, metric, trace, answer or collection."""
    secrets = planted(world)
    awaited(
        lambda: b"password" in world.ask("GET", "/api/v1/signals?entity=login", token=world.root).body or None, what="signals"
    )
    spans = len(world.traces)
    awaited(lambda: len(world.traces) > spans, what="what is traced, which goes out every few seconds")
    places = sinks(world)
    found = [
        (what, place)
        for what, secret in secrets.items()
        for place, content in places.items()
        if any(spelling in content for spelling in spellings(secret))
    ]
    assert found == []
    assert not [place for place in ("log", "streams", "API", "database") if b"canary" not in places[place]], "we look in vain"
    assert all(len(content) > 1000 for content in places.values()), json.dumps({k: len(v) for k, v in places.items()})
