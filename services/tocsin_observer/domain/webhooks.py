"""Webhooks that go out: who is told of which signals, in which form, signed with what, and when it is not told any more."""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Final, assert_never
from urllib.parse import urlsplit

import orjson

from tocsin.cesql import CesqlInvalid, parse
from tocsin.errors import Conflict, Invalid, TocsinError
from tocsin.expressions import Cost, ExpressionFailed, ExpressionInvalid, Json, compile_expression
from tocsin.signals import CloudEvent, encode
from tocsin.signals.codec import encode_http_binary
from tocsin_observer.domain.viewing import checked_filter

PUBLIC_PREFIX: Final = "whpk_"  # the same, of a public key
SECRET_PREFIX: Final = "whsec_"  # noqa: S105  # of Standard Webhooks; the secret comes behind it
OVERLAP: Final = timedelta(hours=24)  # how long an old key signs beside the new one
MOST_KEYS: Final = 4
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_OURS: Final = ("webhook-", "ce-", "host", "content-", "connection", "transfer-encoding", "authorization-signature")


class WebhookInvalid(Invalid):
    """A webhook cannot work like this."""

    code = "webhook_invalid"


class Format(Enum):
    """What is sent."""

    STRUCTURED = "structured"
    BINARY = "binary"
    TEMPLATE = "template"


class Verification(Enum):
    """How an endpoint shows that it wants to be called: it answers a challenge, allows our origin, or need not."""

    CHALLENGE = "challenge"
    ORIGIN = "origin"
    NONE = "none"


class WebhookState(Enum):
    """Whether it is told."""

    UNVERIFIED = "unverified"
    ACTIVE = "active"
    PAUSED = "paused"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningSecret:
    """One secret; all that are valid sign.

    Attributes:
        sealed: Encrypted.
        fingerprint: A few characters to tell secrets apart by.
        made_at: When it was made.
        until: Signs until then; ``None`` for the newest.
    """

    sealed: bytes
    fingerprint: str
    made_at: datetime
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSpec:
    """What people write.

    Attributes:
        url: Where to.
        subject: Pattern over subjects of signals.
        filter: CESQL condition beside it.
        format: What is sent.
        template: jq over the signal, for the format ``template``.
        ordered: Whether messages of one key do not overtake one another.
        key: What has an order: the attribute or extension of the signal with this name; ``subject`` is the entity's id.
        parallel: At most so many on their way.
        rate: At most so many a second.
        timeout: For one attempt.
        retry_for: How long a message is tried.
        disable_after: How long every attempt may fail until the webhook is disabled.
        headers: Sent with each message.
        signing_secret: Name of a secret of the platform's store that signs instead of one of the webhook's own.
        header_secrets: The same for values of headers, by header.
        verification: How the endpoint shows that it wants to be called.
        description: For people.
        notify: Channels of the namespace that are told when it is disabled by itself.
    """

    url: str
    subject: str
    filter: str | None = None
    format: Format = Format.STRUCTURED
    template: str | None = None
    ordered: bool = True
    key: str = "subject"
    parallel: int = 4
    rate: float | None = None
    timeout: timedelta = timedelta(seconds=15)
    retry_for: timedelta = timedelta(hours=24)
    disable_after: timedelta = timedelta(hours=72)
    headers: Mapping[str, str] = field(default_factory=dict)
    signing_secret: str | None = None
    header_secrets: Mapping[str, str] = field(default_factory=dict)
    verification: Verification = Verification.CHALLENGE
    description: str = ""
    notify: tuple[str, ...] = ()

    @property
    def secret_names(self) -> frozenset[str]:
        """The secrets of the platform's store that it uses."""
        return frozenset((*([self.signing_secret] if self.signing_secret else []), *self.header_secrets.values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A webhook.

    Attributes:
        namespace: Where it belongs.
        name: Its name there.
        spec: What people wrote.
        state: Whether it is told.
        reason: Why it is not.
        secrets: Newest last.
        failing_since: When the first of the attempts was that all failed; ``None`` after a success.
        created_at: When it was made.
        changed_at: When it was last changed.
    """

    namespace: str
    name: str
    spec: WebhookSpec
    state: WebhookState
    secrets: tuple[SigningSecret, ...]
    created_at: datetime
    changed_at: datetime
    reason: str | None = None
    failing_since: datetime | None = None

    @property
    def id(self) -> str:
        """Its name across namespaces."""
        return f"{self.namespace}/{self.name}"

    @property
    def endpoint(self) -> str:
        """Its name among endpoints."""
        return f"webhook/{self.id}"

    def signing(self, now: datetime) -> tuple[SigningSecret, ...]:
        """The secrets that sign now, newest first."""
        return tuple(one for one in reversed(self.secrets) if one.until is None or one.until > now)


def checked(spec: WebhookSpec, namespace: str) -> WebhookSpec:
    """``spec`` itself, if it can work.

    Raises:
        WebhookInvalid: It cannot; with the reason.
    """
    parts = urlsplit(spec.url)
    if parts.scheme not in {"https", "http"} or not parts.hostname or parts.username or parts.fragment:
        raise WebhookInvalid("url is an http(s) URL with a host, without user and fragment")
    checked_filter(spec.subject)
    named = spec.subject.split(".")[1]
    if namespace not in {named, "system"}:
        raise WebhookInvalid(
            f"a webhook of namespace {namespace} is told of the signals of that namespace",
            hint=f"begin subject with signals.{namespace}., or make the webhook in the namespace `system`",
        )
    if spec.filter is not None:
        try:
            parse(spec.filter)
        except CesqlInvalid as error:
            raise WebhookInvalid(f"filter is not CESQL: {error.detail}", hint=error.hint) from error
    _check_template(spec)
    for name, value in (*spec.headers.items(), *((name, "") for name in spec.header_secrets)):
        if not _HEADER.fullmatch(name) or name.lower().startswith(_OURS) or not value.isprintable() or not value.isascii():
            raise WebhookInvalid(f"{name[:80]!r} cannot be sent as a header of one's own")
    return spec


def _check_template(spec: WebhookSpec) -> None:
    if (spec.format is Format.TEMPLATE) != (spec.template is not None):
        raise WebhookInvalid("template goes with the format `template`, and the format with a template")
    if spec.template is None:
        return
    try:
        expression = compile_expression(spec.template, frozenset())
    except ExpressionInvalid as error:
        raise WebhookInvalid(f"template is not jq: {error.detail}", hint=error.hint) from error
    if expression.cost is Cost.OPEN:
        raise WebhookInvalid("template could take any time", hint="do without recursion, `range` and the like")


@dataclass(frozen=True, slots=True)
class Rendered:
    """What goes over the wire, still without its signature."""

    body: bytes
    headers: Mapping[str, str]


def render(spec: WebhookSpec, event: CloudEvent) -> Rendered:
    """The message that carries a signal.

    Raises:
        ExpressionFailed: The template does not work on it.
    """
    match spec.format:
        case Format.STRUCTURED:
            return Rendered(encode(event), {"content-type": "application/cloudevents+json"})
        case Format.BINARY:
            headers, body = encode_http_binary(event)
            return Rendered(body, headers)
        case Format.TEMPLATE:
            return Rendered(encoded(template_value(spec.template or ".", event)), {"content-type": "application/json"})
        case _:
            assert_never(spec.format)


def template_value(template: str, event: CloudEvent) -> Json:
    """What a jq template makes of a signal.

    Raises:
        ExpressionFailed: It does not work on it.
    """
    try:
        return compile_expression(template, frozenset()).evaluate(json_of(event), {})
    except TocsinError as error:
        raise ExpressionFailed(f"the template does not work on this signal: {error.detail}") from error


def json_of(event: CloudEvent) -> Json:
    """A signal as templates and grouping see it: its structured form."""
    value: Json = orjson.loads(encode(event))
    return value


def encoded(value: Json) -> bytes:
    """JSON without white space.

    Raises:
        ExpressionFailed: A template made what no JSON can say: text that is no Unicode, or a depth that nobody reads.
    """
    try:
        return orjson.dumps(value)
    except TypeError as error:
        raise ExpressionFailed(f"what the template made is no JSON: {error}") from error


def signature_headers(
    keys: Sequence[str], message: str, body: bytes, now: datetime, *, sign: Callable[[bytes], bytes] | None = None
) -> dict[str, str]:
    """The headers of Standard Webhooks.

    Args:
        keys: Secrets with their prefix; each signs.
        message: Id of the message.
        body: Its bytes.
        now: The present.
        sign: Makes the asymmetric signature (``v1a``), which is set behind the others.

    Source:
        Standard Webhooks 1.0.0, "Signature scheme".
    """
    timestamp = str(int(now.timestamp()))
    content = f"{message}.{timestamp}.".encode() + body
    signatures = [base64.b64encode(hmac.digest(_material(key), content, "sha256")).decode() for key in keys]
    said = [f"v1,{one}" for one in signatures]
    if sign is not None:
        said.append(f"v1a,{base64.b64encode(sign(content)).decode()}")
    return {"webhook-id": message, "webhook-timestamp": timestamp, "webhook-signature": " ".join(said)}


def checked_secret(secret: str) -> str:
    """``secret`` itself, if it can sign.

    Raises:
        WebhookInvalid: It is empty, or says that base64 follows and none does.
    """
    try:
        material = _material(secret)
    except binascii.Error:
        material = b""
    if not material:
        raise WebhookInvalid("this secret cannot sign", hint="write whsec_ and base64, or any text, of which the bytes sign")
    return secret


def _material(secret: str) -> bytes:
    """The key: what is encoded behind the prefix of Standard Webhooks, or the very bytes of any other text."""
    if not secret.startswith(SECRET_PREFIX):
        return secret.encode()
    return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)


def new_secret(random: bytes) -> str:
    """The text of a secret of 32 random bytes."""
    return SECRET_PREFIX + base64.b64encode(random).decode()


def fingerprint(secret: str) -> str:
    """A few characters by which people tell secrets apart; says nothing about the secret."""
    return hashlib.sha256(b"tocsin-webhook\0" + secret.encode()).hexdigest()[:12]


def with_secret(webhook: Webhook, new: SigningSecret, *, now: datetime, overlap: timedelta = OVERLAP) -> Webhook:
    """A webhook that signs with a new secret; those before it go on for the overlap."""
    kept = [one for one in webhook.secrets if one.until is None or one.until > now][-(MOST_KEYS - 1) :]
    old = tuple(replace(one, until=min(one.until or now + overlap, now + overlap)) for one in kept)
    return replace(webhook, secrets=(*old, new), changed_at=now)


def changed(webhook: Webhook, spec: WebhookSpec, *, now: datetime) -> Webhook:
    """A webhook with another specification; one that goes elsewhere must be verified anew."""
    before = webhook.spec
    if spec.url == before.url and spec.verification is before.verification:
        return replace(webhook, spec=spec, changed_at=now)
    moved = replace(webhook, spec=spec, changed_at=now, failing_since=None)
    if spec.verification is not Verification.NONE:  # a paused one too: resuming it would be a way around the question
        return replace(moved, state=WebhookState.UNVERIFIED, reason=None)
    return moved if webhook.state is WebhookState.PAUSED else replace(moved, state=WebhookState.ACTIVE, reason=None)


def paused(webhook: Webhook, *, now: datetime) -> Webhook:
    """A webhook that is not told until it is resumed; what happens meanwhile can be sent again afterwards.

    Raises:
        Conflict: It is not active.
    """
    if webhook.state is not WebhookState.ACTIVE:
        raise Conflict(f"webhook {webhook.id} is {webhook.state.value}, not active")
    return replace(webhook, state=WebhookState.PAUSED, reason="paused by somebody", changed_at=now)


def resumed(webhook: Webhook, *, now: datetime) -> Webhook:
    """A webhook that is told again.

    Raises:
        Conflict: It is neither paused nor disabled.
    """
    if webhook.state not in {WebhookState.PAUSED, WebhookState.DISABLED}:
        raise Conflict(f"webhook {webhook.id} is {webhook.state.value}, neither paused nor disabled")
    return replace(webhook, state=WebhookState.ACTIVE, reason=None, failing_since=None, changed_at=now)


def disabled(webhook: Webhook, reason: str, *, now: datetime) -> Webhook:
    """A webhook that is not told any more."""
    return replace(webhook, state=WebhookState.DISABLED, reason=reason, changed_at=now)


def verified(webhook: Webhook, *, now: datetime) -> Webhook:
    """A webhook whose endpoint has shown that it wants to be called."""
    return replace(webhook, state=WebhookState.ACTIVE, reason=None, changed_at=now)


def key_of(spec: WebhookSpec, event: CloudEvent) -> str:
    """What a signal has its order in."""
    named = {"subject": event.subject, "type": event.type, "source": event.source}
    value = named[spec.key] if spec.key in named else event.extensions.get(spec.key)
    return "" if value is None else str(value)[:256]
