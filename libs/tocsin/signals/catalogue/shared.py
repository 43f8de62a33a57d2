"""Signals that any service may publish, about the work of the platform itself."""

from pydantic import Field

from tocsin.signals.kinds import Name, Payload, Reason, Severity, Shelf

SHELF = Shelf("any")


class MessageDeadLettered(Payload):
    """Data of `message.dead-lettered`."""

    service: Name = Field(description="The service that could not handle it.")
    subject: str = Field(description="Where the message was published.")
    dead_subject: str = Field(description="Where it is kept until somebody redrives or deletes it.")
    code: str = Field(description="Stable code of the reason.")
    reason: Reason
    deliveries: int = Field(ge=1, description="How often it was tried.")


class MessageRedriven(Payload):
    """Data of `message.redriven`."""

    service: Name
    subject: str


MESSAGE_DEAD_LETTERED = SHELF.add(
    "message",
    "dead-lettered",
    MessageDeadLettered,
    "A message could not be handled and was put aside.",
    severity=Severity.ERROR,
)
MESSAGE_REDRIVEN = SHELF.add("message", "redriven", MessageRedriven, "A message that was put aside was published again.")
