"""How many messages a subscription may send before its run has gone through those that it sent.

A run's state holds few at a time, whatever comes in: who sends waits for credit, and gets more as messages are gone through.
"""

from typing import Final

from tocsin_executor.domain.effects import Allow
from tocsin_executor.domain.fold import Fold
from tocsin_executor.domain.ops.work import attempt_of
from tocsin_executor.domain.program import TaskSpec
from tocsin_executor.domain.remembered import ListenState
from tocsin_executor.domain.state import Hold, Token

WINDOW: Final = 16
"""Messages that a subscription sends without having heard of its run."""

_STEP: Final = 8  # messages gone through between two grants


def beside(fold: Fold, token: Token) -> Token | None:
    """The other of the two tokens of a subscription whose messages are gone through one by one."""
    owner = fold.owner(token)
    for kid in owner.kids or ():
        if kid != token.scope and (live := fold.cell.scopes[kid].tokens):
            return fold.cell.tokens[live[0]]
    return None


def grant(fold: Fold, listener: Token, state: ListenState) -> None:
    """A message has been taken out of the line: perhaps more may come."""
    taken = state.cursor - len(state.queue)
    caller = beside(fold, listener)
    if caller is None or caller.hold is not Hold.SENT or taken <= 0 or taken % _STEP:
        return
    spec = fold.nodes[caller.node].spec
    queue = spec.queue if isinstance(spec, TaskSpec) else ""
    fold.effects.append(Allow(fold.run, attempt_of(caller), queue, state.session, taken + WINDOW))
