"""What the API takes and shows about what triggers watch."""

from datetime import datetime, timedelta
from typing import Annotated, Literal

import orjson
from pydantic import AwareDatetime, BaseModel, Field, JsonValue

from tocsin.errors import Violation
from tocsin_kit.config.durations import Duration
from tocsin_kit.web import Input
from tocsin_trigger.domain.errors import TriggerInvalid
from tocsin_trigger.domain.sources import (
    After,
    BucketSource,
    FileSource,
    FunctionSource,
    OnceSource,
    PollSource,
    SubjectSource,
    WatchedSource,
)
from tocsin_trigger.domain.watching import Watch

Every = Annotated[Duration, Field(ge=timedelta(seconds=1), le=timedelta(days=1))]
Url = Annotated[str, Field(max_length=2048, pattern=r"^https?://[^\s]+$")]
Text = Annotated[str, Field(min_length=1, max_length=1024)]
Argument = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
_ARGUMENTS = 16 * 1024  # bytes
_DENIED = frozenset({"host", "content-length", "transfer-encoding", "connection"})


class OnceBody(Input):
    """One instant, or a delay from now."""

    at: AwareDatetime | None = None
    delay: Annotated[Duration, Field(ge=timedelta(0), le=timedelta(days=366))] | None = None

    def to_source(self, now: datetime) -> OnceSource:
        """The domain's value."""
        if (self.at is None) == (self.delay is None):
            raise TriggerInvalid(
                "A trigger of kind once needs either at or delay.", violations=[Violation("/once", "at or delay")]
            )
        return OnceSource(self.at if self.at is not None else now + (self.delay or timedelta(0)))


class FileBody(Input):
    """Files in a folder of the machine."""

    folder: Text = Field(description="Absolute path, below one of `trigger.folders`; every replica sees the same.")
    pattern: Text = Field("*", description="Glob relative to the folder; `**/*.csv` for any depth.")
    every: Every = timedelta(seconds=5)
    settle: Annotated[Duration, Field(ge=timedelta(0), le=timedelta(hours=1))] = Field(
        timedelta(seconds=5), description="A file counts as whole when it has not changed for so long."
    )
    after: After = After.KEEP
    into: Text | None = Field(None, description="Of `after: move`: where to, below one of `trigger.folders`.")
    content: bool = Field(False, description="Carry the text of files up to 64 KiB.")

    def to_source(self) -> FileSource:
        """The domain's value."""
        if (self.after is After.MOVE) != (self.into is not None):
            raise TriggerInvalid(
                "into says where `after: move` moves to.", violations=[Violation("/file/into", "with after: move")]
            )
        if not self.folder.startswith("/") or self.pattern.startswith("/") or ".." in self.pattern.split("/"):
            raise TriggerInvalid("folder is absolute, pattern is relative and stays below it.")
        return FileSource(self.folder, self.pattern, self.every, self.settle, self.after, self.into, self.content)


class PollBody(Input):
    """An HTTP address that answers JSON, or a function of a plugin, asked again and again."""

    url: Url | None = None
    function: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,128}$")] | None = Field(
        None, description="Instead of `url`: an entry point of the group `tocsin.sensors` of an installed package."
    )
    arguments: dict[Argument, JsonValue] = Field(
        default_factory=dict, max_length=32, description="What the function is given besides the cursor."
    )
    secret_arguments: dict[Argument, Text] = Field(
        default_factory=dict, max_length=8, description="Argument to the name of the secret that is its value."
    )
    patience: Annotated[Duration, Field(ge=timedelta(seconds=1), le=timedelta(seconds=60))] = Field(
        timedelta(seconds=30), description="How long the function may take; then it is killed."
    )
    every: Every = timedelta(minutes=1)
    headers: dict[Text, Text] = Field(default_factory=dict, max_length=16)
    secret_headers: dict[Text, Text] = Field(
        default_factory=dict, max_length=8, description="Header to the name of the secret that is its value."
    )
    items: Text | None = Field(None, description="jq path to the list of items; the answer itself without.")
    id: Text | None = Field(None, description="jq path in an item to what tells it from the others; its digest without.")
    cursor: Text | None = Field(None, description="jq path in the answer to what the next question begins behind.")
    cursor_parameter: Text | None = Field(None, description="Query parameter that carries it.")

    def to_source(self) -> PollSource | FunctionSource:
        """The domain's value."""
        if (self.url is None) == (self.function is None):
            raise TriggerInvalid(
                "A trigger of kind poll needs either url or function.", violations=[Violation("/poll", "which?")]
            )
        if self.function is not None:
            return self._function(self.function)
        if self.arguments or self.secret_arguments:
            raise TriggerInvalid(
                "Arguments are for functions.", violations=[Violation("/poll/arguments", "with function only")]
            )
        assert self.url is not None
        if any(name.lower() in _DENIED for name in (*self.headers, *self.secret_headers)):
            raise TriggerInvalid(
                "These headers are the connection's own.", violations=[Violation("/poll/headers", "not offered")]
            )
        headers, secrets = tuple(sorted(self.headers.items())), tuple(sorted(self.secret_headers.items()))
        return PollSource(self.url, self.every, headers, secrets, self.items, self.id, self.cursor, self.cursor_parameter)

    def _function(self, name: str) -> FunctionSource:
        for of_url in ("headers", "secret_headers", "items", "cursor", "cursor_parameter"):
            if getattr(self, of_url):
                raise TriggerInvalid(f"{of_url} is for addresses.", violations=[Violation(f"/poll/{of_url}", "with url only")])
        secrets = tuple(sorted(self.secret_arguments.items()))
        arguments = orjson.dumps(self.arguments, None, orjson.OPT_SORT_KEYS).decode()
        if len(arguments) > _ARGUMENTS:
            raise TriggerInvalid(f"Arguments of {len(arguments)} bytes are above the limit of {_ARGUMENTS}.")
        return FunctionSource(name, self.every, arguments, secrets, self.id, self.patience)


class BucketBody(Input):
    """A bucket of an S3-compatible store, by listing."""

    endpoint: Url
    bucket: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
    every: Every = timedelta(minutes=1)
    prefix: str = Field("", max_length=1024)
    pattern: Text = "*"
    region: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")] = "us-east-1"
    secret: Text | None = Field(None, description="Name of the secret with `access_key` and `secret_key`.")

    def to_source(self) -> BucketSource:
        """The domain's value."""
        of = (self.endpoint, self.bucket, self.every, self.prefix, self.pattern, self.region)
        return BucketSource(*of, self.secret)


class SubjectBody(Input):
    """A NATS subject of the server that `trigger.foreign_url` names."""

    subject: Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^\s]+$")]
    stream: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")] | None = Field(
        None, description="A JetStream stream there that stores it; without, core NATS: what nobody hears is gone."
    )

    def to_source(self) -> SubjectSource:
        """The domain's value."""
        if self.subject.startswith("$"):
            raise TriggerInvalid(
                "Subjects that begin with $ are the server's own.", violations=[Violation("/subject/subject", "not offered")]
            )
        return SubjectSource(self.subject, self.stream)


class WatchView(BaseModel):
    """How far a watched source was read."""

    due: datetime | None = Field(description="The next look; null: never again.")
    looked_at: datetime | None
    failures: int = Field(description="In a row.")
    error: str | None
    holder: str | None = Field(description="The replica that looks now.")

    @classmethod
    def of(cls, watch: Watch) -> "WatchView":
        """From the domain's value."""
        return cls(due=watch.due, looked_at=watch.looked, failures=watch.failures, error=watch.error, holder=watch.holder)


WatchedKind = Literal["once", "file", "poll", "bucket"]


def watched_view(source: WatchedSource) -> dict[str, object]:
    """A source as it was written."""
    match source:
        case OnceSource():
            return {"at": source.at.isoformat()}
        case FileSource():
            view: dict[str, object] = {"folder": source.folder, "pattern": source.pattern, "every": _text(source.every)}
            into = {} if source.into is None else {"into": source.into}
            return {**view, "settle": _text(source.settle), "after": source.after.value, "content": source.content, **into}
        case PollSource():
            optional = {"items": source.items, "id": source.id, "cursor": source.cursor}
            optional["cursor_parameter"] = source.cursor_parameter
            told = {"url": source.url, "every": _text(source.every), "headers": dict(source.headers)}
            chosen = {name: value for name, value in optional.items() if value is not None}
            return {**told, "secret_headers": dict(source.secrets), **chosen}
        case FunctionSource():
            named = {} if source.id is None else {"id": source.id}
            given = {"arguments": orjson.loads(source.arguments), "secret_arguments": dict(source.secrets)}
            times = {"every": _text(source.every), "patience": _text(source.patience)}
            return {"function": source.function, **times, **given, **named}
        case BucketSource():
            told = {"endpoint": source.endpoint, "bucket": source.bucket, "every": _text(source.every)}
            secret = {} if source.secret is None else {"secret": source.secret}
            return {**told, "prefix": source.prefix, "pattern": source.pattern, "region": source.region, **secret}


def _text(duration: timedelta) -> str:
    return f"{duration.total_seconds():g}s"
