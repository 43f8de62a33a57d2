"""The CloudEvents 1.0 envelope as a value.

Everything on the bus is one of these: signals, custom events and commands. A :class:`CloudEvent` that exists is valid: names
and values are checked when it is made, so no other module checks them again. It never reads a clock and never draws an id.

Source:
    CloudEvents 1.0.2, "Context Attributes" and "Type System"; its documented extensions for the properties at the end.
"""

import enum
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, TypeAlias

from tocsin.errors import Invalid, Violation

Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None
Attribute: TypeAlias = str | int | bool
"""A context attribute's value: the CloudEvents types URI, URI-reference, Binary and Timestamp are strings here."""

SPEC_VERSION: Final = "1.0"
CORE: Final = frozenset(
    {"id", "source", "specversion", "type", "datacontenttype", "dataschema", "subject", "time", "data", "data_base64"}
)

_OFTEN = frozenset(
    {"sequence", "partitionkey", "correlationid", "causationid", "traceparent", "namespace", "depth", "authtype", "authid"}
)
_NAME = re.compile(r"[a-z0-9]+")
# Control characters and noncharacters; lone surrogates cannot be encoded and are caught with them.
_FORBIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(chr(plane << 16 | low) for plane in range(17) for low in (0xFFFE, 0xFFFF))
    + "]"
)
_PLAIN_URI = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]+")
_URI_REFERENCE = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:.")
_MEDIA_TYPE = re.compile(
    r"[A-Za-z0-9!#$&^_.+\-]+/[A-Za-z0-9!#$&^_.+\-]+"
    r"(?:\s*;\s*[A-Za-z0-9!#$&^_.+\-]+\s*=\s*(?:[A-Za-z0-9!#$%&'*+^_`|~.\-]+|\"(?:[^\"\\]|\\.)*\"))*\s*;?"
)
_JSON_TYPE = re.compile(r"[^/;\s]+/(?:[^/;\s]+\+)?json\s*(?:;|$)", re.IGNORECASE)
_INTEGERS: Final = range(-(2**31), 2**31)


class InvalidEvent(Invalid):
    """This is not a valid CloudEvent."""

    code = "invalid_event"


class Absent(enum.Enum):
    """The type of :data:`ABSENT`."""

    ABSENT = "absent"

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final[Literal[Absent.ABSENT]] = Absent.ABSENT
"""What ``data`` is when the event carries none; ``None`` is a payload, the JSON value null."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudEvent:
    """One event.

    Attributes:
        id: Unique within ``source``; the same again is a duplicate.
        source: URI-reference of the context in which it happened.
        type: What kind of thing happened, such as ``com.example.order.placed``.
        time: When it happened, aware.
        subject: What it happened to, within the source.
        datacontenttype: Media type of the data; ``None`` means JSON where there is ``data``.
        dataschema: Absolute URI of the schema that the data follows.
        data: A JSON value, or text where the media type is not JSON, or :data:`ABSENT`.
        data_base64: Binary data; excludes ``data``.
        extensions: All other attributes by name. Treat it as read-only.
        specversion: Always ``1.0``.

    Raises:
        InvalidEvent: At making, when an attribute's name or value is not as CloudEvents demands.
    """

    id: str
    source: str
    type: str
    time: datetime | None = None
    subject: str | None = None
    datacontenttype: str | None = None
    dataschema: str | None = None
    data: Json | Absent = ABSENT
    data_base64: bytes | None = None
    extensions: Mapping[str, Attribute] = field(default_factory=dict)
    specversion: str = SPEC_VERSION

    def __post_init__(self) -> None:
        """Refuse what is not a CloudEvent."""
        if _plainly_valid(self):
            return
        violations = [*_core_violations(self), *_extension_violations(self.extensions)]
        if violations:
            raise InvalidEvent(f"not a valid CloudEvent: {violations[0].pointer} {violations[0].detail}", violations=violations)

    @property
    def payload(self) -> Json:
        """The data as a JSON value; ``None`` where there is none, or only binary data."""
        return None if self.data is ABSENT else self.data

    def text(self, name: str) -> str | None:
        """The extension ``name`` as a string; ``None`` when absent or of another type."""
        value = self.extensions.get(name)
        return value if isinstance(value, str) else None

    @property
    def namespace(self) -> str | None:
        """The Tocsin namespace that the event belongs to."""
        return self.text("namespace")

    @property
    def sequence(self) -> int | None:
        """1-based position among the events of its source; ``None`` when absent or not a number."""
        value = self.extensions.get("sequence")
        return int(value) if isinstance(value, str) and value.isdecimal() else None

    @property
    def correlation_id(self) -> str | None:
        """The flow that this event is part of."""
        return self.text("correlationid")

    @property
    def causation_id(self) -> str | None:
        """The id of the event that caused this one."""
        return self.text("causationid")

    @property
    def traceparent(self) -> str | None:
        """W3C trace context of the flow's beginning."""
        return self.text("traceparent")

    @property
    def depth(self) -> int:
        """How many causes are behind it; 0 for an event from outside."""
        value = self.extensions.get("depth", 0)
        return value if isinstance(value, int) else 0


def is_json(media_type: str | None) -> bool:
    """Whether a ``datacontenttype`` declares JSON; an absent one does."""
    return media_type is None or media_type == "application/json" or _JSON_TYPE.match(media_type) is not None


def _plainly_valid(event: CloudEvent) -> bool:
    """Whether a look at the common shapes settles it; most events take only this path, which costs a few microseconds."""
    if not (
        isinstance(event.id, str)
        and event.id
        and event.id.isprintable()
        and isinstance(event.type, str)
        and event.type
        and event.type.isprintable()
        and isinstance(event.source, str)
        and _PLAIN_URI.fullmatch(event.source)
        and event.specversion == SPEC_VERSION
        and event.dataschema is None
        and (event.datacontenttype is None or event.datacontenttype == "application/json")
        and event.data_base64 is None
        and (event.time is None or (isinstance(event.time, datetime) and event.time.tzinfo is not None))
        and (event.subject is None or (isinstance(event.subject, str) and event.subject != "" and event.subject.isprintable()))
    ):
        return False
    for name, value in event.extensions.items():
        if name not in _OFTEN and (name in CORE or not _NAME.fullmatch(name)):
            return False
        if not (value.isprintable() if isinstance(value, str) else isinstance(value, int) and -(2**31) <= value < 2**31):
            return False
    return True


def _core_violations(event: CloudEvent) -> Iterator[Violation]:
    for name, value in (("id", event.id), ("type", event.type)):
        if not isinstance(value, str) or not value:
            yield Violation(name, "must be a non-empty string")
        elif _FORBIDDEN.search(value):
            yield Violation(name, "holds a control character or a character that Unicode does not assign")
    if not isinstance(event.source, str) or not _URI_REFERENCE.fullmatch(event.source):
        yield Violation("source", "must be a non-empty URI-reference", "percent-encode what a URI may not hold")
    if event.specversion != SPEC_VERSION:
        yield Violation("specversion", f"must be {SPEC_VERSION}")
    if event.time is not None and (not isinstance(event.time, datetime) or event.time.tzinfo is None):
        yield Violation("time", "must be an instant with a time zone")
    if event.subject is not None and (
        not isinstance(event.subject, str) or not event.subject or _FORBIDDEN.search(event.subject)
    ):
        yield Violation("subject", "must be a non-empty string without control characters")
    if event.dataschema is not None and not (_URI_REFERENCE.fullmatch(event.dataschema) and _SCHEME.match(event.dataschema)):
        yield Violation("dataschema", "must be an absolute URI")
    yield from _data_violations(event)


def _data_violations(event: CloudEvent) -> Iterator[Violation]:
    if event.datacontenttype is not None and event.datacontenttype != "application/json":
        if not _MEDIA_TYPE.fullmatch(event.datacontenttype):
            yield Violation("datacontenttype", "must be a media type such as application/json")
        elif event.data is not ABSENT and not isinstance(event.data, str) and not is_json(event.datacontenttype):
            yield Violation("data", "must be a string where datacontenttype is not JSON", "send binary data as data_base64")
    if event.data_base64 is not None and event.data is not ABSENT:
        yield Violation("data_base64", "cannot be given beside data")


def _extension_violations(extensions: Mapping[str, Attribute]) -> Iterator[Violation]:
    for name, value in extensions.items():
        if name in CORE:
            yield Violation(name, "is a core attribute and cannot be an extension")
        elif not _NAME.fullmatch(name):
            yield Violation(name, "attribute names consist of lower-case letters and digits")
        if isinstance(value, str):
            if _FORBIDDEN.search(value):
                yield Violation(name, "holds a control character or a character that Unicode does not assign")
        elif not isinstance(value, int):  # callers in the dark about types exist
            yield Violation(name, "must be a string, an integer or a boolean", "put structured values into data")  # type: ignore[unreachable]
        elif value not in _INTEGERS:
            yield Violation(name, "must be an integer of 32 bits", "send larger numbers as strings")
