"""From tokens to the tree of a jq expression, as far as cost and the native fast path need it.

What is left out on purpose (function definitions, labels, alternative destructuring) makes :func:`parse` answer ``None``; such
expressions are evaluated in the sandbox, so a gap here costs a round trip and never a wrong answer.
"""

from collections.abc import Callable

from tocsin.expressions.lexer import Kind, Token
from tocsin.expressions.tree import (
    Array,
    Attempt,
    Binary,
    Bind,
    Call,
    Choice,
    Comma,
    Fold,
    Identity,
    Index,
    Iterate,
    Literal,
    Negate,
    Node,
    Object,
    Pipe,
    Slice,
    Text,
    Variable,
)

# Binding powers, lowest first, as in jq's grammar; the third column says how equals group.
_POWER: dict[str, tuple[int, str]] = {
    "|": (1, "right"),
    ",": (2, "left"),
    "//": (3, "right"),
    **dict.fromkeys(("=", "|=", "+=", "-=", "*=", "/=", "%=", "//="), (4, "none")),
    "or": (5, "left"),
    "and": (6, "left"),
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">="), (7, "none")),
    "+": (8, "left"),
    "-": (8, "left"),
    "*": (9, "left"),
    "/": (9, "left"),
    "%": (9, "left"),
}
_CONSTANTS: dict[str, bool | None] = {"null": None, "true": True, "false": False}
_WORDS = frozenset({"def", "label", "import", "include", "as", "then", "elif", "else", "end", "catch", "and", "or", "module"})
_DEEPEST = 60  # nesting that is parsed: some 300 frames, so that the answer never depends on how deep the caller is


class _GaveUpError(Exception):
    """The parser does not know this; libjq may."""


def parse(tokens: tuple[Token, ...]) -> Node | None:
    """The tree, or ``None`` when the expression uses what this parser leaves out (or is not valid: libjq says)."""
    try:
        reader = _Reader(tokens)
        node = reader.pipe()
    except (_GaveUpError, RecursionError):
        return None
    return node if reader.at.kind is Kind.END else None


class _Reader:
    """A cursor over tokens with one method a rule of the grammar."""

    def __init__(self, tokens: tuple[Token, ...], depth: int = 0) -> None:
        self._tokens = tokens
        self._next = 0
        self._depth = depth

    @property
    def at(self) -> Token:
        return self._tokens[self._next]

    def _is(self, text: str) -> bool:
        return self.at.text == text and self.at.kind in (Kind.SIGN, Kind.NAME)

    def _take(self, text: str) -> bool:
        if self._is(text):
            self._next += 1
            return True
        return False

    def _need(self, text: str) -> None:
        if not self._take(text):
            raise _GaveUpError

    def _advance(self) -> Token:
        token = self.at
        if token.kind is Kind.END:
            raise _GaveUpError
        self._next += 1
        return token

    def pipe(self) -> Node:
        """A whole expression."""
        return self._expression(0)

    def _expression(self, least: int, *, comma: bool = True) -> Node:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _GaveUpError
        left: Node
        left = Negate(self._expression(8, comma=comma)) if self._take("-") else self._term()
        if self._is("as"):
            left = self._binding(left, comma=comma)
        blocked: int | None = None
        while self.at.kind in (Kind.SIGN, Kind.NAME) and self.at.text in _POWER:
            sign = self.at.text
            power, groups = _POWER[sign]
            if power < least or power == blocked or (sign == "," and not comma):
                break
            self._next += 1
            right = self._expression(power if groups == "right" else power + 1, comma=comma)
            left = Pipe(left, right) if sign == "|" else Comma(left, right) if sign == "," else Binary(sign, left, right)
            blocked = power if groups == "none" else None
        self._depth -= 1
        return left

    def _binding(self, source: Node, *, comma: bool) -> Node:
        self._need("as")
        names = self._pattern()
        self._need("|")
        return Bind(source, names, self._expression(0, comma=comma))

    def _pattern(self) -> frozenset[str]:
        """The names that a destructuring pattern binds; its keys are not followed (computed keys give up)."""
        if self.at.kind is Kind.VARIABLE:
            return frozenset({self._advance().text})
        if self._take("["):
            return self._names("]", self._pattern)
        self._need("{")
        return self._names("}", self._pattern_entry)

    def _pattern_entry(self) -> frozenset[str]:
        names: frozenset[str] = frozenset()
        token = self._advance()
        if token.kind is Kind.VARIABLE:
            names = frozenset({token.text})
        elif token.kind is not Kind.NAME and not (token.kind is Kind.STRING and all(isinstance(p, str) for p in token.parts)):
            raise _GaveUpError
        if self._take(":"):
            names |= self._pattern()
        return names

    def _names(self, close: str, entry: Callable[[], frozenset[str]]) -> frozenset[str]:
        names = entry()
        while self._take(","):
            names |= entry()
        self._need(close)
        return names

    def _term(self) -> Node:
        node = self._head()
        while True:
            if self.at.kind is Kind.FIELD:
                node = Index(node, Literal(self._advance().text))
            elif self._is("."):
                self._next += 1
                if self.at.kind is Kind.STRING:
                    node = Index(node, self._string(None))
                elif not self._is("["):
                    raise _GaveUpError
            elif self._take("["):
                node = self._suffix(node)
            elif self._take("?"):
                node = Attempt(node, None)
            else:
                return node

    def _suffix(self, node: Node) -> Node:
        if self._take("]"):
            return Iterate(node)
        low = None if self._is(":") else self.pipe()
        if self._take(":"):
            high = None if self._is("]") else self.pipe()
            self._need("]")
            return Slice(node, low, high)
        self._need("]")
        return Index(node, low if low is not None else Identity())

    def _head(self) -> Node:
        token = self._advance()
        if token.kind is Kind.NUMBER:
            return Literal(int(token.text) if token.text.isdigit() else float(token.text))
        if token.kind is Kind.STRING:
            self._next -= 1
            return self._string(None)
        if token.kind is Kind.FORMAT:
            return self._string(token.text) if self.at.kind is Kind.STRING else Call(token.text, ())
        if token.kind is Kind.FIELD:
            return Index(Identity(), Literal(token.text))
        if token.kind is Kind.VARIABLE:
            return Variable(token.text)
        if token.kind is Kind.NAME:
            return self._word(token.text)
        return self._sign(token.text)

    def _sign(self, text: str) -> Node:
        if text == ".":
            if self.at.kind is Kind.STRING:
                return Index(Identity(), self._string(None))
            return Identity()
        if text == "..":
            return Call("recurse", ())
        if text == "(":
            inner = self.pipe()
            self._need(")")
            return inner
        if text == "[":
            if self._take("]"):
                return Array(None)
            inner = self.pipe()
            self._need("]")
            return Array(inner)
        if text == "{":
            return self._object()
        raise _GaveUpError

    def _word(self, word: str) -> Node:
        if word in _CONSTANTS:
            return Literal(_CONSTANTS[word])
        if word == "if":
            return self._choice()
        if word == "try":
            body = self._term()
            return Attempt(body, self._term() if self._take("catch") else None)
        if word in ("reduce", "foreach"):
            return self._fold(emits=word == "foreach")
        if word in _WORDS:
            raise _GaveUpError
        arguments: list[Node] = []
        if self._take("("):
            arguments.append(self.pipe())
            while self._take(";"):
                arguments.append(self.pipe())
            self._need(")")
        return Call(word, tuple(arguments))

    def _choice(self) -> Node:
        condition = self.pipe()
        self._need("then")
        chosen = self.pipe()
        otherwise: Node = Identity()
        if self._take("elif"):
            return Choice(condition, chosen, self._choice())
        if self._take("else"):
            otherwise = self.pipe()
        self._need("end")
        return Choice(condition, chosen, otherwise)

    def _fold(self, *, emits: bool) -> Node:
        source = self._term()
        self._need("as")
        names = self._pattern()
        self._need("(")
        start = self.pipe()
        self._need(";")
        update = self.pipe()
        extract = self.pipe() if emits and self._take(";") else None
        self._need(")")
        return Fold(source, names, start, update, extract, emits)

    def _object(self) -> Node:
        entries: list[tuple[Node, Node]] = []
        while not self._take("}"):
            entries.append(self._entry())
            if not self._take(","):
                self._need("}")
                break
        return Object(tuple(entries))

    def _entry(self) -> tuple[Node, Node]:
        token = self._advance()
        key: Node
        shorthand: Node
        if token.kind is Kind.VARIABLE:
            return Literal(token.text), Variable(token.text)
        if token.kind is Kind.NAME:
            key = Literal(token.text)
        elif token.kind in (Kind.STRING, Kind.FORMAT):
            if token.kind is Kind.STRING:
                self._next -= 1
            key = self._string(token.text or None)
        elif token.kind is Kind.SIGN and token.text == "(":
            key = self.pipe()
            self._need(")")
            self._need(":")
            return key, self._expression(0, comma=False)
        else:
            raise _GaveUpError
        shorthand = Index(Identity(), key)
        return key, self._expression(0, comma=False) if self._take(":") else shorthand

    def _string(self, form: str | None) -> Node:
        token = self._advance()
        if token.kind is not Kind.STRING:
            raise _GaveUpError
        if form is None and all(isinstance(part, str) for part in token.parts):
            return Literal("".join(str(part) for part in token.parts))
        parts: list[str | Node] = []
        for part in token.parts:
            if isinstance(part, str):
                parts.append(part)
                continue
            reader = _Reader(part, self._depth)
            parts.append(reader.pipe())
            if reader.at.kind is not Kind.END:
                raise _GaveUpError
        return Text(form, tuple(parts))
