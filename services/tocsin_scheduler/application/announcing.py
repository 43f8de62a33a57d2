"""What leaves with a commit: signals about the schedule, and the commands that start runs."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from tocsin.signals import Cause, CloudEvent, derive, root
from tocsin.signals.catalogue import scheduler as words
from tocsin.signals.changes import FieldChange
from tocsin.signals.envelope import Attribute
from tocsin.signals.kinds import Payload, SignalType
from tocsin.signals.make import make_signal, source_of, subject_of
from tocsin.signals.subjects import command
from tocsin_kit.store import Outgoing
from tocsin_kit.store.changes import changes
from tocsin_scheduler.domain.firing import Decision, Firing, Skip
from tocsin_scheduler.domain.schedules import Json, Schedule, Start, Status

START = "io.tocsin.command.run.start.v1"
CANCEL = "io.tocsin.command.run.cancel.v1"
ACTOR = "service:scheduler"
_SAID_BY_PEOPLE = ("description", "when", "start", "policy", "status", "reason", "managed_by")
Said = tuple[SignalType[Payload], Payload]


def changed(kind: SignalType[words.ScheduleChanged], schedule: Schedule, *, before: Schedule | None) -> Said:
    """That a schedule was changed, by a person or by what its policy says."""
    return kind, words.ScheduleChanged(
        name=schedule.name,
        kind=schedule.when.kind,
        workflow=schedule.start.workflow,
        next_at=schedule.next_at,
        reason=schedule.reason,
        changes=changes_of(before, schedule),
    )


def changes_of(before: Schedule | None, after: Schedule | None) -> list[FieldChange]:
    """What a write changes of what people say about a schedule."""
    return changes(_told(before), _told(after), flat={"start", "policy"})


def _told(schedule: Schedule | None) -> dict[str, object] | None:
    return None if schedule is None else {name: getattr(schedule, name) for name in _SAID_BY_PEOPLE}


def skipped(schedule: Schedule, at: datetime, why: Skip) -> Said:
    """That an instant did not fire, and why."""
    return words.SCHEDULE_SKIPPED, words.ScheduleSkipped(name=schedule.name, due_at=at, reason=why.value)


def announce(
    said: Sequence[Said], schedule: Schedule, *, after: int, now: datetime, cause: Cause, actor: str | None
) -> list[Outgoing]:
    """Signals ready for the outbox, numbered behind what was said before."""
    events = [
        make_signal(
            kind,
            namespace=schedule.namespace,
            entity_id=schedule.name,
            sequence=after + number,
            time=now,
            payload=payload,
            cause=cause,
            actor=actor,
        )
        for number, (kind, payload) in enumerate(said, start=1)
    ]
    return [Outgoing.of(subject_of(event), event) for event in events]


def carry_out(decision: Decision, *, after: int, now: datetime) -> list[Outgoing]:
    """Everything that follows from a decision: each firing's signal and its start command, what did not fire.

    Args:
        decision: What was decided.
        after: Number of the last signal of the schedule.
        now: When it was decided.
    """
    schedule = decision.schedule
    cause = root(derive("instants", schedule.namespace, schedule.name, schedule.generation, after))
    outbox: list[Outgoing] = []
    number = after
    if decision.missed is not None:
        missed = decision.missed
        payload = words.ScheduleMissed(
            name=schedule.name, first_at=missed.first, last_at=missed.last, count=missed.count, action=missed.action
        )
        outbox += announce([(words.SCHEDULE_MISSED, payload)], schedule, after=number, now=now, cause=cause, actor=None)
        number += 1
    for at, why in decision.skipped:
        outbox += announce([skipped(schedule, at, why)], schedule, after=number, now=now, cause=cause, actor=None)
        number += 1
    for firing in decision.firings:
        # The flow begins at the instant: its run and everything that the run causes can be found by it.
        of_firing = firing.cause or root(firing.run)
        signal = _fired(schedule, firing, sequence=number + 1, now=now, cause=of_firing)
        outbox += [Outgoing.of(subject_of(signal), signal), _start(schedule, firing, signal, of_firing, now)]
        number += 1
    if decision.paused is not None:
        outbox += announce(
            [changed(words.SCHEDULE_PAUSED, schedule, before=replace(schedule, status=Status.ACTIVE, reason=None))],
            schedule,
            after=number,
            now=now,
            cause=cause,
            actor=ACTOR,
        )
    outbox += [_cancel(schedule, run, now) for run in decision.cancels]
    return outbox


def _fired(schedule: Schedule, firing: Firing, *, sequence: int, now: datetime, cause: Cause) -> CloudEvent:
    if firing.attempt > 1:
        again = words.ScheduleRetried(name=schedule.name, due_at=firing.at, run=firing.run, attempt=firing.attempt)
        return make_signal(
            words.SCHEDULE_RETRIED,
            namespace=schedule.namespace,
            entity_id=schedule.name,
            sequence=sequence,
            time=now,
            payload=again,
            cause=cause,
        )
    return make_signal(
        words.SCHEDULE_FIRED,
        namespace=schedule.namespace,
        entity_id=schedule.name,
        sequence=sequence,
        time=now,
        payload=words.ScheduleFired(
            name=schedule.name,
            due_at=firing.at,
            run=firing.run,
            next_at=schedule.next_at,
            late=firing.late,
            workflow=schedule.start.workflow,
        ),
        cause=cause,
    )


def _start(schedule: Schedule, firing: Firing, signal: CloudEvent, flow: Cause, now: datetime) -> Outgoing:
    return start_run(
        firing.run,
        namespace=schedule.namespace,
        source=source_of(schedule.namespace, "schedules", schedule.name),
        start=schedule.start,
        trigger={
            "kind": "schedule",
            "name": schedule.name,
            "event": signal.id,
            "at": firing.at.isoformat(),
            "previous": None if firing.previous is None else firing.previous.isoformat(),
        },
        cause=Cause(signal.id, flow.correlation, flow.depth + 1, flow.traceparent),
        now=now,
    )


def start_run(
    run: str,
    *,
    namespace: str,
    source: str,
    start: Start,
    trigger: dict[str, Json],
    cause: Cause,
    now: datetime,
) -> Outgoing:
    """The command that starts a run; a repeat of it starts nothing twice.

    Args:
        run: Id of the run.
        namespace: Of the workflow.
        source: Who asks for it.
        start: What to start.
        trigger: What it is started by, kept with the run.
        cause: The signal that this follows from.
        now: When it was decided.
    """
    extensions: dict[str, Attribute] = {"namespace": namespace, **cause.attributes()}
    data: dict[str, Json] = {
        "run": run,
        "namespace": namespace,
        "workflow": start.workflow,
        "version": start.version,
        "input": start.input,
        "labels": dict(start.labels),
        "trigger": trigger,
        "actor": ACTOR,
    }
    if start.priority:
        data["priority"] = start.priority
    event = CloudEvent(
        id=derive("start", run),
        source=source,
        type=START,
        subject=run,
        time=now,
        datacontenttype="application/json",
        data=data,
        extensions=extensions,
    )
    return Outgoing.of(command("executor", "start", run), event)


def _cancel(schedule: Schedule, run: str, now: datetime) -> Outgoing:
    return cancel_run(
        run,
        namespace=schedule.namespace,
        source=source_of(schedule.namespace, "schedules", schedule.name),
        key=schedule.key,
        reason=f"schedule {schedule.key} wants its next run",
        now=now,
    )


def cancel_run(run: str, *, namespace: str, source: str, key: str, reason: str, now: datetime, actor: str = ACTOR) -> Outgoing:
    """The command that cancels a run.

    Args:
        run: Id of the run.
        namespace: Of the workflow.
        source: Who asks for it.
        key: Of the schedule or backfill: makes the id of the command.
        reason: Kept with the run.
        now: When it was decided.
        actor: Who wants it.
    """
    event = CloudEvent(
        id=derive("cancel", key, run),
        source=source,
        type=CANCEL,
        subject=run,
        time=now,
        datacontenttype="application/json",
        data={"actor": actor, "reason": reason},
        extensions={"namespace": namespace, "correlationid": run},
    )
    return Outgoing.of(command("executor", "cancel", run), event)
