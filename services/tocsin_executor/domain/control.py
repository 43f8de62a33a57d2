"""What people and programs ask of a run: cancel, terminate, suspend, resume, override, skip. Each is answered."""

from typing import assert_never

from tocsin.errors import Defect
from tocsin_executor.domain.effects import Reply, Transition
from tocsin_executor.domain.fold import Fold
from tocsin_executor.domain.inputs import Child, Control, Evaluated, Lost, Result, Verb
from tocsin_executor.domain.large import admit
from tocsin_executor.domain.ops import asking, listening
from tocsin_executor.domain.receive import child, confirmed, evaluated, lost, result
from tocsin_executor.domain.state import Hold, Outcome, Parked, Phase, RunStatus, Token
from tocsin_executor.domain.values import ErrorKind, Json, problem


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
        case Verb.SKIP:
            reason = _skip(fold, message)
        case Verb.ANSWER:
            reason = _answer(fold, message)
        case Verb.DELEGATE:
            reason = _delegate(fold, message)
        case Verb.MIGRATE:
            raise Defect("a migration needs both programs", run=fold.run)
        case Verb.TERMINATE:
            reason = _terminate(fold, message)
        case never:
            assert_never(never)
    fold.effects.append(Reply(fold.run, message.command, reason is None, reason))
    return reason


def said(message: Control) -> dict[str, Json]:
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
    fold.announce(Transition.WORKFLOW_CANCEL_REQUESTED, said(message))
    head.fin = Outcome(RunStatus.CANCELLED)
    sweep(fold)
    return None


def sweep(fold: Fold) -> None:
    """Everything that lives is cancelled; what reaches outside is told to stop."""
    head = fold.head
    parked, head.parked = head.parked, []
    for root in [instance for instance in fold.cell.scopes.values() if instance.owner is None]:
        for token in tuple(root.tokens):
            fold.cancel(fold.cell.tokens[token], None)
        del fold.cell.scopes[root.id]
    fold.agenda.clear()
    for waited in parked:
        if isinstance(waited, Result | Child | Lost):
            confirmed(fold, waited.attempt)


def _terminate(fold: Fold, message: Control) -> str | None:
    """End at once, without waiting for what was told to stop: the run is not cancelled but faulted, and says what is open."""
    head = fold.head
    if head.status is not RunStatus.CANCELLING:
        fold.announce(Transition.WORKFLOW_CANCEL_REQUESTED, said(message))
    head.suspended = False
    head.status = RunStatus.CANCELLING
    sweep(fold)
    open_ = len(head.revoking)
    who = "" if message.actor is None else f" by {message.actor}"
    why = "" if message.reason is None else f": {message.reason}"
    detail = f"the run was terminated{who}{why}; {open_} attempts were told to stop and have not confirmed it"
    error = problem(ErrorKind.RUNTIME, detail, title="Terminated")
    head.undo = []
    revoking, dying = list(head.revoking.values()), list(head.dying.values())
    head.revoking.clear()
    head.dying.clear()
    for ghost in [*(item.ghost for item in revoking), *(item.ghost for item in reversed(dying))]:
        if ghost is not None:
            fold.vanish(ghost, error)
    head.fin = Outcome(RunStatus.FAULTED, None, error)
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
    fold.announce(Transition.WORKFLOW_SUSPENDED, said(message))
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
    fold.announce(Transition.WORKFLOW_RESUMED, said(message))
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
    """Give a task its output by hand; what it was doing is revoked. Who did it stands in the record as its worker."""
    token = _meant(fold, message)
    if isinstance(token, str):
        return token
    complaint = admit(fold.head.large, message.output)
    if complaint is not None:
        return complaint
    token.worker = message.actor
    fold.withdraw(token)
    if token.started is None:
        fold.begin_body(token)
    token.output = message.output
    fold.turn(token, Phase.FINISH)
    return None


def _skip(fold: Fold, message: Control) -> str | None:
    """Leave a task out by hand: its raw input goes to the next in line, as if its condition had been false."""
    token = _meant(fold, message)
    if isinstance(token, str):
        return token
    token.worker = message.actor
    fold.withdraw(token)
    fold.skip(token, message.reason or f"skipped by {message.actor or 'hand'}")
    return None


def _answer(fold: Fold, message: Control) -> str | None:
    """Answer what people were asked."""
    token = _meant(fold, message)
    return token if isinstance(token, str) else asking.answer(fold, token, message)


def _delegate(fold: Fold, message: Control) -> str | None:
    """Hand a question over to somebody else."""
    token = _meant(fold, message)
    return token if isinstance(token, str) else asking.delegate(fold, token, message)


def _meant(fold: Fold, message: Control) -> Token | str:
    """The live task that a command is about, or why it cannot be done."""
    named = message.token or ""
    found = [
        token
        for token in fold.cell.tokens.values()
        if named in (token.id, fold.nodes[token.node].ref, fold.nodes[token.node].name) and not fold.nodes[token.node].silent
    ]
    if not found:
        return "there is no such live task"
    if len(found) > 1:
        return f"{len(found)} live tasks are called so; name one by its reference or activation"
    if fold.head.suspended:
        return "the run is suspended"
    if fold.head.status is RunStatus.CANCELLING:
        return "the run is being cancelled"
    token = found[0]
    return (
        "the task has not begun, or is ending"
        if token.phase in (Phase.ENTER, Phase.FINISH, Phase.REUSED, Phase.DEFAULT)
        else token
    )
