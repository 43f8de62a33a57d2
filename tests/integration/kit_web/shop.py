"""A shop to be asked over HTTP: three people, handlers of every kind, and what these saw."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated, Any, ClassVar

from aiohttp import ClientSession
from pydantic import AfterValidator, BaseModel, Field

from tocsin.errors import Conflict, Invalid, Unauthenticated, Unavailable
from tocsin_kit.web import (
    ANY_METHOD,
    Call,
    EventStream,
    Grant,
    Input,
    Permission,
    Principal,
    Public,
    Query,
    RawBody,
    Recorded,
    Reply,
    Route,
    ServerEvent,
    Stream,
)

JSON = {"Content-Type": "application/json"}


class ThingPath(Input):
    thing: str


class ThingQuery(Input):
    namespace: str | None = None
    label: list[str] = Field(default_factory=list)
    limit: int = 5


def _whole(size: int) -> int:
    if size < 0:
        raise ValueError("nothing is smaller than nothing")
    return size


class NewThing(Input):
    namespace: str
    size: Annotated[int, AfterValidator(_whole)]


class Thing(BaseModel):
    name: str


class Tokens:
    """Knows three people."""

    grants: ClassVar[dict[str, tuple[Grant, ...]]] = {
        "admin": (Grant("*:*", "*"),),
        "reader": (Grant("thing:read", "default"),),
        "nobody": (),
    }

    async def authenticate(self, credential: str) -> Principal:
        if credential == "outage":
            raise Unavailable("the auth service is away")
        if credential not in self.grants:
            raise Unauthenticated("unknown token")
        return Principal(f"user:{credential}", credential, self.grants[credential])


class Memory:
    """Idempotency records in memory."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], tuple[bytes, Recorded | None]] = {}

    async def begin(self, principal: str, key: str, request: bytes) -> Recorded | None:
        if (principal, key) not in self.kept:
            self.kept[principal, key] = (request, None)
            return None
        first, answer = self.kept[principal, key]
        if first != request:
            raise Invalid("the Idempotency-Key was used for another request")
        if answer is None:
            raise Conflict("the first request is still being worked on")
        return answer

    async def finish(self, principal: str, key: str, answer: Recorded) -> None:
        self.kept[principal, key] = (self.kept[principal, key][0], answer)

    async def abandon(self, principal: str, key: str) -> None:
        del self.kept[principal, key]


class Shop:
    """Handlers, and what they saw."""

    def __init__(self) -> None:
        self.created = 0
        self.closed = asyncio.Event()
        self.entered = asyncio.Event()
        self.release = asyncio.Event()

    async def show(self, call: Call) -> Reply:
        call.require("thing:read", "default")
        return Reply(body=Thing(name=call.params(ThingPath).thing), revision=3)

    async def index(self, call: Call) -> Reply:
        names = sorted(call.permitted("thing:read").exact)
        return Reply(body={"items": [*names, *call.query(ThingQuery).label]})

    async def create(self, call: Call) -> Thing:
        self.created += 1
        if call.body(NewThing).size == 13:
            raise Conflict("unlucky")
        return Thing(name=str(self.created))

    async def change(self, call: Call) -> Reply:
        call.require("thing:write", "default")
        return Reply(body={"expected": call.expected_revision})

    async def forget(self, call: Call) -> Thing:
        return Thing(name="leaked")

    async def fail(self, call: Call) -> None:
        raise RuntimeError("a secret text")

    async def slow(self, call: Call) -> Thing:
        self.entered.set()
        await self.release.wait()
        return Thing(name="done")

    async def raw(self, call: Call) -> Reply:
        return Reply(body=call.raw, media_type="application/octet-stream")

    async def who(self, call: Call) -> Reply:
        return Reply(body={"client": call.client_address, "request": call.request_id})

    async def events(self, call: Call) -> EventStream:
        async def ticks() -> AsyncIterator[ServerEvent]:
            try:
                number = int(call.last_event_id or -1) + 1
                while True:
                    yield ServerEvent({"n": number}, id=str(number), event="tick")
                    number += 1
                    if number % 3 == 0:
                        await asyncio.Event().wait()
            finally:
                self.closed.set()

        return EventStream(events=ticks(), heartbeat=timedelta(milliseconds=20))

    async def echo(self, call: Call) -> Stream:
        async def chunks() -> AsyncIterator[bytes]:
            assert call.content is not None
            async for chunk in call.content:
                yield chunk

        return Stream(chunks=chunks(), status=202, headers={"X-Query": call.query_string})

    def routes(self) -> list[Route]:
        write, why = Permission("thing:write"), Public("for the test")
        json = {"response": Thing, "summary": "."}
        return [
            Route(
                method="GET",
                path="/things/{thing}",
                access=Permission("thing:read"),
                handler=self.show,
                params=ThingPath,
                **json,
            ),
            Route(method="PUT", path="/things/{thing}", access=write, handler=self.change, params=ThingPath, summary="."),
            Route(
                method="GET", path="/things", access=Permission("thing:read"), handler=self.index, query=ThingQuery, summary="."
            ),
            Route(
                method="POST",
                path="/things",
                access=write,
                handler=self.create,
                body=NewThing,
                status=201,
                idempotent=True,
                **json,
            ),
            Route(method="GET", path="/forgetful", access=Permission("thing:read"), handler=self.forget, **json),
            Route(method="GET", path="/users", access=Permission("user:read", everywhere=True), handler=self.forget, **json),
            Route(method="GET", path="/fail", access=why, handler=self.fail, summary="."),
            Route(method="GET", path="/slow", access=why, handler=self.slow, **json),
            Route(method="GET", path="/never", access=why, handler=self.slow, seconds=0.01, **json),
            Route(method="POST", path="/raw", access=why, handler=self.raw, body=RawBody(), body_limit=10, summary="."),
            Route(method="GET", path="/who", access=why, handler=self.who, summary="."),
            Route(method="GET", path="/events", access=why, handler=self.events, summary=".", media_type="text/event-stream"),
            Route(
                method=ANY_METHOD,
                path="/proxy/{thing:path}",
                access=why,
                handler=self.echo,
                params=ThingPath,
                query=Query.ANY,
                body=RawBody(media_types=("*/*",), streamed=True, required=False),
                summary=".",
            ),
        ]


def bearer(token: str, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", **more}


async def ask(http: ClientSession, method: str, path: str, token: str | None = "admin", **more: Any) -> tuple[int, Any]:
    headers = {**(bearer(token) if token else {}), **more.pop("headers", {})}
    async with http.request(method, path, headers=headers, **more) as response:
        body = await response.json(content_type=None)
        if response.status >= 400:
            assert response.content_type == "application/problem+json"
            assert body["status"] == response.status
            assert body["request_id"] == response.headers["X-Request-Id"]
        return response.status, body
