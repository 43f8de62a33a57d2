"""The fast path: simple expressions as Python closures, about a microsecond each.

It only ever takes the happy path. Whatever is unusual (a type error, a missing element where jq would complain, a number near
the edge of doubles, an output that is not exactly one) raises :class:`NotNativeError`, and libjq evaluates the expression instead. So
libjq stays the truth for values and for the text of errors, and a property test holds the two equal.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from tocsin.expressions.json_values import Json
from tocsin.expressions.syntax import (
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
_EXACT = 2**53  # integers up to this are exact as doubles, which is what jq calculates with
_DEEPEST = 16  # nesting of one native expression; beyond it libjq is as fast


class NotNativeError(Exception):
    """Ask libjq."""


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
        case Array(None):
            return lambda value, variables: []
        case Array(Pipe(Iterate(Identity() | Index() | Variable() as target), body)):
            return _mapped(_compile(target, inner), _compile(body, inner))
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
        case Call(name, ()) if name in _FUNCTIONS:
            function = _FUNCTIONS[name]
            return lambda value, variables: function(value)
        case _:
            raise NotNativeError


def _literal(constant: None | bool | int | float | str) -> Evaluator:
    if isinstance(constant, int | float) and not isinstance(constant, bool):
        checked = _number(constant)
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
            return held[position]
        return None

    return read


def _number(value: Json) -> int | float:
    """A number that Python and jq treat alike; an integral float becomes an int, as jq prints it."""
    if type(value) is int:
        if -_EXACT <= value <= _EXACT:
            return value
    elif type(value) is float and math.isfinite(value):
        if value.is_integer():
            if abs(value) <= _EXACT:
                return int(value)
        elif 1e-5 < abs(value) < 1e15:  # noqa: PLR2004 - where jq and Python print doubles alike
            return value
    raise NotNativeError


def _truthy(value: Json) -> bool:
    return value is not None and value is not False


def _equal(one: Json, two: Json) -> bool:
    """jq's ``==``; True is not 1."""
    kind = type(one)
    if kind is type(two) and kind is str:
        return one == two
    if one is None or two is None:
        return one is two
    if isinstance(one, bool) or isinstance(two, bool):
        return one is two
    if isinstance(one, int | float) and isinstance(two, int | float):
        return _number(one) == _number(two)
    if kind is not type(two):
        if isinstance(one, int | float | str) or isinstance(two, int | float | str):
            return False
        if {kind, type(two)} == {list, dict}:
            return False
    raise NotNativeError


def _rank(value: Json) -> int:
    """Where a value stands in jq's order of types; containers compare in ways that are libjq's business."""
    if value is None:
        return 0
    if value is False:
        return 1
    if value is True:
        return 2
    if isinstance(value, int | float):
        return 3
    if isinstance(value, str):
        return 4
    raise NotNativeError


def _less(one: Json, two: Json) -> bool:
    if type(one) is int and type(two) is int and -_EXACT <= one <= _EXACT and -_EXACT <= two <= _EXACT:
        return one < two
    left, right = _rank(one), _rank(two)
    if left != right:
        return left < right
    if isinstance(one, str) and isinstance(two, str):
        return one < two
    if left == 3:  # noqa: PLR2004 - numbers, see _rank
        return _number(one) < _number(two)
    return False


def _binary(sign: str, left: Evaluator, right: Evaluator) -> Evaluator:
    match sign:
        case "==":
            return lambda v, e: _equal(left(v, e), right(v, e))
        case "!=":
            return lambda v, e: not _equal(left(v, e), right(v, e))
        case "<":
            return lambda v, e: _less(left(v, e), right(v, e))
        case ">":
            return lambda v, e: _less(right(v, e), left(v, e))
        case "<=":
            return lambda v, e: not _less(right(v, e), left(v, e))
        case ">=":
            return lambda v, e: not _less(left(v, e), right(v, e))
        case "and":
            return lambda v, e: _truthy(left(v, e)) and _truthy(right(v, e))
        case "or":
            return lambda v, e: _truthy(left(v, e)) or _truthy(right(v, e))
        case "//":
            return lambda v, e: held if _truthy(held := left(v, e)) else right(v, e)
        case "+" | "-" | "*" | "/" | "%":
            operation = _ARITHMETIC[sign]
            return lambda v, e: operation(left(v, e), right(v, e))
        case _:
            raise NotNativeError


def _add(one: Json, two: Json) -> Json:
    if type(one) is str and type(two) is str:
        return one + two
    if one is None:
        return two
    if two is None:
        return one
    if type(one) is list and type(two) is list:
        return one + two
    if type(one) is dict and type(two) is dict:
        return one | two
    return _number(_number(one) + _number(two))


def _divide(one: Json, two: Json) -> Json:
    divisor = _number(two)
    if divisor == 0:
        raise NotNativeError
    return _number(_number(one) / divisor)


def _modulo(one: Json, two: Json) -> Json:
    """jq cuts both to integers; the sign is the dividend's."""
    dividend, divisor = int(_number(one)), abs(int(_number(two)))
    if divisor == 0:
        raise NotNativeError
    rest = abs(dividend) % divisor
    return -rest if dividend < 0 else rest


_ARITHMETIC: dict[str, Callable[[Json, Json], Json]] = {
    "+": _add,
    "-": lambda one, two: _number(_number(one) - _number(two)),
    "*": lambda one, two: _number(_number(one) * _number(two)),
    "/": _divide,
    "%": _modulo,
}


def _negate(body: Evaluator) -> Evaluator:
    return lambda v, e: _number(-_number(body(v, e)))


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
    return lambda v, e: chosen(v, e) if _truthy(condition(v, e)) else otherwise(v, e)


def _text(parts: tuple[str | Evaluator, ...]) -> Evaluator:
    def run(value: Json, variables: Variables) -> Json:
        return "".join(part if isinstance(part, str) else _plain(part(value, variables)) for part in parts)

    return run


def _plain(value: Json) -> str:
    """``tostring`` of what is printed alike everywhere."""
    if type(value) is str:
        return value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    number = _number(value)
    if isinstance(number, int):
        return str(number)
    raise NotNativeError


def _length(value: Json) -> Json:
    if value is None:
        return 0
    if isinstance(value, str | list | dict):
        return len(value)
    if isinstance(value, bool):
        raise NotNativeError
    return abs(_number(value))


def _keys(value: Json) -> Json:
    if isinstance(value, dict):
        return sorted(value)
    raise NotNativeError


def _kind(value: Json) -> Json:
    for kinds, name in (
        ((bool,), "boolean"),
        ((int, float), "number"),
        ((str,), "string"),
        ((list,), "array"),
        ((dict,), "object"),
    ):
        if isinstance(value, kinds):
            return name
    if value is None:
        return "null"
    raise NotNativeError


_FUNCTIONS: dict[str, Callable[[Json], Json]] = {
    "not": lambda value: not _truthy(value),
    "length": _length,
    "keys": _keys,
    "type": _kind,
    "tostring": _plain,
}
