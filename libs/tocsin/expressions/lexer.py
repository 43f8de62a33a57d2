"""Tokens of jq, with their positions.

libjq reports errors, but does not say which variables and functions a program uses. The policy (what is refused), the cost
class and the native fast path need that, so we read the program too. libjq stays the truth: it compiles every expression as
well.
"""

import re
from dataclasses import dataclass
from enum import Enum

from tocsin.expressions.failures import ExpressionInvalid


class Kind(Enum):
    """What a token is."""

    NAME = "name"  # a function or keyword; ``::`` stays inside
    FIELD = "field"  # ``.name``; the text is the name
    VARIABLE = "variable"  # ``$name``; the text is the name
    FORMAT = "format"  # ``@base64``
    NUMBER = "number"
    STRING = "string"  # parts has the pieces
    SIGN = "sign"
    END = "end"


@dataclass(frozen=True, slots=True)
class Token:
    """One token.

    Attributes:
        kind: What it is.
        text: The name, number or sign itself.
        offset: 0-based offset into the expression's text.
        parts: Of a string: its literal pieces (``str``) and the tokens of its interpolations (``tuple``), in order.
    """

    kind: Kind
    text: str
    offset: int
    parts: tuple["str | tuple[Token, ...]", ...] = ()


_SPACE = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)+")
_NAME = r"(?:[A-Za-z_][A-Za-z_0-9]*::)*[A-Za-z_][A-Za-z_0-9]*"
_TOKEN = re.compile(
    rf"(?P<number>\.?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?)"
    rf"|\.(?P<field>[A-Za-z_][A-Za-z_0-9]*)"
    rf"|\$(?P<variable>{_NAME})"
    rf"|(?P<name>{_NAME})"
    r"|(?P<format>@[A-Za-z0-9_]+)"
    r"|(?P<sign>\?//=|\?//|!=|==|//=|//|\|=|\+=|-=|\*=|/=|%=|<=|>=|\.\.|[.?=;,:|+\-*/%$<>()\[\]{}])"
)
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_PLAIN = re.compile(r'[^"\\]+')
_DEEPEST = 20  # strings inside interpolations inside strings
_CLOSES = {")": "(", "]": "[", "}": "{"}


def position(text: str, offset: int) -> tuple[int, int]:
    """1-based line and column of an offset."""
    before = text[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1


def invalid(text: str, offset: int, detail: str, hint: str | None = None) -> ExpressionInvalid:
    """The error for something wrong at an offset."""
    line, column = position(text, offset)
    return ExpressionInvalid(detail, line=line, column=column, hint=hint)


def tokenize(text: str) -> tuple[Token, ...]:
    """All tokens of an expression, the last one of kind END.

    Raises:
        ExpressionInvalid: A character that starts no token, an unclosed string or bracket.
    """
    tokens, offset = _until(text, 0, inside_string=0)
    return (*tokens, Token(Kind.END, "", offset))


def _until(text: str, offset: int, *, inside_string: int) -> tuple[tuple[Token, ...], int]:
    """Tokens up to the end of the text, or up to the bracket that closes an interpolation."""
    tokens: list[Token] = []
    open_at: list[tuple[str, int]] = []
    while True:
        if space := _SPACE.match(text, offset):
            offset = space.end()
        if offset >= len(text):
            if open_at or inside_string:
                sign, where = open_at[-1] if open_at else ("(", offset)
                raise invalid(text, where, f"'{sign}' is never closed")
            return tuple(tokens), offset
        if text[offset] == '"':
            token, offset = _string(text, offset, inside_string)
            tokens.append(token)
            continue
        match = _TOKEN.match(text, offset)
        if match is None:
            raise invalid(text, offset, f"{text[offset]!r} starts nothing in jq")
        kind = str(match.lastgroup)
        found = match.group(kind)
        if kind == "sign":
            if found in _CLOSES.values():
                open_at.append((found, offset))
            elif found in _CLOSES:
                if not open_at and inside_string and found == ")":
                    return tuple(tokens), match.end()
                if not open_at or open_at[-1][0] != _CLOSES[found]:
                    raise invalid(text, offset, f"'{found}' closes nothing")
                open_at.pop()
        tokens.append(Token(Kind(kind), found, offset))
        offset = match.end()


def _string(text: str, start: int, inside_string: int) -> tuple[Token, int]:
    parts: list[str | tuple[Token, ...]] = []
    piece: list[str] = []
    offset = start + 1
    while offset < len(text):
        if plain := _PLAIN.match(text, offset):
            piece.append(plain.group())
            offset = plain.end()
            continue
        if text[offset] == '"':
            if piece:
                parts.append(_joined(piece))
            return Token(Kind.STRING, "", start, tuple(parts)), offset + 1
        escape = text[offset + 1 : offset + 2]
        if escape in _ESCAPES:
            piece.append(_ESCAPES[escape])
            offset += 2
        elif escape == "u" and re.fullmatch(r"[0-9a-fA-F]{4}", text[offset + 2 : offset + 6]):
            piece.append(chr(int(text[offset + 2 : offset + 6], 16)))
            offset += 6
        elif escape == "(":
            if piece:
                parts.append(_joined(piece))
                piece = []
            if inside_string == _DEEPEST:
                raise invalid(text, offset, f"strings inside strings, more than {_DEEPEST} deep")
            inner, offset = _until(text, offset + 2, inside_string=inside_string + 1)
            parts.append((*inner, Token(Kind.END, "", offset - 1)))
        else:
            raise invalid(text, offset, f"'\\{escape}' is not an escape of jq strings")
    raise invalid(text, start, "the string is never closed")


def _joined(pieces: list[str]) -> str:
    """A literal piece; escapes beyond 16 bits come as pairs, and half a pair is what jq makes of it."""
    text = "".join(pieces)
    if text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
