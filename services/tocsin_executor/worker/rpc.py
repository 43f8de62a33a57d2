"""JSON-RPC 2.0 of agents and tools, over HTTP: an answer as one document, or as a stream of server-sent events."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import aiohttp
import orjson

from tocsin_executor.domain.values import ErrorKind, Json
from tocsin_executor.worker.calling import Caller, Request, told, where
from tocsin_executor.worker.policies import Policy
from tocsin_executor.worker.tasks import VALUE_LIMIT, Failed, Task

_MOST: Final = 10_000  # events of one answer
_EVENTS: Final = "text/event-stream"


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
        found: list[Json] = []
        async with self._caller.open(task, request, peer.policy) as response:
            with told(peer.url):
                if not 200 <= response.status < 300:
                    detail = f"{where(peer.url)} answered {response.status} {response.reason or ''}".rstrip() + "."
                    raise Failed(ErrorKind.COMMUNICATION, detail, status=response.status)
                async for content in _documents(response):
                    answer = _read(content)
                    if "method" not in answer and answer.get("id") == message.get("id"):
                        found.append(result_of(answer))
                        if response.content_type == _EVENTS and not stream:
                            break
                    if len(found) > _MOST:
                        raise Failed(ErrorKind.COMMUNICATION, f"The peer sent more than {_MOST} results.", status=413)
        if not found and "id" in message:
            raise Failed(ErrorKind.COMMUNICATION, f"{where(peer.url)} did not answer the request.", status=502)
        return found, dict(response.headers)


def result_of(answer: Mapping[str, Json]) -> Json:
    """The result of a JSON-RPC answer.

    Raises:
        Failed: ``runtime``: it is an error.
    """
    error = answer.get("error")
    if error is not None:
        code, said = (error.get("code"), error.get("message")) if isinstance(error, Mapping) else (None, error)
        raise Failed(ErrorKind.RUNTIME, f"The peer answered with the error {code}: {str(said)[:1000]}", title="Remote Error")
    return answer.get("result")


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
    kind, data, size = "message", bytearray(), 0
    async for raw in response.content:
        line = raw.rstrip(b"\r\n")
        if not line:
            if data:
                yield kind, bytes(data)
            kind, data = "message", bytearray()
            continue
        size = len(data) + len(line)
        if size > VALUE_LIMIT:
            raise Failed(ErrorKind.COMMUNICATION, f"An event is above the limit of {VALUE_LIMIT} bytes.", status=413)
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            data += (b"\n" if data else b"") + value
        elif name == b"event":
            kind = value.decode("utf-8", "replace")
