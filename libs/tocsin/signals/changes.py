"""What a write changed, as signals carry it for the audit trail: field by field, before and after.

:func:`tocsin_kit.store.changes.changes` makes it of two states of an entity; secrets are hidden there, before they get here.
"""

from pydantic import Field, JsonValue

from tocsin.signals.kinds import Payload


class FieldChange(Payload):
    """One field."""

    field: str = Field(max_length=128)
    before: JsonValue = Field(None, description="Absent where there was nothing. `**hidden**` stands for a secret.")
    after: JsonValue = Field(None, description="Absent where there is nothing any more.")
    partial: bool = Field(False, description="Of long lists only what came and went is named; of long texts the beginning.")


class Changed(Payload):
    """Data of a signal about a write; payload models of such signals derive from it."""

    changes: list[FieldChange] = Field(default_factory=list, description="What the write changed, secrets hidden.")
