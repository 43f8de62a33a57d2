"""What the API of the trigger service takes and shows."""

from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, Field, JsonValue

from tocsin.errors import Violation
from tocsin_kit.config import Secret
from tocsin_kit.store import Entry
from tocsin_kit.web import Input, PageQuery
from tocsin_trigger.domain.errors import TriggerInvalid
from tocsin_trigger.domain.signing import scheme_problems
from tocsin_trigger.domain.triggers import (
    BODY_LIMIT,
    Algorithm,
    Encoding,
    EventSource,
    HmacScheme,
    Scheme,
    Source,
    StandardScheme,
    Target,
    Trigger,
    WebhookSource,
)

_WORD = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"
Name = Annotated[str, Field(min_length=1, max_length=63, pattern=_WORD)]
EventType = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$")]
TypePattern = Annotated[
    str,
    Field(
        min_length=1,
        max_length=256,
        pattern=r"^(\*|[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*(\.\*)?)$",
        description="A CloudEvents type, or `com.example.*` for all below it, or `*` for all.",
    ),
]
Header = Annotated[str, Field(min_length=1, max_length=128)]


class WebhookBody(Input):
    """How a webhook's requests are signed, and what becomes of them."""

    scheme: Literal["standard", "hmac"] = Field("standard", description="`standard`: Standard Webhooks 1.0.")
    header: Header | None = Field(None, description="Of `hmac`: where the signature is.")
    prefix: str = Field("", max_length=64, description="Of `hmac`: what stands before it, such as `sha256=`.")
    encoding: Encoding = Encoding.HEX
    algorithm: Algorithm = Algorithm.SHA256
    signed: str = Field("{body}", max_length=256, description="Of `hmac`: what is signed, with {body}, {timestamp}, {id}.")
    timestamp_header: Header | None = None
    id_header: Header | None = Field(None, description="Of `hmac`: the message's id; without one replays cannot be recognised.")
    tolerance: int = Field(300, ge=1, le=86400, description="Seconds that the timestamp may be off.")
    event_type: EventType = Field("io.tocsin.webhook.received.v1", description="CloudEvents type of the events.")
    max_body: int = Field(BODY_LIMIT, ge=1, le=BODY_LIMIT, description="Bytes.")
    secret: Secret | None = Field(None, description="A key to accept; a new webhook without one gets one, shown once.")

    def to_scheme(self) -> Scheme:
        """The domain's value.

        Raises:
            TriggerInvalid: With everything that is wrong.
        """
        tolerance = timedelta(seconds=self.tolerance)
        if self.scheme == "standard":
            return StandardScheme(tolerance)
        if self.header is None:
            raise TriggerInvalid("The scheme hmac needs a header.", violations=[Violation("/webhook/header", "missing")])
        scheme = HmacScheme(
            header=self.header,
            prefix=self.prefix,
            encoding=self.encoding,
            algorithm=self.algorithm,
            signed=self.signed,
            timestamp_header=self.timestamp_header,
            id_header=self.id_header,
            tolerance=tolerance,
        )
        problems = scheme_problems(scheme)
        if problems:
            raise TriggerInvalid(f"/webhook: {problems[0]}", violations=[Violation("/webhook", text) for text in problems])
        return scheme


class EventBody(Input):
    """Which custom events."""

    type: TypePattern
    source: str | None = Field(None, max_length=512, description="Only events with this source.")


class FilterBody(Input):
    """A condition in one or both of two languages; both must hold."""

    cesql: str | None = Field(None, max_length=8192, description="CloudEvents SQL over the event's attributes.")
    jq: str | None = Field(None, max_length=8192, description="jq over the event.")


class TriggerBody(Input):
    """A trigger as it is wanted."""

    kind: Literal["webhook", "event"]
    workflow: str = Field(min_length=1, max_length=256, description="What it starts, in its namespace.")
    version: str | None = Field(None, max_length=64, description="Null: the newest at the moment of the start.")
    webhook: WebhookBody | None = None
    event: EventBody | None = None
    filter: Annotated[str, Field(max_length=8192)] | FilterBody | None = Field(
        None, description="jq condition over the event, e.g. `.data.total > 100`; or an object with `cesql`, `jq` or both."
    )
    data_schema: dict[str, JsonValue] | None = Field(
        None,
        alias="schema",
        description="JSON Schema of the event's data, inline; what does not fit is decided `schema_invalid`.",
    )
    input: JsonValue = Field(None, description="Template of the run's input; strings may be `${ jq over the event }`.")
    enabled: bool = True
    labels: dict[Annotated[str, Field(max_length=63)], Annotated[str, Field(max_length=255)]] = Field(
        default_factory=dict, max_length=32, description="Given to each run."
    )

    def draft(self, namespace: str, name: str, now: datetime) -> Trigger:
        """The domain's value; identity, keys and pause are not in it.

        Raises:
            TriggerInvalid: The kind and its settings do not fit.
        """
        return Trigger(
            id="",
            namespace=namespace,
            name=name,
            source=self._source(),
            target=Target(self.workflow, self.version),
            filter=self.filter.jq if isinstance(self.filter, FilterBody) else self.filter,
            cesql=self.filter.cesql if isinstance(self.filter, FilterBody) else None,
            schema=self.data_schema,
            input=self.input,
            enabled=self.enabled,
            labels=dict(self.labels),
            created=now,
            updated=now,
        )

    def _source(self) -> Source:
        other = "event" if self.kind == "webhook" else "webhook"
        if getattr(self, other) is not None:
            raise TriggerInvalid(
                f"A trigger of kind {self.kind} has no {other}.", violations=[Violation(f"/{other}", "unexpected")]
            )
        if self.kind == "webhook":
            webhook = self.webhook or WebhookBody()
            return WebhookSource(webhook.to_scheme(), (), webhook.event_type, webhook.max_body)
        if self.event is None:
            raise TriggerInvalid("A trigger of kind event says which.", violations=[Violation("/event", "missing")])
        return EventSource(self.event.type, self.event.source)

    @property
    def secret(self) -> str | None:
        """The text of the key that came with it."""
        given = self.webhook.secret if self.webhook else None
        return given.reveal() if given else None


class NewTriggerBody(TriggerBody):
    """A trigger to create, with its name."""

    namespace: Name = "default"
    name: Name


class PauseBody(Input):
    """Why."""

    reason: str | None = Field(None, max_length=1000)


class KeyBody(Input):
    """A key to add."""

    secret: Secret | None = Field(None, description="Its text; without it one is made and shown once.")


class TriggerPath(Input):
    """Which trigger."""

    namespace: Name
    name: Name


class KeyPath(TriggerPath):
    """Which key."""

    key: str = Field(max_length=64)


class EventPath(Input):
    """Which event."""

    event: str = Field(max_length=64, description="The `key` of a record.")


class ExplainPath(Input):
    """Which event."""

    event: str = Field(max_length=512, description="The `key` of a record; or an event's id, with its source as a query.")


class ExplainQuery(Input):
    """By which an event from the bus is found by its own id."""

    namespace: Name | None = Field(None, description="Of an event that is named by its own id; `default` without.")
    source: str | None = Field(None, max_length=512, description="CloudEvents source; the path has the event's id then.")


class TriggerQuery(PageQuery):
    """Which triggers."""

    namespace: Name | None = None
    kind: Literal["webhook", "event"] | None = None
    workflow: str | None = Field(None, max_length=256)


class EventQuery(PageQuery):
    """Which events."""

    namespace: Name | None = None
    type: str | None = Field(None, max_length=256)
    trigger: Name | None = None
    outcome: str | None = Field(
        None, max_length=64, description="Of a decision (`started`, `filtered`, ...), or a refusal's code."
    )
    refused: bool | None = None
    since: datetime | None = None
    until: datetime | None = None


class PublishQuery(Input):
    """Where to publish."""

    namespace: Name = "default"


class KeyView(BaseModel):
    """A key, without its text."""

    id: str
    created_at: datetime
    expires_at: datetime | None = None


class NewKeyView(KeyView):
    """A key that was added."""

    secret: str | None = Field(None, description="Its text, shown this once; null when the caller gave it.")


class WebhookView(BaseModel):
    """A webhook's settings."""

    scheme: str
    path: str = Field(description="Where partners send to, on the public address.")
    event_type: str
    max_body: int
    tolerance: int
    header: str | None = None
    prefix: str | None = None
    encoding: str | None = None
    algorithm: str | None = None
    signed: str | None = None
    timestamp_header: str | None = None
    id_header: str | None = None
    keys: list[KeyView]


class EventView(BaseModel):
    """Which events it listens to."""

    type: str
    source: str | None = None


class TriggerView(BaseModel):
    """A trigger."""

    id: str
    namespace: str
    name: str
    kind: str
    status: str = Field(description="active, paused or disabled")
    reason: str | None = Field(None, description="Why it is paused.")
    paused_by: str | None = None
    paused_at: datetime | None = None
    workflow: str
    version: str | None
    webhook: WebhookView | None = None
    event: EventView | None = None
    filter: str | dict[str, str] | None = None
    data_schema: JsonValue = Field(None, serialization_alias="schema")
    input: JsonValue = None
    enabled: bool
    labels: dict[str, str]
    created_at: datetime
    updated_at: datetime
    revision: int
    secret: str | None = Field(None, description="A new webhook's key, shown this once.")

    @classmethod
    def of(cls, entry: Entry[Trigger], secret: str | None = None) -> "TriggerView":
        """From the domain's value."""
        trigger = entry.value
        assert trigger is not None
        source = trigger.source
        return cls(
            id=trigger.id,
            namespace=trigger.namespace,
            name=trigger.name,
            kind=trigger.kind.value,
            status=trigger.status,
            reason=trigger.pause.reason if trigger.pause else None,
            paused_by=trigger.pause.actor if trigger.pause else None,
            paused_at=trigger.pause.at if trigger.pause else None,
            workflow=trigger.target.workflow,
            version=trigger.target.version,
            webhook=_webhook(trigger, source) if isinstance(source, WebhookSource) else None,
            event=EventView(type=source.type, source=source.source) if isinstance(source, EventSource) else None,
            filter=_filter(trigger),
            data_schema=trigger.schema,
            input=trigger.input,
            enabled=trigger.enabled,
            labels=dict(trigger.labels),
            created_at=trigger.created,
            updated_at=trigger.updated,
            revision=entry.revision,
            secret=secret,
        )


def _filter(trigger: Trigger) -> str | dict[str, str] | None:
    if trigger.cesql is None:
        return trigger.filter
    return {"cesql": trigger.cesql, **({"jq": trigger.filter} if trigger.filter is not None else {})}


def _webhook(trigger: Trigger, source: WebhookSource) -> WebhookView:
    scheme = source.scheme
    hmac = scheme if isinstance(scheme, HmacScheme) else None
    return WebhookView(
        scheme="hmac" if hmac else "standard",
        path=f"/hooks/{trigger.namespace}/{trigger.name}",
        event_type=source.event_type,
        max_body=source.max_body,
        tolerance=int(scheme.tolerance.total_seconds()),
        header=hmac.header if hmac else None,
        prefix=hmac.prefix if hmac else None,
        encoding=hmac.encoding.value if hmac else None,
        algorithm=hmac.algorithm.value if hmac else None,
        signed=hmac.signed if hmac else None,
        timestamp_header=hmac.timestamp_header if hmac else None,
        id_header=hmac.id_header if hmac else None,
        keys=[KeyView(id=key.id, created_at=key.created, expires_at=key.expires) for key in source.keys],
    )
