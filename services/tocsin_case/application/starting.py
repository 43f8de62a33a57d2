"""Playbooks: the workflow that a case starts, with its inputs filled in from the case."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from tocsin.errors import Invalid, NotFound, TocsinError
from tocsin.expressions import EvaluateElsewhere, ExpressionFailed, compile_template
from tocsin.signals import Cause, CloudEvent, Json, derive
from tocsin.signals.make import source_of
from tocsin.signals.subjects import command
from tocsin_case.domain.cases import PLAYBOOK_RUNS, Case, Link, PlaybookRun
from tocsin_case.domain.showing import case_json
from tocsin_case.domain.types import CaseType, Playbook
from tocsin_kit.store import Outgoing

START = "io.tocsin.command.run.start.v1"
_NONE: frozenset[str] = frozenset()


class PlaybookNotFound(NotFound):
    """The type of the case has no such playbook."""

    code = "case.playbook_not_found"


def playbook_of(kind: CaseType, name: str) -> Playbook:
    """A playbook of a type.

    Raises:
        PlaybookNotFound: There is none.
    """
    found = next((playbook for playbook in kind.playbooks if playbook.name == name), None)
    if found is None:
        known = ", ".join(playbook.name for playbook in kind.playbooks) or "none"
        raise PlaybookNotFound(f"cases of type {kind.name} have no playbook {name}", hint=f"playbooks: {known}")
    return found


def filled(playbook: Playbook, case: Case, more: dict[str, Json] | None = None) -> Json:
    """The input of a playbook's run: what it declares with the case filled in, and what somebody says beside it.

    Raises:
        Invalid: An expression does not work on this case.
    """
    data: Json = as_input(playbook.input)
    try:
        made: object = compile_template(data, _NONE).evaluate({"case": case_json(case)}, {})
    except (ExpressionFailed, EvaluateElsewhere) as error:
        raise Invalid(f"the input of playbook {playbook.name} cannot be filled in: {error.detail}") from error
    if made is None:
        made = {"case": case_json(case)}
    whole = as_input(made)
    return {**whole, **(more or {})} if isinstance(whole, dict) else whole


def as_input(data: object) -> Json:
    """What was configured as an input, as JSON."""
    if isinstance(data, Mapping):
        return {str(key): as_input(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [as_input(value) for value in data]
    if data is None or isinstance(data, bool | int | float | str):
        return data
    raise Invalid("the input of a playbook is JSON")


def started(
    case: Case,
    playbook: Playbook,
    *,
    mark: str,
    now: datetime,
    actor: str,
    cause: Cause,
    task: str | None = None,
    more: dict[str, Json] | None = None,
) -> tuple[Case, Outgoing]:
    """The case with a run of a playbook, and the command that starts it.

    Args:
        case: As it is.
        playbook: What to start.
        mark: What makes this start different from others of the same playbook; a repeat with the same starts nothing twice.
        now: When.
        actor: Who.
        cause: Why.
        task: The task that the run is for.
        more: Members of the input that somebody gave.
    """
    run = derive("playbook", case.id, playbook.name, mark)
    known = PlaybookRun(name=playbook.name, workflow=playbook.workflow, run=run, started_at=now, started_by=actor, task=task)
    event = CloudEvent(
        id=derive("start", run),
        source=source_of(case.namespace, "cases", case.id),
        type=START,
        subject=run,
        time=now,
        datacontenttype="application/json",
        data={
            "run": run,
            "namespace": case.namespace,
            "workflow": playbook.workflow,
            "version": playbook.version,
            "input": filled(playbook, case, more),
            "labels": {"tocsin.case": case.id, "tocsin.playbook": playbook.name},
            "trigger": {"kind": "case", "name": case.id, "event": cause.id},
            "actor": actor,
        },
        extensions={"namespace": case.namespace, **cause.attributes()},
    )
    after = case.linked(Link("run", run, "playbook"))
    after = replace(after, playbooks=(*case.playbooks, known)[-PLAYBOOK_RUNS:], updated_at=now)
    return after, Outgoing.of(command("executor", "start", run), event, counted=False)


def attempted(
    case: Case, playbook: Playbook, *, mark: str, now: datetime, actor: str, cause: Cause
) -> tuple[Case, list[Outgoing]]:
    """As :func:`started` where nobody waits for an answer: what cannot be started is noted on the case, and nothing stops."""
    try:
        case, leaving = started(case, playbook, mark=mark, now=now, actor=actor, cause=cause)
    except TocsinError as error:
        refused = PlaybookRun(
            name=playbook.name,
            workflow=playbook.workflow,
            run=derive("playbook", case.id, playbook.name, mark),
            started_at=now,
            started_by=actor,
            status="refused",
            detail=error.detail,
        )
        return replace(case, playbooks=(*case.playbooks, refused)[-PLAYBOOK_RUNS:]), []
    return case, [leaving]
