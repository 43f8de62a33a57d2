"""``for`` with ``metadata.concurrency``: several items at once, outputs in the order of the items.

Each item is the input of its first task: the collection itself would stand in the record of every one of them.

The state does not grow with the number of items: at most ``limit`` of them are alive, a large collection is fetched page by
page, and a page of outputs that is full is stored apart. An error of one item is the task's: what is alive is cancelled, and
has to confirm, as in a ``fork``.
"""

import orjson

from tocsin.errors import Defect
from tocsin_executor.domain.effects import Evaluate
from tocsin_executor.domain.fold import Fold
from tocsin_executor.domain.inputs import Evaluated
from tocsin_executor.domain.large import Large, admit, holds
from tocsin_executor.domain.ops.composite import crowded, items_came, items_of, items_wanted, put_together
from tocsin_executor.domain.ops.data import done
from tocsin_executor.domain.program import LoopSpec, Node
from tocsin_executor.domain.remembered import PAGE, MapState
from tocsin_executor.domain.state import Hold, Instance, Phase, Token
from tocsin_executor.domain.values import ErrorKind, Json, problem

MANY = 1_000
"""Items from which on every full page of outputs is stored apart; below, only those that are not small."""

BEHIND = 4
"""Pages that may be on their way to where they are stored before no further item begins."""

_SMALL = 2_048  # bytes of a page that may stay with the run
_ITEMS = -1


def begin_map(fold: Fold, token: Token, node: Node) -> None:
    """The collection is evaluated once; without items the output is empty."""
    if not isinstance(node.spec, LoopSpec):
        raise Defect("a map without its spec", node=node.ref)
    cursor = items_of(fold, token, node, node.spec)
    fold.begin_body(token)
    if not cursor.total:
        done(fold, token, [])
        return
    token.state = MapState(cursor)
    _more(fold, token, node.spec, token.state)


def _more(fold: Fold, token: Token, spec: LoopSpec, state: MapState) -> None:
    """Begin as many items as there is room for."""
    cursor = state.cursor
    token.hold = Hold.SCOPE
    while cursor.index < cursor.total and state.alive < spec.limit and not crowded(fold, token):
        if len(state.asked) >= BEHIND:
            return
        if not cursor.at_hand:
            if _ITEMS not in state.asked.values():
                _ask(fold, token, _ITEMS, items_wanted(cursor), cursor.source)
            return
        index, item = cursor.index, cursor.items[cursor.index - cursor.first]
        cursor.index += 1
        state.alive += 1
        page = index // PAGE
        if page == len(state.pages):
            size = min(PAGE, cursor.total - page * PAGE)
            state.pages.append([None] * size)
            state.left[page] = size
        fold.open_scope(token, spec.body, item, index, {spec.each: item, spec.at: index})


def closed_map(fold: Fold, token: Token, node: Node, instance: Instance, value: Json) -> None:
    """An item completed: its output has its place, and another one may begin."""
    spec, state = _parts(token, node)
    if instance.index is None:
        raise Defect("an item without an index", token=token.id)
    state.alive -= 1
    page, place = divmod(instance.index, PAGE)
    outputs = state.pages[page]
    if not isinstance(outputs, list):
        raise Defect("a page was stored apart before it was full", token=token.id)
    outputs[place] = value
    state.left[page] -= 1
    if not state.left[page]:
        del state.left[page]
        if _goes_apart(state, outputs):
            _ask(fold, token, page, ".", outputs)
    _go_on(fold, token, spec, state)


def answered(fold: Fold, token: Token, node: Node, message: Evaluated, ticket: str) -> None:
    """Items were fetched, or a page was stored apart."""
    spec, state = _parts(token, node)
    page = state.asked.pop(ticket)
    complaint = message.error if message.error is not None else admit(fold.head.large, message.value)
    if complaint is not None:
        fold.fail(token, problem(ErrorKind.EXPRESSION, complaint))
        return
    if page == _ITEMS:
        items_came(state.cursor, message.value)
    else:
        state.pages[page] = message.value
    _go_on(fold, token, spec, state)


def _go_on(fold: Fold, token: Token, spec: LoopSpec, state: MapState) -> None:
    _more(fold, token, spec, state)
    if state.alive or state.asked or state.cursor.index < state.cursor.total:
        return
    if any(type(page) is Large for page in state.pages):
        token.output = state.pages
        fold.turn(token, Phase.GATHER)
        return
    token.state = None
    put_together(fold, token, [output for page in state.pages if isinstance(page, list) for output in page])


def _goes_apart(state: MapState, outputs: list[Json]) -> bool:
    if state.cursor.total <= PAGE:
        return False
    return state.cursor.total > MANY or holds(outputs) or len(orjson.dumps(outputs)) > _SMALL


def _ask(fold: Fold, token: Token, page: int, text: str, value: Json) -> None:
    """Beside the items: the token itself goes on."""
    state = token.state
    assert isinstance(state, MapState)
    token.asked += 1
    ticket = f"{'items' if page == _ITEMS else 'page'}/{token.asked}"
    state.asked[ticket] = page
    always = page != _ITEMS
    fold.effects.append(Evaluate(fold.run, f"{token.id}/{ticket}", text, value, {}, template=False, always=always))


def _parts(token: Token, node: Node) -> tuple[LoopSpec, MapState]:
    if not isinstance(node.spec, LoopSpec) or not isinstance(token.state, MapState):
        raise Defect("a map without its state", node=node.ref, token=token.id)
    return node.spec, token.state
