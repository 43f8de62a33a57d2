"""``listen``: a subscription, events consumed one after the other, perhaps a body for each, until the strategy is met.

A correlator outside delivers events by their constant attributes, numbered for each subscription. What depends on the run -
whether an expression holds, whether a correlation value is the expected one - is decided here, in log order, since two events
can race.
"""

import hashlib
from collections.abc import Mapping

import orjson

from tocsin.errors import Defect
from tocsin.signals.nesting import DEEPEST_MESSAGE, too_deep
from tocsin_executor.domain.correlation import EVENTS, SIGNALS, agrees, same
from tocsin_executor.domain.effects import Evaluate, Subscribe, Transition, Unsubscribe
from tocsin_executor.domain.flow import ask, condition, evaluate, out_of
from tocsin_executor.domain.fold import Fold
from tocsin_executor.domain.inputs import Event
from tocsin_executor.domain.interrupts import Postponed, Raised
from tocsin_executor.domain.large import VALUE, Large
from tocsin_executor.domain.ops.composite import put_together
from tocsin_executor.domain.ops.credit import grant
from tocsin_executor.domain.ops.timing import waits
from tocsin_executor.domain.program import ListenSpec, Node
from tocsin_executor.domain.remembered import ListenState
from tocsin_executor.domain.state import Hold, Instance, Phase, Token
from tocsin_executor.domain.values import ErrorKind, Json, problem

MEMORY = 64
"""Events that a subscription remembers, to tell one that was published twice."""

_CARRIED = "carried"

MAX_VARIABLES = 2_048
"""Bytes of the input that a subscription carries, so that conditions can be decided outside the run."""

MAX_EVENTS = 1_000
"""Events one ``listen`` may consume; more belong into separate runs."""


def begin_listen(fold: Fold, token: Token, node: Node) -> None:
    """Subscribe from now on: events before are not meant."""
    spec = node.spec
    if not isinstance(spec, ListenSpec):
        raise Defect("listen without its spec", node=node.ref)
    expected = _expected(fold, token, spec)
    fold.begin_body(token)
    token.state = ListenState(0, [], [], {}, [], closing=False, expected=expected)
    if spec.streams:
        waits(fold, token, Hold.LISTEN)
        return
    after = _heard(fold, node.index) if spec.lookback else {}
    since = fold.now - spec.lookback
    fold.effects.append(Subscribe(fold.run, token.id, node.index, since, expected, _variables(token, spec), after))
    fold.announce(Transition.WORKFLOW_CORRELATION_STARTED, {"task": node.ref})
    waits(fold, token, Hold.LISTEN)


def event(fold: Fold, message: Event) -> str | None:
    """An event is delivered: it waits in line, and is consumed at the token's turn."""
    token = fold.cell.tokens.get(message.subscription)
    if token is None or not isinstance(token.state, ListenState):
        return "no such subscription"
    state = token.state
    cursor = state.signals if message.channel == SIGNALS else state.cursor
    if message.n != cursor + 1:
        return f"delivery {message.n} is not the next, {cursor + 1}"
    if message.channel == SIGNALS:
        state.signals = message.n
    else:
        state.cursor = message.n
    _remember(fold, token, message)
    if too_deep(message.event, limit=DEEPEST_MESSAGE):
        return None  # nobody could keep it
    identity = _identity(message.event)
    if identity in state.seen:
        return None  # its sender published it twice
    state.seen = [*state.seen, identity][-MEMORY:]
    if len(state.queue) >= MAX_EVENTS:
        fold.fail(token, problem(ErrorKind.VALIDATION, f"more than {MAX_EVENTS} events wait to be consumed"))
        return None
    state.queue.append(message.event)
    if token.hold is Hold.LISTEN and not fold.head.suspended:
        go_on(fold, token)
    return None


def _identity(found: dict[str, Json]) -> str:
    """Source and id: what makes two events the same one."""
    return hashlib.sha256(f"{found.get('source')}\n{found.get('id')}".encode()).hexdigest()[:16]


def _remember(fold: Fold, token: Token, message: Event) -> None:
    """For tasks that look back: another activation of this one must not be given the event again."""
    spec = fold.nodes[token.node].spec
    if isinstance(spec, ListenSpec) and spec.lookback:
        fold.head.heard = {**fold.head.heard, f"{token.node}/{message.channel}": message.at}


def _heard(fold: Fold, node: int) -> dict[str, int]:
    known = ((channel, fold.head.heard.get(f"{node}/{channel}")) for channel in (EVENTS, SIGNALS))
    return {channel: at for channel, at in known if at is not None}


def _expected(fold: Fold, token: Token, spec: ListenSpec) -> dict[str, Json]:
    """The correlation values that the definition expects, evaluated when the task begins."""
    found: dict[str, Json] = {}
    for index, wanted in enumerate(spec.filters):
        for rule in wanted.correlations:
            if rule.expect is not None:
                found[f"{index}/{rule.name}"] = evaluate(fold, token, f"expect:{index}:{rule.name}", rule.expect, token.input)
    return found


def _variables(token: Token, spec: ListenSpec) -> dict[str, Json] | None:
    """What conditions over events use besides the event, where that cannot change while the task waits, and is small."""
    names = {name for wanted in spec.filters for _, expression in wanted.conditions for name in expression.names}
    if not names:
        return {}
    if names != {"input"} or type(token.input) is Large or len(orjson.dumps(token.input)) > MAX_VARIABLES:
        return None
    return {"input": token.input}


def go_on(fold: Fold, token: Token) -> None:
    """A listening token takes what waits in line."""
    if isinstance(token.state, ListenState) and token.state.queue:
        fold.idle = True
        fold.turn(token, Phase.CONSUME)


def consume(fold: Fold, token: Token, node: Node) -> None:
    """Take the next event in line: does it meet a filter, and what follows?"""
    spec, state = _parts(token, node)
    if spec.streams:
        _go_through(fold, token, spec, state)
        return
    found = state.queue[0]
    if not isinstance(found, dict):
        raise Defect("an event is no object", token=token.id)
    met = _meets(fold, token, spec, state, found)
    consumed = met is not None and (met[0] is None or met[0] < spec.until_from)
    value = _data(fold, token, found) if consumed and spec.read != "envelope" else found
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
    _handle(fold, token, spec, state, value)


def _go_through(fold: Fold, token: Token, spec: ListenSpec, state: ListenState) -> None:
    """Take the next message in line; there is none where the last one has been gone through and no more will come."""
    if not state.queue:
        _close(fold, token, state, state.consumed)
        return
    if spec.keeps and len(state.consumed) >= MAX_EVENTS:
        raise Raised(problem(ErrorKind.VALIDATION, f"more than {MAX_EVENTS} messages were consumed"))
    value = state.queue.pop(0)
    state.count += 1
    grant(fold, token, state)
    _handle(fold, token, spec, state, value)


def _handle(fold: Fold, token: Token, spec: ListenSpec, state: ListenState, value: Json) -> None:
    """What is done for each event or message, if anything is."""
    token.memo = None
    state.item = value if spec.post is not None else None
    if spec.body is None:
        token.output = value
        fold.turn(token, Phase.NEXT)
    else:
        index = _index(spec, state)
        fold.open_scope(token, spec.body, value, index, {spec.each: value, spec.at: index})


def _index(spec: ListenSpec, state: ListenState) -> int:
    """Which one is being gone through."""
    return state.count - 1 if spec.streams else len(state.consumed)


def no_more(fold: Fold, token: Token, state: ListenState) -> None:
    """No more messages will come: a line that is idle ends."""
    if token.hold is Hold.LISTEN and not state.queue:
        fold.turn(token, Phase.CONSUME)


def _data(fold: Fold, token: Token, event: Mapping[str, Json]) -> Json:
    """What an event carries. Data that is too large for one lies with the run that emitted it, and is looked for there.

    Of what is not to be had, or lies elsewhere, the address: nothing would look as if there were none.
    """
    if "data" in event or "data_base64" in event or "dataref" not in event:
        return event.get("data", event.get("data_base64"))
    address: Json = {"dataref": event["dataref"]}
    if not isinstance(event["dataref"], str) or not VALUE.fullmatch(event["dataref"]):
        return address
    if token.memo is not None and _CARRIED in token.memo:
        answer = token.memo[_CARRIED]
        return answer["value"] if isinstance(answer, dict) and "value" in answer else address
    token.asked += 1
    ticket = f"{token.id}/{_CARRIED}/{token.asked}"
    ask(fold, token, Evaluate(fold.run, ticket, ".", address, {}, template=False, carried=True))
    raise Postponed


def closed_listen(fold: Fold, token: Token, node: Node, instance: Instance, value: Json) -> None:
    """An event's body completed."""
    token.output = value
    fold.turn(token, Phase.NEXT)


def item_done(fold: Fold, token: Token, node: Node) -> None:
    """An event has been dealt with (``output`` is what it gave): is the strategy met?"""
    spec, state = _parts(token, node)
    value = token.output
    if spec.post is not None:
        value = out_of(fold, token, spec.post, {spec.each: state.item, spec.at: _index(spec, state)})
    consumed = [*state.consumed, value] if spec.keeps else state.consumed
    if spec.until is not None:
        over = condition(fold, token, "until", spec.until, consumed)
    elif spec.streams:
        over = False
    elif spec.mode == "all":
        over = len(state.taken) == spec.until_from
    else:
        over = spec.mode == "one" or len(spec.filters) == spec.until_from
    state.consumed, state.item = consumed, None
    token.output = None
    if over:
        _close(fold, token, state, consumed)
    else:
        _wait_on(fold, token, state)


def _wait_on(fold: Fold, token: Token, state: ListenState) -> None:
    token.memo = None
    if state.queue or state.closing:
        fold.turn(token, Phase.CONSUME)
    else:
        fold.idle = True
        token.hold = Hold.LISTEN


def _close(fold: Fold, token: Token, state: ListenState, consumed: list[Json]) -> None:
    """The output is always an array, in order of consumption."""
    spec = fold.nodes[token.node].spec
    if not isinstance(spec, ListenSpec) or not spec.streams:
        fold.effects.append(Unsubscribe(fold.run, token.id))
        data: dict[str, Json] = {"task": fold.nodes[token.node].ref, "keys": state.keys}
        fold.announce(Transition.WORKFLOW_CORRELATION_COMPLETED, data)
    fold.idle = True
    token.state = None
    put_together(fold, token, consumed)


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
    """The correlation values of the event, if it meets the filter; an expression that fails on it means that it does not."""
    wanted = spec.filters[index]
    state = token.state if isinstance(token.state, ListenState) else None
    if not all(same(found.get(name), value) for name, value in wanted.exact.items()):
        return None
    if not all(pattern.complaint(found.get(name)) is None for name, pattern in wanted.patterns):
        return None
    keys: dict[str, Json] = {}
    try:
        for name, expression in wanted.conditions:
            attribute = found.get(name)
            if not agrees(evaluate(fold, token, f"with:{index}:{name}", expression, attribute), attribute):
                return None
        for rule in wanted.correlations:
            value = evaluate(fold, token, f"from:{index}:{rule.name}", rule.source, found)
            expected = state.expected.get(f"{index}/{rule.name}") if state is not None else None
            if rule.expect is None and state is not None:
                expected = state.keys.get(rule.name, value)
            if value is None or not same(value, expected):
                return None
            keys[rule.name] = value
    except Raised:
        return None
    return keys


def _parts(token: Token, node: Node) -> tuple[ListenSpec, ListenState]:
    if not isinstance(node.spec, ListenSpec) or not isinstance(token.state, ListenState):
        raise Defect("a listen without its state", node=node.ref, token=token.id)
    return node.spec, token.state
