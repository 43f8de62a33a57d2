"""``listen``: a subscription, events consumed one after the other, perhaps a body for each, until the strategy is met.

A correlator outside delivers events by their constant attributes, numbered for each subscription. What depends on the run -
whether an expression holds, whether a correlation value is the expected one - is decided here, in log order, since two events
can race.
"""

from tocsin.errors import Defect
from tocsin_executor.domain.effects import Subscribe, Transition, Unsubscribe
from tocsin_executor.domain.flow import condition, evaluate, out_of
from tocsin_executor.domain.fold import Fold
from tocsin_executor.domain.inputs import Event
from tocsin_executor.domain.interrupts import Raised
from tocsin_executor.domain.ops.data import done
from tocsin_executor.domain.ops.timing import waits
from tocsin_executor.domain.program import ListenSpec, Node
from tocsin_executor.domain.state import Hold, Instance, ListenState, Phase, Token
from tocsin_executor.domain.values import ErrorKind, Json, problem

MAX_EVENTS = 1_000
"""Events one ``listen`` may consume; more belong into separate runs."""


def begin_listen(fold: Fold, token: Token, node: Node) -> None:
    """Subscribe from now on: events before are not meant."""
    spec = node.spec
    if not isinstance(spec, ListenSpec):
        raise Defect("listen without its spec", node=node.ref)
    fold.begin_body(token)
    token.state = ListenState(0, [], [], {}, [], closing=False)
    filters = [] if spec.mode == "any" and not spec.until_from else [found.constants for found in spec.filters]
    fold.effects.append(Subscribe(fold.run, token.id, filters, fold.now))
    fold.announce(Transition.WORKFLOW_CORRELATION_STARTED, {"task": node.ref})
    waits(fold, token, Hold.LISTEN)


def event(fold: Fold, message: Event) -> str | None:
    """An event is delivered: it waits in line, and is consumed at the token's turn."""
    token = fold.cell.tokens.get(message.subscription)
    if token is None or not isinstance(token.state, ListenState):
        return "no such subscription"
    state = token.state
    if message.n != state.cursor + 1:
        return f"delivery {message.n} is not the next, {state.cursor + 1}"
    state.cursor = message.n
    if len(state.queue) >= MAX_EVENTS:
        fold.fail(token, problem(ErrorKind.VALIDATION, f"more than {MAX_EVENTS} events wait to be consumed"))
        return None
    state.queue.append(message.event)
    if token.hold is Hold.LISTEN and not fold.head.suspended:
        go_on(fold, token)
    return None


def go_on(fold: Fold, token: Token) -> None:
    """A listening token takes what waits in line."""
    if isinstance(token.state, ListenState) and token.state.queue:
        fold.idle = True
        fold.turn(token, Phase.CONSUME)


def consume(fold: Fold, token: Token, node: Node) -> None:
    """Take the next event in line: does it meet a filter, and what follows?"""
    spec, state = _parts(token, node)
    found = state.queue[0]
    if not isinstance(found, dict):
        raise Defect("an event is no object", token=token.id)
    met = _meets(fold, token, spec, state, found)
    state.queue.pop(0)
    if met is None:
        _wait_on(fold, token, state)
        return
    index, keys = met
    state.keys = {**keys, **state.keys}
    if index is not None and (spec.mode == "all" or index >= spec.until_from):
        state.taken.append(index)
    if index is not None and index >= spec.until_from:
        count = len(spec.filters) - spec.until_from
        state.closing = not spec.until_all or len([n for n in state.taken if n >= spec.until_from]) == count
        if state.closing:
            _close(fold, token, state, state.consumed)
        else:
            _wait_on(fold, token, state)
        return
    if len(state.consumed) >= MAX_EVENTS:
        raise Raised(problem(ErrorKind.VALIDATION, f"more than {MAX_EVENTS} events were consumed"))
    value = found if spec.read == "envelope" else found.get("data")
    token.memo = None
    if spec.body is None:
        token.output = value
        fold.turn(token, Phase.NEXT)
    else:
        fold.open_scope(token, spec.body, value, len(state.consumed), {spec.each: value, spec.at: len(state.consumed)})


def closed_listen(fold: Fold, token: Token, node: Node, instance: Instance, value: Json) -> None:
    """An event's body completed."""
    token.output = value
    fold.turn(token, Phase.NEXT)


def item_done(fold: Fold, token: Token, node: Node) -> None:
    """An event has been dealt with (``output`` is what it gave): is the strategy met?"""
    spec, state = _parts(token, node)
    value = token.output
    if spec.post is not None:
        value = out_of(fold, token, spec.post, {spec.each: value, spec.at: len(state.consumed)})
    consumed = [*state.consumed, value]
    if spec.until is not None:
        over = condition(fold, token, "until", spec.until, consumed)
    elif spec.mode == "all":
        over = len(state.taken) == spec.until_from
    else:
        over = spec.mode == "one" or len(spec.filters) == spec.until_from
    state.consumed = consumed
    token.output = None
    if over:
        _close(fold, token, state, consumed)
    else:
        _wait_on(fold, token, state)


def _wait_on(fold: Fold, token: Token, state: ListenState) -> None:
    token.memo = None
    if state.queue:
        fold.turn(token, Phase.CONSUME)
    else:
        fold.idle = True
        token.hold = Hold.LISTEN


def _close(fold: Fold, token: Token, state: ListenState, consumed: list[Json]) -> None:
    """The output is always an array, in order of consumption."""
    fold.effects.append(Unsubscribe(fold.run, token.id))
    data: dict[str, Json] = {"task": fold.nodes[token.node].ref, "keys": state.keys}
    fold.announce(Transition.WORKFLOW_CORRELATION_COMPLETED, data)
    fold.idle = True
    token.state = None
    done(fold, token, consumed)


def _meets(
    fold: Fold, token: Token, spec: ListenSpec, state: ListenState, found: dict[str, Json]
) -> tuple[int | None, dict[str, Json]] | None:
    """The first filter that the event meets, with the correlation values it sets; those of ``until`` are asked first."""
    order = [*range(spec.until_from, len(spec.filters)), *range(spec.until_from)]
    for index in order:
        single = spec.mode == "all" if index < spec.until_from else spec.until_all
        if single and index in state.taken:
            continue
        keys = _meets_one(fold, token, spec, index, found)
        if keys is not None:
            return index, keys
    return (None, {}) if not spec.until_from and spec.mode == "any" else None


def _meets_one(fold: Fold, token: Token, spec: ListenSpec, index: int, found: dict[str, Json]) -> dict[str, Json] | None:
    wanted = spec.filters[index]
    known = token.state.keys if isinstance(token.state, ListenState) else {}
    if not all(pattern.complaint(found.get(name)) is None for name, pattern in wanted.patterns):
        return None
    for name, expression in wanted.conditions:
        attribute = found.get(name)
        answer = evaluate(fold, token, f"with:{index}:{name}", expression, attribute)
        if not (answer is True or (not isinstance(answer, bool) and answer is not None and answer == attribute)):
            return None
    keys: dict[str, Json] = {}
    for rule in wanted.correlations:
        value = evaluate(fold, token, f"from:{index}:{rule.name}", rule.source, found)
        if rule.expect is not None:
            expected = evaluate(fold, token, f"expect:{index}:{rule.name}", rule.expect, token.input)
        else:
            expected = known.get(rule.name, value)
        if value is None or value != expected:
            return None
        keys[rule.name] = value
    return keys


def _parts(token: Token, node: Node) -> tuple[ListenSpec, ListenState]:
    if not isinstance(node.spec, ListenSpec) or not isinstance(token.state, ListenState):
        raise Defect("a listen without its state", node=node.ref, token=token.id)
    return node.spec, token.state
