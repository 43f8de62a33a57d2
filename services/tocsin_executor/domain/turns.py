"""A token's turn: enter, begin, finish. What is special to an operation is in its table entry."""

from dataclasses import replace

from tocsin.errors import Defect
from tocsin_executor.domain.effects import Transition
from tocsin_executor.domain.flow import condition, duration, into, out_of
from tocsin_executor.domain.fold import Fold
from tocsin_executor.domain.ops import composite, listening, trying
from tocsin_executor.domain.program import Node, Op
from tocsin_executor.domain.reuse import OUTSIDE, found
from tocsin_executor.domain.state import Phase, Purpose, Token


def enter(fold: Fold, token: Token, node: Node) -> None:
    """Does the task run at all? ``if`` sees the raw input."""
    if node.extended:
        token.value = token.input = fold.owner(token).input
    pre = node.pre
    if pre is not None and pre.condition is not None and not condition(fold, token, "if", pre.condition, token.value):
        fold.skip(token)
        return
    token.phase = Phase.BEGIN
    token.memo = None
    fold.signal(Transition.TASK_CREATED, token)
    begin(fold, token, node)


def begin(fold: Fold, token: Token, node: Node) -> None:
    """Transform the input, start the timeout, start the operation."""
    if node.timeout is not None and not token.timers:
        fold.set_alarm(token, duration(fold, token, "timeout", node.timeout), Purpose.TIMEOUT)
    if node.pre is not None:
        into(fold, token, node.pre)
    if fold.head.reuse is not None and _take(fold, token, node):
        return
    fold.tables.begin[node.op](fold, token, node)


def _take(fold: Fold, token: Token, node: Node) -> bool:
    """Take the output that an earlier run had for the same, if it had one."""
    head = fold.head
    assert head.reuse is not None
    if node.op not in OUTSIDE:
        return False
    answer = found(head.reuse, head.reused, node, fold.cell.scopes[token.scope].index, token.input)
    if answer is None:
        return False
    token.worker = f"run:{head.origin}"
    fold.begin_body(token)
    token.output = answer[0]
    fold.turn(token, Phase.REUSED)
    return True


def reused(fold: Fold, token: Token, node: Node) -> None:
    """The output of an earlier run was transformed and checked there; what it means for the context is computed again."""
    post = None if node.post is None else replace(node.post, output=None, output_schema=None)
    fold.complete(token, token.output if post is None else out_of(fold, token, post))


def again(fold: Fold, token: Token, node: Node) -> None:
    """Start the operation once more with the same input: the attempt was lost."""
    fold.tables.begin[node.op](fold, token, node)


def finish(fold: Fold, token: Token, node: Node) -> None:
    """The body is done: data flow out, then on."""
    value = token.output if node.post is None else out_of(fold, token, node.post)
    fold.complete(token, value)


def proceed(fold: Fold, token: Token, node: Node) -> None:
    """The next iteration or attempt."""
    if node.op is Op.LOOP:
        composite.next_item(fold, token, node)
    elif node.op is Op.LISTEN:
        listening.item_done(fold, token, node)
    elif node.op is Op.TRY:
        trying.next_attempt(fold, token, node)
    else:
        raise Defect("an operation without iterations was told to go on", node=node.ref, token=token.id)
