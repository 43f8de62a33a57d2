"""Signals of the observer: what only watches says little; its subscriptions and alerts will come here."""

from tocsin.signals.kinds import Name, Payload, Reason, Severity, Shelf

SHELF = Shelf("observer")


class AlertRaised(Payload):
    """Data of `alert.raised`."""

    rule: Name
    summary: Reason


class AlertResolved(Payload):
    """Data of `alert.resolved`."""

    rule: Name


ALERT_RAISED = SHELF.add("alert", "raised", AlertRaised, "A rule over signals began to hold.", severity=Severity.ERROR)
ALERT_RESOLVED = SHELF.add("alert", "resolved", AlertResolved, "A rule over signals no longer holds.")
