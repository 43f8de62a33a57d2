"""Signals of the observer: what becomes of the audit trail, of webhooks that go out, and of alerts."""

from pydantic import Field

from tocsin.signals.changes import Changed
from tocsin.signals.kinds import AwareDatetime, Name, Payload, Reason, Severity, Shelf

SHELF = Shelf("observer")


class HoldChanged(Changed):
    """Data of the signals about a legal hold."""

    name: Name
    reason: Reason
    hold_namespace: str | None = Field(None, description="Only records of this namespace.")
    hold_actor: str | None = Field(None, description="Only records of this person or program.")


AUDIT_HOLD_PLACED = SHELF.add("audit-hold", "placed", HoldChanged, "Records of the audit trail may not be forgotten.")
AUDIT_HOLD_RELEASED = SHELF.add(
    "audit-hold", "released", HoldChanged, "A legal hold on the audit trail is over.", severity=Severity.WARN
)


class WebhookChanged(Changed):
    """Data of the signals about a webhook itself."""

    name: Name
    url: str = Field(max_length=2048, description="Where it goes, without its query.")
    reason: Reason | None = None


class WebhookGivenUp(Payload):
    """Data of `webhook.delivery-given-up`."""

    name: Name
    delivery: str = Field(description="Id of the delivery; it can be sent again.")
    message: str = Field(description="The `webhook-id` that the endpoint would have seen.")
    reason: Reason


WEBHOOK_CREATED = SHELF.add("webhook", "created", WebhookChanged, "A webhook that goes out was made.")
WEBHOOK_UPDATED = SHELF.add("webhook", "updated", WebhookChanged, "A webhook that goes out was changed.")
WEBHOOK_VERIFIED = SHELF.add("webhook", "verified", WebhookChanged, "An endpoint has shown that it wants to be called.")
WEBHOOK_PAUSED = SHELF.add("webhook", "paused", WebhookChanged, "A webhook is not told any more, because somebody said so.")
WEBHOOK_RESUMED = SHELF.add("webhook", "resumed", WebhookChanged, "A webhook is told again.")
WEBHOOK_ROTATED = SHELF.add(
    "webhook", "rotated", WebhookChanged, "A webhook is signed with a new secret, and the old for a while."
)
WEBHOOK_REDELIVERED = SHELF.add("webhook", "redelivered", WebhookChanged, "Somebody had messages of a webhook sent again.")
WEBHOOK_DELETED = SHELF.add("webhook", "deleted", WebhookChanged, "A webhook that goes out was deleted.")
WEBHOOK_DISABLED = SHELF.add(
    "webhook", "disabled", WebhookChanged, "A webhook was disabled: its endpoint failed for too long.", severity=Severity.WARN
)
WEBHOOK_DELIVERY_GIVEN_UP = SHELF.add(
    "webhook", "delivery-given-up", WebhookGivenUp, "A message was not taken in all its attempts.", severity=Severity.WARN
)


class AlertRuleChanged(Changed):
    """Data of the signals about an alert rule."""

    name: Name


class ChannelChanged(Changed):
    """Data of the signals about a channel of notifications."""

    name: Name
    kind: str


class AlertChanged(Changed):
    """Data of the signals about an alert."""

    rule: Name
    severity: str = Field(description="info, warning, error or critical.")
    summary: Reason
    group: dict[str, str] = Field(default_factory=dict, description="What it is about.")
    workflow: str | None = None
    run: str | None = Field(None, description="Id of the run that it is about.")
    fired_at: AwareDatetime
    open_case: bool | None = Field(None, description="On `alert.fired`: the rule asks for a case.")
    by: str | None = Field(None, description="Who acknowledged or resolved it; absent when it resolved by itself.")
    note: Reason | None = None


ALERT_RULE_CHANGED = SHELF.add("alert-rule", "changed", AlertRuleChanged, "An alert rule was made or changed.")
ALERT_RULE_DELETED = SHELF.add("alert-rule", "deleted", AlertRuleChanged, "An alert rule was deleted.")
CHANNEL_CHANGED = SHELF.add("channel", "changed", ChannelChanged, "A channel of notifications was made or changed.")
CHANNEL_DELETED = SHELF.add("channel", "deleted", ChannelChanged, "A channel of notifications was deleted.")
ALERT_FIRED = SHELF.add("alert", "fired", AlertChanged, "What an alert rule looks for is so.", severity=Severity.WARN)
ALERT_ACKNOWLEDGED = SHELF.add("alert", "acknowledged", AlertChanged, "Somebody takes care of an alert.")
ALERT_RESOLVED = SHELF.add("alert", "resolved", AlertChanged, "What an alert was about is over.")
