"""The three types of CESQL, what happens between them, and the errors that are values.

Source:
    CESQL 1.0, sections 3.1, 3.3 and 3.7.
"""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

Value: TypeAlias = str | int | bool

LEAST: Final = -(2**31)
GREATEST: Final = 2**31 - 1
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,40}")  # longer ones overflow in any case, and parsing them costs


class Kind(Enum):
    """A type, with its zero value."""

    STRING = "string"
    INTEGER = "integer"
    BOOLEAN = "boolean"

    @property
    def zero(self) -> Value:
        """What an operator of this type answers when it cannot answer."""
        return _ZEROS[self]


class FaultKind(Enum):
    """What can go wrong."""

    PARSE = "parse"
    MATH = "math"
    CAST = "cast"
    MISSING_ATTRIBUTE = "missingAttribute"
    MISSING_FUNCTION = "missingFunction"
    FUNCTION_EVALUATION = "functionEvaluation"
    GENERIC = "generic"


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that went wrong while an expression was evaluated; the evaluation goes on with a zero value."""

    kind: FaultKind
    detail: str


@dataclass(frozen=True, slots=True)
class Missing:
    """The value of an attribute that the event does not have; every operator answers it with its own zero value."""

    name: str

    @property
    def fault(self) -> Fault:
        """What is said about it."""
        return Fault(FaultKind.MISSING_ATTRIBUTE, f"the event has no attribute {self.name}")


_ZEROS: Final[dict[Kind, Value]] = {Kind.STRING: "", Kind.INTEGER: 0, Kind.BOOLEAN: False}


def kind_of(value: Value) -> Kind:
    """The type of a value."""
    if isinstance(value, bool):
        return Kind.BOOLEAN
    return Kind.INTEGER if isinstance(value, int) else Kind.STRING


def cast(value: Value, kind: Kind, faults: list[Fault]) -> Value:
    """A value as another type; a zero value and a fault where that is not possible."""
    match kind:
        case Kind.STRING:
            return as_string(value)
        case Kind.INTEGER:
            return as_integer(value, faults)
        case Kind.BOOLEAN:
            return as_boolean(value, faults)


def as_string(value: Value) -> str:
    """Always possible."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def as_integer(value: Value, faults: list[Fault]) -> int:
    """A string must be a decimal integer of 32 bits."""
    if isinstance(value, str):
        if _INTEGER.fullmatch(value) and LEAST <= (number := int(value)) <= GREATEST:
            return number
        faults.append(Fault(FaultKind.CAST, f"{value[:80]!r} is not an integer of 32 bits"))
        return 0
    return int(value)


def as_boolean(value: Value, faults: list[Fault]) -> bool:
    """A string must be ``true`` or ``false`` in any case; an integer is true unless it is 0."""
    if isinstance(value, str):
        lowered = value.lower()
        if lowered in {"true", "false"}:
            return lowered == "true"
        faults.append(Fault(FaultKind.CAST, f"{value[:80]!r} is neither true nor false"))
        return False
    return bool(value)


def bounded(number: int, faults: list[Fault]) -> int:
    """The result of arithmetic; outside of 32 bits it is 0 and a fault."""
    if LEAST <= number <= GREATEST:
        return number
    faults.append(Fault(FaultKind.MATH, f"{number} is outside of 32 bits"))
    return 0
