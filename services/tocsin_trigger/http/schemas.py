"""What the API of the trigger service takes and shows."""

from datetime import datetime
from typing import Annotated, Literal, TypeVar, assert_never

from pydantic import BaseModel, Field, JsonValue, TypeAdapter

from tocsin.errors import Violation
from tocsin_kit.config import Secret
from tocsin_kit.store import Entry
from tocsin_kit.web import Input, PageQuery
from tocsin_trigger.domain.errors import TriggerInvalid
from tocsin_trigger.domain.sources import WATCHED, EventSource, ManualSource, SignalSource, SubjectSource
from tocsin_trigger.domain.triggers import PAUSE_AFTER, Source, Target, Trigger, WebhookSource
from tocsin_trigger.http.gather_schemas import (
    EventBody,
    GatherBody,
    Name,
    SignalBody,
    TriggerName,
    gather_view,
    refuse_clauses,
    signal_view,
    to_correlation,
    to_gather,
)
from tocsin_trigger.http.watch_schemas import BucketBody, FileBody, OnceBody, PollBody, SubjectBody, watched_view
from tocsin_trigger.http.webhook_schemas import KeyView, WebhookBody, WebhookView, webhook_view

KindName = Literal["webhook", "event", "signal", "correlation", "manual", "once", "file", "poll", "bucket", "subject"]


_SETTINGS = ("webhook", "event", "signal", "once", "file", "poll", "bucket", "subject")
T = TypeVar("T")


class FilterBody(Input):
    """A condition in one or both of two languages; both must hold."""

    cesql: str | None = Field(None, max_length=8192, description="CloudEvents SQL over the event's attributes.")
    jq: str | None = Field(None, max_length=8192, description="jq over the event.")


class TriggerBody(Input):
    """A trigger as it is wanted."""

    kind: KindName
    workflow: str = Field(min_length=1, max_length=256, description="What it starts, in its namespace.")
    version: str | None = Field(None, max_length=64, description="Null: the newest at the moment of the start.")
    webhook: WebhookBody | None = None
    event: EventBody | None = None
    signal: SignalBody | None = None
    once: OnceBody | None = None
    file: FileBody | None = None
    poll: PollBody | None = None
    bucket: BucketBody | None = None
    subject: SubjectBody | None = None
    when: GatherBody | None = Field(
        None,
        description="Condition with a memory: correlate, threshold, absence, debounce, throttle, batch. Null: a run an event.",
    )
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
    pause_after: int | None = Field(
        PAUSE_AFTER, ge=1, le=1000, description="Failures in a row after which it pauses itself; null: never."
    )
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
            source=self._source(now),
            target=Target(self.workflow, self.version),
            filter=self.filter.jq if isinstance(self.filter, FilterBody) else self.filter,
            cesql=self.filter.cesql if isinstance(self.filter, FilterBody) else None,
            schema=self.data_schema,
            input=self.input,
            enabled=self.enabled,
            labels=dict(self.labels),
            pause_after=self.pause_after,
            gather=None if self.when is None else to_gather(self.when),
            created=now,
            updated=now,
        )

    def _source(self, now: datetime) -> Source:
        for other in _SETTINGS:
            if self.kind != other and getattr(self, other) is not None:
                raise TriggerInvalid(
                    f"A trigger of kind {self.kind} has no {other}.", violations=[Violation(f"/{other}", "unexpected")]
                )
        if self.kind == "correlation":
            return to_correlation(self.when)
        refuse_clauses(self.kind, self.when)
        match self.kind:
            case "webhook":
                return (self.webhook or WebhookBody()).to_source()
            case "manual":
                return ManualSource()
            case "once":
                return self._given(self.once).to_source(now)
            case "event":
                return self._given(self.event).to_source()
            case "signal":
                return self._given(self.signal).to_source()
            case "file":
                return self._given(self.file).to_source()
            case "poll":
                return self._given(self.poll).to_source()
            case "bucket":
                return self._given(self.bucket).to_source()
            case "subject":
                return self._given(self.subject).to_source()
            case _:
                assert_never(self.kind)

    def _given(self, body: T | None) -> T:
        if body is None:
            missing = [Violation(f"/{self.kind}", "missing")]
            raise TriggerInvalid(f"A trigger of kind {self.kind} says which.", violations=missing)
        return body

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
    name: TriggerName


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
    kind: KindName | None = None
    workflow: str | None = Field(None, max_length=256)


class EventQuery(PageQuery):
    """Which events."""

    namespace: Name | None = None
    type: str | None = Field(None, max_length=256)
    trigger: TriggerName | None = None
    outcome: str | None = Field(
        None, max_length=64, description="Of a decision (`started`, `filtered`, ...), or a refusal's code."
    )
    refused: bool | None = None
    since: datetime | None = None
    until: datetime | None = None


class PublishQuery(Input):
    """Where to publish."""

    namespace: Name = "default"


class NewKeyView(KeyView):
    """A key that was added."""

    secret: str | None = Field(None, description="Its text, shown this once; null when the caller gave it.")


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
    signal: dict[str, JsonValue] | None = None
    once: dict[str, JsonValue] | None = None
    file: dict[str, JsonValue] | None = None
    poll: dict[str, JsonValue] | None = None
    bucket: dict[str, JsonValue] | None = None
    subject: dict[str, str | None] | None = None
    when: dict[str, JsonValue] | None = Field(None, description="Condition with a memory; null: one run for each event.")
    filter: str | dict[str, str] | None = None
    data_schema: JsonValue = Field(None, serialization_alias="schema")
    input: JsonValue = None
    managed: bool = Field(description="It belongs to the definition of its workflow, and changes with it only.")
    enabled: bool
    pause_after: int | None
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
        when = gather_view(trigger.gather, source)
        watched = {trigger.kind.value: _json(watched_view(source))} if isinstance(source, WATCHED) else {}
        return cls(
            once=watched.get("once"),
            file=watched.get("file"),
            poll=watched.get("poll"),
            bucket=watched.get("bucket"),
            subject={"subject": source.subject, "stream": source.stream} if isinstance(source, SubjectSource) else None,
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
            webhook=webhook_view(trigger, source) if isinstance(source, WebhookSource) else None,
            event=EventView(type=source.type, source=source.source) if isinstance(source, EventSource) else None,
            signal=_json(signal_view(source)) if isinstance(source, SignalSource) else None,
            when=_json(when) if when is not None else None,
            filter=_filter(trigger),
            data_schema=trigger.schema,
            input=trigger.input,
            managed=trigger.managed,
            enabled=trigger.enabled,
            pause_after=trigger.pause_after,
            labels=dict(trigger.labels),
            created_at=trigger.created,
            updated_at=trigger.updated,
            revision=entry.revision,
            secret=secret,
        )


def _json(view: dict[str, object]) -> dict[str, JsonValue]:
    return TypeAdapter(dict[str, JsonValue]).validate_python(view)


def _filter(trigger: Trigger) -> str | dict[str, str] | None:
    if trigger.cesql is None:
        return trigger.filter
    return {"cesql": trigger.cesql, **({"jq": trigger.filter} if trigger.filter is not None else {})}
