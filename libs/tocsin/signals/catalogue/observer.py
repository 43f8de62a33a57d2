"""Signals of the observer: what becomes of the audit trail, of webhooks that go out, and of alerts."""

from pydantic import Field

from tocsin.signals.kinds import Name, Payload, Reason, Severity, Shelf

SHELF = Shelf("observer")


class HoldChanged(Payload):
    """Data of the signals about a legal hold."""

    name: Name
    reason: Reason
    hold_namespace: str | None = Field(None, description="Only records of this namespace.")
    hold_actor: str | None = Field(None, description="Only records of this person or program.")


AUDIT_HOLD_PLACED = SHELF.add("audit-hold", "placed", HoldChanged, "Records of the audit trail may not be forgotten.")
AUDIT_HOLD_RELEASED = SHELF.add(
    "audit-hold", "released", HoldChanged, "A legal hold on the audit trail is over.", severity=Severity.WARN
)
