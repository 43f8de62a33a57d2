"""Long answers over real sockets: they last no longer than the credential they began with."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientError, ClientSession

from tocsin.errors import Unauthenticated, Unavailable
from tocsin_kit.chance import SystemChance
from tocsin_kit.clock import SystemClock
from tocsin_kit.testing.waiting import eventually
from tocsin_kit.web import Call, EventStream, Grant, HttpServer, Permission, Principal, Reply, Route, ServerEvent, Stream

READ = Grant("thing:read", "default")
GUEST = {"Authorization": "Bearer guest"}


class Door:
    """Knows one guest, and what became of them."""

    def __init__(self) -> None:
        self.grants = [READ]
        self.shut = self.away = False
        self.asked = 0

    async def authenticate(self, _: str) -> Principal:
        self.asked += 1
        if self.away:
            raise Unavailable("nobody can be asked")
        if self.shut:
            raise Unauthenticated("withdrawn")
        return Principal("user:guest", "guest", tuple(self.grants))


class Ahead(SystemClock):
    """A clock that a test moves on."""

    ahead = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


class Told:
    """Handlers whose answers do not end by themselves."""

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.waiting = False
        self.clock = Ahead()

    async def events(self, call: Call) -> EventStream:
        call.require("thing:read", "default")

        async def ticks() -> AsyncIterator[ServerEvent]:
            yield ServerEvent({"n": 1})
            await asyncio.Event().wait()

        return EventStream(events=ticks())

    async def chunks(self, call: Call) -> Stream:
        call.require("thing:read", "default")

        async def many() -> AsyncIterator[bytes]:
            while True:
                yield b"x"
                await asyncio.sleep(0.01)  # noqa: TID251 - a file that is read slowly

        return Stream(chunks=many())

    async def wait(self, call: Call) -> Reply:
        call.require("thing:read", "default")
        self.waiting = True
        await self.release.wait()
        return Reply(body={"late": True})

    def routes(self) -> list[Route]:
        may = Permission("thing:read")
        return [
            Route(method="GET", path="/events", access=may, handler=self.events, summary=".", seconds=None),
            Route(method="GET", path="/chunks", access=may, handler=self.chunks, summary=".", seconds=None),
            Route(method="GET", path="/wait", access=may, handler=self.wait, summary=".", seconds=None),
        ]


@asynccontextmanager
async def serving(door: Door, told: Told) -> AsyncIterator[ClientSession]:
    server = HttpServer(
        "door", told.routes(), host="127.0.0.1", port=0, authenticator=door, clock=told.clock, chance=SystemChance()
    )
    await server.start()
    async with ClientSession(server.url, headers=GUEST) as http:
        yield http
    await server.stop()


@pytest.mark.parametrize("how", ["shut", "fewer"])
async def test_a_stream_ends_when_its_credential_is_withdrawn(how: str) -> None:
    """Refused from now on, or with fewer rights: either way the stream is over, while an outage alone ends nothing."""
    door = Door()
    async with serving(door, Told()) as http, http.get("/events") as stream:
        await stream.content.readuntil(b"\n\n")
        door.away = True
        await eventually(lambda: door.asked >= 2, within=60)  # it was looked at, and nobody could be asked
        assert not stream.content.at_eof()
        door.away = False
        if how == "shut":
            door.shut = True
        else:
            door.grants = []
        async with asyncio.timeout(60):
            assert b"n" in await stream.content.read()  # ends


async def test_a_file_is_broken_off_when_the_credential_is_withdrawn() -> None:
    """Not ended: half of an export must not look like all of it."""
    door = Door()
    async with serving(door, Told()) as http, http.get("/chunks") as answer:
        await answer.content.readany()
        door.shut = True
        with pytest.raises(ClientError):
            async with asyncio.timeout(60):
                await answer.content.read()


async def test_an_answer_that_was_long_in_coming_is_for_who_may_still_have_it() -> None:
    """A long poll looks again before it answers."""
    door, told = Door(), Told()
    async with serving(door, told) as http, asyncio.TaskGroup() as group:
        asking = group.create_task(status(http))
        await eventually(lambda: told.waiting, within=60)
        door.shut = True
        told.clock.ahead = 2.0
        told.release.set()
        assert await asking == 401


async def status(http: ClientSession) -> int:
    async with http.get("/wait") as answer:
        return answer.status
