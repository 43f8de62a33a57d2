"""The fast path: simple expressions as Python closures, about a microsecond each.

It only ever takes the happy path. Whatever is unusual (a type error, a missing element where jq would complain, a number near
the edge of doubles) raises :class:`NotNativeError`, and libjq evaluates the expression instead. So libjq stays the truth for
values and for the text of errors, and a property test holds the two equal.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from tocsin.expressions.json_values import Json
from tocsin.expressions.native_values import ARITHMETIC, FUNCTIONS, NotNativeError, equal, less, number, plain, truthy
from tocsin.expressions.tree import (
    Array,
    Binary,
    Call,
    Choice,
    Comma,
    Identity,
    Index,
    Iterate,
    Literal,
    Negate,
    Node,
    Object,
    Pipe,
    Text,
    Variable,
)

Variables: TypeAlias = Mapping[str, Json]
Evaluator: TypeAlias = Callable[[Json, Variables], Json]
_DEEPEST = 16  # nesting of one native expression; beyond it libjq is as fast


def compile_native(node: Node) -> Evaluator | None:
    """A closure for the expression, or ``None`` when it is not one of the simple ones."""
    try:
        return _compile(node, 0)
    except NotNativeError:
        return None


def _compile(node: Node, depth: int) -> Evaluator:
    if depth > _DEEPEST:
        raise NotNativeError
    inner = depth + 1
    match node:
        case Identity():
            return lambda value, variables: value
        case Literal(constant):
            return _literal(constant)
        case Variable(name):
            return lambda value, variables: variables.get(name)
        case Index(target, Literal(str() as key)):
            return _field(target, key, inner)
        case Index(target, Literal(int() as position)) if not isinstance(position, bool):
            return _element(_compile(target, inner), position)
        case Index(target, Negate(Literal(int() as position))) if not isinstance(position, bool):
            return _element(_compile(target, inner), -position)
        case Pipe(left, right):
            first, then = _compile(left, inner), _compile(right, inner)
            return lambda value, variables: then(first(value, variables), variables)
        case Binary(sign, left, right):
            return _binary(sign, _compile(left, inner), _compile(right, inner))
        case Negate(body):
            return _negate(_compile(body, inner))
        case _:
            return _construction(node, inner)


def _construction(node: Node, inner: int) -> Evaluator:
    match node:
        case Array(None):
            return lambda value, variables: []
        case Array(Pipe(Iterate(target), body)):
            return _mapped(_compile(target, inner), _compile(body, inner))
        case Array(Index() as path) if (iterated := _iterated(path)) is not None:
            return _mapped(_compile(iterated[0], inner), _compile(iterated[1], inner))
        case Array(body) if body is not None:
            return _array(body, inner)
        case Object(entries):
            return _object(entries, inner)
        case Choice(condition, chosen, otherwise):
            return _choice(_compile(condition, inner), _compile(chosen, inner), _compile(otherwise, inner))
        case Text(None, parts):
            return _text(tuple(part if isinstance(part, str) else _compile(part, inner) for part in parts))
        case Call("map", (body,)):
            return _mapped(_compile(Identity(), inner), _compile(body, inner))
        case Call(name, ()) if name in FUNCTIONS:
            function = FUNCTIONS[name]
            return lambda value, variables: function(value)
        case _:
            raise NotNativeError


def _iterated(path: Node) -> tuple[Node, Node] | None:
    """``items[].a.b`` as what is iterated and what is read from each; a computed key would see the outer value."""
    match path:
        case Iterate(target):
            return target, Identity()
        case Index(target, Literal() as key) if (found := _iterated(target)) is not None:
            return found[0], Index(found[1], key)
        case _:
            return None


def _literal(constant: bool | int | float | str | None) -> Evaluator:  # noqa: PYI041 - jq tells them apart, so do we
    if isinstance(constant, int | float) and not isinstance(constant, bool):
        checked = number(constant)
        return lambda value, variables: checked
    if isinstance(constant, str) and not constant.isascii() and any("\ud800" <= c <= "\udfff" for c in constant):
        raise NotNativeError
    return lambda value, variables: constant


def _field(target: Node, key: str, depth: int) -> Evaluator:
    if isinstance(target, Identity):

        def read(value: Json, variables: Variables) -> Json:
            if type(value) is dict:
                return value.get(key)
            return _lookup(value, key)

        return read
    if isinstance(target, Variable):
        name = target.name

        def read_variable(value: Json, variables: Variables) -> Json:
            held = variables.get(name)
            if type(held) is dict:
                return held.get(key)
            return _lookup(held, key)

        return read_variable
    outer = _compile(target, depth)

    def read_inner(value: Json, variables: Variables) -> Json:
        held = outer(value, variables)
        if type(held) is dict:
            return held.get(key)
        return _lookup(held, key)

    return read_inner


def _lookup(value: Json, key: str) -> Json:
    if value is None:
        return None
    if isinstance(value, Mapping):
        return value.get(key)
    raise NotNativeError


def _element(target: Evaluator, position: int) -> Evaluator:
    def read(value: Json, variables: Variables) -> Json:
        held = target(value, variables)
        if held is None:
            return None
        if type(held) is not list:
            raise NotNativeError
        if -len(held) <= position < len(held):
            found: Json = held[position]
            return found
        return None

    return read


def _binary(sign: str, left: Evaluator, right: Evaluator) -> Evaluator:
    match sign:
        case "==":
            return lambda v, e: equal(left(v, e), right(v, e))
        case "!=":
            return lambda v, e: not equal(left(v, e), right(v, e))
        case "<":
            return lambda v, e: less(left(v, e), right(v, e))
        case ">":
            return lambda v, e: less(right(v, e), left(v, e))
        case "<=":
            return lambda v, e: not less(right(v, e), left(v, e))
        case ">=":
            return lambda v, e: not less(left(v, e), right(v, e))
        case "and":
            return lambda v, e: truthy(left(v, e)) and truthy(right(v, e))
        case "or":
            return lambda v, e: truthy(left(v, e)) or truthy(right(v, e))
        case "//":
            return lambda v, e: held if truthy(held := left(v, e)) else right(v, e)
        case "+" | "-" | "*" | "/" | "%":
            operation = ARITHMETIC[sign]
            return lambda v, e: operation(left(v, e), right(v, e))
        case _:
            raise NotNativeError


def _negate(body: Evaluator) -> Evaluator:
    def run(value: Json, variables: Variables) -> Json:
        held = body(value, variables)
        if type(held) is not int or held == 0:  # the sign of zero, and how a literal was written, are libjq's business
            raise NotNativeError
        return -number(held)

    return run


def _array(body: Node, depth: int) -> Evaluator:
    elements: list[Evaluator] = []
    while isinstance(body, Comma):
        elements.append(_compile(body.right, depth))
        body = body.left
    elements.append(_compile(body, depth))
    ordered = tuple(reversed(elements))
    return lambda value, variables: [element(value, variables) for element in ordered]


def _mapped(target: Evaluator, body: Evaluator) -> Evaluator:
    def run(value: Json, variables: Variables) -> Json:
        held = target(value, variables)
        if type(held) is not list:
            raise NotNativeError
        return [body(item, variables) for item in held]

    return run


def _object(entries: Sequence[tuple[Node, Node]], depth: int) -> Evaluator:
    made: list[tuple[str, Evaluator]] = []
    for key, held in entries:
        if not isinstance(key, Literal) or not isinstance(key.value, str):
            raise NotNativeError
        made.append((key.value, _compile(held, depth)))
    return lambda value, variables: {key: held(value, variables) for key, held in made}


def _choice(condition: Evaluator, chosen: Evaluator, otherwise: Evaluator) -> Evaluator:
    return lambda v, e: chosen(v, e) if truthy(condition(v, e)) else otherwise(v, e)


def _text(parts: tuple[str | Evaluator, ...]) -> Evaluator:
    def run(value: Json, variables: Variables) -> Json:
        return "".join(part if isinstance(part, str) else plain(part(value, variables)) for part in parts)

    return run
