"""Trees to functions of an event: compiled once, evaluated often, never failing."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Final, assert_never

from tocsin.cesql.functions import find
from tocsin.cesql.grammar import (
    Attribute,
    Binary,
    Call,
    CesqlInvalid,
    Exists,
    In,
    Like,
    Literal,
    Node,
    Unary,
    read,
)
from tocsin.cesql.values import (
    Fault,
    FaultKind,
    Kind,
    Missing,
    Value,
    as_boolean,
    as_integer,
    as_string,
    bounded,
    cast,
    kind_of,
)
from tocsin.signals import CloudEvent

__all__ = ["CesqlInvalid", "Evaluation", "Filter", "parse"]

Attributes = Mapping[str, Value]
_Run = Callable[[Attributes, list[Fault]], Value | Missing]
_REQUIRED: Final = frozenset({"id", "source", "type", "specversion"})


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What an expression says about an event.

    Attributes:
        value: Its value; a zero value where it could not be had.
        faults: What went wrong, in order; empty when nothing did.
    """

    value: Value
    faults: tuple[Fault, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether it is true and nothing went wrong: what a filter asks."""
        return self.value is True and not self.faults


@dataclass(frozen=True, slots=True)
class Filter:
    """A compiled expression.

    Attributes:
        text: As it was written.
    """

    text: str
    _run: _Run

    def evaluate(self, event: CloudEvent | Attributes) -> Evaluation:
        """What it says about an event, or about attributes by name."""
        faults: list[Fault] = []
        value = self._run(attributes_of(event) if isinstance(event, CloudEvent) else event, faults)
        if isinstance(value, Missing):
            faults.append(value.fault)
            return Evaluation(False, tuple(faults))
        return Evaluation(value, tuple(faults))


def parse(text: str) -> Filter:
    """Compile an expression.

    Raises:
        CesqlInvalid: It is none; with the position.
    """
    return Filter(text, _compiled(read(text)))


def attributes_of(event: CloudEvent) -> dict[str, Value]:
    """The context attributes of an event as CESQL sees them: three types only, timestamps as text."""
    optional = {
        "subject": event.subject,
        "datacontenttype": event.datacontenttype,
        "dataschema": event.dataschema,
        "time": event.time.astimezone(UTC).isoformat().replace("+00:00", "Z") if event.time else None,
    }
    return {
        "specversion": event.specversion,
        "id": event.id,
        "source": event.source,
        "type": event.type,
        **event.extensions,
        **{name: value for name, value in optional.items() if value is not None},
    }


def _compiled(node: Node) -> _Run:
    match node:
        case Literal(value):
            return lambda _event, _faults: value
        case Attribute(name):
            return lambda event, _faults: event[name] if name in event else Missing(name)
        case Exists(name):
            return lambda event, _faults: name in event or name in _REQUIRED
        case Unary():
            return _unary(node)
        case Binary(operator="AND" | "OR"):
            return _short_circuit(node)
        case Binary():
            return _binary(node)
        case Like():
            return _like(node)
        case In():
            return _in(node)
        case Call():
            return _call(node)
    assert_never(node)


def _unary(node: Unary) -> _Run:
    operand, negates = _compiled(node.operand), node.operator == "NOT"
    kind = Kind.BOOLEAN if negates else Kind.INTEGER

    def run(event: Attributes, faults: list[Fault]) -> Value:
        value = operand(event, faults)
        if isinstance(value, Missing):
            faults.append(value.fault)
            return kind.zero
        return not as_boolean(value, faults) if negates else bounded(-as_integer(value, faults), faults)

    return run


def _short_circuit(node: Binary) -> _Run:
    left, right, decisive = _compiled(node.left), _compiled(node.right), node.operator == "OR"

    def run(event: Attributes, faults: list[Fault]) -> Value:
        for side in (left, right):
            value = side(event, faults)
            if isinstance(value, Missing):
                faults.append(value.fault)
                return False
            if as_boolean(value, faults) is decisive:
                return decisive
        return not decisive

    return run


def _quotient(left: int, right: int, faults: list[Fault]) -> int:
    if right == 0:
        faults.append(Fault(FaultKind.MATH, "division by zero"))
        return 0
    magnitude = abs(left) // abs(right)  # towards zero, which // is not
    return bounded(magnitude if (left < 0) == (right < 0) else -magnitude, faults)


def _remainder(left: int, right: int, faults: list[Fault]) -> int:
    if right == 0:
        faults.append(Fault(FaultKind.MATH, "division by zero"))
        return 0
    magnitude = abs(left) % abs(right)  # with the sign of the dividend, which % has not
    return -magnitude if left < 0 else magnitude


_ARITHMETIC: Final[dict[str, Callable[[int, int, list[Fault]], int]]] = {
    "+": lambda x, y, faults: bounded(x + y, faults),
    "-": lambda x, y, faults: bounded(x - y, faults),
    "*": lambda x, y, faults: bounded(x * y, faults),
    "/": _quotient,
    "%": _remainder,
}
_ORDER: Final[dict[str, Callable[[int, int], bool]]] = {
    "<": lambda x, y: x < y,
    "<=": lambda x, y: x <= y,
    ">": lambda x, y: x > y,
    ">=": lambda x, y: x >= y,
}


def _equal(left: Value, right: Value, kind: Kind, faults: list[Fault]) -> bool | None:
    """Whether both are equal as ``kind``; ``None`` when one of them cannot be of that type."""
    before = len(faults)
    first, second = cast(left, kind, faults), cast(right, kind, faults)
    return None if len(faults) > before else first == second


def _operate(operator: str, left: Value, right: Value, faults: list[Fault]) -> Value:
    if operator in {"=", "!="}:
        equal = _equal(left, right, kind_of(right), faults)  # ambiguous operators take the type of their right side
        return False if equal is None else equal is (operator == "=")
    if operator == "XOR":
        return as_boolean(left, faults) is not as_boolean(right, faults)
    before = len(faults)
    x, y = as_integer(left, faults), as_integer(right, faults)
    if operator in _ORDER:
        return False if len(faults) > before else _ORDER[operator](x, y)
    return _ARITHMETIC[operator](x, y, faults)


def _binary(node: Binary) -> _Run:
    left, right, operator = _compiled(node.left), _compiled(node.right), node.operator
    zero = Kind.INTEGER.zero if operator in _ARITHMETIC else Kind.BOOLEAN.zero

    def run(event: Attributes, faults: list[Fault]) -> Value:
        before = len(faults)
        x, y = left(event, faults), right(event, faults)
        if isinstance(x, Missing) or isinstance(y, Missing):
            faults.extend(side.fault for side in (x, y) if isinstance(side, Missing))
            return zero
        if len(faults) > before:  # what follows from a value that could not be had is not an answer either
            return zero
        return _operate(operator, x, y, faults)

    return run


def _like(node: Like) -> _Run:
    operand, negated = _compiled(node.operand), node.negated
    matches = _pattern(node.pattern)

    def run(event: Attributes, faults: list[Fault]) -> Value:
        value = operand(event, faults)
        if isinstance(value, Missing):
            faults.append(value.fault)
            return False
        return matches(as_string(value)) is not negated

    return run


def _pattern(pattern: str) -> Callable[[str], bool]:
    """A matcher for a LIKE pattern, in time linear in the text for each part between two ``%``.

    Not one regular expression: ``%a%a%a%a%b`` would take it exponentially long.
    """
    parts = [re.compile(part, re.DOTALL) for part in _parts(pattern)]
    if len(parts) == 1:
        return lambda text: parts[0].fullmatch(text) is not None

    def matches(text: str) -> bool:
        head = parts[0].match(text)
        if head is None:
            return False
        at = head.end()
        for part in parts[1:-1]:
            found = part.search(text, at)
            if found is None:
                return False
            at = found.end()
        tail = parts[-1]
        # What remains is matched at the very end; every character of a part is exactly one of the text.
        start = len(text) - _width(pattern)
        return start >= at and tail.fullmatch(text, start) is not None

    return matches


_PIECE = re.compile(r"\\[%_]|.", re.DOTALL)


def _parts(pattern: str) -> list[str]:
    parts = [""]
    for piece in _PIECE.findall(pattern):
        if piece == "%":
            parts.append("")
        else:
            parts[-1] += "." if piece == "_" else re.escape(piece[-1])
    return parts


def _width(pattern: str) -> int:
    """How many characters the part behind the last ``%`` stands for."""
    width = 0
    for piece in _PIECE.findall(pattern):
        width = 0 if piece == "%" else width + 1
    return width


def _in(node: In) -> _Run:
    operand, members, negated = _compiled(node.operand), [_compiled(member) for member in node.members], node.negated

    def run(event: Attributes, faults: list[Fault]) -> Value:
        value = operand(event, faults)
        if isinstance(value, Missing):
            faults.append(value.fault)
            return False
        kind, before, found = kind_of(value), len(faults), False
        for member in members:
            other = member(event, faults)
            if isinstance(other, Missing):
                faults.append(other.fault)
            elif not found:
                found = bool(_equal(value, other, kind, faults))
        if len(faults) > before and not found:
            return False
        return found is not negated

    return run


def _call(node: Call) -> _Run:
    function, arguments = find(node.name, len(node.arguments)), [_compiled(argument) for argument in node.arguments]
    name, count = node.name, len(node.arguments)
    if function is None:

        def unknown(_event: Attributes, faults: list[Fault]) -> Value:
            faults.append(Fault(FaultKind.MISSING_FUNCTION, f"there is no function {name} of {count} arguments"))
            return False

        return unknown

    def run(event: Attributes, faults: list[Fault]) -> Value:
        values = [argument(event, faults) for argument in arguments]
        present = [value for value in values if not isinstance(value, Missing)]
        if len(present) < len(values):
            faults.extend(value.fault for value in values if isinstance(value, Missing))
            return function.gives.zero
        return function.body([cast(v, function.kind_at(i), faults) for i, v in enumerate(present)], faults)

    return run
