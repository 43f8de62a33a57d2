"""A trigger as a value: what it listens to, what it starts, and whether it may."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Final, TypeAlias, assert_never

from tocsin.expressions import Json
from tocsin_trigger.domain.rules import Gather
from tocsin_trigger.domain.sources import (
    BucketSource,
    CorrelationSource,
    EventSource,
    FileSource,
    FunctionSource,
    ManualSource,
    OnceSource,
    PollSource,
    SignalSource,
    SubjectSource,
    WatchedSource,
)

NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
BODY_LIMIT: Final = 128 * 1024  # bytes; an event becomes a run's input, which is carried inline up to this
PAUSE_AFTER: Final = 20  # failures in a row
TOLERANCE: Final = timedelta(minutes=5)  # Standard Webhooks' recommendation


class Kind(Enum):
    """What a trigger listens to."""

    #: Signed HTTP requests.
    WEBHOOK = "webhook"
    #: Custom events on the bus.
    EVENT = "event"
    #: Signals of the platform.
    SIGNAL = "signal"
    #: Several kinds of events that belong together.
    CORRELATION = "correlation"
    #: A person or a program, by name.
    MANUAL = "manual"
    #: One instant, once.
    ONCE = "once"
    #: Files in a folder.
    FILE = "file"
    #: An HTTP address, or a function of a plugin, that is asked again and again.
    POLL = "poll"
    #: Objects in an S3-compatible store.
    BUCKET = "bucket"
    #: A NATS subject of somebody else's.
    SUBJECT = "subject"


class Encoding(Enum):
    """How a signature is written in its header."""

    HEX = "hex"
    BASE64 = "base64"


class Algorithm(Enum):
    """Hash of the HMAC; older ones are not offered."""

    SHA256 = "sha256"
    SHA384 = "sha384"
    SHA512 = "sha512"


@dataclass(frozen=True, slots=True)
class StandardScheme:
    """Standard Webhooks 1.0: ``webhook-id``, ``webhook-timestamp``, ``webhook-signature``.

    Attributes:
        tolerance: How old, or how far in the future, the timestamp may be.
    """

    tolerance: timedelta = TOLERANCE


@dataclass(frozen=True, slots=True)
class HmacScheme:
    """An HMAC in a header of the partner's choosing.

    Attributes:
        header: Where the signature is.
        prefix: What stands before it, such as ``sha256=``.
        encoding: How it is written.
        algorithm: Its hash.
        signed: What is signed: text with ``{body}`` and, where their headers are named, ``{timestamp}`` and ``{id}``.
        timestamp_header: Where the time of sending is, in seconds since 1970; ``None``: there is none, so age is not checked.
        id_header: Where the message's id is; ``None``: there is none, so a replay cannot be told from a second event.
        tolerance: As in :class:`StandardScheme`.
    """

    header: str
    prefix: str = ""
    encoding: Encoding = Encoding.HEX
    algorithm: Algorithm = Algorithm.SHA256
    signed: str = "{body}"
    timestamp_header: str | None = None
    id_header: str | None = None
    tolerance: timedelta = TOLERANCE


@dataclass(frozen=True, slots=True)
class StripeScheme:
    """Time and signatures in one header, ``Stripe-Signature: t=...,v1=...,v1=...``, as Stripe and others who copied it.

    Attributes:
        header: Where it is.
        tolerance: As in :class:`StandardScheme`.
    """

    header: str = "Stripe-Signature"
    tolerance: timedelta = TOLERANCE


@dataclass(frozen=True, slots=True)
class BearerScheme:
    """A token of this platform instead of a signature: a JWT or an API key whose holder may ``trigger:fire`` here."""


@dataclass(frozen=True, slots=True)
class JwtScheme:
    """A token of somebody else's issuer instead of a signature, as a bearer.

    Attributes:
        issuer: Who must have made it.
        audience: Whom it must be for.
        algorithms: That it may be signed with.
        keys_url: Where the issuer's keys are (JWKS), or ``None``.
        keys: The key set as JSON text, or ``None``.
        claims: Further claims that it must have, with their values.
        tolerance: How far its times may be off.
    """

    issuer: str
    audience: str
    algorithms: tuple[str, ...]
    keys_url: str | None = None
    keys: str | None = None
    claims: tuple[tuple[str, str], ...] = ()
    tolerance: timedelta = timedelta(seconds=60)


Scheme: TypeAlias = StandardScheme | HmacScheme | StripeScheme | BearerScheme | JwtScheme


class Handshake(Enum):
    """How a sender asks whether somebody is there before it sends anything."""

    #: ``{"type": "url_verification", "challenge": ...}``, signed like everything else; the challenge is the answer.
    SLACK = "slack"
    #: OPTIONS with ``WebHook-Request-Origin``: CloudEvents' HTTP 1.1 Web Hooks, section 4.
    CLOUDEVENTS = "cloudevents"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One of a webhook's keys, encrypted.

    Attributes:
        id: Names it; no part of the secret.
        created: When it was added.
        sealed: The secret's text under the service's key.
        expires: After this it is not accepted; ``None`` for never.
    """

    id: str
    created: datetime
    sealed: bytes = field(repr=False)
    expires: datetime | None = None


@dataclass(frozen=True, slots=True)
class PrivatePath:
    """A last segment of a webhook's address that nobody can guess.

    Attributes:
        digest: SHA-256 of it, in hexadecimal; the segment itself is kept by those who send.
        expires: After this it leads nowhere; ``None`` for never.
    """

    digest: str = field(repr=False)
    expires: datetime | None = None


@dataclass(frozen=True, slots=True)
class WebhookSource:
    """Signed HTTP requests to ``/hooks/<namespace>/<name>``.

    Attributes:
        scheme: How they are signed.
        keys: Accepted keys; several at once for rotation.
        event_type: CloudEvents type that the events get.
        max_body: Bytes.
        id_path: jq path in the body to the message's id, for schemes that have none in a header; ``None``: only the header's.
        handshake: ``None``: the sender asks nothing beforehand.
        networks: Addresses that may send, as CIDR blocks; empty: all.
        methods: HTTP methods that are taken.
        id_header: Header with the message's id, for schemes that have none; ``None``: no header.
        id_digest: Whether the same bytes are the same message, where nothing else names it.
        answer_within: How long a sender may wait for the run's output; ``None``: it may not.
        paths: Last segments of the address, the newest last; empty: the address ends with the name.
    """

    scheme: Scheme
    keys: tuple[SigningKey, ...]
    event_type: str = "io.tocsin.webhook.received.v1"
    max_body: int = BODY_LIMIT
    id_path: str | None = None
    handshake: Handshake | None = None
    networks: tuple[str, ...] = ()
    methods: tuple[str, ...] = ("POST",)
    id_header: str | None = None
    id_digest: bool = False
    answer_within: timedelta | None = None
    paths: tuple[PrivatePath, ...] = ()


Source: TypeAlias = (
    WebhookSource | EventSource | SignalSource | CorrelationSource | ManualSource | SubjectSource | WatchedSource
)


@dataclass(frozen=True, slots=True)
class Target:
    """What is started.

    Attributes:
        workflow: Name, in the trigger's namespace.
        version: ``None`` for the newest at the moment of the start.
    """

    workflow: str
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """Why a trigger starts nothing now.

    Attributes:
        actor: Who paused it.
        at: When.
        reason: Why, or ``None``.
    """

    actor: str
    at: datetime
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Trigger:
    """One trigger.

    Attributes:
        id: Unique for ever, also when a name is used again; firings are derived from it.
        namespace: Where it lives, and where it starts runs.
        name: Unique in its namespace.
        source: What it listens to.
        target: What it starts.
        filter: jq condition over the event; ``None`` lets everything pass.
        cesql: CESQL condition over the event's attributes; must hold too.
        schema: JSON Schema of the event's data.
        input: Template of the run's input over the event; ``None``: the event's data.
        enabled: Whether it may start anything.
        pause: Set while it is paused.
        labels: Given to each run.
        gather: A condition with a memory; ``None``: one run for each event.
        pause_after: Failures in a row after which it pauses itself; ``None``: never.
        created: When it was made.
        updated: When it was last changed.
    """

    id: str
    namespace: str
    name: str
    source: Source
    target: Target
    created: datetime
    updated: datetime
    filter: str | None = None
    cesql: str | None = None
    schema: Json = None
    input: Json = None
    enabled: bool = True
    pause: Pause | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    gather: Gather | None = None
    pause_after: int | None = PAUSE_AFTER

    @property
    def key(self) -> str:
        """What it is stored under."""
        return key_of(self.namespace, self.name)

    @property
    def kind(self) -> Kind:
        """What it listens to."""
        match self.source:
            case WebhookSource():
                return Kind.WEBHOOK
            case EventSource():
                return Kind.EVENT
            case SignalSource():
                return Kind.SIGNAL
            case CorrelationSource():
                return Kind.CORRELATION
            case ManualSource():
                return Kind.MANUAL
            case OnceSource():
                return Kind.ONCE
            case FileSource():
                return Kind.FILE
            case PollSource() | FunctionSource():
                return Kind.POLL
            case BucketSource():
                return Kind.BUCKET
            case SubjectSource():
                return Kind.SUBJECT
            case _:
                assert_never(self.source)

    @property
    def managed(self) -> bool:
        """Whether it belongs to the definition of a workflow."""
        return "." in self.name

    @property
    def status(self) -> str:
        """``active``, ``paused`` or ``disabled``."""
        return "disabled" if not self.enabled else "paused" if self.pause is not None else "active"


def key_of(namespace: str, name: str) -> str:
    """What a trigger is stored under."""
    return f"{namespace}/{name}"
