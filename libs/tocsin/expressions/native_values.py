"""What jq does with values, on the happy path: numbers, comparison, arithmetic and a few functions.

Anything else raises :class:`NotNativeError`, and libjq is asked.
"""

import math
from collections.abc import Callable

from tocsin.expressions.json_values import Json

_EXACT = 2**53  # integers up to this are exact as doubles, which is what jq calculates with


class NotNativeError(Exception):
    """Ask libjq."""


def number(value: Json) -> int | float:
    """A number that Python and jq treat alike; an integral float becomes an int, as jq prints it."""
    if type(value) is int:
        if -_EXACT <= value <= _EXACT:
            return value
    elif type(value) is float and math.isfinite(value):
        if value.is_integer():
            if abs(value) <= _EXACT:
                return int(value)
        elif 1e-5 < abs(value) < 1e15:  # where jq and Python print doubles alike
            return value
    raise NotNativeError


def truthy(value: Json) -> bool:
    """Truth as jq has it: everything but null and false."""
    return value is not None and value is not False


def equal(one: Json, two: Json) -> bool:
    """Equality as jq has it; True is not 1."""
    kind = type(one)
    if kind is type(two) and kind is str:
        return one == two
    if one is None or two is None:
        return one is two
    if isinstance(one, bool) or isinstance(two, bool):
        return one is two
    if isinstance(one, int | float) and isinstance(two, int | float):
        return number(one) == number(two)
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


def less(one: Json, two: Json) -> bool:
    """Order as jq has it: null, false, true, numbers, strings; containers are libjq's business."""
    if type(one) is int and type(two) is int and -_EXACT <= one <= _EXACT and -_EXACT <= two <= _EXACT:
        return one < two
    left, right = _rank(one), _rank(two)
    if left != right:
        return left < right
    if isinstance(one, str) and isinstance(two, str):
        return one < two
    if left == 3:  # numbers, see _rank
        return number(one) < number(two)
    return False


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
    return number(number(one) + number(two))


def _divide(one: Json, two: Json) -> Json:
    divisor = number(two)
    if divisor == 0:
        raise NotNativeError
    return number(number(one) / divisor)


def _modulo(one: Json, two: Json) -> Json:
    """As jq, which cuts both to integers; the sign is the dividend's."""
    dividend, divisor = int(number(one)), abs(int(number(two)))
    if divisor == 0:
        raise NotNativeError
    rest = abs(dividend) % divisor
    return -rest if dividend < 0 else rest


ARITHMETIC: dict[str, Callable[[Json, Json], Json]] = {
    "+": _add,
    "-": lambda one, two: number(number(one) - number(two)),
    "*": lambda one, two: number(number(one) * number(two)),
    "/": _divide,
    "%": _modulo,
}


def plain(value: Json) -> str:
    """``tostring`` of what is printed alike everywhere."""
    if type(value) is str:
        return value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if type(value) is int:
        return str(number(value))
    raise NotNativeError  # jq prints 1.0 as it was written: libjq knows


def _length(value: Json) -> Json:
    if value is None:
        return 0
    if isinstance(value, str | list | dict):
        return len(value)
    if isinstance(value, bool):
        raise NotNativeError
    return abs(number(value))


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


FUNCTIONS: dict[str, Callable[[Json], Json]] = {
    "not": lambda value: not truthy(value),
    "length": _length,
    "keys": _keys,
    "type": _kind,
    "tostring": plain,
}
