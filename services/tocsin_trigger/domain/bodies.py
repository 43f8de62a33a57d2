"""What a webhook's body says: one event or several, in the ways that senders write them.

JSON; forms; multipart forms with small files; NDJSON with an event a line; CloudEvents in all three modes. A request
without a body says what its query says.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from typing import Final
from urllib.parse import parse_qsl

import orjson

from tocsin.errors import UnsupportedMedia
from tocsin.signals import CloudEvent, Json, decode_http
from tocsin.signals.envelope import InvalidEvent
from tocsin_trigger.domain.errors import MalformedWebhook

MOST: Final = 1000  # events in one request
_FIELDS: Final = 1000
_LINES: Final = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"})
# Attributes that only the platform gives; a sender must not speak in its name.
_RESERVED: Final = frozenset(
    {"namespace", "authid", "authtype", "depth", "causationid", "correlationid", "sequence", "partitionkey", "dataref"}
)


@dataclass(frozen=True, slots=True)
class Said:
    """One event of a request.

    Attributes:
        data: Its data.
        event: The CloudEvent that it came as, without what only the platform says; ``None`` for everything else.
        line: Its number in the request, from 1, when there may be several; ``None``: it is the only one.
    """

    data: Json
    event: CloudEvent | None = None
    line: int | None = None


def read(headers: Mapping[str, str], body: bytes, query: str = "") -> list[Said]:
    """Read a request.

    Args:
        headers: Names in lower case.
        body: Its raw bytes.
        query: Its query, without the question mark.

    Raises:
        MalformedWebhook: It is not what its content type says, or says nothing.
        UnsupportedMedia: It is of a content type that is not read.
    """
    content_type = headers.get("content-type", "application/json")
    media = content_type.partition(";")[0].strip().lower()
    if "ce-specversion" in headers or media.startswith("application/cloudevents"):
        return _cloud_events(headers, body, batch=media.endswith("-batch+json"))
    if not body and "content-type" not in headers:
        return [Said(_pairs(query))]
    if media == "application/json" or media.endswith("+json"):
        return [Said(_json(body))]
    if media == "application/x-www-form-urlencoded":
        return [Said(_pairs(_text(body)))]
    if media == "multipart/form-data":
        return [Said(_multipart(content_type, body))]
    if media in _LINES:
        return _lines(body)
    raise UnsupportedMedia(f"A webhook's body is JSON, a form, NDJSON or CloudEvents, not {media[:64]}.")


def _json(body: bytes) -> Json:
    try:
        value: Json = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedWebhook(f"The body is not JSON: {error.msg} (line {error.lineno}, column {error.colno}).") from error
    return value


def _lines(body: bytes) -> list[Said]:
    lines = [line for line in body.split(b"\n") if line.strip()]
    if not 1 <= len(lines) <= MOST:
        raise MalformedWebhook(f"NDJSON has 1 to {MOST} lines, this has {len(lines)}.")
    said = []
    for number, line in enumerate(lines, 1):
        try:
            said.append(Said(orjson.loads(line), None, number))
        except orjson.JSONDecodeError as error:
            raise MalformedWebhook(f"Line {number} is not JSON: {error.msg}.") from error
    return said


def _cloud_events(headers: Mapping[str, str], body: bytes, *, batch: bool) -> list[Said]:
    try:
        events = decode_http(dict(headers), body)
    except InvalidEvent as error:
        raise MalformedWebhook(f"This is no CloudEvent: {error.detail}") from error
    if not 1 <= len(events) <= MOST:
        raise MalformedWebhook(f"A batch has 1 to {MOST} events, this has {len(events)}.")
    return [Said(None, event, number if batch else None) for number, event in enumerate(events, 1)]


def kept_extensions(event: CloudEvent) -> dict[str, str | int | bool]:
    """What a sender's event says beside its attributes, without what only the platform says."""
    return {name: value for name, value in event.extensions.items() if name not in _RESERVED}


def _pairs(text: str) -> dict[str, Json]:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_FIELDS, errors="strict")
    except ValueError as error:
        raise MalformedWebhook("The form cannot be read.") from error
    return _grouped(pairs)


def _grouped(pairs: Sequence[tuple[str, Json]]) -> dict[str, Json]:
    """A name that comes several times becomes a list."""
    several: dict[str, list[Json]] = {}
    for name, value in pairs:
        several.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in several.items()}


def _multipart(content_type: str, body: bytes) -> dict[str, Json]:
    message = BytesParser(policy=policy.HTTP).parsebytes(
        b"Content-Type: " + content_type.encode("latin-1", "replace") + b"\r\n\r\n" + body
    )
    if not isinstance(message, EmailMessage) or not message.is_multipart() or message.defects:
        raise MalformedWebhook("The multipart body cannot be read.")
    pairs: list[tuple[str, Json]] = []
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if not isinstance(name, str) or not isinstance(content, bytes) or len(pairs) >= _FIELDS:
            raise MalformedWebhook("A part of the multipart body has no name, or there are too many.")
        file = part.get_filename()
        pairs.append((name, _text(content) if file is None else _file(file, part.get_content_type(), content)))
    return _grouped(pairs)


def _file(name: str, media: str, content: bytes) -> dict[str, Json]:
    return {"filename": name, "content_type": media, "size": len(content), "base64": base64.b64encode(content).decode()}


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise MalformedWebhook("The form is not UTF-8.") from error
