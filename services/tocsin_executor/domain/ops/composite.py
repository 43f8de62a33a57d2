"""Operations made of scopes: ``do`` (and the workflow itself), ``fork``, ``for``."""

from tocsin.errors import Defect
from tocsin_executor.domain.flow import condition, evaluate
from tocsin_executor.domain.fold import Fold
from tocsin_executor.domain.interrupts import Raised
from tocsin_executor.domain.ops.data import done
from tocsin_executor.domain.program import ForkSpec, LoopSpec, Node, SeqSpec
from tocsin_executor.domain.state import ForkState, Instance, LoopState, Phase, Token
from tocsin_executor.domain.values import ErrorKind, Json, Problem, problem

MAX_ITEMS = 100_000
MAX_LIVE = 1_000
"""Activations alive at once; forks inside forks multiply."""


def up(fold: Fold, token: Token, node: Node, instance: Instance, error: Problem) -> None:
    """The default when an error leaves a scope: it leaves its owner too."""
    fold.fail(token, error)


# --- do


def begin_seq(fold: Fold, token: Token, node: Node) -> None:
    """One child scope. The workflow itself sets the first context: its transformed input."""
    if not isinstance(node.spec, SeqSpec):
        raise Defect("a sequence without its spec", node=node.ref)
    spec = node.spec
    value = token.input if spec.given is None else evaluate(fold, token, "arguments", spec.given, token.input)
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


def begin_fork(fold: Fold, token: Token, node: Node) -> None:
    """All branches at once, each with the same input."""
    if not isinstance(node.spec, ForkSpec):
        raise Defect("a fork without its spec", node=node.ref)
    branches = node.spec.branches
    if len(fold.cell.tokens) + len(branches) > MAX_LIVE:
        raise Raised(problem(ErrorKind.VALIDATION, f"more than {MAX_LIVE} tasks would be alive at once"))
    fold.begin_body(token)
    if not branches:
        done(fold, token, None if node.spec.compete else [])
        return
    token.state = ForkState([None] * len(branches), len(branches))
    for index, branch in enumerate(branches):
        fold.open_scope(token, branch, token.input, index, None)


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
    if not state.open:
        done(fold, token, state.results)


def failed_fork(fold: Fold, token: Token, node: Node, instance: Instance, error: Problem) -> None:
    """A fault of one branch is the fork's, unless branches compete and another may still win."""
    state = token.state
    if isinstance(node.spec, ForkSpec) and node.spec.compete and isinstance(state, ForkState):
        state.open -= 1
        if state.open:
            return
    fold.fail(token, error)


# --- for


def begin_loop(fold: Fold, token: Token, node: Node) -> None:
    """The collection is evaluated once; without items the output is the input."""
    if not isinstance(node.spec, LoopSpec):
        raise Defect("a loop without its spec", node=node.ref)
    items = evaluate(fold, token, "in", node.spec.items, token.input)
    if items is None:
        items = []
    if not isinstance(items, list):
        raise Raised(problem(ErrorKind.EXPRESSION, "'for.in' did not give an array"))
    if len(items) > MAX_ITEMS:
        raise Raised(problem(ErrorKind.VALIDATION, f"'for.in' has {len(items)} items; the limit is {MAX_ITEMS}"))
    fold.begin_body(token)
    token.state = LoopState(items, 0)
    token.output = token.input
    fold.turn(token, Phase.NEXT)


def next_item(fold: Fold, token: Token, node: Node) -> None:
    """Before each item: is there one, and does the condition hold on what the last iteration gave?"""
    state = token.state
    if not isinstance(node.spec, LoopSpec) or not isinstance(state, LoopState):
        raise Defect("a loop without its state", node=node.ref, token=token.id)
    spec = node.spec
    if state.index >= len(state.items):
        fold.turn(token, Phase.FINISH)
        return
    names: dict[str, Json] = {spec.each: state.items[state.index], spec.at: state.index}
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
