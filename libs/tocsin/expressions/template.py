"""Data with expressions in it: ``${ ... }`` is evaluated when it is the whole string, and nothing else ever is.

Strict mode of the DSL; :func:`loosened` writes what an author left to loose mode in strict form. Data that arrives at run
time is never looked at for expressions: only what the author wrote is compiled.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from tocsin.errors import Violation
from tocsin.expressions.cost import Cost
from tocsin.expressions.failures import ExpressionInvalid
from tocsin.expressions.json_values import Json
from tocsin.expressions.program import Expression, compile_expression

_STRICT = re.compile(r"\s*\$\{(?P<text>.*)\}\s*", re.DOTALL)
_Part: TypeAlias = Callable[[Callable[[Expression], Json]], Json]
_ORDER = (Cost.NATIVE, Cost.BOUNDED, Cost.OPEN)


def expression_text(text: str) -> str | None:
    """The jq text of a strict expression, or ``None`` when the string is a constant."""
    found = _STRICT.fullmatch(text)
    return None if found is None else found["text"]


def compile_condition(text: str, variables: frozenset[str]) -> Expression:
    """Compile what is always an expression; ``${ }`` is optional.

    So are ``if``, ``when``, ``exceptWhen``, ``while``, ``until``, ``for.in``, ``input.from``, ``*.as`` and ``correlate.from``.

    Raises:
        ExpressionInvalid: As :func:`compile_expression`.
    """
    strict = expression_text(text)
    return compile_expression(text if strict is None else strict, variables)


def truthy(value: Json) -> bool:
    """Jq's truth: everything but null and false."""
    return value is not None and value is not False


class Template:
    """Compiled data.

    Attributes:
        data: What was compiled.
        constant: Whether there is no expression inside; then :meth:`evaluate` returns :attr:`data` itself.
        names: Variables that its expressions use.
        cost: The most expensive of its expressions; NATIVE when there is none.
        reads: Whether any of them looks at the value.
        expressions: Its expressions, in order of appearance.
    """

    __slots__ = ("_part", "constant", "cost", "data", "expressions", "names", "reads")

    def __init__(self, data: Json, expressions: Sequence[Expression], part: _Part | None) -> None:
        """Use :func:`compile_template`."""
        self.data = data
        self.expressions = tuple(expressions)
        self.constant = part is None
        self.names = frozenset().union(*(expression.names for expression in expressions))
        self.cost = max((expression.cost for expression in expressions), key=_ORDER.index, default=Cost.NATIVE)
        self.reads = any(expression.reads for expression in expressions)
        self._part = part

    def evaluate(self, value: Json, variables: Mapping[str, Json]) -> Json:
        """The data with its expressions replaced by their results; constants are shared, not copied.

        Raises:
            ExpressionFailed: One of the expressions does not work on this value.
            EvaluateElsewhere: One of them may only be evaluated in the sandbox.
        """
        if self._part is None:
            return self.data
        return self._part(lambda expression: expression.evaluate(value, variables))

    def evaluate_anyway(self, value: Json, variables: Mapping[str, Json]) -> Json:
        """As :meth:`evaluate`, whatever it costs: only for a process that can be killed."""
        if self._part is None:
            return self.data
        return self._part(lambda expression: expression.evaluate_anyway(value, variables))


def compile_template(data: Json, variables: frozenset[str]) -> Template:
    """Compile data in which any string may be a strict expression.

    Args:
        data: JSON data as the author wrote it. Keys are never expressions.
        variables: Names that may be used as ``$name``.

    Raises:
        ExpressionInvalid: The first expression that does not compile; its violation has the pointer into ``data``.
    """
    expressions: list[Expression] = []
    part = _compile(data, variables, expressions, "")
    return Template(data, expressions, part)


def loosened(data: Json, variables: frozenset[str]) -> Json:
    """Data in which every string may be an expression, in strict form.

    A string that compiles is evaluated, with ``${ }`` or without; one that does not, or that fails on the value at hand,
    gives its own text. So says the language of the loose mode.

    Args:
        data: JSON data as the author wrote it. Keys are never expressions.
        variables: Names that may be used as ``$name``.
    """
    if isinstance(data, str):
        text = (expression_text(data) or "").strip() or data
        try:
            compile_expression(text, variables)
        except ExpressionInvalid:
            return text
        return f"${{ try (\n{text}\n) catch {json.dumps(text)} }}"
    if isinstance(data, Mapping):
        return {key: loosened(held, variables) for key, held in data.items()}
    if isinstance(data, Sequence):
        return [loosened(held, variables) for held in data]
    return data


def _compile(data: Json, variables: frozenset[str], found: list[Expression], pointer: str) -> _Part | None:
    if isinstance(data, str):
        text = expression_text(data)
        if text is None:
            return None
        try:
            expression = compile_expression(text, variables)
        except ExpressionInvalid as wrong:
            place = Violation(pointer, wrong.detail, wrong.hint)
            raise _at(wrong, place) from None
        found.append(expression)
        return lambda run: run(expression)
    if isinstance(data, Mapping):
        members = [(k, v, _compile(v, variables, found, f"{pointer}/{_escaped(k)}")) for k, v in data.items()]
        if all(part is None for _, _, part in members):
            return None
        return lambda run: {key: held if part is None else part(run) for key, held, part in members}
    if isinstance(data, Sequence):
        items = [(item, _compile(item, variables, found, f"{pointer}/{index}")) for index, item in enumerate(data)]
        if all(part is None for _, part in items):
            return None
        return lambda run: [item if part is None else part(run) for item, part in items]
    return None


def _at(wrong: ExpressionInvalid, place: Violation) -> ExpressionInvalid:
    error = ExpressionInvalid(wrong.detail, line=wrong.line, column=wrong.column, hint=wrong.hint)
    error.violations = (place,)
    return error


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
