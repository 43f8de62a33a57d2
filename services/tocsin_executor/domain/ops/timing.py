"""Waiting for time: ``wait``, and what alarms do."""

from tocsin.errors import Defect
from tocsin_executor.domain.effects import Transition
from tocsin_executor.domain.flow import duration
from tocsin_executor.domain.fold import Fold
from tocsin_executor.domain.ops.data import done
from tocsin_executor.domain.program import Node, TimerSpec
from tocsin_executor.domain.state import Hold, Purpose, Token
from tocsin_executor.domain.values import ErrorKind, problem


def waits(fold: Fold, token: Token, hold: Hold) -> None:
    """The token waits for time or events from now on."""
    token.hold = hold
    fold.idle = True
    fold.signal(Transition.TASK_STATUS_CHANGED, token, {"status": "waiting"})


def begin_timer(fold: Fold, token: Token, node: Node) -> None:
    """``wait``: the output is the input."""
    if not isinstance(node.spec, TimerSpec):
        raise Defect("a timer without its spec", node=node.ref)
    delay = duration(fold, token, "wait", node.spec.delay)
    fold.begin_body(token)
    if delay <= 0:
        done(fold, token, token.input)
        return
    fold.set_alarm(token, delay, Purpose.TIMER)
    waits(fold, token, Hold.TIMER)


def timer_due(fold: Fold, token: Token, node: Node) -> None:
    """The wait is over."""
    fold.idle = True
    done(fold, token, token.input)


def timeout_due(fold: Fold, token: Token, node: Node) -> None:
    """The task took too long: what runs below it is revoked, and the error leaves it. Its own ``catch`` does not see it."""
    fold.idle = True
    what = "the workflow" if node.silent else f"task '{node.name}'"
    fold.fail(token, problem(ErrorKind.TIMEOUT, f"{what} did not end within its timeout"))
