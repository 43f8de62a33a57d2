"""The built-in functions. Each is total: a value of its type always, a fault beside it where something was wrong.

Source:
    CESQL 1.0, section 3.5.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from tocsin.cesql.values import GREATEST, LEAST, Fault, FaultKind, Kind, Value

Body = Callable[[Sequence[Value], list[Fault]], Value]


@dataclass(frozen=True, slots=True)
class Function:
    """One function.

    Attributes:
        takes: Types of its parameters; the last one again and again where it is variadic.
        gives: Type of its value.
        body: What it does with arguments that have been cast.
        variadic: Whether more arguments than ``takes`` may follow, down to one fewer.
    """

    takes: tuple[Kind, ...]
    gives: Kind
    body: Body
    variadic: bool = False

    def accepts(self, count: int) -> bool:
        """Whether it can be called with this many arguments."""
        return count >= len(self.takes) - 1 if self.variadic else count == len(self.takes)

    def kind_at(self, index: int) -> Kind:
        """Type of the argument at ``index``."""
        return self.takes[min(index, len(self.takes) - 1)]


def _text(value: Value) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Value) -> int:
    return value if isinstance(value, int) else 0


def _fault(faults: list[Fault], detail: str) -> None:
    faults.append(Fault(FaultKind.FUNCTION_EVALUATION, detail))


def _left(arguments: Sequence[Value], faults: list[Fault]) -> Value:
    text, count = _text(arguments[0]), _number(arguments[1])
    if count < 0:
        _fault(faults, "LEFT takes a length that is not negative")
        return text
    return text[:count]


def _right(arguments: Sequence[Value], faults: list[Fault]) -> Value:
    text, count = _text(arguments[0]), _number(arguments[1])
    if count < 0:
        _fault(faults, "RIGHT takes a length that is not negative")
        return text
    return text[max(0, len(text) - count) :]


def _substring(arguments: Sequence[Value], faults: list[Fault]) -> Value:
    text, position = _text(arguments[0]), _number(arguments[1])
    length = _number(arguments[2]) if len(arguments) > 2 else len(text)
    if abs(position) > len(text) or length < 0:
        _fault(faults, f"SUBSTRING from {position} of a text of {len(text)} characters")
        return ""
    if position == 0:
        return ""
    start = position - 1 if position > 0 else len(text) + position
    return text[start : start + length]


def _abs(arguments: Sequence[Value], faults: list[Fault]) -> Value:
    number = _number(arguments[0])
    if number == LEAST:
        faults.append(Fault(FaultKind.MATH, f"the absolute value of {LEAST} is outside of 32 bits"))
        return GREATEST
    return abs(number)


_S, _I, _B = Kind.STRING, Kind.INTEGER, Kind.BOOLEAN

FUNCTIONS: Final[dict[str, tuple[Function, ...]]] = {
    "LENGTH": (Function((_S,), _I, lambda a, _: len(_text(a[0]))),),
    "CONCAT": (Function((_S,), _S, lambda a, _: "".join(map(_text, a)), variadic=True),),
    "CONCAT_WS": (Function((_S, _S), _S, lambda a, _: _text(a[0]).join(map(_text, a[1:])), variadic=True),),
    "LOWER": (Function((_S,), _S, lambda a, _: _text(a[0]).lower()),),
    "UPPER": (Function((_S,), _S, lambda a, _: _text(a[0]).upper()),),
    "TRIM": (Function((_S,), _S, lambda a, _: _text(a[0]).strip()),),
    "LEFT": (Function((_S, _I), _S, _left),),
    "RIGHT": (Function((_S, _I), _S, _right),),
    "SUBSTRING": (Function((_S, _I), _S, _substring), Function((_S, _I, _I), _S, _substring)),
    "ABS": (Function((_I,), _I, _abs),),
    # Casting is what the parameter's type does.
    "INT": (Function((_I,), _I, lambda a, _: a[0]),),
    "BOOL": (Function((_B,), _B, lambda a, _: a[0]),),
    "STRING": (Function((_S,), _S, lambda a, _: a[0]),),
}


def find(name: str, count: int) -> Function | None:
    """The function of this name (upper case) for this many arguments."""
    return next((function for function in FUNCTIONS.get(name, ()) if function.accepts(count)), None)
