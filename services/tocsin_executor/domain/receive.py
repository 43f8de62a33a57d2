"""What each input does to a run: one function for each, returning why it did nothing, or ``None`` when it was accepted.

An input that reaches a suspended run and would let it go on is parked, not refused: a folded input is consumed, so refusing it
would lose it.
"""

from tocsin.signals.nesting import too_deep
from tocsin_executor.domain.effects import Transition
from tocsin_executor.domain.fold import Fold
from tocsin_executor.domain.inputs import Child, Claimed, Continue, Evaluated, Lost, Result, Stopped, Wake
from tocsin_executor.domain.large import NESTED, admit
from tocsin_executor.domain.ops import mapping
from tocsin_executor.domain.ops.work import STALE, waiting
from tocsin_executor.domain.program import CallSpec
from tocsin_executor.domain.remembered import MapState
from tocsin_executor.domain.state import Hold, Parked, Phase, Token
from tocsin_executor.domain.values import ErrorKind, Json, Problem, problem

MAX_LOST = 10
"""Attempts of one task that may be lost before the task faults: a task that kills its worker must not go on for ever."""


def park(fold: Fold, message: Parked, same: str) -> str | None:
    """Keep an input for the resume; at most one for each wait."""
    key = same.partition(":")[0]
    for other in fold.head.parked:
        if type(other) is type(message) and getattr(other, key) == getattr(message, key):
            return "parked already"
    fold.head.parked.append(message)
    return None


def result(fold: Fold, message: Result) -> str | None:
    """A worker says how an attempt ended."""
    token = waiting(fold, message.attempt, Hold.SENT)
    if token is None:
        return confirmed(fold, message.attempt)
    if fold.head.suspended:
        return park(fold, message, "attempt")
    if message.worker is not None:
        token.worker = message.worker
    if token.started is None:
        fold.begin_body(token, message.started)
    token.hold = Hold.READY
    if message.error is not None:
        fold.fail(token, well_formed(message.error))
    else:
        take(fold, token, message.output)
    return None


def take(fold: Fold, token: Token, output: Json) -> None:
    """A raw output comes from outside; a run may have large values up to a limit."""
    complaint = admit(fold.head.large, output)
    if complaint is not None:
        fold.fail(token, problem(ErrorKind.VALIDATION, complaint, title="Output Too Large"))
        return
    token.output = output
    fold.turn(token, Phase.FINISH)


def confirmed(fold: Fold, attempt: str) -> str | None:
    """An attempt that was asked to stop has ended, in whatever way."""
    if attempt not in fold.head.revoking:
        return STALE
    fold.confirm(attempt)
    return None


def well_formed(error: Problem) -> Problem:
    """An error from outside, with what the language requires of it; where it comes from is for the engine to say."""
    if too_deep(error):
        return problem(ErrorKind.VALIDATION, f"the error of the task cannot be kept: {NESTED}")
    kind, status = error.get("type"), error.get("status")
    if not isinstance(kind, str) or isinstance(status, bool) or not isinstance(status, int):
        return problem(ErrorKind.RUNTIME, str(error.get("detail") or "the task failed without saying how"))
    return {name: value for name, value in error.items() if name != "instance"}


def claimed(fold: Fold, message: Claimed) -> str | None:
    """A worker holds the attempt and has begun."""
    token = waiting(fold, message.attempt, Hold.SENT)
    if token is None:
        return STALE
    if token.started is not None:
        same = token.worker == message.worker
        if token.worker is None or (same and message.at <= token.started):
            return "started already"
        # The same attempt, delivered again: its worker died, or was silent for so long that it counts as dead.
        after = "was started anew, and took it again" if same else f"and worker {message.worker} took it over"
        reason = f"worker {token.worker} gave no sign of life, {after}"
        fold.signal(Transition.TASK_RETRIED, token, {"attempt": token.attempt, "reason": reason})
    token.worker = message.worker
    fold.begin_body(token, message.at)
    return None


def lost(fold: Fold, message: Lost) -> str | None:
    """The worker is gone: a new attempt, within a limit. For a revoked attempt it is the confirmation."""
    token = waiting(fold, message.attempt, Hold.SENT)
    if token is None:
        return confirmed(fold, message.attempt)
    if fold.head.suspended:
        return park(fold, message, "attempt")
    token.hold = Hold.READY
    if token.attempt >= MAX_LOST:
        detail = f"{token.attempt} attempts were lost with their workers; the last: {message.why}"
        fold.fail(token, problem(ErrorKind.RUNTIME, detail))
        return None
    token.started, token.worker = None, None
    fold.signal(Transition.TASK_RETRIED, token, {"attempt": token.attempt + 1, "reason": message.why})
    fold.turn(token, Phase.AGAIN)
    return None


def stopped(fold: Fold, message: Stopped) -> str | None:
    """A revoked attempt runs no more."""
    return confirmed(fold, message.attempt)


def child(fold: Fold, message: Child) -> str | None:
    """A child run ended; a cancelled child is an error of the task that waits for it."""
    token = waiting(fold, message.attempt, Hold.CHILD)
    if token is None:
        return confirmed(fold, message.attempt)
    if fold.head.suspended:
        return park(fold, message, "attempt")
    token.hold = Hold.READY
    if message.cancelled:
        fold.fail(token, problem(ErrorKind.RUNTIME, "the child run was cancelled"))
    elif message.error is not None:
        fold.fail(token, well_formed(message.error))
    else:
        spec = fold.nodes[token.node].spec
        take(fold, token, None if isinstance(spec, CallSpec) and spec.silent else message.output)
    return None


def wake(fold: Fold, message: Wake) -> str | None:
    """What is due has fired before any input is looked at."""
    return None


def evaluated(fold: Fold, message: Evaluated) -> str | None:
    """The killable process has answered: the phase is run again, and finds the answer."""
    token_id, _, ticket = message.ticket.partition("/")
    token = fold.cell.tokens.get(token_id)
    if token is None:
        return "stale ticket"
    beside = isinstance(token.state, MapState) and ticket in token.state.asked
    if not beside and (token.hold is not Hold.EVALUATING or token.ticket != ticket):
        return "stale ticket"
    if fold.head.suspended:
        return park(fold, message, "ticket")
    if beside:
        mapping.answered(fold, token, fold.nodes[token.node], message, ticket)
        return None
    complaint = message.error if message.error is not None else admit(fold.head.large, message.value)
    answer = {"value": message.value} if complaint is None else {"error": complaint}
    token.memo = {**(token.memo or {}), ticket.rpartition("/")[0]: answer}
    token.ticket = None
    token.hold = Hold.READY
    fold.agenda.append(token.id)
    return None


def proceed(fold: Fold, message: Continue) -> str | None:
    """The next slice of a long step."""
    if message.generation != fold.head.generation or not fold.agenda:
        return "stale generation"
    return None
