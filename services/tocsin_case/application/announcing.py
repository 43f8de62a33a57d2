"""The signals that leave with a change of a case: read off the difference between the case before and after.

Nobody has to remember to say something: what changed is said, in the same write.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from tocsin.signals import Cause
from tocsin.signals.catalogue import case as words
from tocsin.signals.changes import Changed, FieldChange
from tocsin.signals.kinds import Payload, SignalType
from tocsin.signals.make import make_signal, subject_of
from tocsin_case.domain.cases import CLOCKS, Case, Link
from tocsin_case.domain.clocks import clock_events
from tocsin_case.domain.tasks import CaseTask
from tocsin_case.domain.types import Stage
from tocsin_kit.config.secret import HIDDEN
from tocsin_kit.store import Outgoing
from tocsin_kit.store.changes import changes

Said = tuple[SignalType[Payload], Payload]
_FIELDS = ("title", "description", "kind", "priority", "severity", "tags", "fields", "team", "queue", "restricted", "members")
_NOT_ASKED_FOR = frozenset({"updated_at", "clocks", "dedupes", "last_position"})
SHORT = 2000  # characters of a sentence in a signal


def announce(
    said: Sequence[Said], *, namespace: str, entity_id: str, after: int, now: datetime, cause: Cause, actor: str | None
) -> list[Outgoing]:
    """Signals ready for the outbox.

    Args:
        said: Kinds and payloads, in order.
        namespace: Of the entity.
        entity_id: Its id.
        after: Number of the last signal of the entity.
        now: When.
        cause: Why.
        actor: Who.
    """
    signals = [
        make_signal(
            kind,
            namespace=namespace,
            entity_id=entity_id,
            sequence=after + number,
            time=now,
            payload=payload,
            cause=cause,
            actor=actor,
        )
        for number, (kind, payload) in enumerate(said, start=1)
    ]
    return [Outgoing.of(subject_of(signal), signal) for signal in signals]


def told(before: Case | None, after: Case) -> list[Said]:
    """What there is to say about a change, in order."""
    if before is None:
        return [_opened(after), *_clocks(None, after)]
    return [
        *_steps(before, after),
        *_people(before, after),
        *_clocks(before, after),
        *_links(before, after),
        *_merges(before, after),
        *_runs(before, after),
        *_ends(before, after),
    ]


def audited(said: Sequence[Said], before: Case | None, after: Case, *, by_person: bool) -> list[Said]:
    """The same, and the first that has room says what the change changes, field by field.

    What only counts (what was seen is not any more) is said too, if a person did it.
    """
    found = [] if before is None else _changes(before, after, before.restricted or after.restricted, _NOT_ASKED_FOR)
    if not found:
        return list(said)
    for place, (kind, payload) in enumerate(said):
        if isinstance(payload, Changed) and not payload.changes:
            return [*said[:place], (kind, payload.model_copy(update={"changes": found})), *said[place + 1 :]]
    fields = [one.field for one in found]
    return [*said, (words.CASE_UPDATED, words.CaseUpdated(fields=fields, changes=found))] if by_person else list(said)


def _changes(before: object, after: object, secret: bool, without: frozenset[str]) -> list[FieldChange]:
    """Of what is restricted only which fields changed: signals are read by more people than the case."""
    found = changes(before, after, without=without)
    hidden = {"before": HIDDEN, "after": HIDDEN, "partial": False}
    return [one.model_copy(update=hidden) for one in found] if secret else found


def of_task(kind: SignalType[words.CaseTaskChanged], case: Case, task: CaseTask, *, before: CaseTask | None = None) -> Said:
    """What there is to say about a task."""
    title = "A task of a restricted case." if case.restricted else task.title
    status, owner = task.status.value, task.owner
    found = [] if before is None else _changes(before, task, case.restricted, frozenset({"overdue"}))
    return kind, words.CaseTaskChanged(task=task.id, title=title, status=status, owner=owner, due=task.due, changes=found)


def notes(before: Case | None, after: Case) -> tuple[str, ...]:
    """What clocks and escalation made of a change, for the history."""
    found = [
        f"{name}.{event}"
        for name in CLOCKS
        for event in clock_events(before.clocks.get(name) if before else None, after.clocks.get(name))
    ]
    state, was = after.escalation, before.escalation if before else None
    if state is not None and was is None:
        found.append("escalation.begun")
    if state is not None and state.fired > (was.fired if was else 0):
        found.append("escalation.level")
    if state is not None and state.ended is not None and (was is None or was.ended is None):
        found.append(f"escalation.{state.ended}")
    return tuple(found)


def _opened(case: Case) -> Said:
    shown = () if case.restricted else case.links  # what a restricted case is about is nobody else's business either
    run = next((link.target for link in shown if link.kind == "run"), None)
    cause = next((f"{link.kind}:{link.target}" for link in shown if link.role == "caused-by"), None)
    return words.CASE_OPENED, words.CaseOpened(
        title="A restricted case." if case.restricted else case.title,
        kind=case.kind,
        run=run,
        priority=case.priority.value,
        severity=case.severity,
        rule=case.rule,
        cause=cause,
        owner=case.owner,
        team=case.team,
    )


def _steps(before: Case, after: Case) -> Iterator[Said]:
    if before.status != after.status:
        resolution = None if after.restricted or after.resolution is None else after.resolution[:SHORT]
        step = words.CaseTransitioned(before=before.status, after=after.status, stage=after.stage.value, resolution=resolution)
        yield words.CASE_TRANSITIONED, step
        if after.stage is Stage.CLOSED:
            yield words.CASE_CLOSED, words.CaseClosed(resolution=resolution)
    if after.stage.is_active and not before.stage.is_active:
        yield words.CASE_REOPENED, words.CaseReopened()
    if after.occurrences > before.occurrences and len(after.merges) == len(before.merges):
        shown = () if after.restricted else after.links
        run = next((link.target for link in reversed(shown) if link.kind == "run"), None)
        yield words.CASE_RECURRED, words.CaseRecurred(occurrences=after.occurrences, run=run)


def _people(before: Case, after: Case) -> Iterator[Said]:
    changed = [name for name in (*_FIELDS, "owner") if getattr(before, name) != getattr(after, name)]
    if changed:
        yield words.CASE_UPDATED, words.CaseUpdated(fields=sorted(changed))
    if before.owner != after.owner:
        yield words.CASE_ASSIGNED, words.CaseAssigned(assignee=after.owner)


def _clocks(before: Case | None, after: Case) -> Iterator[Said]:
    for name in CLOCKS:
        clock, was = after.clocks.get(name), before.clocks.get(name) if before else None
        for event in clock_events(was, clock):
            due = clock.due if clock is not None else None
            if event == "breached":
                breached = was.due if was is not None else due
                yield words.CASE_BREACHED, words.CaseClock(clock=name, due=breached)
            elif event == "warned":
                yield words.CASE_WARNED, words.CaseClock(clock=name, due=due)
            elif before is not None:
                yield words.CASE_CLOCK_CHANGED, words.CaseClockChanged(clock=name, change=event, due=due)


def _links(before: Case, after: Case) -> Iterator[Said]:
    if after.occurrences != before.occurrences or after.merges != before.merges:
        return  # said with what happened again, or with what was merged
    for link in after.links:
        if link not in before.links:
            yield words.CASE_LINKED, _link(link, after)
    for link in before.links:
        if link not in after.links:
            yield words.CASE_UNLINKED, _link(link, after)


def _link(link: Link, case: Case) -> words.CaseLinked:
    return words.CaseLinked(kind=link.kind, target=HIDDEN if case.restricted else link.target, role=link.role)


def _merges(before: Case, after: Case) -> Iterator[Said]:
    was, now = [m.case for m in before.merges], [m.case for m in after.merges]
    if added := [case for case in now if case not in was]:
        yield words.CASE_MERGED, words.CaseMerged(into=after.id, sources=added)
    if gone := [case for case in was if case not in now]:
        yield words.CASE_UNMERGED, words.CaseMerged(into=after.id, sources=gone)
    if after.merged_into is not None and before.merged_into is None:
        yield words.CASE_MERGED, words.CaseMerged(into=after.merged_into, sources=[after.id])
    if after.merged_into is None and before.merged_into is not None:
        yield words.CASE_UNMERGED, words.CaseMerged(into=before.merged_into, sources=[after.id])


def _runs(before: Case, after: Case) -> Iterator[Said]:
    was = {run.run: run.status for run in before.playbooks}
    for run in after.playbooks:
        if run.run in was and was[run.run] == run.status:
            continue
        payload = words.CasePlaybook(
            playbook=run.name,
            workflow=run.workflow,
            run=run.run,
            status=run.status,
            detail=None if after.restricted else run.detail,
        )
        yield (words.CASE_PLAYBOOK_ENDED if run.run in was else words.CASE_PLAYBOOK_STARTED), payload


def _ends(before: Case, after: Case) -> Iterator[Said]:
    state = after.escalation
    if state is not None and state.ended is not None and (before.escalation is None or before.escalation.ended is None):
        yield words.CASE_ESCALATION_ENDED, words.CaseEscalationEnded(policy=state.policy, reason=state.ended)
