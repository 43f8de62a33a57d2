"""Events to bytes and back: structured JSON, and the binary modes of NATS and HTTP.

Structured JSON is what Tocsin sends; all modes are read, because other people's programs choose. Decoding is strict, says
what is wrong and where, and never guesses. Nothing here knows a client library: headers are plain mappings.

Source:
    CloudEvents 1.0.2: JSON event format; NATS and HTTP protocol bindings.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

import orjson

from tocsin.errors import UnsupportedMedia, Violation
from tocsin.signals.envelope import ABSENT, CORE, Absent, Attribute, CloudEvent, InvalidEvent, Json, is_json
from tocsin.signals.nesting import DEEPEST_MESSAGE, too_deep

STRUCTURED: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"

_OPTIONS = orjson.OPT_UTC_Z
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)")
_TEXT_TYPE = re.compile(r"text/|[^/;\s]+/(?:[^/;\s]+\+)?xml|[^;]*;.*charset\s*=", re.IGNORECASE)
_CHARSET = re.compile(r";\s*charset\s*=\s*\"?([A-Za-z0-9._:\-]+)", re.IGNORECASE)
_UNSAFE = re.compile(r"[^\x21\x23\x24\x26-\x7e]")
_ESCAPES = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
# Headers have only strings; these extensions are integers by their specification, so they become integers again.
_INTEGER_EXTENSIONS: Final = frozenset({"depth", "severitynumber", "attempt"})
_INTEGER = re.compile(r"-?\d{1,10}")
_RARE: Final = frozenset({"dataschema", "data_base64"})


# ---- structured JSON ---------------------------------------------------------------------------------------------


def encode(event: CloudEvent) -> bytes:
    """The event as one JSON object (``application/cloudevents+json``).

    Raises:
        InvalidEvent: The data holds something that JSON has no form for.
    """
    return _dumps(_members(event))


def encode_batch(events: Iterable[CloudEvent]) -> bytes:
    """Events as one JSON array (``application/cloudevents-batch+json``)."""
    return _dumps([_members(event) for event in events])


def decode(payload: bytes | bytearray | memoryview | str) -> CloudEvent:
    """The event in one JSON object.

    Raises:
        InvalidEvent: Not JSON, not an object, or not a CloudEvent.
    """
    return _event(_loads(payload), "")


def from_members(members: Mapping[str, Any]) -> CloudEvent:
    """The event that has these attributes and data.

    Raises:
        InvalidEvent: That is no CloudEvent.
    """
    return _event(dict(members), "")


def decode_batch(payload: bytes | str) -> list[CloudEvent]:
    """The events in one JSON array.

    Raises:
        InvalidEvent: Not an array, or any of its elements is not a CloudEvent.
    """
    value = _loads(payload)
    if not isinstance(value, list):
        raise InvalidEvent("a batch of CloudEvents must be a JSON array")
    return [_event(item, f"/{index}/") for index, item in enumerate(value)]


def _members(event: CloudEvent) -> dict[str, object]:
    members: dict[str, object] = {
        "specversion": event.specversion,
        "id": event.id,
        "source": event.source,
        "type": event.type,
    }
    if event.time is not None:
        members["time"] = event.time
    if event.subject is not None:
        members["subject"] = event.subject
    if event.datacontenttype is not None:
        members["datacontenttype"] = event.datacontenttype
    if event.dataschema is not None:
        members["dataschema"] = event.dataschema
    members.update(event.extensions)
    if event.data is not ABSENT:
        members["data"] = event.data
    elif event.data_base64 is not None:
        members["data_base64"] = base64.b64encode(event.data_base64).decode()
    return members


def _dumps(value: object) -> bytes:
    try:
        return orjson.dumps(value, None, _OPTIONS)
    except TypeError as exc:
        raise InvalidEvent(f"the event cannot be written as JSON: {exc}") from exc


def _loads(payload: bytes | bytearray | memoryview | str) -> Json:
    try:
        value: Json = orjson.loads(payload)
    except orjson.JSONDecodeError as exc:
        raise InvalidEvent(f"the payload is not JSON: {exc}") from exc
    if too_deep(value, payload.encode() if isinstance(payload, str) else bytes(payload), limit=DEEPEST_MESSAGE):
        raise InvalidEvent(f"the payload is nested deeper than {DEEPEST_MESSAGE} levels")
    return value


def _event(value: Json, at: str) -> CloudEvent:
    if not isinstance(value, dict):
        raise InvalidEvent(f"a CloudEvent must be a JSON object{at and ' (element ' + at.strip('/') + ')'}")
    get = value.get
    id_, source, type_, version, subject = get("id"), get("source"), get("type"), get("specversion"), get("subject")
    if not (isinstance(id_, str) and isinstance(source, str) and isinstance(type_, str) and isinstance(version, str)):
        return _unusual(value, at)
    if not (subject is None or isinstance(subject, str)) or not value.keys().isdisjoint(_RARE):
        return _unusual(value, at)
    media_type, time = get("datacontenttype"), get("time")
    return CloudEvent(
        id=id_,
        source=source,
        type=type_,
        specversion=version,
        time=None if time is None else parse_time(_string(value, "time", at), f"{at}time"),
        subject=subject,
        datacontenttype=None if media_type is None else _string(value, "datacontenttype", at),
        data=get("data", ABSENT),
        extensions=_extensions(value, at),
    )


def _extensions(value: Mapping[str, Json], at: str) -> dict[str, Attribute]:
    extensions: dict[str, Attribute] = {}
    for name, item in value.items():
        if name not in CORE and item is not None:
            if not isinstance(item, str | int):
                raise _invalid(at + name, "must be a string, an integer or a boolean", "put structured values into data")
            extensions[name] = item
    return extensions


def _unusual(value: Mapping[str, Json], at: str) -> CloudEvent:
    """An event with attributes that few have, or one that is none; says what is wrong with it."""
    given = {name: item for name, item in value.items() if item is not None}
    strings = {name: _string(given, name, at) for name in ("id", "source", "type", "specversion")}
    optional = {name: _string(given, name, at) for name in ("subject", "datacontenttype", "dataschema") if name in given}
    time = parse_time(_string(given, "time", at), f"{at}time") if "time" in given else None
    binary = _binary(_string(given, "data_base64", at), at) if "data_base64" in given else None
    return CloudEvent(
        id=strings["id"],
        source=strings["source"],
        type=strings["type"],
        specversion=strings["specversion"],
        time=time,
        subject=optional.get("subject"),
        datacontenttype=optional.get("datacontenttype"),
        dataschema=optional.get("dataschema"),
        data=value.get("data", ABSENT),
        data_base64=binary,
        extensions=_extensions(value, at),
    )


def _string(given: Mapping[str, Json], name: str, at: str) -> str:
    value = given.get(name)
    if isinstance(value, str):
        return value
    if name not in given:
        hint = 'every CloudEvent has "specversion", "id", "source" and "type"'
        raise _invalid(at + name, "is missing", hint)
    raise _invalid(at + name, "must be a string")


def _binary(text: str, at: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise _invalid(f"{at}data_base64", "is not Base64") from exc


def parse_time(text: str, at: str = "time") -> datetime:
    """An RFC 3339 timestamp as an aware datetime; digits below a microsecond go, a leap second is its last microsecond.

    Raises:
        InvalidEvent: It is not an RFC 3339 timestamp.
    """
    try:
        if not _TIMESTAMP.fullmatch(text):
            raise ValueError(text)
        upper = text.upper()
        if upper[17:19] == "60":
            upper = f"{upper[:17]}59.999999{re.sub(r'^[.0-9]+', '', upper[19:])}"
        return datetime.fromisoformat(upper)
    except ValueError as exc:
        raise _invalid(at, "is not an RFC 3339 timestamp", "write it as 2026-01-31T12:00:00Z") from exc


def format_time(time: datetime) -> str:
    """An aware datetime as an RFC 3339 timestamp, UTC as ``Z``."""
    text = time.isoformat()
    return text[:-6] + "Z" if text.endswith("+00:00") else text


def _invalid(pointer: str, detail: str, hint: str | None = None) -> InvalidEvent:
    return InvalidEvent(f"not a valid CloudEvent: {pointer} {detail}", hint=hint, violations=[Violation(pointer, detail, hint)])


# ---- binary mode -------------------------------------------------------------------------------------------------


def encode_nats_binary(event: CloudEvent) -> tuple[dict[str, str], bytes]:
    """Headers (``ce-<attribute>``) and payload of a NATS message in binary mode."""
    headers, body = _headers(event), _body(event)
    media_type = _media_type(event)
    if media_type is not None:
        headers["ce-datacontenttype"] = _quote(media_type)
    return headers, body


def encode_http_binary(event: CloudEvent) -> tuple[dict[str, str], bytes]:
    """Headers and body of an HTTP message in binary mode; ``datacontenttype`` is its ``Content-Type``."""
    headers, body = _headers(event), _body(event)
    media_type = _media_type(event)
    if media_type is not None:
        headers["content-type"] = media_type
    return headers, body


def decode_nats(headers: Mapping[str, str] | None, payload: bytes) -> CloudEvent:
    """The event in a NATS message, whichever mode its sender chose.

    A message without any CloudEvents header is read as structured JSON, which is what a plain ``nats pub`` of an event sends.

    Raises:
        InvalidEvent: Not a CloudEvent.
        UnsupportedMedia: Structured in a format other than JSON, or a batch.
    """
    if not headers:
        return decode(payload)
    lower = {name.lower(): value for name, value in headers.items()}
    content_type = lower.get("content-type", "").strip()
    if content_type.lower().startswith("application/cloudevents"):
        _require(content_type, STRUCTURED)
        return decode(payload)
    if "ce-specversion" in lower or "ce-id" in lower:
        declared = lower.pop("ce-datacontenttype", None)
        return _from_headers(lower, payload, _unquote(declared, "datacontenttype") if declared else content_type or None)
    return decode(payload)


def decode_http(headers: Mapping[str, str], body: bytes) -> list[CloudEvent]:
    """The events in an HTTP message: one, or those of a batch, by its ``Content-Type``.

    Raises:
        InvalidEvent: Not a CloudEvent.
        UnsupportedMedia: Structured in a format other than JSON.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    content_type = lower.get("content-type", "").strip()
    if content_type.lower().startswith("application/cloudevents-batch"):
        _require(content_type, BATCH)
        return decode_batch(body)
    if content_type.lower().startswith("application/cloudevents"):
        _require(content_type, STRUCTURED)
        return [decode(body)]
    if "ce-datacontenttype" in lower:
        raise _invalid("datacontenttype", "must not be a ce- header over HTTP", "send it as Content-Type")
    return [_from_headers(lower, body, content_type or None)]


def _require(content_type: str, wanted: str) -> None:
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type not in {wanted, wanted.removesuffix("+json")}:
        raise UnsupportedMedia(f"CloudEvents are read as {wanted} here, not as {media_type}")


def _headers(event: CloudEvent) -> dict[str, str]:
    headers = {
        "ce-specversion": event.specversion,
        "ce-id": _quote(event.id),
        "ce-source": _quote(event.source),
        "ce-type": _quote(event.type),
    }
    if event.time is not None:
        headers["ce-time"] = format_time(event.time)
    if event.subject is not None:
        headers["ce-subject"] = _quote(event.subject)
    if event.dataschema is not None:
        headers["ce-dataschema"] = _quote(event.dataschema)
    for name, value in event.extensions.items():
        headers[f"ce-{name}"] = _quote(value) if isinstance(value, str) else str(value).lower()
    return headers


def _media_type(event: CloudEvent) -> str | None:
    """What the binary modes must say: an absent type is JSON where there is JSON data, and unknown where the data is binary."""
    return event.datacontenttype or (None if event.data is ABSENT else "application/json")


def _body(event: CloudEvent) -> bytes:
    if event.data is ABSENT:
        return event.data_base64 or b""
    if is_json(event.datacontenttype):
        return _dumps(event.data)
    assert isinstance(event.data, str)  # the envelope refuses anything else
    try:
        return event.data.encode(_charset(event.datacontenttype))
    except (LookupError, UnicodeEncodeError) as exc:
        raise _invalid("data", f"cannot be written in the charset that datacontenttype names: {exc}") from exc


def _from_headers(lower: Mapping[str, str], body: bytes, content_type: str | None) -> CloudEvent:
    given = {name[3:]: _unquote(value, name[3:]) for name, value in lower.items() if name.startswith("ce-")}
    core: dict[str, str] = {}
    for name in ("specversion", "id", "source", "type"):
        if name not in given:
            raise _invalid(name, "is missing", "send the headers ce-specversion, ce-id, ce-source and ce-type")
        core[name] = given.pop(name)
    time = given.pop("time", None)
    subject, dataschema = given.pop("subject", None), given.pop("dataschema", None)
    data, binary = _from_body(body, content_type)
    extensions: dict[str, Attribute] = {
        name: int(value) if name in _INTEGER_EXTENSIONS and _INTEGER.fullmatch(value) else value
        for name, value in given.items()
    }
    return CloudEvent(
        id=core["id"],
        source=core["source"],
        type=core["type"],
        specversion=core["specversion"],
        time=parse_time(time) if time is not None else None,
        subject=subject,
        datacontenttype=content_type,
        dataschema=dataschema,
        data=data,
        data_base64=binary,
        extensions=extensions,
    )


def _from_body(body: bytes, content_type: str | None) -> tuple[Json | Absent, bytes | None]:
    if not body:
        return ABSENT, None
    if content_type is not None and is_json(content_type):
        return _loads(body), None
    if content_type is not None and _TEXT_TYPE.match(content_type):
        try:
            return body.decode(_charset(content_type)), None
        except (LookupError, UnicodeDecodeError):
            return ABSENT, body  # the sender's claim about the charset does not hold; the bytes still do
    return ABSENT, body


def _charset(content_type: str | None) -> str:
    found = _CHARSET.search(content_type or "")
    return found[1] if found else "utf-8"


def _quote(value: str) -> str:
    if not _UNSAFE.search(value):
        return value
    return _UNSAFE.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), value)


def _unquote(value: str, name: str) -> str:
    text = value.strip()
    if '"' in text:
        text = _QUOTED.sub(lambda found: re.sub(r"\\(.)", r"\1", found[1]), text)
    if "%" not in text:
        return text
    try:
        if _BAD_ESCAPE.search(text):
            raise ValueError(text)
        return _ESCAPES.sub(lambda run: bytes.fromhex(run[0].replace("%", "")).decode(), text)
    except ValueError as exc:
        raise _invalid(name, "is not percent-encoded UTF-8") from exc
