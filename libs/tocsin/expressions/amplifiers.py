"""What makes gigabytes of a few characters, and how it is held back in every process that evaluates.

Two things in jq do it at once, whatever the cost of an expression says: a string that is multiplied, and an element that is set
far behind the end of an array, which fills all places before it. libjq multiplies constants while it compiles, so those are
judged from the text; everything else is judged while it is evaluated, by definitions in front of the author's text.
"""

import math
import re
from typing import Final

from tocsin.expressions.lexer import Kind, Token, invalid
from tocsin.expressions.policy import flatten
from tocsin.expressions.tree import Binary, Literal, Negate, Node, Text, children

LONGEST: Final = 8 * 1024  # bytes of a repeated string; ten thousand of them, which 32 KiB of input can ask for, are 80 MB
BEHIND: Final = 100  # places behind the end of an array: 16 bytes each, for every value of a stream
RESERVED: Final = frozenset({"_multiply", "_assign", "_modify"})
_MULTIPLY: Final = (
    "def __times(a; b): a * b; def _multiply(a; b): b as $b | a as $a"
    ' | if ([$a, $b] | map(type) | sort) == ["number", "string"]'
    f' and ([$a, $b] | map(if type == "string" then utf8bytelength else . end) | .[0] * .[1] > {LONGEST})'
    ' then error("a repeated string may have at most 8 KiB") else __times($a; $b) end; '
)
_SET: Final = (
    'def __near(p): . as $v | p as $p | if ($p | type) != "array" then $p'
    ' elif any(range($p | length); . as $i | ($p[$i] | type) == "number" and $p[$i] > '
    f'{BEHIND} + ($v | try getpath($p[:$i]) catch null | if type == "array" then length else 0 end))'
    f' then error("an element may be set up to {BEHIND} places behind the end of an array") else $p end; '
    "def __setpath(p; v): setpath(p; v); def setpath(p; v): __setpath(__near(p); v); "
    "def __pick(p): pick(p); def pick(p): __pick(getpath(__near(path(p)))); "
    "def __assign(p; v): p = v; def _assign(p; v): __assign(getpath(__near(path(p))); v); "
    "def __modify(p; f): p |= f; def _modify(p; f): __modify(getpath(__near(path(p))); f); "
)
_SETS: Final = re.compile(r"(?<![=!<>])=(?!=)|setpath|pick")


def guards(text: str) -> str:
    """Definitions that stand before a text, on one line; empty where it has nothing of the kind."""
    return (_MULTIPLY if "*" in text else "") + (_SET if _SETS.search(text) else "")


def refuse_amplifiers(text: str, tokens: tuple[Token, ...], tree: Node | None) -> None:
    """Refuse a constant that would be large, before libjq makes it; and names of the definitions above.

    Args:
        text: Of the expression.
        tokens: Of the text.
        tree: ``None`` where the parser of ours does not know the form: then numbers anywhere in it count.

    Raises:
        ExpressionInvalid: With the position.
    """
    for token in flatten(tokens):
        if token.kind is Kind.NAME and (token.text in RESERVED or token.text.startswith("__")):
            raise invalid(text, token.offset, f"'{token.text}' is reserved")
    if "*" not in text:
        return
    if (_roughly(tokens) if tree is None else _largest(tree)) > LONGEST:
        at = next((token.offset for token in flatten(tokens) if token.text == "*"), 0)
        raise invalid(text, at, "a repeated string may have at most 8 KiB")


def _largest(tree: Node) -> float:
    """Bytes of the largest constant string that multiplying makes."""
    largest, pending = 0.0, [tree]
    while pending:
        node = pending.pop()
        pending.extend(children(node))
        if isinstance(node, Binary) and node.sign == "*":
            largest = max(largest, _folded(node)[0])
    return largest


def _folded(node: Node) -> tuple[float, float]:
    """Bytes of a constant string, at most, and the size of a constant number, at most; 0 for what is none."""
    match node:
        case Literal(str() as held):
            return float(len(held.encode("utf-8", "replace"))), 0.0
        case Literal(bool() | None):
            return 0.0, 0.0
        case Literal(int() | float() as held):
            return 0.0, abs(float(held)) if math.isfinite(held) else math.inf
        case Text(None, parts) if all(isinstance(part, str) for part in parts):
            return float(sum(len(part.encode("utf-8", "replace")) for part in parts if isinstance(part, str))), 0.0
        case Negate(body):
            return _folded(body)
        case Binary("*", left, right):
            (text, number), (other, factor) = _folded(left), _folded(right)
            return max(_product(text, factor), _product(other, number)), _product(number, factor)
        case Binary("+" | "-" | "/" | "%", left, right):
            (text, number), (other, factor) = _folded(left), _folded(right)
            # A quotient may be larger than both; whoever divides constants to repeat a string means no good.
            return text + other, math.inf if node.sign == "/" and 0 < factor < 1 else number + factor
        case _:
            return 0.0, 0.0


def _product(one: float, other: float) -> float:
    return one * other if one and other else 0.0


def _roughly(tokens: tuple[Token, ...]) -> float:
    """An upper bound for a form that is not known: the longest string times all numbers, if a string stands beside a ``*``."""
    flat = [token for token in flatten(tokens) if token.text not in {"(", ")"} or token.kind is not Kind.SIGN]
    beside = {Kind.STRING}
    touched = any(
        token.kind is Kind.SIGN and token.text == "*" and ({one.kind for one in flat[max(at - 1, 0) : at + 2]} & beside)
        for at, token in enumerate(flat)
    )
    if not touched:
        return 0.0
    numbers = [abs(float(token.text)) for token in flat if token.kind is Kind.NUMBER]
    return float(len("".join(token.text for token in flat))) * math.prod(max(one, 1.0) for one in numbers)
