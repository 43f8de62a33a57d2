"""Triggers that look at something themselves, against the running service."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from integration.trigger.harness import Service, started
from integration.trigger.test_events import records
from integration.trigger.test_gathering import runs
from tocsin_kit.bus.api import call, ensure_stream
from tocsin_kit.clock import SystemClock
from tocsin_kit.testing.waiting import eventually


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    """A folder with a plugin, which counts how often it was asked."""
    facts = tmp_path / "counting-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: counting\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[tocsin.sensors]\nnumbers = counting:numbers\n")
    (tmp_path / "counting.py").write_text(
        "def numbers(cursor, most):\n"
        f"    with open({str(tmp_path / 'asked')!r}, 'a') as asked: asked.write('x')\n"
        "    return {'items': [{'n': n} for n in range(most)], 'cursor': (cursor or 0) + 1}\n"
    )
    return tmp_path


@pytest.fixture
async def watching(environ: dict[str, str], tmp_path: Path) -> AsyncIterator[Service]:
    """The service, which may watch a folder, ask this machine, and run the plugins of a folder."""
    allowed = {"FOLDERS": f'["{tmp_path}"]', "PLUGINS": f'["{tmp_path}"]', "ALLOW_PRIVATE": "true"}
    async with started({**environ, **{f"TOCSIN_TRIGGER_{name}": value for name, value in allowed.items()}}) as service:
        yield service


async def put(service: Service, name: str, body: dict[str, Any]) -> None:
    status, answer = await service.ask("PUT", f"/api/v1/triggers/default/{name}", json={"workflow": "w", **body})
    assert status in {200, 201}, answer
    kind = body["kind"]
    shown = {**answer[kind]}
    assert shown.keys() >= {key for key in body[kind] if key != "delay"}


class World:
    """A service that is polled, and a store of objects."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []
        self.objects: list[str] = []
        self.asked: list[str] = []

    async def feed(self, request: web.Request) -> web.Response:
        self.asked.append(request.query_string)
        after = int(request.query.get("after", 0))
        new = [item for item in self.items if item["id"] > after][:2]
        return web.json_response({"data": {"items": new, "next": new[-1]["id"] if new else after}})

    async def bucket(self, request: web.Request) -> web.Response:
        told = "".join(
            f"<Contents><Key>{key}</Key><LastModified>2026-01-0{n + 1}T00:00:00.000Z</LastModified>"
            f"<ETag>&quot;{n}&quot;</ETag><Size>1</Size></Contents>"
            for n, key in enumerate(self.objects)
        )
        answer = f'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{told}</ListBucketResult>'
        return web.Response(text=answer, content_type="application/xml")


@pytest.fixture
async def world() -> AsyncIterator[tuple[World, str]]:
    """It, and its address."""
    world = World()
    app = web.Application()
    app.router.add_get("/feed", world.feed)
    app.router.add_get("/uploads", world.bucket)
    async with TestServer(app) as server:
        yield world, f"http://127.0.0.1:{server.port}"


async def test_a_function_of_a_plugin_is_asked_from_its_cursor_on(watching: Service, plugins: Path) -> None:
    """Items that it gives again start nothing again; what is wrong with it is in the trigger's state."""
    body = {"kind": "poll", "poll": {"function": "numbers", "every": "1s", "arguments": {"most": 3}, "id": ".n"}}
    await put(watching, "numbers", body)
    commands = await runs(watching, 3)
    assert sorted(command.data["input"]["n"] for command in commands) == [0, 1, 2]

    async def again() -> bool:
        return len((plugins / "asked").read_text()) >= 3

    await eventually(again)
    assert len(await watching.said("commands.executor.start")) == 3
    await put(watching, "none", {"kind": "poll", "poll": {"function": "none", "every": "1s"}})

    async def told() -> bool:
        _, state = await watching.ask("GET", "/api/v1/triggers/default/none/state")
        return state["watch"] is not None and "There is: numbers" in (state["watch"]["error"] or "")

    await eventually(told)
    for poll in ({"every": "1s"}, {"function": "a", "url": "http://x"}, {"function": "a", "items": ".x"}):
        status, _ = await watching.ask(
            "PUT", "/api/v1/triggers/default/odd", json={"workflow": "w", "kind": "poll", "poll": poll}
        )
        assert status == 422


async def test_one_instant_fires_once(watching: Service, environ: dict[str, str]) -> None:
    """With two replicas; and never again."""
    async with started(environ):
        await put(watching, "later", {"kind": "once", "once": {"delay": "1s"}, "input": {"at": "${ .data.at }"}})
        began = SystemClock().now()
        (command,) = await runs(watching, 1)
        assert command.time is not None
        assert command.time - began > timedelta(milliseconds=500)

        async def over() -> bool:
            _, state = await watching.ask("GET", "/api/v1/triggers/default/later/state")
            return state["watch"] is not None and state["watch"]["due"] is None

        await eventually(over)
        assert len(await watching.said("commands.executor.start")) == 1


async def test_files_that_came_while_nobody_looked_are_found(watching: Service, tmp_path: Path) -> None:
    """Moved away when their events are on disk; a paused trigger loses nothing."""
    inbox, done = tmp_path / "in", tmp_path / "done"
    for folder in (inbox, done):
        folder.mkdir()
    (inbox / "a.csv").write_text("x")
    file = {"folder": str(inbox), "pattern": "*.csv", "every": "1s", "settle": "0s", "after": "move", "into": str(done)}
    await put(watching, "inbox", {"kind": "file", "file": file})
    (command,) = await runs(watching, 1)
    assert command.data["input"]["name"] == "a.csv"

    async def moved() -> bool:
        return [path.name for path in done.iterdir()] == ["a.csv"] and not list(inbox.iterdir())

    await eventually(moved)
    status, _ = await watching.ask("POST", "/api/v1/triggers/default/inbox/pause", json={})
    assert status == 200
    (inbox / "b.csv").write_text("y")
    await watching.ask("POST", "/api/v1/triggers/default/inbox/resume")
    assert len(await runs(watching, 2)) == 2
    outside = {"kind": "file", "file": {**file, "folder": "/etc", "after": "keep", "into": None}}
    status, _ = await watching.ask("PUT", "/api/v1/triggers/default/outside", json={"workflow": "w", **outside})
    assert status == 201

    async def refused() -> bool:
        _, state = await watching.ask("GET", "/api/v1/triggers/default/outside/state")
        return state["watch"] is not None and "may be watched" in (state["watch"]["error"] or "")

    await eventually(refused)


async def test_an_address_is_asked_from_where_the_last_answer_ended(watching: Service, world: tuple[World, str]) -> None:
    """By cursor, page after page; each item starts one run, however often it is answered."""
    outside, url = world
    outside.items = [{"id": number} for number in (1, 2, 3)]
    poll = {
        "url": f"{url}/feed",
        "every": "1s",
        "items": ".data.items",
        "id": ".id",
        "cursor": ".data.next",
        "cursor_parameter": "after",
    }
    await put(watching, "feed", {"kind": "poll", "poll": poll})
    assert [command.data["input"]["id"] for command in await runs(watching, 3)] == [1, 2, 3]
    outside.items.append({"id": 4})
    assert len(await runs(watching, 4)) == 4
    assert "after=3" in outside.asked
    found = await records(watching, 4)
    assert {record["channel"] for record in found} == {"watch"}


async def test_objects_of_a_bucket_are_found_once(watching: Service, world: tuple[World, str]) -> None:
    """New ones, and those that match."""
    outside, url = world
    outside.objects = ["a.csv", "b.txt"]
    bucket = {"endpoint": url, "bucket": "uploads", "every": "1s", "pattern": "*.csv"}
    await put(watching, "uploads", {"kind": "bucket", "bucket": bucket})
    (first,) = await runs(watching, 1)
    assert first.data["input"]["key"] == "a.csv"
    outside.objects.append("c.csv")
    assert [command.data["input"]["key"] for command in await runs(watching, 2)] == ["a.csv", "c.csv"]


async def test_an_address_inside_is_not_asked_unless_that_is_allowed(service: Service, world: tuple[World, str]) -> None:
    """And the trigger says so."""
    outside, url = world
    await put(service, "inside", {"kind": "poll", "poll": {"url": f"{url}/feed", "every": "1s"}})

    async def refused() -> bool:
        _, state = await service.ask("GET", "/api/v1/triggers/default/inside/state")
        return state["watch"] is not None and "trigger.allow_private" in (state["watch"]["error"] or "")

    await eventually(refused)
    assert outside.asked == []


async def test_somebody_elses_subjects_are_heard(environ: dict[str, str], nats_url: str) -> None:
    """Core and from a stream, whatever the messages are; each once with two replicas, and stored ones also after a pause."""
    settings = {**environ, "TOCSIN_TRIGGER_FOREIGN_URL": nats_url}
    async with started(settings) as service, started(settings):
        stream = f"FOREIGN{service.database.database_name.replace('_', '')}"
        subject = f"foreign.{stream}"
        await ensure_stream(service.bus, {"name": stream, "subjects": [f"{subject}.stored"], "storage": "memory"})
        for name, source in (
            ("core", {"subject": f"{subject}.core"}),
            ("stored", {"subject": f"{subject}.stored", "stream": stream}),
        ):
            await put(service, name, {"kind": "subject", "subject": source, "input": "${ .data.payload }"})

        async def consuming() -> bool:
            listed = await call(service.bus, f"CONSUMER.NAMES.{stream}")
            return bool(listed["consumers"])

        await eventually(consuming)
        await service.bus.nats.publish(f"{subject}.stored", b'{"a": 1}')
        (stored,) = await runs(service, 1)
        assert stored.data["input"] == {"a": 1}
        number = 0

        async def heard() -> bool:
            nonlocal number
            number += 1
            await service.bus.nats.publish(f"{subject}.core", b"text", headers={"Nats-Msg-Id": f"m{number}"})
            return len(await service.said("commands.executor.start")) > 1

        await eventually(heard)
        inputs = [command.data["input"] for command in await service.said("commands.executor.start")]
        assert inputs[1] == "text"
        assert inputs.count({"a": 1}) == 1
        assert len(inputs) <= 1 + number
        await call(service.bus, f"STREAM.DELETE.{stream}")
