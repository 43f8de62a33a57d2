"""Operations made of scopes: ``do`` (and the workflow itself), ``fork``, ``for`` with one item after the other.

How many activations are alive at once is a window, not a limit: what does not fit begins when something else has ended.
Whoever has nothing alive may begin one thing in any case, so that nobody waits for ever.
"""

from tocsin.errors import Defect
from tocsin_executor.domain.flow import condition, elsewhere, evaluate, small
from tocsin_executor.domain.fold import Fold
from tocsin_executor.domain.interrupts import Raised
from tocsin_executor.domain.large import Large, holds
from tocsin_executor.domain.ops.data import done
from tocsin_executor.domain.program import ForkSpec, LoopSpec, Node, SeqSpec
from tocsin_executor.domain.remembered import ForkState, LoopState, MapState
from tocsin_executor.domain.state import Instance, Phase, Token
from tocsin_executor.domain.values import ErrorKind, Json, Problem, problem

MAX_ITEMS = 100_000
MAX_LIVE = 1_000
"""Activations alive at once, beside one for each composite."""

_COUNT = 'if type == "array" then length else error("it is no array") end'


def up(fold: Fold, token: Token, node: Node, instance: Instance, error: Problem) -> None:
    """The default when an error leaves a scope: it leaves its owner too."""
    fold.fail(token, error)


# --- do


def begin_seq(fold: Fold, token: Token, node: Node) -> None:
    """One child scope. The workflow itself sets the first context: its transformed input."""
    if not isinstance(node.spec, SeqSpec):
        raise Defect("a sequence without its spec", node=node.ref)
    spec = node.spec
    value = token.input if spec.given is None else evaluate(fold, token, "arguments", spec.given, token.input, keep=True)
    names: dict[str, Json] | None = None
    entry = None
    if spec.guard is not None and spec.applies is not None:
        applies = condition(fold, token, "extension", spec.guard, token.input)
        names = {spec.applies: applies}
        entry = None if applies else spec.bypass
    if node.index == 0:
        fold.head.context = value
    fold.begin_body(token)
    fold.open_scope(token, spec.body, value, None, names, entry=entry)


def closed_seq(fold: Fold, token: Token, node: Node, instance: Instance, value: Json) -> None:
    """The list's last output is the task's."""
    done(fold, token, value)


# --- fork


def crowded(fold: Fold, token: Token) -> bool:
    """Whether a composite has to wait before it begins more."""
    return bool(token.kids) and len(fold.cell.tokens) >= MAX_LIVE


def begin_fork(fold: Fold, token: Token, node: Node) -> None:
    """All branches, as many as there is room for, each with the same input."""
    if not isinstance(node.spec, ForkSpec):
        raise Defect("a fork without its spec", node=node.ref)
    branches = node.spec.branches
    fold.begin_body(token)
    if not branches:
        done(fold, token, None if node.spec.compete else [])
        return
    if node.spec.streams:
        for index, branch in enumerate(branches):
            fold.open_scope(token, branch, token.input, index, None)
        return
    token.state = ForkState([None] * len(branches), len(branches), 0)
    _branch_out(fold, token, node.spec, token.state)


def _branch_out(fold: Fold, token: Token, spec: ForkSpec, state: ForkState) -> None:
    while state.begun < len(spec.branches) and not crowded(fold, token):
        state.begun += 1
        fold.open_scope(token, spec.branches[state.begun - 1], token.input, state.begun - 1, None)


def closed_fork(fold: Fold, token: Token, node: Node, instance: Instance, value: Json) -> None:
    """A branch completed: the first wins where they compete, otherwise all are waited for, in order of declaration."""
    state = token.state
    if not isinstance(node.spec, ForkSpec) or not isinstance(state, ForkState) or instance.index is None:
        raise Defect("a fork without its state", node=node.ref, token=token.id)
    if node.spec.compete:
        fold.cancel_kids(token, None)
        done(fold, token, value)
        return
    state.results[instance.index] = value
    state.open -= 1
    if state.open:
        _branch_out(fold, token, node.spec, state)
    else:
        put_together(fold, token, state.results)


def failed_fork(fold: Fold, token: Token, node: Node, instance: Instance, error: Problem) -> None:
    """A fault of one branch is the fork's, unless branches compete and another may still win."""
    state = token.state
    if isinstance(node.spec, ForkSpec) and node.spec.compete and isinstance(state, ForkState):
        state.open -= 1
        if state.open:
            _branch_out(fold, token, node.spec, state)
            return
    fold.fail(token, error)


def put_together(fold: Fold, token: Token, parts: list[Json]) -> None:
    """An array of what several gave is the output; a large one, or one with large values in it, is made elsewhere."""
    try:
        together = not holds(parts) and small(parts)
    except Raised as raised:
        fold.fail(token, raised.problem)
        return
    if not together:
        token.output = parts
        fold.turn(token, Phase.GATHER)
    else:
        done(fold, token, parts)


def gather(fold: Fold, token: Token, node: Node) -> None:
    """The array as one value. A ``for`` gives pages, and they are joined."""
    text = "add" if isinstance(token.state, MapState) else "."
    value = elsewhere(fold, token, "gather", text, token.output)
    token.state = None
    done(fold, token, value)


# --- for


def items_of(fold: Fold, token: Token, node: Node, spec: LoopSpec) -> LoopState:
    """The collection, evaluated once, with a cursor at its beginning."""
    items = evaluate(fold, token, "in", spec.items, token.input, keep=True)
    if type(items) is Large:
        count = elsewhere(fold, token, "count", _COUNT, items)
        cursor = LoopState([], 0, items, count if isinstance(count, int) else 0)
    else:
        listed = [] if items is None else items
        if not isinstance(listed, list):
            raise Raised(problem(ErrorKind.EXPRESSION, "'for.in' did not give an array"))
        cursor = LoopState(listed, 0, None, len(listed))
    if cursor.total > MAX_ITEMS:
        raise Raised(problem(ErrorKind.VALIDATION, f"'for.in' has {cursor.total} items; the limit is {MAX_ITEMS}"))
    return cursor


def items_wanted(cursor: LoopState) -> str:
    """The jq text for the next items of a large collection."""
    if cursor.step == 1:
        return f".[{cursor.index}]"
    return f".[{cursor.index}:{cursor.index + cursor.step}]"


def items_came(cursor: LoopState, found: Json) -> bool:
    """Take what was fetched; ``False`` if it was too much at once, and one at a time is to be asked for."""
    if cursor.step > 1 and not isinstance(found, list):
        cursor.step = 1
        return False
    cursor.items = found if cursor.step > 1 and isinstance(found, list) else [found]
    cursor.first = cursor.index
    return True


def begin_loop(fold: Fold, token: Token, node: Node) -> None:
    """The collection is evaluated once; without items the output is the input."""
    if not isinstance(node.spec, LoopSpec):
        raise Defect("a loop without its spec", node=node.ref)
    cursor = items_of(fold, token, node, node.spec)
    fold.begin_body(token)
    token.state = cursor
    token.output = token.input
    fold.turn(token, Phase.NEXT)


def next_item(fold: Fold, token: Token, node: Node) -> None:
    """Before each item: is there one, and does the condition hold on what the last iteration gave?"""
    state = token.state
    if not isinstance(node.spec, LoopSpec) or not isinstance(state, LoopState):
        raise Defect("a loop without its state", node=node.ref, token=token.id)
    spec = node.spec
    if state.index >= state.total:
        fold.turn(token, Phase.FINISH)
        return
    while not state.at_hand:
        items_came(state, elsewhere(fold, token, f"items:{state.index}:{state.step}", items_wanted(state), state.source))
    names: dict[str, Json] = {spec.each: state.items[state.index - state.first], spec.at: state.index}
    if spec.condition is not None and not condition(fold, token, "while", spec.condition, token.output, extra=names):
        fold.turn(token, Phase.FINISH)
        return
    index = state.index
    state.index += 1
    value, token.output, token.memo = token.output, None, None
    fold.open_scope(token, spec.body, value, index, names)


def closed_loop(fold: Fold, token: Token, node: Node, instance: Instance, value: Json) -> None:
    """The output of one iteration is the input of the next."""
    token.output = value
    fold.turn(token, Phase.NEXT)
