"""What a handler may answer besides a plain model: another status, headers, an ETag, bytes, a stream, server-sent events."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import orjson
from pydantic import BaseModel

JSON_TYPE: Final = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer with a status, headers or revision of its own.

    Attributes:
        body: A model or JSON value (sent as JSON), bytes or text (sent as they are, with ``media_type``), or ``None``.
        status: HTTP status; ``None`` means the route's.
        headers: Added to the answer.
        revision: Of the thing shown; becomes a strong ``ETag``, and a GET with the same ``If-None-Match`` is answered 304.
        media_type: Of bytes and text.
    """

    body: BaseModel | Mapping[str, object] | list[object] | bytes | str | None = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    revision: int | None = None
    media_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """An answer whose bytes come as they are made; backpressure reaches the iterator.

    Attributes:
        chunks: Closed (``aclose``) when the client has gone.
        status: HTTP status.
        headers: Added to the answer.
        media_type: ``None`` sends no Content-Type beyond ``headers``.
    """

    chunks: AsyncIterator[bytes]
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str | None = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One server-sent event.

    Attributes:
        data: Bytes or text sent as they are (line breaks are handled), or a JSON value.
        id: What the client sends back as ``Last-Event-ID`` to go on from here.
        event: Its name; ``None`` for ``message``.
    """

    data: bytes | str | Mapping[str, object] | list[object]
    id: str | None = None
    event: str | None = None

    def encode(self) -> bytes:
        """The event in the wire format of the HTML standard, section 9.2."""
        lines = []
        if self.id is not None:
            lines.append(b"id: " + _one_line(self.id))
        if self.event is not None:
            lines.append(b"event: " + _one_line(self.event))
        data = self.data.encode() if isinstance(self.data, str) else self.data
        text = data if isinstance(data, bytes) else orjson.dumps(data)
        lines += [b"data: " + line for line in text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")]
        return b"\n".join(lines) + b"\n\n"


def _one_line(text: str) -> bytes:
    return text.replace("\r", " ").replace("\n", " ").replace("\0", " ").encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class EventStream:
    """Server-sent events, until the iterator or the client ends.

    Attributes:
        events: Closed (``aclose``) when the client has gone or the server drains. Start it after ``call.last_event_id``.
        heartbeat: A comment is sent this often, which keeps proxies from closing and notices clients that have gone.
        retry: How long a client should wait before it connects again.
    """

    events: AsyncIterator[ServerEvent]
    heartbeat: timedelta = timedelta(seconds=15)
    retry: timedelta = timedelta(seconds=2)


Answer = BaseModel | Reply | Stream | EventStream | None
