"""Signals of the trigger service: triggers, what came in, and what was decided about it."""

from pydantic import Field

from tocsin.signals.changes import Changed
from tocsin.signals.kinds import Name, Payload, Reason, Severity, Shelf

SHELF = Shelf("trigger")


class TriggerChanged(Changed):
    """Data of the signals about a trigger itself."""

    name: Name
    kind: str = Field(description="webhook, event, ...")
    workflow: Name = Field(description="What it starts.")
    reason: Reason | None = None


class TriggerDeleted(Changed):
    """Data of `trigger.deleted`."""

    name: Name


class EventAccepted(Payload):
    """Data of `event.accepted`."""

    event: str = Field(description="Id of the event.")
    type: str = Field(description="CloudEvents type of the event.")
    trigger: Name | None = Field(None, description="The trigger that it came in by; absent for an event from the bus.")
    size: int = Field(ge=0, description="Size of its body in bytes.")


class EventRefused(Payload):
    """Data of `event.refused`."""

    trigger: Name | None = None
    code: str = Field(description="Stable code of the reason, such as `signature_invalid`.")
    reason: Reason
    event: str | None = Field(None, description="Id that the sender gave, where it could be read.")


class DecisionMade(Payload):
    """Data of `decision.made`."""

    event: str = Field(description="Id of the event.")
    trigger: Name | None = Field(None, description="Absent when no trigger matched.")
    outcome: str = Field(description="started, collected, filtered, limited, failed, paused, ...")
    reason: Reason | None = None
    run: str | None = Field(None, description="Id of the run that was started.")


class GatheringClosed(Payload):
    """Data of the signals about events that a trigger held and that left it together."""

    trigger: Name
    key: str = Field(description="What the events have in common; empty when the trigger asks for nothing.")
    outcome: str = Field(description="fired, lapsed, cleared, crowded, failed, paused, disabled, deleted")
    events: int = Field(ge=0, description="How many events.")
    reason: Reason
    run: str | None = Field(None, description="Id of the run that was started.")


class ChainStopped(Payload):
    """Data of `event.chain-stopped`."""

    event: str
    type: str
    depth: int
    limit: int


TRIGGER_CREATED = SHELF.add("trigger", "created", TriggerChanged, "A trigger was created.")
TRIGGER_UPDATED = SHELF.add("trigger", "updated", TriggerChanged, "A trigger was changed.")
TRIGGER_PAUSED = SHELF.add(
    "trigger", "paused", TriggerChanged, "A trigger was paused; what arrives is recorded and starts nothing."
)
TRIGGER_AUTO_PAUSED = SHELF.add(
    "trigger",
    "auto-paused",
    TriggerChanged,
    "A trigger paused itself, because all of its last attempts failed.",
    severity=Severity.ERROR,
)
TRIGGER_RESUMED = SHELF.add("trigger", "resumed", TriggerChanged, "A paused trigger works again.")
TRIGGER_DELETED = SHELF.add("trigger", "deleted", TriggerDeleted, "A trigger was deleted.")
EVENT_ACCEPTED = SHELF.add("event", "accepted", EventAccepted, "An event from outside was accepted and is on disk.")
EVENT_REFUSED = SHELF.add(
    "event", "refused", EventRefused, "Something came in that was refused, and why.", severity=Severity.WARN
)
EVENT_CHAIN_STOPPED = SHELF.add(
    "event",
    "chain-stopped",
    ChainStopped,
    "A chain of events that feeds itself was stopped at the limit.",
    severity=Severity.ERROR,
)
DECISION_MADE = SHELF.add("decision", "made", DecisionMade, "What an event started, or why it started nothing.")
GATHERING_FIRED = SHELF.add("gathering", "fired", GatheringClosed, "Events that a trigger held started one run together.")
GATHERING_REFUSED = SHELF.add(
    "gathering",
    "refused",
    GatheringClosed,
    "An event was not held, because its trigger remembers as many keys as it may.",
    severity=Severity.WARN,
)
GATHERING_LAPSED = SHELF.add(
    "gathering", "lapsed", GatheringClosed, "Events that a trigger held left it and started nothing, and why."
)
