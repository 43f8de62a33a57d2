"""What people and programs ask of a run: cancel, suspend, resume, override. Each is answered."""

from typing import assert_never

from tocsin_executor.domain.effects import Reply, Transition
from tocsin_executor.domain.fold import Fold
from tocsin_executor.domain.inputs import Child, Control, Evaluated, Lost, Result, Verb
from tocsin_executor.domain.ops import listening
from tocsin_executor.domain.receive import child, confirmed, evaluated, lost, result
from tocsin_executor.domain.state import Hold, Outcome, Parked, Phase, RunStatus
from tocsin_executor.domain.values import Json


def control(fold: Fold, message: Control) -> str | None:
    """Do what is asked if it applies, and answer; the reason if it does not."""
    match message.verb:
        case Verb.CANCEL:
            reason = _cancel(fold, message)
        case Verb.SUSPEND:
            reason = _suspend(fold, message)
        case Verb.RESUME:
            reason = _resume(fold, message)
        case Verb.OVERRIDE:
            reason = _override(fold, message)
        case never:
            assert_never(never)
    fold.effects.append(Reply(fold.run, message.command, reason is None, reason))
    return reason


def _said(message: Control) -> dict[str, Json]:
    """Who and why, for the signal."""
    data: dict[str, Json] = {"command": message.command}
    if message.actor is not None:
        data["actor"] = message.actor
    if message.reason is not None:
        data["reason"] = message.reason
    return data


def _cancel(fold: Fold, message: Control) -> str | None:
    """End everything; the run is cancelled once each attempt has confirmed."""
    head = fold.head
    if head.status is RunStatus.CANCELLING:
        return "the run is being cancelled already"
    if head.fin is not None:
        return "the run is ending"
    head.status = RunStatus.CANCELLING
    head.suspended = False
    fold.announce(Transition.WORKFLOW_CANCEL_REQUESTED, _said(message))
    head.fin = Outcome(RunStatus.CANCELLED)
    parked, head.parked = head.parked, []
    for root in [instance for instance in fold.cell.scopes.values() if instance.owner is None]:
        for token in tuple(root.tokens):
            fold.cancel(fold.cell.tokens[token], None)
        del fold.cell.scopes[root.id]
    fold.agenda.clear()
    for waited in parked:
        if isinstance(waited, Result | Child | Lost):
            confirmed(fold, waited.attempt)
    return None


def _suspend(fold: Fold, message: Control) -> str | None:
    """Nothing new begins; what runs goes on, and its results wait."""
    head = fold.head
    if head.status is RunStatus.CANCELLING:
        return "the run is being cancelled"
    if head.fin is not None:
        return "the run is ending"
    if head.suspended:
        return "the run is suspended already"
    head.suspended = True
    head.status = RunStatus.SUSPENDED
    fold.announce(Transition.WORKFLOW_SUSPENDED, _said(message))
    for token in tuple(fold.cell.tokens.values()):
        if token.phase is not Phase.ENTER:
            fold.signal(Transition.TASK_SUSPENDED, token)
    return None


def _resume(fold: Fold, message: Control) -> str | None:
    """Go on: parked inputs in log order, then what is overdue (the step's end does that)."""
    head = fold.head
    if not head.suspended:
        return "the run is not suspended"
    head.suspended = False
    head.status = RunStatus.RUNNING
    fold.idle = True
    fold.announce(Transition.WORKFLOW_RESUMED, _said(message))
    for token in tuple(fold.cell.tokens.values()):
        if token.phase is not Phase.ENTER:
            fold.signal(Transition.TASK_RESUMED, token)
    parked, head.parked = head.parked, []
    for waited in parked:
        _unpark(fold, waited)
        fold.drain()
    for token in tuple(fold.cell.tokens.values()):
        if token.hold is Hold.LISTEN:
            listening.go_on(fold, token)
    return None


def _unpark(fold: Fold, waited: Parked) -> None:
    match waited:
        case Result():
            result(fold, waited)
        case Child():
            child(fold, waited)
        case Lost():
            lost(fold, waited)
        case Evaluated():
            evaluated(fold, waited)
        case never:
            assert_never(never)


def _override(fold: Fold, message: Control) -> str | None:
    """Give a task its output by hand; what it was doing is revoked."""
    token = None if message.token is None else fold.cell.tokens.get(message.token)
    if token is None or fold.nodes[token.node].silent:
        return "there is no such live task"
    if fold.head.suspended:
        return "the run is suspended"
    if fold.head.status is RunStatus.CANCELLING:
        return "the run is being cancelled"
    if token.phase in (Phase.ENTER, Phase.FINISH):
        return "the task has not begun, or is ending"
    fold.override(token, message.output)
    return None
