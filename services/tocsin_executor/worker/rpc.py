"""JSON-RPC 2.0 of agents and tools, over HTTP: an answer as one document, or as a stream of server-sent events."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import aiohttp
import orjson

from tocsin_executor.domain.values import ErrorKind, Json
from tocsin_executor.worker.calling import Caller, Request, told, where
from tocsin_executor.worker.policies import Policy
from tocsin_executor.worker.tasks import VALUE_LIMIT, Failed, Task

_MOST: Final = 10_000  # events of one answer
SESSION: Final = "Mcp-Session-Id"
_EVENTS: Final = "text/event-stream"
_ASKED: Final = 1000  # requests of a peer that are answered while it answers one
_MOMENT: Final = 1.0  # seconds for what needs no answer
_REFUSAL: Final = 64 * 1024  # bytes that are read of an answer that is no success
_ENDS: Final = re.compile(rb"\r\n|\n|\r")
_MARK: Final = b"\xef\xbb\xbf"


@dataclass(slots=True)
class Peer:
    """Who is asked.

    Attributes:
        url: Where.
        policy: How one says who one is.
        headers: Sent with every request; a session's id is added to them.
    """

    url: str
    policy: Policy | None = None
    headers: dict[str, str] = field(default_factory=dict)


class SessionGone(Failed):
    """The peer knows the session no more, and has done nothing; a new one may be begun."""

    def __init__(self, failure: Failed) -> None:
        super().__init__(ErrorKind.COMMUNICATION, str(failure))
        self.problem = failure.problem


class Rpc:
    """Asks peers.

    Args:
        caller: Its connections.
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def results(
        self, task: Task, peer: Peer, message: Mapping[str, Json], *, stream: bool = False
    ) -> tuple[list[Json], Mapping[str, str]]:
        """Every result of a request in order, and the answer's headers; none for a notification.

        What the peer asks meanwhile is answered: that we are there, and that we do nothing else.

        Args:
            task: On whose behalf.
            peer: Who is asked.
            message: The request.
            stream: Results come until the peer ends the stream, instead of one.

        Raises:
            Failed: ``runtime`` when the peer answers with an error, ``communication`` when it does not answer as it should.
        """
        headers = {"Accept": f"application/json, {_EVENTS}", "Content-Type": "application/json", **peer.headers}
        request = Request("POST", peer.url, headers, body=orjson.dumps(message), streams=stream)
        found, size, asked = list[Json](), 0, 0
        async with self._caller.open(task, request, peer.policy) as response:
            with told(peer.url):
                if not 200 <= response.status < 300:
                    failure = await _refusal(peer.url, response)
                    raise SessionGone(failure) if response.status == 404 and SESSION in peer.headers else failure
                async for content in _documents(response):
                    answer = _read(content)
                    if "method" in answer and answer.get("id") is not None and asked < _ASKED:
                        asked += 1
                        await self.tell(task, peer, reply_to(answer))
                    elif "method" not in answer and answer.get("id") == message.get("id"):
                        found.append(result_of(answer))
                        size += len(content)
                        if response.content_type == _EVENTS and not stream:
                            break
                    if len(found) > _MOST or size > VALUE_LIMIT:
                        detail = f"The peer sent more than {_MOST} results, or more than {VALUE_LIMIT} bytes of them."
                        raise Failed(ErrorKind.COMMUNICATION, detail, status=413)
        if not found and "id" in message:
            raise Failed(ErrorKind.COMMUNICATION, f"{where(peer.url)} did not answer the request.", status=502)
        return found, dict(response.headers)

    async def tell(self, task: Task, peer: Peer, message: Mapping[str, Json] | None, method: str = "POST") -> None:
        """Say something to which nothing needs to come back; a peer that does not take it in a moment is left alone."""
        headers = {"Accept": f"application/json, {_EVENTS}", **peer.headers}
        body = orjson.dumps(message) if message is not None else None
        if body is not None:
            headers["Content-Type"] = "application/json"
        with suppress(Failed, TimeoutError):
            async with (
                asyncio.timeout(_MOMENT),
                self._caller.open(task, Request(method, peer.url, headers, body=body), peer.policy) as response,
            ):
                await response.content.read(_REFUSAL)  # so that the connection serves again


def reply_to(asked: Mapping[str, Json]) -> dict[str, Json]:
    """What a peer hears that asks us something: we are there, and offer nothing."""
    head: dict[str, Json] = {"jsonrpc": "2.0", "id": asked.get("id")}
    if asked.get("method") == "ping":
        return {**head, "result": {}}
    return {**head, "error": {"code": -32601, "message": "A workflow offers nothing to its peers."}}


def result_of(answer: Mapping[str, Json]) -> Json:
    """The result of a JSON-RPC answer.

    Raises:
        Failed: ``runtime``: it is an error.
    """
    error = answer.get("error")
    if error is not None:
        code, said = (error.get("code"), error.get("message")) if isinstance(error, Mapping) else (None, error)
        raise Failed(ErrorKind.RUNTIME, f"The peer answered with the error {code}: {str(said)[:1000]}", title="Remote Error")
    return answer.get("result")  # some leave out one that is null


async def _refusal(url: str, response: aiohttp.ClientResponse) -> Failed:
    """What a status that is no success comes to: an error of the protocol, if the answer holds one."""
    content = bytearray()
    async for piece in response.content.iter_any():
        content += piece
        if len(content) > _REFUSAL:
            break
    try:
        answer = orjson.loads(content)
    except orjson.JSONDecodeError:
        answer = None
    if isinstance(answer, Mapping) and isinstance(answer.get("error"), Mapping):
        try:
            result_of(answer)
        except Failed as failure:
            return failure
    detail = f"{where(url)} answered {response.status} {response.reason or ''}".rstrip() + "."
    return Failed(ErrorKind.COMMUNICATION, detail, status=response.status)


def _read(content: bytes) -> Mapping[str, Json]:
    try:
        answer = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise Failed(ErrorKind.COMMUNICATION, "The peer's answer is not JSON.", status=502) from error
    if not isinstance(answer, dict):
        raise Failed(ErrorKind.COMMUNICATION, "The peer's answer is not a JSON-RPC message.", status=502)
    return answer


async def _documents(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    if response.content_type == _EVENTS:
        async for _, data in events(response):
            yield data
        return
    content = bytearray()
    async for piece in response.content.iter_any():
        content += piece
        if len(content) > VALUE_LIMIT:
            raise Failed(ErrorKind.COMMUNICATION, f"The answer is above the limit of {VALUE_LIMIT} bytes.", status=413)
    if content:
        yield bytes(content)


async def events(response: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, bytes]]:
    """Type and data of each server-sent event."""
    kind, data = "message", bytearray()
    async for line in lines(response):
        if not line:
            if data:
                yield kind, bytes(data)
            kind, data = "message", bytearray()
            continue
        if len(data) + len(line) > VALUE_LIMIT:
            raise Failed(ErrorKind.COMMUNICATION, f"An event is above the limit of {VALUE_LIMIT} bytes.", status=413)
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            data += (b"\n" if data else b"") + value
        elif name == b"event":
            kind = value.decode("utf-8", "replace")


async def lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Each line as soon as it has ended, with LF, CR LF or CR; without a mark of byte order before the first.

    Not those of the HTTP library, which ends a line at 512 KiB with an error of its own.
    """
    rest, returned, mark = bytearray(), False, _MARK
    async for raw in response.content.iter_any():
        piece = raw[1:] if returned and raw.startswith(b"\n") else raw
        returned = raw.endswith(b"\r")
        head, *tail = _ENDS.split(piece)
        rest += head
        for following in tail:
            yield bytes(rest).removeprefix(mark)
            rest, mark = bytearray(following), b""
        if len(rest) > VALUE_LIMIT:
            raise Failed(ErrorKind.COMMUNICATION, f"A line of the answer is above {VALUE_LIMIT} bytes.", status=413)
    if last := bytes(rest).removeprefix(mark):
        yield last
