"""What goes over the wire."""

import orjson
from pydantic import AwareDatetime, BaseModel, Field, JsonValue

from tocsin_kit.web import Input, PageQuery
from tocsin_observer.domain.records import SignalRecord


class SignalQuery(PageQuery):
    """Filters over the signals that are kept; all of them must hold."""

    namespace: str | None = Field(default=None, max_length=63)
    entity: str | None = Field(default=None, max_length=64, description="`run`, `task`, `schedule`, `trigger` ...")
    id: str | None = Field(default=None, max_length=256, description="What it happened to.")
    type: str | None = Field(default=None, max_length=256, description="CloudEvents type.")
    correlation: str | None = Field(default=None, max_length=256, description="One flow, across services.")
    actor: str | None = Field(default=None, max_length=256, description="`user:<name>`, `service:<name>` or `key:<id>`.")
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None


class StreamQuery(Input):
    """Which signals to follow."""

    subject: str = Field(default="signals.>", max_length=512, description="`*` for one part, `>` for all that follow.")
    after: int | None = Field(
        default=None, ge=0, lt=2**63, description="Position to go on behind; `Last-Event-ID` does the same."
    )


class SignalView(BaseModel):
    """One signal."""

    position: int = Field(description="Place in the stream of all signals.")
    namespace: str
    entity: str
    transition: str
    id: str = Field(description="What it happened to.")
    actor: str | None
    event: JsonValue = Field(description="The CloudEvent as it was published.")

    @classmethod
    def of(cls, record: SignalRecord) -> "SignalView":
        """The view of a record."""
        return cls(
            position=record.position,
            namespace=record.namespace,
            entity=record.entity,
            transition=record.transition,
            id=record.entity_id,
            actor=record.actor,
            event=orjson.loads(record.event),
        )
