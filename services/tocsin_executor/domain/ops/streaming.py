"""A subscription of ``call: asyncapi`` whose messages the run goes through while it lives.

Two branches that belong together: a worker's call, which sends each message as an input of its own, and a line in which they
wait for the tasks of ``foreach``. The line's end is the task's; the call's end only says that no more will come. A worker that
takes the call over subscribes anew and counts from one again: what was folded stays, what came in between nobody heard.
"""

from tocsin.errors import Defect
from tocsin_executor.domain.fold import Fold
from tocsin_executor.domain.inputs import Streamed
from tocsin_executor.domain.large import admit
from tocsin_executor.domain.ops.composite import closed_fork
from tocsin_executor.domain.ops.credit import beside
from tocsin_executor.domain.ops.data import done
from tocsin_executor.domain.ops.listening import MAX_EVENTS, go_on, no_more
from tocsin_executor.domain.ops.work import STALE, waiting
from tocsin_executor.domain.program import ForkSpec, Node
from tocsin_executor.domain.remembered import ListenState
from tocsin_executor.domain.state import Hold, Instance, Token
from tocsin_executor.domain.values import ErrorKind, Json, problem


def streamed(fold: Fold, message: Streamed) -> str | None:
    """A message waits in line, and is gone through at the line's turn."""
    caller = waiting(fold, message.attempt, Hold.SENT)
    listener = None if caller is None else beside(fold, caller)
    if listener is None or not isinstance(listener.state, ListenState):
        return STALE
    state = listener.state
    if message.session != state.session and message.n == 1:
        state.session, state.cursor = message.session, 0
    if message.session != state.session or message.n != state.cursor + 1:
        return f"message {message.n} is not the next, {state.cursor + 1}"
    state.cursor = message.n
    _line_up(fold, listener, state, [message.value])
    return None


def closed(fold: Fold, token: Token, node: Node, instance: Instance, value: Json) -> None:
    """A branch of a fork completed; of a subscription the line counts, and the call's end is the end of the messages."""
    if not isinstance(node.spec, ForkSpec) or not node.spec.streams:
        closed_fork(fold, token, node, instance, value)
    elif instance.index == 0:
        fold.cancel_kids(token, None)
        done(fold, token, value)
    else:
        _ended(fold, token, value)


def _ended(fold: Fold, token: Token, value: Json) -> None:
    """No more will come but what the call gave at its end: a list, where all of it came at once or was given by hand."""
    (kid,) = token.kids or (None,)
    if kid is None:
        raise Defect("a subscription without its line", token=token.id)
    listener = fold.cell.tokens[fold.cell.scopes[kid].tokens[0]]
    if not isinstance(listener.state, ListenState):
        raise Defect("a line without its state", token=listener.id)
    listener.state.closing = fold.idle = True
    if _line_up(fold, listener, listener.state, value if isinstance(value, list) else []):
        no_more(fold, listener, listener.state)


def _line_up(fold: Fold, listener: Token, state: ListenState, values: list[Json]) -> bool:
    """Whether they are not too many, or too large."""
    complaint = admit(fold.head.large, values)
    if complaint is None and len(state.queue) + len(values) > MAX_EVENTS:
        complaint = f"more than {MAX_EVENTS} messages wait to be gone through"
    if complaint is not None:
        fold.fail(listener, problem(ErrorKind.VALIDATION, complaint))
        return False
    state.queue += values
    if listener.hold is Hold.LISTEN and not fold.head.suspended:
        go_on(fold, listener)
    return True
