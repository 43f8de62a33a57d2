"""A compiled expression: native where it can be, libjq otherwise, and never both answers.

libjq is handed everything in one JSON text: the value under ``v`` and beside it the variables that the expression uses, and
only those. Binding variables when a program is compiled costs 2.3 ms a call; inside the input they cost what their bytes cost.
"""

import difflib
import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Protocol

import jq
import orjson

from tocsin.expressions.amplifiers import guards, refuse_amplifiers
from tocsin.expressions.cost import Cost, limit_bytes
from tocsin.expressions.failures import EvaluateElsewhere, ExpressionFailed, ExpressionInvalid
from tocsin.expressions.json_values import Json
from tocsin.expressions.lexer import Kind, Token, invalid, position, tokenize
from tocsin.expressions.native import Evaluator, compile_native
from tocsin.expressions.native_values import NotNativeError
from tocsin.expressions.policy import calls, flatten, refuse
from tocsin.expressions.reading import reads_value
from tocsin.expressions.syntax import parse

LONGEST = 16 * 1024  # characters of one expression; longer ones are programs and belong into a script
_ERROR = re.compile(r"jq: error: (?P<what>.*?) at <top-level>, line (?P<line>\d+)(?:, column (?P<column>\d+))?", re.DOTALL)
_QUOTED = 200  # characters of libjq's own text that are passed on, since it quotes the data


class _Result(Protocol):
    def first(self) -> Json: ...


class _Program(Protocol):
    """What the jq package gives (it ships no types)."""

    def input_text(self, text: str) -> _Result: ...


class Expression:
    """One expression, compiled once and immutable.

    Attributes:
        text: The jq text, without ``${ }``.
        cost: How it may be evaluated.
        names: The variables it uses, without ``$``; ``now`` when it asks for the time, which the caller gives as a number of
            seconds.
        reads: Whether it looks at the value at all, or only at variables.
        limit: Up to how many bytes of input (as JSON) :meth:`evaluate` accepts when libjq has to be asked; 0 for OPEN.
    """

    __slots__ = ("_libjq", "_native", "cost", "limit", "names", "reads", "text")

    def __init__(self, text: str, names: frozenset[str], limit: int, native: Evaluator | None, libjq: _Program | None) -> None:
        """Use :func:`compile_expression`."""
        self.text = text
        self.names = names
        self.limit = limit
        self.reads = True
        self.cost = Cost.NATIVE if native is not None else Cost.BOUNDED if limit else Cost.OPEN
        self._native = native
        self._libjq = libjq

    def __repr__(self) -> str:
        return f"Expression({self.text!r}, {self.cost.value})"

    def evaluate(self, value: Json, variables: Mapping[str, Json]) -> Json:
        """The first output, or ``None`` when there is none.

        The result may share structure with the value and the variables; treat all of it as immutable.

        Args:
            value: What ``.`` is.
            variables: At least :attr:`names`; a missing one is null.

        Raises:
            ExpressionFailed: The expression does not work on this value. Deterministic.
            EvaluateElsewhere: The expression is OPEN, or this value is above :attr:`limit`; ask the sandbox. Deterministic.
        """
        if self._native is not None:
            try:
                return self._native(value, variables)
            except NotNativeError:
                pass
        if not self.limit:
            raise EvaluateElsewhere("the expression is evaluated in the sandbox only")
        text = self._input(value, variables)
        if len(text) > self.limit:
            raise EvaluateElsewhere(
                f"the value has {len(text)} bytes and this expression is evaluated in a step up to {self.limit}",
                limit=self.limit,
                size=len(text),
            )
        return self._ask(text)

    def evaluate_anyway(self, value: Json, variables: Mapping[str, Json]) -> Json:
        """As :meth:`evaluate`, for any cost and any size: only for a process that can be killed.

        Raises:
            ExpressionFailed: The expression does not work on this value.
        """
        return self._ask(self._input(value, variables))

    def _input(self, value: Json, variables: Mapping[str, Json]) -> bytes:
        document: Json = value
        if self.names:
            document = {"v": value, **{name: variables.get(name) for name in self.names}}
        try:
            return orjson.dumps(document)
        except TypeError:  # integers beyond 64 bits and lone surrogates, which orjson refuses
            return json.dumps(document).encode()

    def _ask(self, text: bytes) -> Json:
        if self._libjq is None:
            self._libjq = _compile_libjq(self.text, self.names)
        try:
            return self._libjq.input_text(text.decode()).first()
        except StopIteration:
            return None
        except ValueError as failure:
            told = "the expression failed on this value" if "secrets" in self.names else str(failure)[:_QUOTED]
            raise ExpressionFailed(told, expression=self.text[:_QUOTED]) from None


@lru_cache(maxsize=4096)
def compile_expression(text: str, variables: frozenset[str]) -> Expression:
    """Compile jq text without ``${ }``.

    Args:
        text: The jq program.
        variables: Names that may be used as ``$name``.

    Raises:
        ExpressionInvalid: With position, reason and, for an unknown variable, the nearest name.
    """
    if not text.strip():
        raise ExpressionInvalid("the expression is empty", hint="Write '.' for the value itself.")
    if len(text) > LONGEST:
        raise ExpressionInvalid(
            f"the expression has {len(text)} characters; at most {LONGEST} are allowed", hint="Use a script task."
        )
    tokens = tokenize(text)
    refuse(text, tokens)
    mentioned = _mentioned(text, tokens)
    names = frozenset(mentioned) & variables
    if any(token.text == "now" for token in calls(tokens)):
        names |= {"now"}
    tree = parse(tokens)
    refuse_amplifiers(text, tokens, tree)
    native = None if tree is None else compile_native(tree)
    limit = limit_bytes(tree)
    if native is not None and limit and names >= frozenset(mentioned):
        found = Expression(text, names, limit, native, None)
    else:
        found = Expression(text, names, limit, None, _checked(text, names, variables, mentioned))
    found.reads = reads_value(tree)
    return found


def _mentioned(text: str, tokens: tuple[Token, ...]) -> dict[str, int]:
    """Variables in the text, with the offset of their first mention; the wrapper's own names are refused."""
    found: dict[str, int] = {}
    for token in flatten(tokens):
        if token.kind is Kind.VARIABLE:
            if token.text.startswith("__"):
                raise invalid(text, token.offset, f"'${token.text}' is reserved")
            found.setdefault(token.text, token.offset)
    return found


def _wrapped(text: str, names: frozenset[str], *, closed: bool) -> str:
    """The program for libjq: our line first, the author's text on lines of its own, so that positions are easy to map back."""
    lead = guards(text)
    if names:
        bound = "".join(f"| $__in[{json.dumps(name)}] as ${name} " for name in sorted(names - {"now"}))
        lead = f". as $__in {bound}| {lead}{'def now: $__in.now; ' if 'now' in names else ''}$__in.v |"
    elif not lead and closed:
        return text
    return f"{lead} (\n{text}\n)" if closed else f"{lead}\n{text}"


def _compile_libjq(text: str, names: frozenset[str]) -> _Program:
    program: _Program = jq.compile(_wrapped(text, names, closed=True))
    return program


def _checked(text: str, names: frozenset[str], variables: frozenset[str], mentioned: dict[str, int]) -> _Program:
    try:
        return _compile_libjq(text, names)
    except ValueError as failure:
        told = _told(text, names) or str(failure)
    found = _ERROR.search(told)
    what = found["what"].removeprefix("syntax error, ") if found else told.splitlines()[0]
    line, column = _place(text, int(found["line"]) - 1, int(found["column"] or 1)) if found else (1, 1)
    undefined = re.fullmatch(r"\$(\w+) is not defined", what)
    if undefined:
        name = undefined[1]
        line, column = position(text, mentioned.get(name, 0))
        raise ExpressionInvalid(f"'${name}' is not a variable here", line=line, column=column, hint=_nearest(name, variables))
    raise ExpressionInvalid(what, line=line, column=column)


def _told(text: str, names: frozenset[str]) -> str | None:
    """What libjq says about the text without our brackets around it: its end is then the end of the file."""
    try:
        jq.compile(_wrapped(text, names, closed=False))
    except ValueError as failure:
        return str(failure)
    return None


def _place(text: str, line: int, column: int) -> tuple[int, int]:
    """A position that exists in the text."""
    lines = text.split("\n")
    if line > len(lines):
        return len(lines), len(lines[-1]) + 1
    return max(line, 1), min(column, len(lines[max(line, 1) - 1]) + 1)


def _nearest(name: str, variables: frozenset[str]) -> str:
    if close := difflib.get_close_matches(name, sorted(variables), n=1):
        return f"Did you mean '${close[0]}'?"
    known = ", ".join(f"${known}" for known in sorted(variables))
    return f"Variables here: {known}." if known else "There are no variables here."
