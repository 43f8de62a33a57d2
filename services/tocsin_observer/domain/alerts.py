"""An alert: a firing of a rule about one thing, until it is over; and what it says to the world."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum

from tocsin.errors import Conflict
from tocsin.signals import derive
from tocsin.signals.catalogue import observer as words
from tocsin_observer.domain.alert_rules import AlertRule, Kind, Severity
from tocsin_observer.domain.spans import span
from tocsin_observer.domain.tracking import Tracker


class AlertState(Enum):
    """Where an alert stands."""

    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """An alert.

    Attributes:
        id: Follows from the rule, the group, since when that is watched and how often it has fired.
        namespace: Where it belongs.
        rule: Name of its rule.
        group: What it is about.
        severity: How bad it is.
        summary: For people.
        state: Where it stands.
        fired_at: When it fired.
        run: The run that it is about.
        workflow: The workflow that it is about.
        value: Of a measure.
        acknowledged_at: When somebody took care.
        acknowledged_by: Who.
        resolved_at: When it was over.
        resolved_by: Who said so; ``None`` when it resolved by itself.
        note: What somebody said.
        notify: Channels that were told when it fired, and are told what becomes of it also when its rule is gone.
    """

    id: str
    namespace: str
    rule: str
    group: Mapping[str, str]
    severity: Severity
    summary: str
    state: AlertState
    fired_at: datetime
    run: str | None = None
    workflow: str | None = None
    value: float | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    note: str | None = None
    notify: tuple[str, ...] = ()

    def said(self, *, by: str | None = None, note: str | None = None, open_case: bool | None = None) -> words.AlertChanged:
        """Data of its signals."""
        return words.AlertChanged(
            rule=self.rule,
            severity=self.severity.value,
            summary=self.summary,
            group=dict(self.group),
            workflow=self.workflow,
            run=self.run,
            fired_at=self.fired_at,
            open_case=open_case,
            by=by,
            note=note,
        )


def alert_id(tracker: Tracker) -> str:
    """The id of the alert that a tracker has fired last."""
    group = "\0".join(f"{name}={value}" for name, value in sorted(tracker.group.items()))
    return derive("alert", tracker.rule, group, tracker.watched_since.isoformat(), tracker.times)


def fired(rule: AlertRule, tracker: Tracker, *, now: datetime) -> Alert:
    """The alert of a tracker that has just fired."""
    about = ", ".join(value for value in tracker.group.values() if value) or rule.workflow or rule.namespace
    summary = rule.summary.replace("{group}", about) if rule.summary else _told(rule, tracker, about)
    return Alert(
        id=alert_id(tracker),
        namespace=rule.namespace,
        rule=rule.name,
        group=tracker.group,
        severity=rule.severity,
        summary=summary[:500],
        state=AlertState.FIRING,
        fired_at=now,
        run=tracker.group.get("run") or tracker.context.get("run"),
        workflow=tracker.group.get("workflow") or tracker.context.get("workflow"),
        value=tracker.value,
        notify=rule.actions.notify,
    )


def _told(rule: AlertRule, tracker: Tracker, about: str) -> str:
    match rule.kind:
        case Kind.COUNT:
            return f"{rule.name}: {rule.threshold} or more within {span(rule.window)} ({about})"
        case Kind.ABSENCE:
            return f"{rule.name}: nothing for {span(rule.window)} ({about})"
        case Kind.RATE:
            return f"{rule.name}: more than {rule.ratio:.0%} bad within {span(rule.window)} ({about})"
        case Kind.DEADLINE:
            return f"{rule.name}: not over after {span(rule.window)} ({about})"
        case Kind.MEASURE:
            return f"{rule.name}: {about} is {tracker.value:g}"


def acknowledged(alert: Alert, *, by: str, now: datetime, note: str | None) -> Alert:
    """An alert that somebody takes care of.

    Raises:
        Conflict: It is not firing.
    """
    if alert.state is not AlertState.FIRING:
        raise Conflict(f"alert {alert.id} is {alert.state.value}, not firing")
    return replace(alert, state=AlertState.ACKNOWLEDGED, acknowledged_at=now, acknowledged_by=by, note=note or alert.note)


def resolved(alert: Alert, *, by: str | None, now: datetime, note: str | None = None) -> Alert:
    """An alert that is over.

    Raises:
        Conflict: It is resolved.
    """
    if alert.state is AlertState.RESOLVED:
        raise Conflict(f"alert {alert.id} is resolved")
    return replace(alert, state=AlertState.RESOLVED, resolved_at=now, resolved_by=by, note=note or alert.note)
