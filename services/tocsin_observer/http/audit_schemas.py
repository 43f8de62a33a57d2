"""Bodies and views of the audit trail."""

import base64
from datetime import datetime
from typing import Any, Literal

import orjson
from pydantic import AwareDatetime, BaseModel, Field, JsonValue

from tocsin.signals.audit_chain import key_id
from tocsin_kit.web import Input, PageQuery
from tocsin_observer.domain.audit import Entry, Head, changes_of
from tocsin_observer.domain.holds import Hold

Text = Field(default=None, max_length=256)


class AuditQuery(PageQuery):
    """Filters over the audit trail; all of them must hold."""

    namespace: str | None = Field(default=None, max_length=63)
    actor: str | None = Field(default=None, max_length=256, description="`user:<name>`, `service:<name>` or `key:<id>`.")
    action: str | None = Field(
        default=None, max_length=128, description="`<entity>.<transition>`: `role.updated`, `request.refused`."
    )
    entity: str | None = Field(default=None, max_length=64, description="`run`, `user`, `request` ...")
    id: str | None = Field(default=None, max_length=256, description="What it happened to.")
    type: str | None = Field(default=None, max_length=256, description="CloudEvents type.")
    outcome: Literal["accepted", "refused", "failed"] | None = None
    address: str | None = Field(default=None, max_length=64, description="Where it was asked from.")
    request: str | None = Field(default=None, max_length=128, description="All that came of one request.")
    correlation: str | None = Field(default=None, max_length=256, description="One flow, across services.")
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None


class ExportQuery(Input):
    """What an export shows in full."""

    format: Literal["jsonl", "csv"] = Field(default="jsonl", description="`jsonl` can be proven; `csv` is for spreadsheets.")
    namespace: str | None = Field(default=None, max_length=63)
    actor: str | None = Text
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None


class AuditView(BaseModel):
    """One record of the audit trail."""

    number: int = Field(description="Its place in the chain.")
    hash: str = Field(description="Of it and everything before it.")
    stored: str | None
    time: str | None
    namespace: str | None
    actor: str | None
    action: str | None
    entity: str | None
    id: str | None = Field(description="What it happened to.")
    outcome: str | None
    permission: str | None
    address: str | None
    request: str | None = Field(description="The request that it came of.")
    correlation: str | None
    position: int | None = Field(description="Place in the stream of all signals.")
    problem: str | None = Field(description="Why there is a hole, or why the signal could not be read.")
    changes: list[JsonValue] = Field(description="Field by field before and after, where the write says so; secrets hidden.")
    event: JsonValue = Field(description="The CloudEvent as it was published.")

    @classmethod
    def of(cls, entry: Entry) -> "AuditView":
        """The view of a record that is there in full."""
        body: dict[str, Any] = dict(entry.body or {})
        action = body.get("action")
        names = ("stored", "time", "namespace", "actor", "action", "id", "outcome", "permission", "address", "request")
        return cls(
            number=entry.number,
            hash=entry.hash.hex(),
            entity=str(action).partition(".")[0] if action else None,
            changes=changes_of(body),
            event=_json(body.get("event")),
            **{name: body.get(name) for name in (*names, "correlation", "position", "problem")},
        )


def _json(text: object) -> JsonValue:
    try:
        value: JsonValue = orjson.loads(text) if isinstance(text, str) else None
    except orjson.JSONDecodeError:
        return str(text)
    return value


class AuditStatus(BaseModel):
    """Where the chain is, and who signs it."""

    chain: str
    number: int = Field(description="Of the last record.")
    hash: str
    sealed: int = Field(description="The last record that a checkpoint covers.")
    position: int = Field(description="How far the stream of signals has been read.")
    keys: dict[str, str] = Field(description="Public keys (Ed25519, base64) that ever signed, by id. Keep them elsewhere.")

    @classmethod
    def of(cls, head: Head, keys: dict[str, bytes]) -> "AuditStatus":
        """The view."""
        shown = {kid: base64.b64encode(key).decode() for kid, key in keys.items() if key_id(key) == kid}
        return cls(
            chain=head.chain, number=head.number, hash=head.hash.hex(), sealed=head.sealed, position=head.position, keys=shown
        )


class RecordPath(Input):
    """A record by its number."""

    number: int = Field(ge=1, le=2**53)


class HoldPath(Input):
    """A hold by name."""

    name: str = Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")


class HoldBody(Input):
    """What is held."""

    reason: str = Field(min_length=1, max_length=500)
    held_namespace: str | None = Field(default=None, max_length=63, description="Only records of this namespace.")
    held_actor: str | None = Field(default=None, max_length=256, description="Only what this person or program did.")
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None


class HoldView(BaseModel):
    """A legal hold."""

    name: str
    reason: str
    held_namespace: str | None
    held_actor: str | None
    since: datetime | None
    until: datetime | None
    placed_by: str
    placed_at: datetime

    @classmethod
    def of(cls, hold: Hold) -> "HoldView":
        """The view."""
        return cls(
            name=hold.name,
            reason=hold.reason,
            held_namespace=hold.namespace,
            held_actor=hold.actor,
            since=hold.since,
            until=hold.until,
            placed_by=hold.placed_by,
            placed_at=hold.placed_at,
        )
