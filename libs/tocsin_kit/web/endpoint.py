"""One route at work: who asks, is it permitted, is it valid, what does the handler say, how is that sent.

The order matters: identity before permission, permission before the body is read, the namespace before the handler runs. An
answer of a handler that never checked a namespace it had to check is not sent.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final, Protocol, assert_never

import orjson
from aiohttp import web
from pydantic import BaseModel

from tocsin.errors import Defect, Forbidden, Invalid, Unauthenticated, Unavailable, UnsupportedMedia
from tocsin_kit.clock import Clock
from tocsin_kit.config import HttpSection
from tocsin_kit.web.access import Authenticated, Permission, Principal, Public
from tocsin_kit.web.call import Call
from tocsin_kit.web.idempotency import IdempotencyRecords, Recorded
from tocsin_kit.web.packed import unzipped
from tocsin_kit.web.problems import RequestTimeout
from tocsin_kit.web.reading import QueryReader, check_media_type, json_body, name_of, namespace_of, too_large, validated
from tocsin_kit.web.replies import JSON_TYPE, Answer, EventStream, Reply, Stream
from tocsin_kit.web.routes import Query, RawBody, Route
from tocsin_kit.web.streams import LOOK_AGAIN, send_chunks, send_events

_READS: Final = frozenset({"GET", "HEAD"})  # what was done is said, whoever may hear it by then


class Authenticator(Protocol):
    """Proves who sends a credential."""

    async def authenticate(self, credential: str) -> Principal:
        """The principal behind a bearer token or API key.

        Raises:
            Unauthenticated: It proves nothing.
            Unavailable: Nobody could be asked.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of every request.

    Attributes:
        body_bytes: Of a body; a route may have its own.
        read: The whole body must have arrived within.
        drain: How long ``stop`` waits for answers in hand.
        target_bytes: Of path and query.
    """

    body_bytes: int = 1024 * 1024
    read: timedelta = timedelta(seconds=15)
    drain: timedelta = timedelta(seconds=10)
    target_bytes: int = 8190  # what aiohttp's parser takes too

    @classmethod
    def of(cls, http: HttpSection) -> "Limits":
        """As the operator set them."""
        return cls(body_bytes=http.max_body, drain=http.drain)


class Endpoint:
    """Answers the requests of one route."""

    def __init__(
        self,
        route: Route,
        *,
        authenticator: Authenticator,
        limits: Limits,
        clock: Clock,
        closing: asyncio.Event,
        records: IdempotencyRecords | None,
    ) -> None:
        """Compile what can be known before the first request."""
        self.route = route
        self._authenticator = authenticator
        self._limits = limits
        self._clock = clock
        self._closing = closing
        self._records = records
        self._query = None if isinstance(route.query, Query) else QueryReader(route.query)
        self._body_limit = route.body_limit or limits.body_bytes

    async def answer(self, request: web.Request, call: Call) -> web.StreamResponse:
        """Carry out one request.

        Raises:
            TocsinError: Becomes a problem.
        """
        try:
            return await self._answered(request, call)
        except (Unauthenticated, Forbidden) as error:
            call.refusal = error.detail
            raise

    async def _answered(self, request: web.Request, call: Call) -> web.StreamResponse:
        access = self.route.access
        match access:
            case Permission():
                call.principal = await self._authenticate(call)
                self._check_at_the_door(access, call)
            case Authenticated():
                call.principal = await self._authenticate(call)
                call.checked = True
            case Public():
                call.checked = True
            case _:
                assert_never(access)
        await self._read(request, call)
        if self.route.idempotent and (key := call.idempotency_key) is not None:
            return await self._once(request, call, key)
        return await self._send(request, call, await self._handle(call))

    async def _authenticate(self, call: Call) -> Principal:
        header = call.headers.get("Authorization")
        if header is None:
            raise Unauthenticated(hint="send Authorization: Bearer <access token or API key>")
        scheme, _, credential = header.partition(" ")
        if scheme.lower() != "bearer" or not credential.strip():
            raise Unauthenticated("the Authorization header is not of the form: Bearer <token>")
        return await self._authenticator.authenticate(credential.strip())

    async def _still_proven(self, call: Call) -> bool:
        """Whether the credential still proves what it did; while nobody can be asked, until it expires."""
        if isinstance(self.route.access, Public):
            return True
        try:
            principal = await self._authenticate(call)
        except Unauthenticated:
            return False
        except Unavailable:
            return call.principal.expires is None or call.principal.expires > self._clock.now()
        if principal is call.principal:
            return True
        return principal.subject == call.principal.subject and set(principal.grants) == set(call.principal.grants)

    @staticmethod
    def _check_at_the_door(access: Permission, call: Call) -> None:
        """Refuse before the body is read those who could not be permitted whatever it says."""
        if access.everywhere:
            call.require(access.name)
        elif not call.principal.holds(access.name):
            raise Forbidden(
                f"{call.principal.name} does not hold {access.name} in any namespace",
                hint="ask an administrator for a role that grants it",
                permission=access.name,
            )

    async def _read(self, request: web.Request, call: Call) -> None:
        route = self.route
        parts: dict[str, BaseModel] = {}
        if route.params is not None:
            parts["params"] = validated(route.params, dict(request.match_info), where="path")
        if self._query is not None and (query := self._query.read(list(request.query.items()))) is not None:
            parts["query"] = query
        call.parts = parts
        self._check_namespace(call, "params", "query")  # whoever is refused here has no body read for them
        match route.body:
            case None:
                return
            case RawBody() as raw:
                if request.can_read_body or raw.required:
                    check_media_type(request.headers.get("Content-Type", ""), raw.media_types)
                if raw.streamed:
                    call.content = self._bounded(request)
                else:
                    call.raw = await self._raw(request)
            case model:
                check_media_type(request.headers.get("Content-Type", ""), (JSON_TYPE,))
                call.raw = await self._raw(request)
                parts["body"] = validated(model, json_body(call.raw), where="body")
                self._check_namespace(call, "body")

    def _check_namespace(self, call: Call, *names: str) -> None:
        """Require the route's permission in each namespace that these parts of the request name."""
        access = self.route.access
        if not isinstance(access, Permission) or access.everywhere:
            return
        for name in names:
            if name in call.parts and (namespace := namespace_of({name: call.parts[name]})) is not None:
                call.require(access.name, namespace, name_of(call.parts))

    async def _raw(self, request: web.Request) -> bytes:
        encoding = request.headers.get("Content-Encoding", "identity").lower()
        packed = encoding == "gzip" and self.route.gzip
        if encoding != "identity" and not packed:  # a small body must not become a large one
            raise UnsupportedMedia("compressed bodies are not understood here", hint="send the body without Content-Encoding")
        if request.content.is_eof() and not packed and 0 < (request.content_length or 0) <= self._body_limit:
            return request.content.read_nowait()  # all of it is here, as of almost every request
        chunks = []
        try:
            async with asyncio.timeout(self._limits.read.total_seconds()):
                async for chunk in self._bounded(request):
                    chunks.append(chunk)  # noqa: PERF401 - the comprehension cannot be left half read as clearly
        except TimeoutError as error:
            raise RequestTimeout(f"the body did not arrive within {self._limits.read.total_seconds():.0f} s") from error
        return unzipped(b"".join(chunks), self._body_limit) if packed else b"".join(chunks)

    async def _bounded(self, request: web.Request) -> AsyncIterator[bytes]:
        """The body in chunks, up to the limit."""
        announced = request.content_length
        if announced is not None and announced > self._body_limit:
            raise too_large(self._body_limit, announced)
        size = 0
        async for chunk in request.content.iter_any():
            size += len(chunk)
            if size > self._body_limit:
                raise too_large(self._body_limit, None)
            yield chunk

    async def _handle(self, call: Call) -> Answer:
        began = self._clock.monotonic()
        try:
            async with asyncio.timeout(self.route.seconds) as deadline:
                answer = await self.route.handler(call)
        except TimeoutError as error:
            if deadline.expired():
                raise Unavailable(f"no answer within {self.route.seconds} s", hint="try again later") from error
            raise
        if not call.checked:
            raise Defect(f"{self.route.method} {self.route.template} answered without checking a namespace")
        waited = self._clock.monotonic() - began >= LOOK_AGAIN.total_seconds()
        if waited and call.method in _READS and not await self._still_proven(call):
            raise Unauthenticated("the credential was withdrawn before the answer was there", hint="log in again or refresh it")
        return answer

    async def _send(self, request: web.Request, call: Call, answer: Answer) -> web.StreamResponse:
        match answer:
            case EventStream():
                still = partial(self._still_proven, call)
                return await send_events(request, answer, clock=self._clock, closing=self._closing, proven=still)
            case Stream():
                return await send_chunks(request, answer, clock=self._clock, proven=partial(self._still_proven, call))
            case Reply():
                return self._plain(call, answer)
            case BaseModel() | None:
                return self._plain(call, Reply(body=answer))
            case _:
                assert_never(answer)

    def _plain(self, call: Call, reply: Reply) -> web.Response:
        headers = dict(reply.headers)
        if reply.revision is not None:
            headers["ETag"] = f'"{reply.revision}"'
            if call.method in {"GET", "HEAD"} and headers["ETag"] in _tags(call.headers.get("If-None-Match", "")):
                return web.Response(status=304, headers=headers)
        body, media_type = _encode(reply)
        status = reply.status or (204 if body is None and self.route.status == 200 else self.route.status)
        if body is not None:
            headers.setdefault("Content-Type", media_type or self.route.media_type)
        return web.Response(status=status, body=body, headers=headers)

    async def _once(self, request: web.Request, call: Call, key: str) -> web.StreamResponse:
        if self._records is None:
            raise Invalid("this server keeps no idempotency records", hint="send without Idempotency-Key")
        who = call.principal.subject
        request_line = f"{self.route.method} {call.target}?{call.query_string}\n".encode()
        kept = await self._records.begin(who, key, request_line + call.raw)
        if kept is not None:
            return web.Response(status=kept.status, headers={**kept.headers, "Idempotency-Replayed": "true"}, body=kept.body)
        try:
            response = await self._send(request, call, await self._handle(call))
        except BaseException:  # a cancelled request, too, must leave the key free
            await self._records.abandon(who, key)
            raise
        if isinstance(response, web.Response) and isinstance(response.body, bytes | None):
            headers = {name: value for name, value in response.headers.items() if name in {"Content-Type", "ETag", "Location"}}
            await self._records.finish(who, key, Recorded(response.status, response.body or b"", headers))
        else:
            await self._records.abandon(who, key)
        return response


def _tags(header: str) -> set[str]:
    return {tag.strip().removeprefix("W/") for tag in header.split(",")}


def _encode(reply: Reply) -> tuple[bytes | None, str | None]:
    match reply.body:
        case None:
            return None, None
        case BaseModel() as model:
            return model.model_dump_json(by_alias=True).encode(), reply.media_type
        case bytes() as raw:
            return raw, reply.media_type or "application/octet-stream"
        case str() as text:
            return text.encode(), reply.media_type or "text/plain; charset=utf-8"
        case value:
            return orjson.dumps(value), reply.media_type
