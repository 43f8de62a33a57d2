"""Text to tree: a lexer and a parser by precedence.

Source:
    CESQL 1.0, section 2, and its published grammar: NOT and minus bind closest, then LIKE, EXISTS and IN, then arithmetic,
    comparisons, and last AND, OR and XOR, which have one precedence and group to the right.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from tocsin.cesql.values import GREATEST, LEAST, Value
from tocsin.errors import Invalid, Violation

LENGTH_LIMIT: Final = 16 * 1024  # characters; a condition that is longer is a program
OPERATOR_LIMIT: Final = 200  # operators and brackets; nested at worst, which stays far from the interpreter's own limit


class CesqlInvalid(Invalid):
    """This is not a CESQL expression."""

    code = "cesql_invalid"


@dataclass(frozen=True, slots=True)
class Literal:
    """A value."""

    value: Value


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute of the event."""

    name: str


@dataclass(frozen=True, slots=True)
class Exists:
    """Whether the event has an attribute."""

    name: str


@dataclass(frozen=True, slots=True)
class Unary:
    """``NOT x`` or ``-x``."""

    operator: str
    operand: "Node"


@dataclass(frozen=True, slots=True)
class Binary:
    """``x <operator> y``; ``!=`` and ``<>`` are one."""

    operator: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class Like:
    """``x [NOT] LIKE 'pattern'``."""

    operand: "Node"
    pattern: str
    negated: bool


@dataclass(frozen=True, slots=True)
class In:
    """``x [NOT] IN (y, ...)``."""

    operand: "Node"
    members: tuple["Node", ...]
    negated: bool


@dataclass(frozen=True, slots=True)
class Call:
    """A function with its arguments."""

    name: str
    arguments: tuple["Node", ...]


Node: TypeAlias = Literal | Attribute | Exists | Unary | Binary | Like | In | Call

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+)
      | (?P<string>"(?:\\.|""|[^"\\])*"|'(?:\\.|''|[^'\\])*')
      | (?P<word>[A-Za-z0-9_]+)
      | (?P<sign><=|>=|<>|!=|[=<>+\-*/%(),])""",
    re.VERBOSE | re.DOTALL,
)
_KEYWORDS: Final = frozenset({"AND", "OR", "XOR", "NOT", "LIKE", "EXISTS", "IN", "TRUE", "FALSE"})
_NAME = re.compile(r"[A-Za-z0-9]+")
_FUNCTION = re.compile(r"[A-Za-z][A-Za-z_]*")
_LOGIC, _COMPARISON, _ADDITION, _PRODUCT = 1, 2, 3, 4
_PRECEDENCE: Final = {
    **dict.fromkeys(("AND", "OR", "XOR"), _LOGIC),
    **dict.fromkeys(("=", "!=", "<>", "<", "<=", ">", ">="), _COMPARISON),
    **dict.fromkeys(("+", "-"), _ADDITION),
    **dict.fromkeys(("*", "/", "%"), _PRODUCT),
}


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # string, word, keyword, sign, end
    text: str
    at: int  # 0-based offset


def read(text: str) -> Node:
    """The tree of an expression.

    Raises:
        CesqlInvalid: It is none; with the position.
    """
    if len(text) > LENGTH_LIMIT:
        raise CesqlInvalid(f"the expression has {len(text)} characters, the limit is {LENGTH_LIMIT}")
    return _Reader(list(_tokens(text))).whole()


def _wrong(detail: str, at: int) -> CesqlInvalid:
    violation = Violation("expression", detail, line=1, column=at + 1)
    return CesqlInvalid(f"at character {at + 1}: {detail}", violations=[violation], position=at)


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            closed = text[at] not in "\"'"
            raise _wrong(f"{text[at]!r} means nothing here" if closed else "the text that begins here does not end", at)
        kind, word = found.lastgroup or "", found[0]
        if kind == "word" and word.upper() in _KEYWORDS:
            yield _Token("keyword", word.upper(), at)
        elif kind != "space":
            yield _Token(kind, word, at)
        at = found.end()
    yield _Token("end", "", at)


class _Reader:
    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._operators = 0

    def whole(self) -> Node:
        node = self._expression(_LOGIC)
        if self._next.kind != "end":
            raise _wrong(f"{self._next.text!r} is too much", self._next.at)
        return node

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self) -> _Token:
        token = self._tokens[self._at]
        self._at += token.kind != "end"
        if token.kind == "keyword" or (token.kind == "sign" and token.text not in "),"):
            self._operators += 1
            if self._operators > OPERATOR_LIMIT:
                raise _wrong(f"more than {OPERATOR_LIMIT} operators and brackets", token.at)
        return token

    def _is(self, *texts: str) -> bool:
        return self._next.kind in {"sign", "keyword"} and self._next.text in texts

    def _expect(self, text: str) -> None:
        token = self._take()
        if token.kind != "sign" or token.text != text:
            raise _wrong(f"{text!r} is missing" + (f" before {token.text!r}" if token.text else " at the end"), token.at)

    def _expression(self, least: int) -> Node:
        left = self._unary()
        while (precedence := _PRECEDENCE.get(self._next.text, 0) if self._is(*_PRECEDENCE) else 0) >= least:
            operator = self._take().text
            right = self._expression(precedence if precedence == _LOGIC else precedence + 1)
            left = Binary("!=" if operator == "<>" else operator, left, right)
        return left

    def _unary(self) -> Node:
        operators: list[str] = []
        node: Node
        while self._is("NOT", "-", "+"):
            token = self._take()
            signs_number = self._next.kind == "word" and self._next.text.isdecimal() and self._next.at == token.at + 1
            if token.text in "+-" and signs_number:  # a sign and its digits are one literal, so that -2147483648 is one
                node = self._number(self._take(), token.text)
                break
            if token.text == "+":
                raise _wrong("a + stands between two values or before a number", token.at)
            operators.append(token.text)
        else:
            node = self._atom()
        for operator in reversed(operators):
            node = Unary(operator, node)
        return self._suffixes(node)

    def _suffixes(self, node: Node) -> Node:
        while True:
            negated = self._is("NOT")
            ahead = self._tokens[self._at + negated]
            if ahead.kind != "keyword" or ahead.text not in {"LIKE", "IN"}:
                return node
            self._at += negated
            if self._take().text == "LIKE":
                pattern = self._take()
                if pattern.kind != "string":
                    raise _wrong("LIKE takes a text in quotes", pattern.at)
                node = Like(node, _unquoted(pattern.text, keep_wildcards=True), negated)
            else:
                node = In(node, self._list(at_least=1), negated)

    def _atom(self) -> Node:
        token = self._take()
        if token.kind == "string":
            return Literal(_unquoted(token.text))
        if token.kind == "keyword" and token.text in {"TRUE", "FALSE"}:
            return Literal(token.text == "TRUE")
        if token.kind == "keyword" and token.text == "EXISTS":
            return Exists(self._name(self._take()))
        if token.kind == "sign" and token.text == "(":
            node = self._expression(_LOGIC)
            self._expect(")")
            return node
        if token.kind == "word":
            if self._next.kind == "sign" and self._next.text == "(" and _FUNCTION.fullmatch(token.text):
                return Call(token.text.upper(), self._list(at_least=0))
            return self._number(token, "") if token.text.isdecimal() else Attribute(self._name(token))
        raise _wrong(f"{token.text!r} stands where a value should" if token.text else "a value is missing at the end", token.at)

    def _list(self, *, at_least: int) -> tuple[Node, ...]:
        self._expect("(")
        nodes: list[Node] = []
        if at_least or not self._is(")"):
            nodes.append(self._expression(_LOGIC))
            while self._is(","):
                self._take()
                nodes.append(self._expression(_LOGIC))
        self._expect(")")
        return tuple(nodes)

    @staticmethod
    def _name(token: _Token) -> str:
        if token.kind != "word" or not _NAME.fullmatch(token.text):
            raise _wrong("the name of an attribute is missing; it has letters and digits only", token.at)
        return token.text.lower()  # CloudEvents has no other attribute names, and the published cases write SOURCE

    @staticmethod
    def _number(token: _Token, sign: str) -> Literal:
        number = int(sign + token.text) if len(token.text) < 40 else GREATEST + 1
        if not LEAST <= number <= GREATEST:
            raise _wrong(f"{sign}{token.text[:40]} is outside of 32 bits", token.at)
        return Literal(number)


def _unquoted(quoted: str, *, keep_wildcards: bool = False) -> str:
    """The text in quotes; a backslash takes its meaning from the character behind it.

    Args:
        quoted: With its quotes.
        keep_wildcards: Leave the backslash before ``%`` and ``_``, which the pattern of a LIKE needs.
    """
    quote, text = quoted[0], quoted[1:-1].replace(quoted[0] * 2, quoted[0])
    kept = f"\\{quote}" if not keep_wildcards else quote
    escapes = rf"\\([{re.escape(kept)}])"
    return re.sub(escapes, lambda found: found[1], text)
