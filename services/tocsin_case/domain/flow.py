"""The life of a case: opened, taken from status to status, worked on, and what its clocks make of it.

Every function is from a case to a case. Time comes with the call, business hours with the calendar of the case.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from tocsin.errors import Invalid, Violation
from tocsin_case.domain.calendars import Hours
from tocsin_case.domain.cases import CLOCKS, Case, ImpossibleTransition, Sla
from tocsin_case.domain.clocks import SlaClock, start_clock
from tocsin_case.domain.types import CaseType, FieldValue, Stage, Step, Targets, check_fields


def with_promise(case: Case, sla: Sla, now: datetime, hours: Hours) -> Case:
    """Start the clocks of a new case."""
    clocks = {}
    for name in CLOCKS:
        target = getattr(sla.targets, name)
        if target is not None:
            clocks[name] = start_clock(now, target, hours, warn_left=target * (1 - sla.warn_at))
    return replace(case, sla=sla, clocks=clocks)


def promise_of(kind: CaseType, case: Case, own: Targets | None = None) -> Sla:
    """What a case is promised: for itself, or by its type and priority."""
    if own is not None and own != Targets():
        return Sla(targets=own, calendar=kind.calendar, warn_at=kind.warn_at, own=True)
    return Sla(targets=kind.targets(case.priority), calendar=kind.calendar, warn_at=kind.warn_at)


def transition(
    case: Case,
    kind: CaseType,
    to: str,
    *,
    now: datetime,
    hours: Hours,
    resolution: str | None = None,
    fields: Mapping[str, FieldValue] | None = None,
) -> Case:
    """Take a case to another status.

    Args:
        case: As it is.
        kind: Its type.
        to: Where to.
        now: When.
        hours: Business time of the case.
        resolution: How it ended.
        fields: Custom fields that are set by the way.

    Raises:
        ImpossibleTransition: Its status has no way there.
        Invalid: Something that the step requires has no value.
    """
    step = step_to(case, kind, to)
    given = {**case.fields, **(fields or {})}
    candidate = replace(case, resolution=resolution or case.resolution, fields=check_fields(kind, given, opening=False))
    missing = [need for need in step.requires if not _value(candidate, need, resolution)]
    if missing:
        wrong = [Violation(f"/{need.replace('.', '/')}", f"the step to {to} needs it") for need in missing]
        raise Invalid(f"the step to {to} needs {', '.join(missing)}", hint="send it with the step", violations=wrong)
    target = kind.status(to)
    assert target is not None, "a checked type leads to its own statuses"
    return arrive(candidate, to, target.stage, now=now, hours=hours)


def step_to(case: Case, kind: CaseType, to: str) -> Step:
    """The step of a type from the status of a case to another.

    Raises:
        ImpossibleTransition: There is none.
    """
    status = kind.status(case.status)
    # A status that the type has no more leads back to the beginning, or a case would be stuck in it.
    steps = status.steps if status is not None else (Step(kind.initial),)
    found = next((step for step in steps if step.to == to), None)
    if found is None:
        ways = ", ".join(sorted(step.to for step in steps))
        raise ImpossibleTransition(f"a case that is {case.status} cannot become {to}", hint=f"possible: {ways}")
    return found


def arrive(case: Case, status: str, stage: Stage, *, now: datetime, hours: Hours) -> Case:
    """The case at a status, with what its clocks make of it."""
    clocks = {name: clock.check(now) for name, clock in case.clocks.items()}
    if case.stage is Stage.PAUSED and stage is not Stage.PAUSED:
        clocks = {name: clock.go_on(now, hours) for name, clock in clocks.items()}
    if stage is Stage.PAUSED:
        clocks = {name: clock.hold(now, hours) for name, clock in clocks.items()}
    answered = stage not in {Stage.NEW, Stage.PAUSED}
    if answered:
        clocks = _met(clocks, "response", now)
    if stage.is_active:
        if not case.stage.is_active:
            clocks = {name: clock.reset(now, hours) for name, clock in clocks.items()}
            if answered:  # reopened into the hands of somebody
                clocks = _met(clocks, "response", now)
    else:
        clocks = _met(_met(clocks, "resolution", now), "update", now)
    reopened = stage.is_active and not case.stage.is_active
    return replace(
        case,
        status=status,
        stage=stage,
        updated_at=now,
        answered_at=case.answered_at or (now if answered else None),
        resolved_at=None if stage.is_active else case.resolved_at or now,
        resolution=None if reopened else case.resolution,
        clocks=clocks,
        escalation=None if reopened else case.escalation,
    )


def spoke(case: Case, now: datetime, hours: Hours) -> Case:
    """Somebody who works on the case said something: the next word is promised anew."""
    clock = case.clocks.get("update")
    if clock is None or not case.stage.is_active:
        return case
    checked = clock.check(now)
    fresh = checked.reset(now, hours)
    return replace(case, clocks={**case.clocks, "update": fresh.hold(now, hours) if case.stage is Stage.PAUSED else fresh})


def promised_anew(case: Case, kind: CaseType, now: datetime, hours: Hours) -> Case:
    """After its priority or type changed: other promises, counted from the same beginning."""
    if case.sla.own or not case.stage.is_active:
        return case
    sla = Sla(targets=kind.targets(case.priority), calendar=case.sla.calendar, warn_at=kind.warn_at)
    clocks: dict[str, SlaClock] = {}
    for name in CLOCKS:
        target, clock = getattr(sla.targets, name), case.clocks.get(name)
        if target is None:
            continue
        warn_left = target * (1 - sla.warn_at)
        if clock is not None:
            clocks[name] = clock.check(now).promise(target, now, hours, warn_left=warn_left)
            continue
        fresh = start_clock(now, target, hours, warn_left=warn_left)
        if name == "response" and case.answered_at is not None:
            fresh = fresh.meet(now)
        clocks[name] = fresh.hold(now, hours) if case.stage is Stage.PAUSED else fresh
    return replace(case, sla=sla, clocks=clocks)


def tick(case: Case, now: datetime) -> Case:
    """Let clocks that are due warn and breach."""
    return replace(case, clocks={name: clock.check(now) for name, clock in case.clocks.items()})


def _met(clocks: Mapping[str, SlaClock], name: str, now: datetime) -> dict[str, SlaClock]:
    return {**clocks, name: clocks[name].meet(now)} if name in clocks else dict(clocks)


def _value(case: Case, need: str, resolution: str | None) -> object:
    if need == "resolution":  # of this end, not of an earlier one
        return resolution or (case.resolution if case.stage.is_active is False else None)
    head, dot, name = need.partition(".")
    value = case.fields.get(name) if dot else getattr(case, head, None)
    return value if value is not False else True
