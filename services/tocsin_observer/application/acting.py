"""What a rule has done about its alert beside telling people: commands that leave in the same write as the alert."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import structlog

from tocsin.signals import Cause, CloudEvent, derive
from tocsin.signals.ids import DEPTH_LIMIT
from tocsin.signals.subjects import command
from tocsin_kit.store import Outgoing
from tocsin_observer.domain.alert_rules import AlertRule
from tocsin_observer.domain.alerts import Alert

log = structlog.get_logger()

_START: Final = "io.tocsin.command.run.start.v1"
_CANCEL: Final = "io.tocsin.command.run.cancel.v1"


def commands_of(rule: AlertRule, alert: Alert, *, now: datetime, cause: Cause) -> list[Outgoing]:
    """What a rule has done about an alert: its run cancelled, a workflow started; each once, as ids follow from the alert."""
    commands: list[Outgoing] = []
    if rule.actions.cancel_run and alert.run:
        data = {"actor": f"service:observer ({rule.id})", "reason": alert.summary}
        event = _command(_CANCEL, alert, alert.run, derive("alert cancels", alert.id), data, now=now, cause=cause)
        commands.append(Outgoing.of(command("executor", "cancel", alert.run), event, counted=False))
    if rule.actions.start_workflow and cause.depth >= DEPTH_LIMIT:
        log.warning("alert.starts_nothing", alert=alert.id, rule=rule.id, why="it comes of itself", depth=cause.depth)
    elif rule.actions.start_workflow:
        run = derive("alert starts", alert.id)
        started: dict[str, object] = {
            "run": run,
            "namespace": alert.namespace,
            "workflow": rule.actions.start_workflow,
            "version": None,
            "input": {"alert": {"id": alert.id, **alert.said().model_dump(mode="json", exclude_none=True)}},
            "labels": {"tocsin.alert": alert.id},
            "trigger": {"kind": "alert", "name": rule.name, "event": alert.id},
            "actor": "service:observer",
        }
        event = _command(_START, alert, run, derive("alert start", alert.id), started, now=now, cause=cause)
        commands.append(Outgoing.of(command("executor", "start", run), event, counted=False))
    return commands


def _command(
    kind: str, alert: Alert, run: str, id_: str, data: Mapping[str, object], *, now: datetime, cause: Cause
) -> CloudEvent:
    return CloudEvent(
        id=id_,
        source=f"/namespaces/{alert.namespace}/alerts/{alert.id}",
        type=kind,
        subject=run,
        time=now,
        datacontenttype="application/json",
        data=data,  # type: ignore[arg-type]  # JSON by construction
        extensions={"namespace": alert.namespace, **cause.attributes()},
    )
